"""A door in front of a server that notes, byte for byte, what clients send through it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Recorder:
    """Where the door is, and what came through, one entry a connection."""

    url: str
    sent: list[bytearray] = field(default_factory=list)

    def requests(self) -> list[dict]:
        """Return the requests: method, path, headers in their order and case, body."""
        return [request for raw in self.sent for request in _parse(bytes(raw))]


@contextmanager
def recording(url: str) -> Iterator[Recorder]:
    """Pass connections on to the server at `url`, and note what is sent."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as door:
        recorder = Recorder(f"http://127.0.0.1:{door.getsockname()[1]}")
        threading.Thread(
            target=_accept, args=(door, (host, int(port)), recorder), daemon=True
        ).start()
        yield recorder
        door.shutdown(socket.SHUT_RDWR)


def _accept(door: socket.socket, server: tuple[str, int], recorder: Recorder) -> None:
    while True:
        try:
            client, _ = door.accept()
        except OSError:  # the door was closed
            return
        onward = socket.create_connection(server)
        noted = bytearray()
        recorder.sent.append(noted)
        for source, sink, notes in ((client, onward, noted), (onward, client, bytearray())):
            threading.Thread(target=_pass_on, args=(source, sink, notes), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, notes: bytearray) -> None:
    try:
        while data := source.recv(65536):
            notes += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one of them has left
        pass


def _parse(raw: bytes) -> Iterator[dict]:
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = [
            line.split(": ", 1) if ": " in line else [line.rstrip(":"), ""] for line in lines
        ]
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        body, raw = raw[: sum(lengths)], raw[sum(lengths) :]
        yield {"method": method, "path": path, "headers": headers, "body": body.decode()}
