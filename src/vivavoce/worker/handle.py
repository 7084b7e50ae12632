"""The server's end of a worker: has it load, speaks through it, notices when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog
import zmq

from vivavoce.errors import (
    EngineUnavailable,
    OutOfMemory,
    SynthesisFailed,
    VivavoceError,
    WorkerDied,
)
from vivavoce.types import AudioChunk, LoadProgress, SpeechReport, VoicePrompt
from vivavoce.worker import messages as msg
from vivavoce.worker.conversation import Conversation, Spoken
from vivavoce.worker.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from vivavoce.engine.base import Options
    from vivavoce.types import Samples, SpeechRequest
    from vivavoce.worker.conversation import Event

log = structlog.get_logger("vivavoce.worker")

WINDOW_S = 10.0
"""Audio that may be on its way to a listener who is slower than the engine."""

_PULSE_S = 1.0
_SILENCE_S = 5.0
"""A machine out of breath delays even heartbeats: silence shorter than this means nothing."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How long a worker may take before it is given up.

    `start_s`: to start, and then to load its engine, or to come further with that. `stall_s`: with
    requests waiting and nothing coming from the engine, or between two signs of life. `stop_s`: to
    end when asked to.
    """

    start_s: float = 120.0
    stall_s: float = 30.0
    stop_s: float = 5.0


class WorkerHandle:
    """One worker process, from `prepare` to its end; a dead one is replaced, not restarted.

    Prepared, it has what its engine is made of imported, and holds nothing of a GPU. Loaded, it can
    speak. All methods belong to the event loop that called the first of them.
    """

    def __init__(self, engine: str, limits: WorkerLimits) -> None:
        self.engine = engine
        self.loading: LoadProgress | None = None
        self.memory_bytes = 0
        self.gpu_bytes = 0
        self.engine_active = 0
        self.load_s = 0.0
        self._stages: list[tuple[str, float]] = []
        self._limits = limits
        self._window_samples = 0
        self._ids = itertools.count(1)
        self._listeners: dict[int, Conversation] = {}
        self._signs_of_life = 0
        self._death: str | None = None
        self._stopping = False
        self._loaded = False
        self._doing = ""
        self._done: asyncio.Future[None] | None = None
        self._patience: asyncio.Timeout | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._process = WorkerProcess()

    @property
    def alive(self) -> bool:
        """Whether it has a process, which nobody has begun to stop."""
        return self.pid is not None and self._death is None and not self._stopping

    @property
    def loaded(self) -> bool:
        """Whether it can be asked to speak."""
        return self._loaded and self.alive

    @property
    def pid(self) -> int | None:
        """The process's id, once it was started."""
        return self._process.pid

    @property
    def active(self) -> int:
        """How many requests are listened to; `engine_active` is how many the engine last had."""
        return len(self._listeners)

    async def prepare(self) -> None:
        """Start the process and wait until it has imported what it can before a load. Once.

        Raises:
            EngineUnavailable: it could not be started, ended, or took longer than it may.
        """
        async with self._until_done("start"):
            self._process.start(self.engine)
            self._tasks = [
                asyncio.create_task(self._receive(), name=f"{self.engine}-receive"),
                asyncio.create_task(self._watch_exit(), name=f"{self.engine}-exit"),
            ]

    async def load(self, options: Options, sample_rate_hz: int) -> None:
        """Have the engine loaded, with a `prepare` before it if there was none. Once.

        Raises:
            EngineUnavailable: it failed to load (with `OutOfMemory`'s code if it did not fit into
                memory), ended, or took longer than it may. The process is gone then.
        """
        began = time.monotonic()
        self._stages = [("starting", began)]
        if self.pid is None:
            await self.prepare()
        if not self.alive:
            await self._bury("was stopped")
            raise EngineUnavailable(
                f"The {self.engine} engine's process {self._death} before it could load. "
                "Send the request again: another is started."
            )
        self._window_samples = round(WINDOW_S * sample_rate_hz)
        self._stages.append(("opening", time.monotonic()))
        async with self._until_done("load"):
            self._send(msg.Load(self.engine, options))
        self._loaded = True
        self._tasks.append(asyncio.create_task(self._watch_pulse(), name=f"{self.engine}-pulse"))
        log.info(
            "worker ready",
            engine=self.engine,
            pid=self.pid,
            load_s=round(self.load_s, 3),
            start_s=round(time.monotonic() - began, 3),
            stages_s=_durations(self._stages, time.monotonic()),
        )

    @contextlib.asynccontextmanager
    async def _until_done(self, doing: str) -> AsyncIterator[None]:
        """Wait until the worker has done what the body asks of it; else nothing is left of it."""
        self._doing = doing
        self._done = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._limits.start_s) as self._patience:
                try:
                    yield
                    await self._done
                finally:
                    self._done = None
        except TimeoutError:
            within = f"within {self._limits.start_s:g} s"
            if self.loading is not None:
                within = f"and came no further than {self.loading.stage} {within}"
            await self._bury(f"did not {doing} {within}")
            raise EngineUnavailable(
                f"The {self.engine} engine did not {doing} {within}. "
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

    def speak(self, request: SpeechRequest) -> Spoken:
        """Ask for speech. Closing `chunks` early cancels the work at once.

        A request that is live goes on until its text is finished and spoken.

        Raises (while iterated):
            SynthesisFailed: the engine gave up.
            OutOfMemory: there was no memory for it; the others go on.
            WorkerDied: the process ended, broke down, or hung and was killed.
        """

        async def chunks() -> AsyncGenerator[AudioChunk]:
            taken = 0
            with self._conversation() as events:
                self._send(msg.Speak(events.id, request, self._window_samples))
                spoken.begin(lambda text, last: self._send(msg.More(events.id, text, last)))
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
            OutOfMemory: there was no memory for it.
            WorkerDied: the process ended, broke down, or hung and was killed.
        """
        with self._conversation() as events:
            self._send(msg.Listen(events.id, transcript), samples.data.cast("B"))
            event = await events.next()
            assert isinstance(event, VoicePrompt)
            return event

    async def stop(self) -> None:
        """End the process, kindly first. Requests still running fail, and so does a load."""
        if self.pid is None:
            return
        if self._death is None:
            self._stopping = True
            if self._done is None:  # while it starts or loads it would not listen
                self._send(msg.Stop())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.stop_s):
                        await self._process.wait()
        await self._bury("was stopped")

    @contextlib.contextmanager
    def _conversation(self) -> Iterator[Conversation]:
        """Begin a request; left before its end, the work for it is cancelled."""
        if self._death is not None:
            raise self._died()
        assert self._loaded
        events = Conversation(next(self._ids))
        self._listeners[events.id] = events
        try:
            yield events
        finally:
            del self._listeners[events.id]
            if not events.over:
                self._send(msg.Cancel(events.id))

    def _send(self, message: msg.ToWorker, payload: memoryview | None = None) -> None:
        if self._death is None:
            self._process.send(message, payload)

    async def _receive(self) -> None:
        while True:
            message, payload = await self._process.receive()
            self._signs_of_life += 1
            match message:
                case msg.Chunk(id, segment, words):
                    samples = np.frombuffer(payload, np.float32)
                    self._deliver(id, AudioChunk(samples, segment, words))
                case msg.Done(id, report):
                    self._deliver(id, report)
                case msg.Heard(id, prompt):
                    self._deliver(id, prompt)
                case msg.Failed(id, reason, OutOfMemory.code):
                    self._deliver(id, OutOfMemory(reason))
                case msg.Failed(id, reason, code):
                    self._deliver(id, SynthesisFailed(reason, code=code))
                case msg.Heartbeat(active, stalled_s, memory_bytes, gpu_bytes):
                    self.engine_active = active
                    self.memory_bytes = memory_bytes
                    self.gpu_bytes = gpu_bytes
                    if stalled_s > self._limits.stall_s:
                        self._kill(f"made no progress for {stalled_s:.0f} s")
                case msg.Loading(progress):
                    self._loads(progress)
                case msg.Ready(load_s):
                    self.load_s = load_s
                    self._settle(None)
                case msg.LoadFailed(reason, code):
                    self._settle(EngineUnavailable(reason, code=code))
                case msg.Hello():
                    self._settle(None)
                case msg.Broken(reason):
                    self._send(msg.Stop())
                    self._announce_death(f"broke down: {reason}")

    def _loads(self, progress: LoadProgress) -> None:
        """Note how far the load is: what comes further may take longer."""
        if progress == self.loading:
            return
        assert self._patience is not None
        if self._done is not None and not self._done.done():
            self._patience.reschedule(asyncio.get_running_loop().time() + self._limits.start_s)
        before, self.loading = self.loading, progress
        tenths = _tenths(progress)
        if before is None or before.stage != progress.stage:
            self._stages.append((progress.stage, time.monotonic()))
        if before and (before.stage, _tenths(before)) == (progress.stage, tenths):
            return
        log.info(
            "worker loading",
            engine=self.engine,
            stage=progress.stage,
            percent=10 * tenths if progress.total_bytes else None,
            total_mb=round(progress.total_bytes / 1e6) or None,
        )

    def _deliver(self, id: int, event: Event) -> None:
        listener = self._listeners.get(id)
        if listener is not None:  # else it has gone, and so will the work
            listener.put(event)

    def _settle(self, error: VivavoceError | None) -> None:
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    async def _watch_exit(self) -> None:
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
        self._announce_death(reason)
        self._process.kill()

    def _announce_death(self, reason: str) -> None:
        """Fail everything that waits for this worker, once."""
        if self._death is not None:
            return
        self._death = reason
        log.error("worker died", engine=self.engine, pid=self.pid, reason=reason, lost=self.active)
        self._fail_all()

    def _fail_all(self) -> None:
        self._settle(
            EngineUnavailable(
                f"The {self.engine} engine's process {self._death} while {self._doing}ing."
            )
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
        self._fail_all()
        if self.pid is not None:
            self._process.kill()
            await self._process.wait()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._process.clear_away()


def _durations(stages: list[tuple[str, float]], end_s: float) -> dict[str, float]:
    """Return how long each stage took, given when each began."""
    ends_s = [began_s for _, began_s in stages[1:]] + [end_s]
    return {
        stage: round(ended_s - began_s, 3)
        for (stage, began_s), ended_s in zip(stages, ends_s, strict=True)
    }


def _tenths(progress: LoadProgress) -> int:
    return 10 * progress.done_bytes // max(progress.total_bytes, 1)
