"""The page at `/`, without a browser: who gets it, what it may load, that it is in the package."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from conftest import Server, running_server
from vivavoce.audio.formats import FORMATS

ROOT = Path(__file__).parent.parent.parent
FILES = sorted((ROOT / "src/vivavoce/api/page").iterdir())
HTML = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_programs_are_told_what_this_is(fake_server: Server, accept: str) -> None:
    answer = httpx.get(f"{fake_server.url}/", headers={"accept": accept})
    assert answer.json()["name"] == "vivavoce"
    assert answer.headers["vary"] == "Accept"


def test_browsers_get_the_page_and_all_that_it_names(fake_server: Server) -> None:
    page = httpx.get(f"{fake_server.url}/", headers=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    wanted = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert len(wanted) == 3
    seen = set()
    while wanted:
        path = wanted.pop()
        seen.add(path)
        file = httpx.get(f"{fake_server.url}/{path}")
        assert file.status_code == 200, path
        assert file.headers["content-type"].startswith(TYPES[path.rpartition(".")[2]])
        imported = {f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', file.text)}
        wanted += imported - seen
    # Nothing lies there that nobody asks for.
    assert seen == {f"page/{path.name}" for path in FILES} - {"page/index.html"}


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/style.css"])
def test_the_page_may_load_nothing_from_elsewhere(fake_server: Server, path: str) -> None:
    answer = httpx.get(f"{fake_server.url}{path}", headers=HTML)
    said = answer.headers["content-security-policy"].split("; ")
    policy = {name: set(sources) for name, *sources in (rule.split() for rule in said)}
    assert policy["default-src"] == policy["frame-ancestors"] == {"'none'"}
    assert set().union(*policy.values()) <= {"'none'", "'self'", "blob:"}
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/page/main.js"])
def test_a_page_that_has_not_changed_is_not_sent_again(fake_server: Server, path: str) -> None:
    url = f"{fake_server.url}{path}"
    first = httpx.get(url, headers=HTML)
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(url, headers={**HTML, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.get(url, headers={**HTML, "if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["index.html", "other.js", "..%2Fpage.py", "%2e%2e/app.py"])
def test_no_other_file_is_there(fake_server: Server, name: str) -> None:
    assert httpx.get(f"{fake_server.url}/page/{name}").status_code == 404


def test_the_page_needs_no_key_but_its_lists_do(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", API_KEYS="a-secret-for-tests") as server:
        for path in ("/", "/page/main.js"):
            assert httpx.get(f"{server.url}{path}", headers=HTML).status_code == 200
        assert httpx.get(f"{server.url}/v1/models").status_code == 401


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_another_server(file: Path) -> None:
    text = file.read_text().replace('"http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|\burl\(|@import", text)
    # The policy forbids both, silently.
    assert not re.search(r"\sstyle=|\son\w+=\"", text)


def test_every_format_can_be_chosen() -> None:
    page = (ROOT / "src/vivavoce/api/page/index.html").read_text()
    select = page.split('<select id="format">')[1].split("</select>")[0]
    offered = re.findall(r'<option(?: value="(\w+)")?>([^<]+)', select)
    assert {value or text for value, text in offered} == set(FORMATS)


def test_what_an_engine_lacks_is_told_with_the_remedy(
    voice_server: Server, fake_server: Server
) -> None:
    (embedded, *_) = httpx.get(f"{voice_server.url}/v1/models").json()["data"]
    assert set(embedded["lacking"]) == {"clone", "design", "blend", "instructions"}
    assert "ENGINE=qwen3" in embedded["lacking"]["clone"]
    assert httpx.get(f"{fake_server.url}/v1/models/fake").json()["lacking"] == {}


def test_the_page_is_in_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {f"vivavoce/api/page/{file.name}" for file in FILES} <= packed
