"""A real browser on a real server; skipped where there is none."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from conftest import Server, running_server
from recordings import recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
]
SHOWN = "#voice-list li, #page-message.error"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="make page installs it")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is on the PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the fake engine, which claims a GPU's memory; it remembers audio."""
    folder = tmp_path_factory.mktemp("page")
    settings = {"ENGINE": "fake", "AUDIO_CACHE_MAX": "16"}
    with running_server(folder, **settings, VIVAVOCE_FAKE='{"gpu_bytes": 3000000000}') as server:
        yield server


class Visit:
    """One visitor's page, all that it asked for, and what went wrong in it."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.page: Page = context.new_page()
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._note)
        self.page.goto(server.url)
        self.page.wait_for_selector(SHOWN)

    def _note(self, message: Any) -> None:
        # A failed request is also noted by the browser itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)


@pytest.fixture
def visit(browser: Browser, page_server: Server) -> Iterator[Visit]:
    """Visit the page; nothing may go wrong in it, and no request may leave its origin."""
    context = browser.new_context()
    visit = Visit(context, page_server)
    visit.page.set_default_timeout(15_000)
    yield visit
    host = page_server.url.removeprefix("http://")
    ours = (f"http://{host}/", f"ws://{host}/", f"blob:http://{host}/")
    context.close()
    assert [url for url in visit.asked if not url.startswith(ours)] == []
    assert visit.faults == []


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A recording to upload."""
    path = tmp_path / "me.wav"
    path.write_bytes(recording(6.0))
    return path
