"""A real Valkey or Redis: a process that can hang, be killed and come back at the same address."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clients import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = shutil.which("valkey-server") or shutil.which("redis-server")


class RedisServer:
    """Keeps everything in memory, and listens on this machine only."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        assert PROGRAM is not None
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [PROGRAM, *where, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
        )
        until(lambda: self._says(b"PING\r\n").startswith(b"+PONG"))

    def hang(self) -> None:
        """Connections stay open, new ones are accepted by the system, nothing is answered."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again, what was asked meanwhile too."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word; nothing listens at its address any more."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None

    def keys(self) -> int:
        """Return how many entries it has."""
        return int(self._says(b"DBSIZE\r\n").strip().removeprefix(b":"))

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self.kill()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _says(self, words: bytes) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                client.sendall(words)
                return client.recv(100)
        except OSError:
            return b""


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Start one; end it afterwards, whatever was done to it."""
    redis = RedisServer(folder)
    try:
        redis.start()
        yield redis
    finally:
        redis.stop()
