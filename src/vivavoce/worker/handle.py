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
from vivavoce.types import AudioChunk, LoadProgress, SpeechReport, VoicePrompt
from vivavoce.worker import messages as msg

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Iterator

    from vivavoce.engine.base import Options
    from vivavoce.types import Samples, SpeechRequest

log = structlog.get_logger("vivavoce.worker")

WINDOW_S = 10.0
"""Audio that may be on its way to a listener who is slower than the engine."""

_PULSE_S = 1.0
_SILENCE_S = 5.0
"""A machine out of breath delays even heartbeats: silence shorter than this means nothing."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How long a worker may take before it is given up.

    `start_s`: for its engine to load, or to come further with that. `stall_s`: with requests
    waiting and nothing coming from the engine, or between two signs of life. `stop_s`: to end when
    asked to.
    """

    start_s: float = 120.0
    stall_s: float = 30.0
    stop_s: float = 5.0


class Spoken:
    """The audio of one request: its chunks as they come, and afterwards how it went."""

    def __init__(self, chunks: AsyncGenerator[AudioChunk]) -> None:
        self.chunks = chunks
        self.report = SpeechReport()


_Event = AudioChunk | SpeechReport | VoicePrompt | VivavoceError


class _Conversation:
    """What the worker says of one request, in order."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.over = False
        self._events: asyncio.Queue[_Event] = asyncio.Queue()

    def put(self, event: _Event) -> None:
        self._events.put_nowait(event)

    async def next(self) -> AudioChunk | SpeechReport | VoicePrompt:
        """Return the next event; raise it if it is an error."""
        event = await self._events.get()
        self.over = not isinstance(event, AudioChunk)
        if isinstance(event, VivavoceError):
            raise event
        return event


class WorkerHandle:
    """One worker process, from `start` to its end; a dead one is replaced, not restarted.

    All methods belong to the event loop that called `start`.
    """

    def __init__(
        self, engine: str, options: Options, sample_rate_hz: int, limits: WorkerLimits
    ) -> None:
        self.engine = engine
        self.loading: LoadProgress | None = None
        self.memory_bytes = 0
        self.engine_active = 0
        self.load_s = 0.0
        self._options = options
        self._window_samples = round(WINDOW_S * sample_rate_hz)
        self._limits = limits
        self._ids = itertools.count(1)
        self._listeners: dict[int, _Conversation] = {}
        self._signs_of_life = 0
        self._death: str | None = None
        self._stopping = False
        self._ready: asyncio.Future[None] | None = None
        self._patience: asyncio.Timeout | None = None
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
            async with asyncio.timeout(self._limits.start_s) as self._patience:
                await self._launch()
                await self._ready
        except TimeoutError:
            within = f"within {self._limits.start_s:g} s"
            if self.loading is not None:
                within = f"and came no further than {self.loading.stage} {within}"
            await self._bury(f"did not load its engine {within}")
            raise EngineUnavailable(
                f"The {self.engine} engine did not load {within}. "
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
            taken = 0
            with self._conversation() as events:
                self._send(msg.Speak(events.id, request, self._window_samples))
                while True:
                    event = await events.next()
                    if isinstance(event, AudioChunk):
                        yield event
                        taken += len(event.samples)
                        if taken > self._window_samples // 4:
                            self._send(msg.Credit(events.id, taken))
                            taken = 0
                        continue
                    assert isinstance(event, SpeechReport)
                    spoken.report = event
                    return

        spoken = Spoken(chunks())
        return spoken

    async def listen(self, samples: Samples, transcript: str | None) -> VoicePrompt:
        """Have the engine make a voice of a clip, samples [n] at 24 kHz.

        Raises:
            SynthesisFailed: it could not.
            WorkerDied: the process ended, or hung and was killed.
        """
        with self._conversation() as events:
            self._send(msg.Listen(events.id, transcript), samples.data.cast("B"))
            event = await events.next()
            assert isinstance(event, VoicePrompt)
            return event

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

    @contextlib.contextmanager
    def _conversation(self) -> Iterator[_Conversation]:
        """Begin a request; left before its end, the work for it is cancelled."""
        if self._death is not None:
            raise self._died()
        events = _Conversation(next(self._ids))
        self._listeners[events.id] = events
        try:
            yield events
        finally:
            del self._listeners[events.id]
            if not events.over:
                self._send(msg.Cancel(events.id))

    def _send(self, message: msg.ToWorker, payload: memoryview | None = None) -> None:
        """Hand a message to the socket, which queues without limit: nobody has to wait for it."""
        if self._death is None and self._socket is not None:
            head = msg.encode(message)
            self._socket.send_multipart((head,) if payload is None else (head, payload))

    async def _receive(self) -> None:
        assert self._socket is not None
        while True:
            frames = await self._socket.recv_multipart()
            self._signs_of_life += 1
            match msg.decode_from_worker(frames[0]):
                case msg.Chunk(id, segment):
                    samples = np.frombuffer(frames[1], np.float32)
                    self._deliver(id, AudioChunk(samples, segment))
                case msg.Done(id, report):
                    self._deliver(id, report)
                case msg.Heard(id, prompt):
                    self._deliver(id, prompt)
                case msg.Failed(id, message, code):
                    self._deliver(id, SynthesisFailed(message, code=code))
                case msg.Heartbeat(active, stalled_s, memory_bytes):
                    self.engine_active = active
                    self.memory_bytes = memory_bytes
                    if stalled_s > self._limits.stall_s:
                        self._kill(f"made no progress for {stalled_s:.0f} s")
                case msg.Loading(progress):
                    self._loads(progress)
                case msg.Ready(load_s):
                    self.load_s = load_s
                    self._settle(None)
                case msg.LoadFailed(message):
                    self._settle(EngineUnavailable(message))
                case msg.Hello():
                    self._send(msg.Load(self.engine, self._options))

    def _loads(self, progress: LoadProgress) -> None:
        """Note how far the load is: what comes further may take longer."""
        if progress == self.loading:
            return
        assert self._patience is not None
        if self._ready is not None and not self._ready.done():
            self._patience.reschedule(asyncio.get_running_loop().time() + self._limits.start_s)
        before, self.loading = self.loading, progress
        tenths = _tenths(progress)
        if before and (before.stage, _tenths(before)) == (progress.stage, tenths):
            return
        log.info(
            "worker loading",
            engine=self.engine,
            stage=progress.stage,
            percent=10 * tenths if progress.total_bytes else None,
            total_mb=round(progress.total_bytes / 1e6) or None,
        )

    def _deliver(self, id: int, event: _Event) -> None:
        listener = self._listeners.get(id)
        if listener is not None:  # else it has gone, and so will the work
            listener.put(event)

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
            listener.put(self._died())

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
            listener.put(self._died())
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


def _tenths(progress: LoadProgress) -> int:
    return 10 * progress.done_bytes // max(progress.total_bytes, 1)
