"""What was spoken once is not made again, unless somebody says so or it was damaged."""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING

import httpx
import pytest

from clients import clone, counted, get, logged, order, post, speak, until, worker_of
from conftest import running_server
from expected import TEXT, fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("cache"), ENGINE="fake", AUDIO_CACHE_MAX="50"
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(server: Server) -> None:
    post(server, "/v1/cache/clear")


# Again


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_was_spoken_is_remembered(server: Server, stream: bool, stream_format: str) -> None:
    first = speak(server)
    assert first.headers["x-cache"] == "miss"
    pid, spoken_before = (
        worker_of(server)["pid"],
        counted(server, 'audio_cache_total{result="hit"}'),
    )
    # Were it made again, it would not come to an end.
    again = speak(server, stream=stream, stream_format=stream_format)
    assert again.headers["x-cache"] == "hit"
    assert again.headers["x-vivavoce-seed"] == first.headers["x-vivavoce-seed"]
    content = again.content
    if stream_format == "sse":
        *deltas, done = [json.loads(event[6:]) for event in again.text.strip().split("\n\n")]
        content = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
        assert done["usage"]["output_tokens"] > 0
    else:
        assert int(again.headers["content-length"]) == len(content)
    assert content == first.content == fake_pcm()
    assert worker_of(server)["pid"] == pid
    assert counted(server, 'audio_cache_total{result="hit"}') == spoken_before + 1


def test_a_file_that_was_streamed_comes_back_with_its_sizes(server: Server) -> None:
    first, again = (speak(server, response_format="wav").content for _ in range(2))
    assert first[4:8] == b"\xff\xff\xff\xff"
    assert int.from_bytes(again[4:8], "little") == len(again) - 8
    assert again[44:] == first[44:] == fake_pcm()


def test_spellings_that_are_spoken_alike_share_their_audio(server: Server) -> None:
    speak(server, input="So be it.")
    assert speak(server, input="  So  be\u200b it. ").headers["x-cache"] == "hit"
    assert speak(server, input="So be it!").headers["x-cache"] == "miss"


def test_a_client_that_has_it_is_told_so(server: Server) -> None:
    first = speak(server)
    assert first.headers["cache-control"] == "private, no-cache"
    url, tag = f"{server.url}/v1/audio/speech", first.headers["etag"]
    for known, status in ((tag, 304), (f'"other", {tag}', 304), ('W/"other"', 200)):
        answer = httpx.post(url, json=order(), headers={"If-None-Match": known}, verify=False)
        assert answer.status_code == status
        assert answer.headers["etag"] == tag
        assert answer.content == (b"" if status == 304 else first.content)
    other = httpx.post(url, json=order(seed=8), headers={"If-None-Match": tag}, verify=False)
    assert other.status_code == 200
    assert other.headers["etag"] != tag


# Whether


def test_a_request_may_forbid_it(server: Server) -> None:
    for _ in range(2):
        answer = speak(server, cache=False)
        assert answer.headers["x-cache"] == "off"
        assert answer.headers["cache-control"] == "no-store"
    assert get(server, "/health").json()["audio_cache_size"] == 0
    assert speak(server).headers["x-cache"] == "miss"


def test_without_a_seed_the_same_text_is_the_same_audio(server: Server) -> None:
    first, again = (speak(server, seed=None) for _ in range(2))
    assert again.headers["x-cache"] == "hit"
    assert again.content == first.content
    fresh = speak(server, seed=None, cache=False)
    assert fresh.headers["x-vivavoce-seed"] != first.headers["x-vivavoce-seed"]
    assert fresh.content != first.content


def test_clones_are_not_remembered_unless_asked_for(server: Server) -> None:
    assert [clone(server, seed="7").headers["x-cache"] for _ in range(2)] == ["off", "off"]
    asked = [clone(server, seed="7", cache="true").headers["x-cache"] for _ in range(2)]
    assert asked == ["miss", "hit"]


def test_clearing_tells_how_much_there_was(server: Server) -> None:
    for text in ("One.", "Two.", "Three."):
        speak(server, input=text)
    clone(server)
    cleared = post(server, "/v1/cache/clear")
    assert cleared.json() == {"audio_cleared": 3, "voice_cleared": 1}
    health = get(server, "/health").json()
    assert health["audio_cache_size"] == health["voice_cache_size"] == 0
    assert health["audio_cache_bytes"] == 0
    assert speak(server, input="One.").headers["x-cache"] == "miss"
    assert clone(server).headers["x-voice-cache"] == "miss"
    assert post(server, "/v1/cache/clear").json() == {"audio_cleared": 1, "voice_cleared": 1}


# Damage


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server that keeps one answer in memory and all on disk, clones too; and its folder."""
    folder = tmp_path_factory.mktemp("disk")
    settings = {
        "AUDIO_CACHE_MAX": "1",
        "AUDIO_CACHE_DIR": str(folder / "audio"),
        "CACHE_CLONES": "true",
    }
    with running_server(folder, ENGINE="fake", **settings) as server:
        yield server, folder / "audio"


def test_the_operator_may_have_clones_remembered(on_disk: tuple[Server, Path]) -> None:
    server, _ = on_disk
    assert [clone(server, seed="7").headers["x-cache"] for _ in range(2)] == ["miss", "hit"]


def test_a_damaged_file_is_a_miss(on_disk: tuple[Server, Path]) -> None:
    server, folder = on_disk
    before = set(folder.glob("*.audio"))
    right = speak(server).content
    until(lambda: set(folder.glob("*.audio")) - before)
    (file,) = set(folder.glob("*.audio")) - before
    speak(server, input="Something else.")  # now it is on the disk only
    assert speak(server).headers["x-cache"] == "hit"
    speak(server, input="Something else.")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    again = speak(server)
    assert again.headers["x-cache"] == "miss"
    assert again.content == right


def test_a_folder_that_is_gone_costs_a_line_in_the_log(on_disk: tuple[Server, Path]) -> None:
    server, folder = on_disk
    speak(server)
    shutil.rmtree(folder)
    folder.touch()  # a file: nothing can be read or written below it
    for text in (TEXT, "Something else.", "And more."):
        assert speak(server, input=text).status_code == 200
    until(lambda: logged(server, "audio cache fails", tier="disk", doing="put"))
    assert not logged(server, "unforeseen error")
