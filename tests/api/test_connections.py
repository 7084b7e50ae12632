"""Connections that dawdle, flood or end: they cost nobody else anything, and leave nothing."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from http.client import IncompleteRead
from typing import TYPE_CHECKING

import psutil
import pytest

from clients import (
    SPEECH,
    Listener,
    active,
    at_once,
    at_rest,
    clone,
    counted,
    get,
    load_of,
    logged,
    order,
    speak,
    until,
    worker_of,
)
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

HEAD = (
    f"POST {SPEECH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\n\r\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits a second for its clients."""
    with running_server(
        tmp_path_factory.mktemp("connections"),
        ENGINE="fake",
        RECEIVE_TIMEOUT="1",
        SEND_TIMEOUT="1",
    ) as server:
        yield server
        assert not logged(server, "unforeseen error")


@pytest.fixture(autouse=True)
def _nothing_is_left(server: Server) -> Iterator[None]:
    yield
    until(lambda: at_rest(server))
    assert speak(server).content == fake_pcm()


def connect(server: Server, sent: bytes = b"") -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(sent)
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


# Slow and wrong senders


def test_heads_that_never_end_are_hung_up_on(server: Server) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server, b"POST /v1/au")) for _ in range(50)]
        for connection in slow:
            connection.sendall(b"dio/speech HTTP/1.1\r\n")
        assert speak(server).status_code == 200  # meanwhile
        assert [connection.recv(1) for connection in slow] == [b""] * 50


@pytest.mark.parametrize(
    ("begun", "answered"),
    [
        ("GET / HTTP/1.1\r\nX-Slow: ", b""),
        (HEAD.format(length=400) + "{", b"HTTP/1.1 408 "),
        (HEAD.format(length=10_000_000) + "{", b"HTTP/1.1 413 "),
        ("GET /health HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nX-Slow: ", b"HTTP/1.1 200 "),
    ],
    ids=["head", "body", "body that is not read", "second head"],
)
def test_a_byte_now_and_then_does_not_help(server: Server, begun: str, answered: bytes) -> None:
    """A request as a whole has its time, however busily it is sent."""
    sent, answer = 0, b""
    with connect(server, begun.encode()) as slow:
        slow.settimeout(0.1)
        while sent < 100:
            try:
                if not (received := slow.recv(65536)):
                    break
                answer += received
            except TimeoutError:
                slow.sendall(b"x")
                sent += 1
            except ConnectionResetError:  # it was closed with a byte on its way
                break
    assert 5 <= sent < 100
    assert answer.startswith(answered)


@pytest.mark.parametrize("begun", [b"", b'{"input": "Hel'])
def test_a_body_that_never_ends_is_a_408(server: Server, begun: bytes) -> None:
    with connect(server, HEAD.format(length=40).encode() + begun) as slow:
        assert speak(server).status_code == 200  # meanwhile
        answer = read_to_end(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["code"] == "body_too_slow"
    assert f"{len(begun)} bytes came in 1 s" in error["message"]


@pytest.mark.parametrize("length", [10, 100])
def test_a_length_that_is_not_the_bodys(server: Server, length: int) -> None:
    """Too small: half a JSON. Too large: what is missing never comes."""
    body = b'{"input": "Hello there."}'
    with connect(server, HEAD.format(length=length).encode() + body) as connection:
        answer = read_to_end(connection)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
    assert b"HTTP/1.1 200" not in answer


# Slow readers


def test_who_takes_nothing_is_cut_and_holds_nobody_up(server: Server) -> None:
    speak(server)
    process, worker = psutil.Process(server.process.pid), psutil.Process(worker_of(server)["pid"])
    memory_before = process.memory_info().rss + worker.memory_info().rss
    cut_before = len(logged(server, "answer cut", code="slow_reader"))
    never_ending = order("endless=1")
    with Listener(server, never_ending, buffer_bytes=4096) as listener:
        assert listener.answer().status == 200
        assert speak(server).content == fake_pcm()  # meanwhile
        until(lambda: len(logged(server, "answer cut", code="slow_reader")) > cut_before)
        assert load_of(server) == (0, 0)
        assert active(server) == 0
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            listener.rest()
    grown_bytes = process.memory_info().rss + worker.memory_info().rss - memory_before
    assert grown_bytes < 32 * 2**20


def test_who_never_takes_the_rest_is_hung_up_on(server: Server) -> None:
    """What was not sent yet when an answer is cut keeps no connection open."""
    process = psutil.Process(server.process.pid)
    with Listener(server, order("endless=1"), buffer_bytes=4096) as listener:
        assert listener.answer().status == 200
        assert established(process)
        until(lambda: not established(process))


def test_a_pause_that_is_shorter_is_nothing(server: Server) -> None:
    with Listener(server, order("chunks=300", input="Long."), buffer_bytes=4096) as listener:
        answer = listener.answer()
        heard = answer.read(100_000)
        speak(server)  # takes a moment, in which nothing is read
        heard += answer.read(100_000)
        speak(server)
        heard += answer.read()
    assert len(heard) == 300 * 3840


# Many


def test_two_hundred_come_and_go_and_nothing_is_left(server: Server, tmp_path: Path) -> None:
    process = psutil.Process(server.process.pid)
    speak(server)
    clone(server)
    until(lambda: not established(process))
    files_before, threads_before = process.num_fds(), process.num_threads()
    tasks_before = counted(server, "tasks")
    never = json.dumps(order(f"gate={tmp_path / 'never'} after=1")).encode()
    sent = HEAD.format(length=len(never)).encode() + never
    form = (
        f"POST {SPEECH}/clone HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF'
    ).encode()
    # Nothing, half a head, half a body, half a form, a request, one that has begun to hear.
    parts = (b"", sent[:20], sent[:-9], form, sent, sent)
    for number in range(200):
        with connect(server, parts[number % len(parts)]) as connection:
            if number % len(parts) == len(parts) - 1:
                assert connection.recv(12) == b"HTTP/1.1 200"
    until(lambda: at_rest(server))
    until(lambda: not established(process))
    assert process.num_fds() <= files_before
    assert process.num_threads() < threads_before + 10  # of pools that grow to their size
    assert counted(server, "tasks") <= tasks_before


def test_three_hundred_at_a_time_keep_nobody_out(server: Server) -> None:
    """Idle connections take no turn; they are hung up on when their time is over."""
    with ExitStack() as stack:
        flood = [stack.enter_context(connect(server)) for _ in range(300)]
        assert get(server, "/health").json()["status"] == "ok"
        with at_once(server, [order(seed=seed) for seed in range(20)]) as asked:
            pass
        assert {answer.result().status_code for answer in asked} == {200}
        assert [connection.recv(1) for connection in flood] == [b""] * 300


def established(process: psutil.Process) -> list:
    """Return the connections that clients have to a server."""
    listening, *_ = (c for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
    return [
        c
        for c in process.net_connections("tcp")
        if c.laddr == listening.laddr and c.status != psutil.CONN_LISTEN
    ]


# Good clients that pause


def test_a_connection_is_kept_for_so_long(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, ENGINE="fake", KEEP_ALIVE_TIMEOUT="1") as server,
        connect(server, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") as connection,
    ):
        assert read_to_end(connection).startswith(b"HTTP/1.1 200")  # and the end comes by itself
