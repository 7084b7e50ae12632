"""A client that leaves frees its work at once, at whatever stage it leaves."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from conftest import running_server
from expected import TEXT, fake_pcm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("gone"), ENGINE="fake") as server:
        with server.client() as client:
            client.post("/v1/audio/speech", json={"input": "Wake up."})
        yield server


def leave(server: Server, fields: dict, wait_for: bytes | None) -> None:
    """Send a request on a bare socket; read until `wait_for` was seen, then close."""
    host, port = server.url.removeprefix("http://").split(":")
    payload = json.dumps(fields).encode()
    head = (
        f"POST /v1/audio/speech HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + payload)
        seen = b""
        while wait_for is not None and wait_for not in seen:
            received = connection.recv(4096)
            assert received, f"the server closed first: {seen!r}"
            seen += received
        if wait_for is None:
            until(lambda: active(server) > 0)


def active(server: Server) -> int:
    """Return how many requests the worker is speaking."""
    worker = server.worker()
    return worker["active_requests"] if worker else 0


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"


def fields(instructions: str, **extra: object) -> dict:
    return {"input": TEXT, "voice": "sine", "instructions": instructions, "seed": 7, **extra}


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize("response_format", ["pcm", "mp3", "opus"])
def test_leaving_in_the_middle_of_a_stream(
    server: Server, tmp_path: Path, response_format: str, stream_format: str
) -> None:
    never = f"gate={tmp_path / 'never'} after=3"
    wanted = fields(never, response_format=response_format, stream_format=stream_format)
    leave(server, wanted, wait_for=b"\r\n\r\n")
    until(lambda: active(server) == 0)


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_before_the_first_byte(server: Server, tmp_path: Path, stream: bool) -> None:
    leave(server, fields(f"gate={tmp_path / 'never'} after=0", stream=stream), wait_for=None)
    until(lambda: active(server) == 0)


def test_leaving_a_whole_answer_half_made(server: Server, tmp_path: Path) -> None:
    leave(server, fields(f"gate={tmp_path / 'never'} after=5", stream=False), wait_for=None)
    until(lambda: active(server) == 0)


def test_the_engine_makes_no_more_for_whoever_left(server: Server, tmp_path: Path) -> None:
    """Once cancelled the gate's opening changes nothing: the worker has nothing running."""
    gate = tmp_path / "gate"
    leave(server, fields(f"gate={gate} after=3"), wait_for=b"\r\n\r\n")
    until(lambda: active(server) == 0)
    until(lambda: server.worker()["engine_requests"] == 0)
    gate.touch()
    with server.client() as client:
        answer = client.post("/v1/audio/speech", json=fields("", response_format="pcm"))
    assert answer.content == fake_pcm()


def test_leaving_while_the_engine_loads(tmp_path: Path) -> None:
    """The first client leaves at once; the load goes on and serves the second."""
    with running_server(tmp_path, ENGINE="embedded") as server:
        host, port = server.url.removeprefix("http://").split(":")
        payload = b'{"input": "Nobody waits for this."}'
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(payload) + payload
            )
            until(lambda: server.health()["models"][0]["state"] == "starting")
        with server.client() as client:
            answer = client.post("/v1/audio/speech", json={"input": "Somebody hears this."})
        assert answer.status_code == 200
        until(lambda: "client gone before its answer began" in server.log)
        assert server.log.count('"event": "worker ready"') == 1
        assert active(server) == 0


def test_many_leave_and_nothing_is_left(server: Server, tmp_path: Path) -> None:
    never = fields(f"gate={tmp_path / 'never'} after=2", response_format="wav")
    for _ in range(50):
        leave(server, never, wait_for=b"\r\n\r\n")
    until(lambda: active(server) == 0)
    until(lambda: server.worker()["engine_requests"] == 0)
    with server.client() as client:
        assert client.post("/v1/audio/speech", json=fields("")).status_code == 200
