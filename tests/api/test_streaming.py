"""Audio leaves while it is being made, and half of it never passes for the whole."""

from __future__ import annotations

import base64
import json
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from conftest import running_server
from expected import TEXT
from vivavoce.audio.formats import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

# Chunks of 80 ms that must be made before a codec can say anything at all.
CHUNKS_BEFORE_FIRST_BYTE = {"aac": 2}


def body(response_format: str, instructions: str, **extra: object) -> dict:
    return {
        "input": TEXT,
        "voice": "sine",
        "response_format": response_format,
        "instructions": instructions,
        **extra,
    }


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize("response_format", FORMATS)
def test_first_bytes_leave_before_the_next_chunk_is_made(
    fake_server: Server, tmp_path: Path, response_format: str, stream_format: str
) -> None:
    """The engine makes no second chunk before the test opens the gate."""
    gate = tmp_path / "gate"
    after = CHUNKS_BEFORE_FIRST_BYTE.get(response_format, 1)
    wanted = body(response_format, f"gate={gate} after={after}", stream_format=stream_format)
    with (
        fake_server.client() as client,
        client.stream("POST", "/v1/audio/speech", json=wanted) as answer,
    ):
        parts = answer.iter_raw()
        first = next(parts)
        assert not gate.exists()
        gate.touch()
        rest = b"".join(parts)
    if stream_format == "sse":
        first = base64.b64decode(json.loads(first.split(b"\n\n")[0][6:])["audio"])
    assert len(first) > 0
    assert len(rest) > len(first)


@pytest.mark.parametrize("fault", ["fail_after", "die_after"])
@pytest.mark.parametrize("response_format", FORMATS)
def test_a_failure_after_the_first_byte_aborts_the_connection(
    tmp_path: Path, fake_server: Server, response_format: str, fault: str
) -> None:
    gate = tmp_path / "gate"
    wanted = body(response_format, f"gate={gate} after=3 {fault}=3")
    with fake_server.client() as client:
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "/v1/audio/speech", json=wanted) as answer,
        ):
            assert answer.status_code == 200
            parts = answer.iter_raw()
            assert next(parts)
            gate.touch()
            for _ in parts:
                pass
        after = client.post("/v1/audio/speech", json=body(response_format, ""))
        assert after.status_code == 200


@pytest.mark.parametrize(
    ("fault", "code"), [("fail_after", "synthesis_failed"), ("die_after", "worker_died")]
)
def test_a_failure_in_an_event_stream_is_an_error_event_and_a_cut(
    tmp_path: Path, fake_server: Server, fault: str, code: str
) -> None:
    gate = tmp_path / "gate"
    wanted = body("mp3", f"gate={gate} after=3 {fault}=3", stream_format="sse")
    with (
        fake_server.client() as client,
        client.stream("POST", "/v1/audio/speech", json=wanted) as answer,
    ):
        parts = answer.iter_text()
        received = next(parts)
        gate.touch()
        # Clients that do not know the event (LiveKit's) notice that the answer has no end.
        with pytest.raises(httpx.RemoteProtocolError):
            for part in parts:
                received += part
    last = json.loads(received.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["type"] == "speech.audio.error"
    assert last["error"]["code"] == code
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert "speech.audio.done" not in received


@pytest.mark.parametrize(
    ("fault", "status", "code", "retry"),
    [
        ("fail_after=0", 500, "synthesis_failed", "false"),
        ("empty=1", 500, "synthesis_failed", "false"),
        ("silent=1", 500, "synthesis_failed", "false"),
        ("die_after=0", 503, "worker_died", "true"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_failure_before_the_first_byte_is_a_status(
    fake_server: Server, fault: str, status: int, code: str, retry: str, stream: bool
) -> None:
    with fake_server.client() as client:
        answer = client.post("/v1/audio/speech", json=body("mp3", fault, stream=stream))
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == code
        assert answer.headers["x-should-retry"] == retry
        assert ("retry-after" in answer.headers) == (retry == "true")
        assert client.post("/v1/audio/speech", json=body("mp3", "")).status_code == 200


def test_a_failed_whole_answer_is_a_status_however_late(fake_server: Server) -> None:
    with fake_server.client() as client:
        answer = client.post("/v1/audio/speech", json=body("wav", "fail_after=20", stream=False))
    assert answer.status_code == 500


def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, ENGINE="fake", WORKER_TIMEOUT="1.5") as server,
        server.client() as client,
    ):
        first_pid = None
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "/v1/audio/speech", json=body("pcm", "hang_after=2")) as answer,
        ):
            first_pid = server.worker()["pid"]
            for _ in answer.iter_raw():
                pass
        assert client.post("/v1/audio/speech", json=body("pcm", "")).status_code == 200
        assert server.worker()["pid"] != first_pid
        assert "made no progress" in server.log


@pytest.mark.parametrize(("instructions", "status"), [("", b"200"), ("fail_after=9", b"500")])
def test_http_1_0_gets_whole_answers_because_it_cannot_see_a_cut(
    fake_server: Server, instructions: str, status: bytes
) -> None:
    host, port = fake_server.url.removeprefix("http://").split(":")
    payload = json.dumps(body("wav", instructions)).encode()
    head = (
        b"POST /v1/audio/speech HTTP/1.0\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(payload)
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head + payload)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    headers, _, content = answer.partition(b"\r\n\r\n")
    assert headers.split()[1] == status
    assert b"content-length: %d" % len(content) in headers.lower()
