"""`/v1/audio/speech/stream` and `/stream/pcm`, to the letter."""

from __future__ import annotations

import base64
from http.client import IncompleteRead
from typing import TYPE_CHECKING

import pytest

from clients import Listener, active, error, order, post, until
from expected import fake_pcm

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

EVENTS = "/v1/audio/speech/stream"
PCM = "/v1/audio/speech/stream/pcm"


def body(instructions: str = "", **fields: object) -> dict:
    """Return a body that does not say what these routes decide themselves."""
    usual = order(instructions)
    del usual["response_format"]
    return usual | fields


def data_of(event: str) -> str:
    assert event.startswith("data: ")
    return event.removeprefix("data: ")


@pytest.mark.parametrize("path", [EVENTS, EVENTS.removeprefix("/v1"), f"{EVENTS}/"])
def test_events_are_base64_pcm_and_done(fake_server: Server, path: str) -> None:
    answer = post(fake_server, path, body())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-vivavoce-sample-rate"] == "24000"
    assert "x-vivavoce-ignored" not in answer.headers
    *events, nothing = answer.text.split("\n\n")
    assert nothing == ""
    *pieces, done = map(data_of, events)
    assert done == "[DONE]"
    decoded = [base64.b64decode(piece, validate=True) for piece in pieces]
    assert all(len(piece) % 2 == 0 for piece in decoded)  # whole samples
    assert b"".join(decoded) == fake_pcm()


def test_raw_pcm_is_described_by_its_headers(fake_server: Server) -> None:
    answer = post(fake_server, PCM, body())
    assert answer.status_code == 200
    assert answer.content == fake_pcm()
    assert answer.headers["content-type"] == "audio/pcm"
    assert answer.headers["x-pcm-sample-rate"] == "24000"
    assert answer.headers["x-pcm-bit-depth"] == "16"
    assert answer.headers["x-pcm-channels"] == "1"
    assert "x-vivavoce-ignored" not in answer.headers


@pytest.mark.parametrize("path", [EVENTS, PCM])
def test_it_leaves_while_it_is_being_made(fake_server: Server, tmp_path: Path, path: str) -> None:
    gate = tmp_path / "gate"
    with Listener(fake_server, body(f"gate={gate} after=1"), path) as listener:
        answer = listener.answer()
        first = answer.read1()
        assert first
        assert not gate.exists()  # the second chunk is not made yet
        gate.touch()
        whole = first + answer.read()
    if path == PCM:
        assert whole == fake_pcm()
    else:
        assert whole.endswith(b"data: [DONE]\n\n")


def test_half_of_it_ends_with_the_error(fake_server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wanted = body(f"gate={gate} after=2 fail_after=2")
    with Listener(fake_server, wanted, EVENTS) as listener:
        assert listener.answer().status == 200
        gate.touch()
        *_, last, nothing = listener.rest().decode().split("\n\n")
    assert nothing == ""
    assert data_of(last) == "[ERROR] The fake engine was told to fail here."
    with Listener(fake_server, wanted, PCM) as listener:
        assert listener.answer().status == 200
        with pytest.raises(IncompleteRead):
            listener.rest()


@pytest.mark.parametrize("path", [EVENTS, PCM])
def test_what_fails_before_the_first_byte_is_a_status(fake_server: Server, path: str) -> None:
    failed = post(fake_server, path, body("fail_after=0"))
    assert failed.status_code == 500
    assert error(failed)["code"] == "synthesis_failed"
    refused = post(fake_server, path, body(voice="nobody"))
    assert refused.status_code == 400
    assert error(refused)["param"] == "voice"


@pytest.mark.parametrize("path", [EVENTS, PCM])
def test_who_leaves_is_not_worked_for(fake_server: Server, tmp_path: Path, path: str) -> None:
    with Listener(fake_server, body(f"gate={tmp_path / 'never'} after=2"), path) as listener:
        assert listener.answer().status == 200
        assert active(fake_server) == 1
    until(lambda: active(fake_server) == 0)


@pytest.mark.parametrize("path", [EVENTS, PCM])
@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({"response_format": "mp3"}, "response_format"),
        ({"response_format": "pcm", "stream": True}, None),
        ({"stream": False, "stream_format": "sse"}, "stream_format, stream"),
        ({"response_format": "opus", "nonsense": 1}, "nonsense, response_format"),
    ],
)
def test_what_there_is_no_choice_of_is_named(
    fake_server: Server, path: str, fields: dict, ignored: str | None
) -> None:
    answer = post(fake_server, path, body(**fields))
    assert answer.status_code == 200
    assert answer.headers.get("x-vivavoce-ignored") == ignored
    if path == PCM:
        assert answer.content == fake_pcm()


def test_the_rate_of_raw_pcm_is_the_clients_and_that_of_events_is_not(fake_server: Server) -> None:
    raw = post(fake_server, PCM, body(sample_rate=8000))
    assert raw.headers["x-pcm-sample-rate"] == "8000"
    assert len(raw.content) == pytest.approx(len(fake_pcm()) / 3, abs=4)
    events = post(fake_server, EVENTS, body(sample_rate=8000))
    assert events.headers["x-vivavoce-sample-rate"] == "24000"
    assert events.headers["x-vivavoce-ignored"] == "sample_rate"


@pytest.mark.parametrize("path", [EVENTS, PCM])
def test_speed_is_heeded(fake_server: Server, path: str) -> None:
    answer = post(fake_server, path, body(speed=2.0))
    content = answer.content
    if path == EVENTS:
        pieces = map(data_of, answer.text.split("\n\n")[:-2])
        content = b"".join(map(base64.b64decode, pieces))
    assert content == fake_pcm(speed=2.0)
