"""The client: the least that can time an answer. Blocking sockets, HTTP/1.1, kept alive.

A first byte is the first byte of audio: the head leaves earlier and nobody can hear it. What the
client itself costs is a figure too (`client.cpu`), because it shares the machine with the server.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader

    Body = dict[str, str | int | float]

_TIMEOUT_S = 60.0
_IDLE_S = 2.0  # servers close connections that were idle for 5 s


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds from sending a request to its first and last byte of audio; what the client used."""

    first_byte_s: float
    total_s: float
    client_cpu_s: float
    audio: bytes


class Client:
    """One connection of one thread. Reconnects, before the clock starts, when it was idle."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        self._address = (split.hostname or "", split.port or 80)
        self._socket: socket.socket | None = None
        self._reader: BufferedReader | None = None
        self._last_used = 0.0

    def speak(self, body: Body) -> Answer:
        """Ask for speech, read all of it.

        Raises:
            RuntimeError: the answer is not a 200.
            OSError: the connection failed or was cut.
        """
        if self._socket is None or time.monotonic() - self._last_used > _IDLE_S:
            self._connect()
        assert self._socket is not None
        assert self._reader is not None
        request = request_bytes(body)
        cpu_began = time.thread_time()
        began = time.perf_counter()
        self._socket.sendall(request)
        first, parts = _read(self._reader)
        ended = time.perf_counter()
        cpu_s = time.thread_time() - cpu_began
        self._last_used = time.monotonic()
        return Answer(first - began, ended - began, cpu_s, b"".join(parts))

    def begin(self, request: bytes) -> None:
        """Send a request; nothing of its answer is read."""
        self._connect()
        assert self._socket is not None
        self._socket.sendall(request)

    def close(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            self._reader.close()
        if self._socket is not None:
            self._socket.close()

    def _connect(self) -> None:
        self.close()
        self._socket = socket.create_connection(self._address, _TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = cast("BufferedReader", self._socket.makefile("rb", buffering=1 << 16))


def request_bytes(body: Body) -> bytes:
    """Return a whole request for speech. No cache may answer it: its making is what is measured."""
    content = json.dumps({**body, "cache": False}).encode()
    head = (
        "POST /v1/audio/speech HTTP/1.1\r\nHost: benchmark\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """Yield a client; close its connection afterwards."""
    client = Client(url)
    try:
        yield client
    finally:
        client.close()


def at_once(url: str, bodies: Sequence[Body], concurrency: int) -> tuple[list[Answer], float]:
    """Send requests over so many connections; return the answers and the seconds for all."""
    waiting: queue.SimpleQueue[Body] = queue.SimpleQueue()
    for body in bodies:
        waiting.put(body)
    together = threading.Barrier(concurrency + 1)

    def work() -> list[Answer]:
        answers: list[Answer] = []
        with connected(url) as client:
            together.wait(_TIMEOUT_S)
            while True:
                try:
                    body = waiting.get_nowait()
                except queue.Empty:
                    return answers
                answers.append(client.speak(body))

    with ThreadPoolExecutor(concurrency) as pool:
        workers = [pool.submit(work) for _ in range(concurrency)]
        together.wait(_TIMEOUT_S)
        began = time.perf_counter()
        answers = [answer for worker in workers for answer in worker.result()]
        return answers, time.perf_counter() - began


def _read(reader: BufferedReader) -> tuple[float, list[bytes]]:
    """Read one chunked answer; return when its first byte came, and its chunks."""
    status = reader.readline()
    headers = b""
    while (line := reader.readline()).strip():
        headers += line.lower()
    if b" 200 " not in status or b"transfer-encoding: chunked" not in headers:
        raise RuntimeError(f"not a stream of audio: {status!r}, then {reader.peek(1)[:500]!r}")
    first = 0.0
    parts: list[bytes] = []
    while size := int(reader.readline(), 16):
        if not parts:
            reader.peek(1)
            first = time.perf_counter()
        parts.append(reader.read(size + 2)[:-2])
    reader.readline()
    return first, parts
