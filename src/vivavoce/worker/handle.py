"""The server's end of a worker process: starts it, speaks through it, notices when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog
import zmq
import zmq.asyncio

from vivavoce.errors import EngineUnavailable, SynthesisFailed, VivavoceError, WorkerDied
from vivavoce.types import AudioChunk, Usage
from vivavoce.worker import messages as msg

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator

    from vivavoce.types import SpeechRequest

log = structlog.get_logger("vivavoce.worker")

WINDOW_S = 10.0
"""Audio that may be on its way to a listener who is slower than the engine."""

_PULSE_S = 1.0
_SILENCE_S = 5.0
"""A machine out of breath delays even heartbeats: silence shorter than this means nothing."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How long a worker may take before it is given up.

    `start_s`: from its start to its engine loaded. `stall_s`: with requests waiting and nothing
    coming from the engine, or between two signs of life. `stop_s`: to end when asked to.
    """

    start_s: float = 120.0
    stall_s: float = 30.0
    stop_s: float = 5.0


class Spoken:
    """The audio of one request: its chunks as they come, and afterwards its cost."""

    def __init__(self, chunks: AsyncGenerator[AudioChunk]) -> None:
        self.chunks = chunks
        self.usage = Usage()


_Event = AudioChunk | Usage | VivavoceError


class WorkerHandle:
    """One worker process, from `start` to its end; a dead one is replaced, not restarted.

    All methods belong to the event loop that called `start`.
    """

    def __init__(self, engine: str, sample_rate_hz: int, limits: WorkerLimits) -> None:
        self.engine = engine
        self.memory_bytes = 0
        self.engine_active = 0
        self.load_s = 0.0
        self._window_samples = round(WINDOW_S * sample_rate_hz)
        self._limits = limits
        self._ids = itertools.count(1)
        self._listeners: dict[int, asyncio.Queue[_Event]] = {}
        self._signs_of_life = 0
        self._death: str | None = None
        self._stopping = False
        self._ready: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._process: Process | None = None
        self._folder = ""
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be asked to speak."""
        return self._process is not None and self._death is None and not self._stopping

    @property
    def pid(self) -> int | None:
        """The process's id, once it was started."""
        return self._process.pid if self._process else None

    @property
    def active(self) -> int:
        """How many requests are listened to; `engine_active` is how many the engine last had."""
        return len(self._listeners)

    async def start(self) -> None:
        """Start the process and wait until its engine is loaded.

        Raises:
            EngineUnavailable: it failed to load, ended, or took longer than it may.
        """
        started = time.monotonic()
        self._ready = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._limits.start_s):
                await self._launch()
                await self._ready
        except TimeoutError:
            await self._bury(f"did not load its engine within {self._limits.start_s:g} s")
            raise EngineUnavailable(
                f"The {self.engine} engine did not load within {self._limits.start_s:g} s. "
                "If this machine needs longer, raise WORKER_START_TIMEOUT."
            ) from None
        except (OSError, zmq.ZMQError) as exc:
            await self._bury("could not be started")
            raise EngineUnavailable(
                f"The {self.engine} engine's process could not be started: {exc}. "
                f"Its socket is in the temporary folder {tempfile.gettempdir()} (TMPDIR)."
            ) from None
        except BaseException:
            await self._bury("was not wanted any more")
            raise
        self._tasks.append(asyncio.create_task(self._watch_pulse(), name=f"{self.engine}-pulse"))
        log.info(
            "worker ready",
            engine=self.engine,
            pid=self.pid,
            load_s=round(self.load_s, 3),
            start_s=round(time.monotonic() - started, 3),
        )

    async def _launch(self) -> None:
        """Start the process and listen to it."""
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
            *(sys.executable, "-P", "-m", "vivavoce.worker", endpoint),
            stdin=asyncio.subprocess.PIPE,  # its closing tells the worker that the server is gone
            # Ctrl-C in a terminal is for the server, which decides when workers end.
            start_new_session=True,
            # glibc keeps an arena per thread, and every request has a thread: under load one
            # arena saves the embedded voice 130 MiB of 375, at no measurable cost in time.
            env={"MALLOC_ARENA_MAX": "1", **os.environ},
        )
        self._tasks = [
            asyncio.create_task(self._receive(), name=f"{self.engine}-receive"),
            asyncio.create_task(self._watch_exit(), name=f"{self.engine}-exit"),
        ]

    def speak(self, request: SpeechRequest) -> Spoken:
        """Ask for speech. Closing `chunks` early cancels the work at once.

        Raises (while iterated):
            SynthesisFailed: the engine gave up.
            WorkerDied: the process ended, or hung and was killed.
        """

        async def chunks() -> AsyncGenerator[AudioChunk]:
            if self._death is not None:
                raise self._died()
            id = next(self._ids)
            inbox = self._listeners[id] = asyncio.Queue()
            self._send(msg.Speak(id, request, self._window_samples))
            finished = False
            taken = 0
            try:
                while True:
                    event = await inbox.get()
                    if isinstance(event, AudioChunk):
                        yield event
                        taken += len(event.samples)
                        if taken > self._window_samples // 4:
                            self._send(msg.Credit(id, taken))
                            taken = 0
                        continue
                    finished = True
                    if isinstance(event, VivavoceError):
                        raise event
                    spoken.usage = event
                    return
            finally:
                del self._listeners[id]
                if not finished:
                    self._send(msg.Cancel(id))

        spoken = Spoken(chunks())
        return spoken

    async def stop(self) -> None:
        """End the process, kindly first. Requests still running fail."""
        if self._process is None:
            return
        if self._death is None:
            self._stopping = True
            self._send(msg.Stop())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.stop_s):
                    await self._process.wait()
        await self._bury("was stopped")

    def _send(self, message: msg.ToWorker) -> None:
        """Hand a message to the socket, which queues without limit: nobody has to wait for it."""
        if self._death is None and self._socket is not None:
            self._socket.send(msg.encode(message))

    async def _receive(self) -> None:
        assert self._socket is not None
        while True:
            frames = await self._socket.recv_multipart()
            self._signs_of_life += 1
            match msg.decode_from_worker(frames[0]):
                case msg.Chunk(id, segment):
                    samples = np.frombuffer(frames[1], np.float32)
                    self._deliver(id, AudioChunk(samples, segment))
                case msg.Done(id, usage):
                    self._deliver(id, usage)
                case msg.Failed(id, message):
                    self._deliver(id, SynthesisFailed(message))
                case msg.Heartbeat(active, stalled_s, memory_bytes):
                    self.engine_active = active
                    self.memory_bytes = memory_bytes
                    if stalled_s > self._limits.stall_s:
                        self._kill(f"made no progress for {stalled_s:.0f} s")
                case msg.Ready(load_s):
                    self.load_s = load_s
                    self._settle(None)
                case msg.LoadFailed(message):
                    self._settle(EngineUnavailable(message))
                case msg.Hello():
                    self._send(msg.Load(self.engine))

    def _deliver(self, id: int, event: _Event) -> None:
        listener = self._listeners.get(id)
        if listener is not None:  # else it has gone, and so will the work
            listener.put_nowait(event)

    def _settle(self, error: VivavoceError | None) -> None:
        assert self._ready is not None
        if self._ready.done():
            return
        if error is None:
            self._ready.set_result(None)
        else:
            self._ready.set_exception(error)

    async def _watch_exit(self) -> None:
        assert self._process is not None
        code = await self._process.wait()
        if not self._stopping:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
            self._announce_death(how)

    async def _watch_pulse(self) -> None:
        """Notice silence; in ticks of its own, so that a server that was paused blames nobody."""
        limit_s = max(self._limits.stall_s, _SILENCE_S)
        silent_s = 0.0
        while silent_s <= limit_s:
            heard = self._signs_of_life
            await asyncio.sleep(_PULSE_S)
            silent_s = silent_s + _PULSE_S if heard == self._signs_of_life else 0.0
        self._kill(f"gave no sign of life for {silent_s:.0f} s")

    def _kill(self, reason: str) -> None:
        assert self._process is not None
        self._announce_death(reason)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _announce_death(self, reason: str) -> None:
        """Fail everything that waits for this worker, once."""
        if self._death is not None:
            return
        self._death = reason
        log.error("worker died", engine=self.engine, pid=self.pid, reason=reason, lost=self.active)
        self._settle(
            EngineUnavailable(f"The {self.engine} engine's process {reason} while loading.")
        )
        for listener in self._listeners.values():
            listener.put_nowait(self._died())

    def _died(self) -> WorkerDied:
        return WorkerDied(
            f"The {self.engine} engine's process {self._death}. A new one takes over: "
            "send the request again."
        )

    async def _bury(self, reason: str) -> None:
        """Make sure that nothing of it is left."""
        if self._death is None:
            self._death = reason
        for listener in self._listeners.values():
            listener.put_nowait(self._died())
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None and self._context is not None:
            self._socket.close()
            self._context.term()
            self._socket = None
        shutil.rmtree(self._folder, ignore_errors=True)
