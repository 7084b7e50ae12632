"""Clients as tests have them: many at once, some on bare connections, in no hurry to read."""

from __future__ import annotations

import io
import json
import socket
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING, Self

import httpx
import numpy as np

from expected import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from conftest import Server

SPEECH = "/v1/audio/speech"
TIMEOUT_S = 30

# Reading certificates, which nobody needs here, would take most of a request's time.
_QUICK = {"timeout": TIMEOUT_S, "verify": False}


def order(instructions: str = "", **fields: object) -> dict:
    """Return the body of a request for the fake engine; `instructions` are its switches."""
    usual = {"input": TEXT, "voice": "sine", "seed": 7, "response_format": "pcm"}
    return {**usual, "instructions": instructions, **fields}


def speak(server: Server, instructions: str = "", **fields: object) -> httpx.Response:
    return post(server, SPEECH, order(instructions, **fields))


def post(server: Server, path: str, body: object = None, **headers: str) -> httpx.Response:
    return httpx.post(server.url + path, json=body, headers=headers, **_QUICK)


def clone(server: Server, **fields: str) -> httpx.Response:
    """Upload a clip, to be spoken in its voice."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        tone = np.sin(2 * np.pi * 150 * np.arange(16000) / 8000)
        out.writeframes((tone * 9000).astype("<i2").tobytes())
    return httpx.post(
        f"{server.url}{SPEECH}/clone",
        files={"file": ("clip.wav", file.getvalue())},
        data={"input": "Hello there.", "response_format": "pcm", **fields},
        **_QUICK,
    )


def get(server: Server, path: str) -> httpx.Response:
    return httpx.get(server.url + path, **_QUICK)


def error(answer: httpx.Response) -> dict:
    """Return a refusal's error, in OpenAI's shape."""
    (name, found), *others = answer.json().items()
    assert (name, others) == ("error", [])
    assert set(found) == {"message", "type", "param", "code"}
    return found


def until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait for what can only be seen by asking."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def load_of(server: Server) -> tuple[int, int]:
    """Return how many answers are being made, and how many requests wait."""
    health = get(server, "/health").json()
    return health["running"], health["queue_depth"]


def at_rest(server: Server) -> bool:
    """Tell whether nothing is left of any request: no slot, no turn, nothing in the worker."""
    health = get(server, "/health").json()
    worker = health["models"][0]["worker"] or {"active_requests": 0, "engine_requests": 0}
    work = worker["active_requests"], worker["engine_requests"]
    return (health["running"], health["queue_depth"], *work) == (0, 0, 0, 0)


def worker_of(server: Server) -> dict | None:
    """Return the default model's worker as /health shows it; None without one."""
    return get(server, "/health").json()["models"][0]["worker"]


def active(server: Server) -> int:
    """Return how many requests the default model's worker has; 0 without one."""
    worker = worker_of(server)
    return worker["active_requests"] if worker else 0


def counted(server: Server, series: str) -> float:
    """Return the value of a series of /metrics; 0 as long as there is none."""
    for line in get(server, "/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        if name == f"vivavoce_{series}":
            return float(value)
    return 0.0


def logged(server: Server, event: str, **fields: object) -> list[dict]:
    """Return the lines of the log about an event that have these fields."""
    lines = [json.loads(line) for line in server.log_lines[:] if line.startswith("{")]
    return [line for line in lines if {"event": event, **fields}.items() <= line.items()]


@contextmanager
def at_once(server: Server, bodies: list[dict]) -> Iterator[list[Future[httpx.Response]]]:
    """Send all these; the answers come when they come, and have come at the end."""
    limits = httpx.Limits(max_connections=None)
    with (
        httpx.Client(base_url=server.url, limits=limits, **_QUICK) as client,
        ThreadPoolExecutor(len(bodies)) as threads,
    ):
        yield [threads.submit(client.post, SPEECH, json=body) for body in bodies]


class Listener:
    """One request on a connection of its own. Nothing is read of its answer until asked for."""

    def __init__(
        self, server: Server, body: dict, path: str = SPEECH, *, buffer_bytes: int | None = None
    ) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self._response: HTTPResponse | None = None
        self.connection = HTTPConnection(host, int(port))
        self.connection.sock = socket.socket()
        if buffer_bytes is not None:  # the kernel would take in much that nobody reads
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.connection.sock.settimeout(TIMEOUT_S)
        self.connection.sock.connect((host, int(port)))
        self.connection.request(
            "POST", path, json.dumps(body), {"Content-Type": "application/json"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def answer(self) -> HTTPResponse:
        """Wait for status and headers."""
        self._response = self.connection.getresponse()
        return self._response

    def rest(self) -> bytes:
        """Read the answer to its end.

        Raises:
            IncompleteRead: it was cut.
        """
        return (self._response or self.answer()).read()

    def leave(self) -> None:
        """Close the connection."""
        self.connection.close()
        if self._response is not None:  # it holds the connection as well
            self._response.close()
