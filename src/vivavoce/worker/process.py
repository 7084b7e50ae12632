"""A worker's process and the socket to it: started, listened to, cleared away to the last file.

What is said over the socket, and what it means that the process ended, is the affair of `handle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import zmq
import zmq.asyncio

from vivavoce.worker import messages as msg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FILES_FOR_A_PROCESS = 24


def check_files_left() -> None:
    """Find out whether enough files can be opened to start a process and to speak with it.

    Raises:
        OSError: they cannot. Without this check libzmq would end the whole server for want of one.
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


def spawn(
    command: Sequence[str], env: Mapping[str, str], *, heard: bool = False
) -> subprocess.Popen[bytes]:
    """Start a program, with a pipe to its input and, if it is `heard`, from its output and errors.

    Not through the event loop. uvloop's children run what Python does after a fork, and may collect
    garbage there, such as an encoder that waits for its threads to end. The child has none of them
    and waits without end, and the whole server waits for the child. These run nothing before.

    Raises:
        OSError: there can be no process.
    """
    output = subprocess.PIPE if heard else None
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        # Ctrl-C in a terminal is for the server, which ends its processes itself.
        start_new_session=True,
        env=env,
    )


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
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: asyncio.Future[int] | None = None
        self._folder = ""
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None

    @property
    def pid(self) -> int | None:
        """Its id, once it was started."""
        return self._process.pid if self._process else None

    def start(self, engine: str) -> None:
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
        # -P: not from the current folder, whatever modules may lie there. The end of its input
        # tells the worker that the server is gone.
        command = (sys.executable, "-P", "-m", "vivavoce.worker", endpoint, engine)
        process = spawn(command, {**ENVIRONMENT, **os.environ})
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def watch() -> None:
            code = process.wait()
            with contextlib.suppress(RuntimeError):  # the loop has gone, and all who waited
                loop.call_soon_threadsafe(ended.set_result, code)

        try:
            threading.Thread(target=watch, name="worker-end", daemon=True).start()
        except RuntimeError as exc:
            process.kill()
            process.communicate()
            raise OSError(errno.EAGAIN, str(exc)) from None
        self._process, self._ended = process, ended

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
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """End it, whatever it is doing."""
        if self._process is not None:
            self._process.kill()

    def clear_away(self) -> None:
        """Remove the socket and its folder. Nobody may be receiving."""
        if self._socket is not None and self._context is not None:
            self._socket.close()
            self._context.term()
            self._socket = None
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)
