"""The page as people use it, in Chromium, on a real server (`make page`)."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import wave
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from clients import get, until
from conftest import Server, running_server
from decoding import decode
from expected import TEXT, fake_pcm

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from with_browser.conftest import Visit

pytestmark = pytest.mark.browser


LISTEN = """() => {
  window.starts = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (due) {
    const clock_s = this.context.currentTime;
    window.starts.push({ at_ms: performance.now(), clock_s, due_s: due });
    start.call(this, due);
  };
}"""
"""Notes when each piece of sound is handed over, and when it is due."""


def say(page: Page, selector: str, pattern: str) -> None:
    """Wait for a line of the page to say something."""
    page.wait_for_function(
        "([selector, pattern]) => new RegExp(pattern).test("
        "document.querySelector(selector).textContent)",
        arg=[selector, pattern],
    )


def speak(page: Page, text: str, instructions: str = "", seed: str = "7") -> None:
    page.fill("#text", text)
    page.fill("#instructions", instructions)
    page.locator("#speak details > summary").first.click()
    page.fill("#seed", seed)
    page.click("#speak-start")


def numbers(page: Page) -> dict[str, str]:
    lines = page.inner_text("#speak-numbers").split("\n")
    shown = [line for line in lines if line.strip()]
    return dict(zip(shown[::2], shown[1::2], strict=True))


def saved(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.click(button)
    return download.value.path().read_bytes()


# Speaking


def test_speech_is_heard_before_it_is_all_made(visit: Visit) -> None:
    page = visit.page
    page.evaluate(LISTEN)
    speak(page, "A long sentence that takes its time to be made. " * 2, "interval_s=0.05")
    say(page, "#speak-message", "Speaking")
    assert "Duration" in numbers(page)
    page.wait_for_function(
        "() => document.querySelector('#waveform').ariaLabel > 'Waveform of 0.5'"
    )
    assert page.inner_text("#speak-message") == "Speaking."  # it is still being made
    say(page, "#speak-message", "All is generated")
    starts = page.evaluate("() => window.starts")
    first, last = starts[0], starts[-1]
    made_s = (last["at_ms"] - first["at_ms"]) / 1000
    assert made_s > 1
    # The loudspeaker's clock ran meanwhile, and the first piece was due at once.
    assert last["clock_s"] - first["clock_s"] == pytest.approx(made_s, abs=0.3)
    assert first["due_s"] - first["clock_s"] < 0.1
    first_ms = float(numbers(page)["First audio"].removesuffix(" ms"))
    seconds = float(numbers(page)["Duration"].removesuffix(" s"))
    factor = float(numbers(page)["Real-time factor"])
    assert first_ms < 1000 * seconds * factor / 2
    assert 0.5 < factor < 1.2
    # It plays to its end, without a gap.
    page.wait_for_selector("#speak-stop:disabled")
    assert "Gaps" not in numbers(page)


def test_what_is_saved_is_what_the_server_made(page: Page) -> None:
    speak(page, TEXT)
    say(page, "#speak-message", "All is generated")
    assert numbers(page)["Seed"] == "7"
    with wave.open(io.BytesIO(saved(page, "#save-wav"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
        assert file.readframes(file.getnframes()) == fake_pcm()
    page.select_option("#format", "flac")
    assert decode(saved(page, "#save-format"), "flac").shape[-1] == len(fake_pcm()) // 2
    page.click("#speak-start")
    say(page, "#speak-numbers", "hit")
    page.wait_for_selector("#speak-stop:disabled")
    page.click("#speak-again")
    page.wait_for_selector("#speak-stop:enabled")
    page.wait_for_selector("#speak-stop:disabled")
    # What is refused afterwards takes nothing away.
    page.fill("#text", "x" * 5000)
    page.click("#speak-start")
    say(page, "#speak-message", "at most 4096")
    assert len(saved(page, "#save-wav")) == 44 + len(fake_pcm())


def test_a_pause_holds_the_sound_and_stop_ends_the_work(page: Page, page_server: Server) -> None:
    speak(page, "Never ending.", "endless=1 interval_s=0.02")
    say(page, "#speak-message", "Speaking")
    page.click("#speak-pause")
    say(page, "#speak-pause", "Go on")
    page.click("#speak-pause")
    say(page, "#speak-pause", "Pause")
    page.click("#speak-stop")
    say(page, "#speak-message", "Stopped")
    until(lambda: get(page_server, "/health").json()["running"] == 0)


def test_a_refusal_is_shown_in_the_servers_words(page: Page) -> None:
    speak(page, "x" * 5000)
    say(page, "#speak-message", "input has 5000 characters; at most 4096")
    assert page.get_attribute("#speak-message", "role") == "status"


def test_an_answer_that_is_cut_is_no_success(page: Page) -> None:
    speak(page, "A sentence that is cut in its middle.", "fail_after=3 interval_s=0.05")
    say(page, "#speak-message", "The answer was cut")


def test_its_programs_run(page: Page, page_server: Server, tmp_path: Path) -> None:
    speak(page, 'It\'s "quoted" \\ and $HOME.')
    say(page, "#speak-message", "All is generated")
    page.click("#speak-snippets summary")
    curl, python = page.locator("#speak-snippets pre").all_text_contents()
    for command in (["bash", "-ec", curl], [sys.executable, "-c", python]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        spoken = tmp_path / "speech.mp3"
        assert len(decode(spoken.read_bytes(), "mp3")) > 20000
        spoken.unlink()


# Live


def test_words_are_spoken_while_they_are_typed(page: Page) -> None:
    page.focus("#live-text")
    frames: list[str | bytes] = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(data))
    )
    page.keyboard.type("This is the first sentence. And this is")
    # Sound comes before the second sentence is complete.
    until(lambda: page.evaluate("true") and any(isinstance(frame, bytes) for frame in frames))
    page.keyboard.type(" the second.")
    page.keyboard.press("Enter")
    say(page, "#live-message", r"Spoken: \d")
    assert page.input_value("#live-text") == ""


def test_what_is_typed_can_be_silenced(page: Page, page_server: Server) -> None:
    page.fill("#instructions", "endless=1 interval_s=0.02")
    page.focus("#live-text")
    page.keyboard.type("Never ending. Or is ")
    until(lambda: get(page_server, "/health").json()["running"] == 1)
    page.keyboard.press("Escape")
    say(page, "#live-message", "Silenced")
    until(lambda: get(page_server, "/health").json()["running"] == 0)


# Voices


def test_a_voice_is_cloned_used_renamed_carried_and_deleted(
    page: Page, clip: Path, tmp_path: Path
) -> None:
    page.set_input_files("#clone-file", clip)
    page.fill("#clone-words", "What I said.")
    page.fill("#clone-name", "Ada")
    page.click("#clone-form button.primary")
    say(page, "#clone-message", "Ada is saved")
    say(page, "#clone-result", "The recording is (good|usable|poor)")
    assert page.locator("#voice option:checked").inner_text() == "Ada"
    speak(page, TEXT)
    say(page, "#speak-numbers", "VoiceAda")
    curl, python = page.locator("#clone-result pre").all_text_contents()
    (tmp_path / "me.wav").write_bytes(clip.read_bytes())
    for program, name in ((["bash", "-ec", curl], "Bea"), ([sys.executable, "-c", python], "Cleo")):
        command = [part.replace("Ada", name) for part in program]
        made = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        assert b"voice_" in made.stdout

    page.get_by_label("Rename Ada").click()
    page.get_by_label("New name of Ada").fill("Eve")
    page.keyboard.press("Enter")
    say(page, "#voices-message", "Ada is now Eve")
    with page.expect_download() as download:
        page.get_by_label("Export Eve").click()
    archive = download.value.path().read_bytes()
    assert zipfile.ZipFile(io.BytesIO(archive)).testzip() is None
    page.get_by_label("Delete Eve").click()
    page.get_by_role("button", name="Keep it", exact=True).click()
    assert page.get_by_label("Delete Eve").count() == 1
    page.get_by_label("Delete Eve").click()
    page.get_by_role("button", name="Delete it").click()
    say(page, "#voices-message", "Eve is deleted")
    page.set_input_files(
        "#import-file", {"name": "Eve.zip", "mimeType": "application/zip", "buffer": archive}
    )
    page.get_by_role("button", name="Import", exact=True).click()
    say(page, "#voices-message", "Eve is here")
    page.get_by_label("Preview Eve").click()
    page.wait_for_selector("#voice-list button:not([aria-busy])")
    assert page.inner_text("#voices-message") == ""


def test_a_voice_is_recorded_and_its_check_is_told(page: Page) -> None:
    page.click("#record")
    say(page, "#record-hint", "Recording: [3-9] s")
    page.click("#record")
    say(page, "#record-hint", "Recorded")
    page.fill("#clone-name", "From the microphone")
    page.click("#clone-form button.primary")
    # Chromium's microphone beeps: saved with remarks, or refused with the reason.
    say(page, "#clone", "The recording is (usable|poor)|speech")


def test_a_voice_is_described_and_kept(page: Page) -> None:
    page.fill("#describe-prompt", "An old sailor")
    page.fill("#describe-name", "Sailor")
    page.click("#describe-form button.primary")
    say(page, "#describe-message", "Sailor is saved")
    page.click("#describe-form button.primary")
    say(page, "#describe-message", "Sailor.*(taken|already|another)")


def test_preset_voices_are_blended_and_kept(page: Page, page_server: Server) -> None:
    page.get_by_label("Share of voice 1").fill("75")
    page.get_by_label("Share of voice 2").fill("25")
    say(page, "#blend-voices", "75 %.*25 %")
    page.click("#blend-add")
    page.get_by_label("Share of voice 3").fill("0")
    page.fill("#blend-name", "Both")
    page.click("#blend-form button.primary")
    say(page, "#blend-message", "Both is saved")
    made = get(page_server, "/v1/audio/voices/Both").json()
    assert made["blend"] == {"sine": 0.75, "square": 0.25}
    speak(page, TEXT)
    say(page, "#speak-numbers", "VoiceBoth")
    curl, python = page.locator("#blend-result pre").all_text_contents()
    for program, name in ((["bash", "-ec", curl], "Each"), ([sys.executable, "-c", python], "All")):
        command = [part.replace("Both", name) for part in program]
        made = subprocess.run(command, check=True, capture_output=True)
        assert b"voice_" in made.stdout
    for number in (1, 2, 3):
        page.get_by_label(f"Share of voice {number}").fill("0")
    page.click("#blend-form button.primary")
    say(page, "#blend-message", "All shares are 0")


# The server


def test_a_model_is_unloaded_and_loaded(page: Page) -> None:
    speak(page, TEXT)
    say(page, "#speak-message", "All is generated")
    unload = page.get_by_label("Unload fake")
    unload.wait_for()
    page.wait_for_selector("#speak-stop:disabled")
    unload.click()
    say(page, "#server-message", "fake is unloaded")
    page.get_by_label("Load fake", exact=True).click()
    say(page, "#server-message", "fake is loaded")
    say(page, "#model-list", r"process \d+ · memory \d+ MB · GPU 3\.0 GB")
    say(page, "#server-numbers", r"GPU memory held3\.0 GB")


def test_what_the_embedded_voice_cannot_do_is_shown_with_the_remedy(
    browser: Browser, voice_server: Server
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(voice_server.url)
        say(page, "#clone-lacking", "ENGINE=qwen3")
        say(page, "#describe-lacking", "ENGINE=qwen3")
        say(page, "#instructions-hint", "cannot be told how to speak")
        say(page, "#blend-lacking", "ENGINE=qwen3")
        for control in ("#clone-name", "#describe-prompt", "#blend-name", "#instructions"):
            assert page.is_disabled(control)


def test_a_key_is_asked_for_and_kept_in_the_tab(browser: Browser, tmp_path: Path) -> None:
    secret = "a-secret-for-tests"
    with (
        running_server(tmp_path, ENGINE="fake", API_KEYS=secret) as server,
        browser.new_context() as context,
    ):
        page = context.new_page()
        page.goto(server.url)
        say(page, "#page-message", "No API key was sent")
        page.get_by_role("button", name="Give an API key").click()
        page.fill("#key", secret)
        page.keyboard.press("Enter")
        page.wait_for_selector("#voice-list li")
        speak(page, TEXT)
        say(page, "#speak-message", "All is generated")
        page.fill("#live-text", "Hello there. ")
        page.press("#live-text", "Enter")
        say(page, "#live-message", "Spoken")
        assert secret not in page.content()
        assert page.evaluate("Object.values(sessionStorage)") == [secret]
        assert page.evaluate("localStorage.length") == 0


# For everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_axe_finds_nothing_serious(
    browser: Browser, page_server: Server, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.goto(page_server.url)
        page.wait_for_selector("#voice-list li")
        page.fill("#describe-prompt", "An old sailor")
        page.fill("#describe-name", f"{'Long' * 15}{width}{scheme}")  # and nowhere to break it
        page.click("#describe-form button.primary")
        say(page, "#describe-message", "is saved")
        speak(page, TEXT)
        say(page, "#speak-message", "All is generated")
        page.click("#speak-snippets summary")
        found = axe.run(page).response["violations"]
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_of_another_server_can_change_nothing(
    browser: Browser, page_server: Server, tmp_path: Path
) -> None:
    target = f"{page_server.url}/v1/cache/clear"
    form = f'<form method="post" action="{target}"><button>Win a prize</button></form>'
    (tmp_path / "prize.html").write_text(form)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as other,
        browser.new_context() as context,
    ):
        Thread(target=other.serve_forever, daemon=True).start()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{other.server_port}/prize.html")
        # What fetch may send without asking first; the page is told nothing, whatever it was.
        with page.expect_response(target) as answer:
            page.evaluate(f"fetch({target!r}, {{method: 'POST', mode: 'no-cors'}})")
        assert answer.value.status == 403
        refused = page.evaluate(
            "url => new Promise(tell => {"
            " const socket = new WebSocket(url);"
            " socket.onopen = () => tell(false); socket.onerror = () => tell(true); })",
            f"{page_server.url.replace('http', 'ws')}/v1/audio/speech/ws",
        )
        assert refused
        with page.expect_response(target) as answer:
            page.click("button")
        assert answer.value.status == 403
        other.shutdown()


def test_the_keyboard_alone_suffices(page: Page) -> None:
    def tab_to(name: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches(%r)" % name):  # noqa: UP031
                return
        pytest.fail(f"Tab does not lead to {name}")

    tab_to(".skip")
    page.keyboard.press("Enter")
    tab_to("#text")
    page.keyboard.press("Control+A")
    page.keyboard.type("Typed.")
    tab_to("#voice")
    page.keyboard.press("ArrowDown")
    tab_to("#speak-start")
    page.keyboard.press("Enter")
    say(page, "#speak-message", "All is generated")
    tab_to("#save-wav")
    with page.expect_download():
        page.keyboard.press("Enter")
    tab_to("#voice-list button")
    tab_to("#clone-name")
    tab_to("#model-list button")


def test_it_works_below_a_path_of_a_proxy(visit: Visit, page_server: Server) -> None:
    """As if a proxy took a prefix away: every address is relative to the page's own."""
    page = visit.page
    page.route(
        re.compile("/below/"),
        lambda route: route.continue_(url=route.request.url.replace("/below/", "/")),
    )
    visit.asked.clear()
    page.goto(f"{page_server.url}/below/")
    page.wait_for_selector("#voice-list li")
    speak(page, TEXT)
    say(page, "#speak-message", "All is generated")
    started = time.monotonic()
    while not any(url.endswith("/health") for url in visit.asked):
        assert time.monotonic() - started < 10
        page.wait_for_timeout(50)
    assert [url for url in visit.asked if not url.startswith(f"{page_server.url}/below/")] == []
