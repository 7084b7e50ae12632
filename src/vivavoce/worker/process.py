"""A worker's process and the socket to it: started, listened to, cleared away to the last file.

What is said over the socket, and what it means that the process ended, is the affair of `handle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

import zmq
import zmq.asyncio

from vivavoce.worker import messages as msg

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_FILES_FOR_A_PROCESS = 24


def check_files_left() -> None:
    """Find out whether enough files can be opened to start a process and to speak with it.

    Raises:
        OSError: they cannot. Without this check libzmq would end the whole server for want of one,
            and uvloop would never close those it had opened.
    """
    opened: list[int] = []
    try:
        for _ in range(_FILES_FOR_A_PROCESS):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror) from None  # which file it was is nobody's affair
    finally:
        for file in opened:
            os.close(file)


ENVIRONMENT = {
    # glibc keeps an arena per thread, and every request has a thread: under load one arena saves
    # the embedded voice 130 MiB of 375, at no measurable cost in time.
    "MALLOC_ARENA_MAX": "1",
    # So often torch's threads look for work before they sleep: about from one operation to the
    # next. By default it is a hundred times as often, which takes the cores from those who have
    # work: beside one busy process, Qwen3-TTS's codec then takes ten times as long.
    "GOMP_SPINCOUNT": "3000",
}
"""What a worker's environment has, unless it says otherwise itself."""


class WorkerProcess:
    """One process, from `start` to `clear_away`. Belongs to the event loop that called `start`."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._folder = ""
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None

    @property
    def pid(self) -> int | None:
        """Its id, once it was started."""
        return self._process.pid if self._process else None

    async def start(self, engine: str) -> None:
        """Start it.

        Raises:
            OSError, zmq.ZMQError: there can be no folder, no socket in it, or no process.
        """
        check_files_left()
        # The folder is this user's alone, so nobody else can connect.
        self._folder = tempfile.mkdtemp(prefix="vivavoce-")
        endpoint = f"ipc://{self._folder}/worker"
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.PAIR)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.bind(endpoint)
        self._process = await asyncio.create_subprocess_exec(
            # -P: not from the current folder, whatever modules may lie there.
            *(sys.executable, "-P", "-m", "vivavoce.worker", endpoint, engine),
            stdin=asyncio.subprocess.PIPE,  # its closing tells the worker that the server is gone
            # Ctrl-C in a terminal is for the server, which decides when workers end.
            start_new_session=True,
            env={**ENVIRONMENT, **os.environ},
        )

    def send(self, message: msg.ToWorker, payload: memoryview | None = None) -> None:
        """Hand a message to the socket, which queues without limit: nobody has to wait for it."""
        if self._socket is not None:
            head = msg.encode(message)
            self._socket.send_multipart((head,) if payload is None else (head, payload))

    async def receive(self) -> tuple[msg.FromWorker, bytes]:
        """Wait for a message and its payload, which is empty if it has none."""
        assert self._socket is not None
        head, *payload = await self._socket.recv_multipart()
        return msg.decode_from_worker(head), payload[0] if payload else b""

    async def wait(self) -> int:
        """Wait for its end. Returns its status, or the signal that ended it, negative."""
        assert self._process is not None
        return await self._process.wait()

    def kill(self) -> None:
        """End it, whatever it is doing."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def clear_away(self) -> None:
        """Remove the socket and its folder. Nobody may be receiving."""
        if self._socket is not None and self._context is not None:
            self._socket.close()
            self._context.term()
            self._socket = None
        shutil.rmtree(self._folder, ignore_errors=True)
