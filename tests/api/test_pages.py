"""Web pages of others, with the headers that browsers give their requests: what they may not send.

tests/with_browser has the same with a browser.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from clients import error, get, speak
from conftest import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

FRIEND = "https://friend.example"
CHANGES = [
    ("POST", "/v1/audio/cache/clear"),
    ("POST", "/cache/clear"),
    ("POST", "/v1/models/fake/load"),
    ("POST", "/v1/models/fake/unload"),
    ("POST", "/v1/audio/voices"),
    ("POST", "/v1/audio/speech"),
    ("POST", "/v1/audio/speech/clone"),
    ("POST", "/v1/audio/voices/sine/preview"),
    ("DELETE", "/v1/audio/voices/voice_x"),
    ("PATCH", "/v1/audio/voices/voice_x"),
    ("PUT", "/v1/audio/pronunciations"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without keys that allows one page."""
    with running_server(
        tmp_path_factory.mktemp("pages"), ENGINE="fake", AUDIO_CACHE_MAX="16", CORS_ORIGINS=FRIEND
    ) as server:
        yield server


def clear(server: Server, **headers: str) -> httpx.Response:
    """Ask for what a form of any page could ask for."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{server.url}/v1/cache/clear", headers=named, timeout=10)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_foreign_page_can_change_nothing(server: Server, method: str, path: str) -> None:
    form = {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"}
    answer = httpx.request(
        method, server.url + path, headers=form, content=b'{"input": "Hello."}', timeout=10
    )
    assert (answer.status_code, error(answer)["code"]) == (403, "origin_not_allowed")
    assert "CORS_ORIGINS" in error(answer)["message"]
    assert "access-control-allow-origin" not in answer.headers


def test_what_a_foreign_page_wanted_gone_is_still_there(server: Server) -> None:
    assert speak(server).headers["x-cache"] in ("miss", "hit")
    assert clear(server, Origin="https://elsewhere.example").status_code == 403
    assert speak(server).headers["x-cache"] == "hit"
    assert clear(server).status_code == 200
    assert speak(server).headers["x-cache"] == "miss"


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://elsewhere.example", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-site"},  # another local server's
        {"Origin": "null"},  # a frame in a sandbox, a page from a data: address
        {"Origin": "file://"},
        {"Origin": "http://[", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_foreign_is(server: Server, sent: dict[str, str]) -> None:
    assert clear(server, **sent).status_code == 403


@pytest.mark.parametrize(
    "sent",
    [
        {},  # a program
        {"Origin": FRIEND, "Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://box.lan:8000", "Host": "box.lan:8000"},  # our page, by a name in the LAN
        {"Origin": "https://tts.example", "Host": "TTS.example"},  # behind a proxy that has the TLS
        {
            "Origin": "https://tts.example",
            "Host": "127.0.0.1:8000",  # behind one that passes another Host
            "Sec_Fetch_Site": "same-origin",
        },
        {"Origin": "chrome-extension://abcdef", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "app://obsidian.md"},
    ],
)
def test_foreign_is_not(server: Server, sent: dict[str, str]) -> None:
    assert clear(server, **sent).status_code == 200


def test_reading_is_the_affair_of_the_browser(server: Server) -> None:
    foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    answer = httpx.get(f"{server.url}/v1/models", headers=foreign, timeout=10)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_by_a_foreign_name_nothing_is_answered_where_names_are_set(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", ALLOWED_HOSTS="box.lan, TTS.example") as server:

        def status(host: str) -> int:
            return httpx.get(f"{server.url}/v1/models", headers={"Host": host}).status_code

        ours = ("box.lan", "box.lan:8000", "tts.Example.", "localhost:1", "10.0.0.5", "[::1]:8000")
        assert {host: status(host) for host in ours} == dict.fromkeys(ours, 200)
        foreign = ("rebound.example:8000", "box.lan.rebound.example", "127.0.0.1.nip.io", "box")
        assert {host: status(host) for host in foreign} == dict.fromkeys(foreign, 403)
        page = {"Host": "rebound.example", "Origin": "http://rebound.example"}
        refused = httpx.get(server.url, headers=page)
        assert error(refused)["code"] == "host_not_allowed"
        assert "ALLOWED_HOSTS" in error(refused)["message"]
        port = int(server.url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port)) as connection,
            pytest.raises(InvalidStatus),
        ):
            connect("ws://rebound.example/v1/audio/speech/ws", sock=connection)
        assert get(server, "/health").status_code == 200
