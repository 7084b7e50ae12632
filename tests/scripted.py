"""Workers without processes, for tests of who has one when: what befalls them is scripted."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.engine import registry
from vivavoce.engine.fake import CHUNK_SAMPLES
from vivavoce.errors import EngineUnavailable, WorkerDied
from vivavoce.service import workers
from vivavoce.service.metrics import Metrics
from vivavoce.service.model import OUT_OF_MEMORY, Model
from vivavoce.service.workers import Workers
from vivavoce.types import AudioChunk
from vivavoce.worker.conversation import Spoken
from vivavoce.worker.handle import WorkerLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pytest

    from vivavoce.engine.base import Options
    from vivavoce.service.room import Room
    from vivavoce.types import SpeechRequest


def no_memory() -> EngineUnavailable:
    return EngineUnavailable("It does not fit.", code=OUT_OF_MEMORY)


def bad_weights() -> EngineUnavailable:
    return EngineUnavailable("The weights are damaged.")


@dataclass
class Script:
    """How long everything takes, how loads end, and every worker there ever was."""

    start_s: float = 0.0
    load_s: float = 1.0
    stop_s: float = 0.5
    chunks: int = 3
    chunk_s: float = 1.0
    faults: list[EngineUnavailable] = field(default_factory=list)
    made: list[ScriptedWorker] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have every worker made from now on be of this script."""
        monkeypatch.setattr(workers, "WorkerHandle", lambda engine, limits: ScriptedWorker(self))

    def starts_in_s(self) -> float:
        return self.start_s

    def loads_in_s(self) -> float:
        return self.load_s

    def stops_in_s(self) -> float:
        return self.stop_s

    def fault(self, worker: ScriptedWorker) -> EngineUnavailable | None:
        """Return how its load fails; None if it does not."""
        return self.faults.pop(0) if self.faults else None

    def on_load(self, worker: ScriptedWorker) -> None:
        """It begins to take memory."""

    def on_stop(self, worker: ScriptedWorker) -> None:
        """Somebody ends it."""

    @property
    def loads(self) -> list[str]:
        """Which models began to be loaded, in that order."""
        return [worker.model for worker in self.made if worker.model]

    @property
    def left(self) -> list[ScriptedWorker]:
        """Those of which something is left: a process, a folder."""
        return [worker for worker in self.made if worker.pid is not None and not worker.gone]


class ScriptedWorker:
    """What the service sees of a `WorkerHandle`."""

    loading = None
    memory_bytes = 0
    gpu_bytes = 0

    def __init__(self, script: Script) -> None:
        self.pid: int | None = None
        self.model = ""
        self.users = 0
        self.died_at: float | None = None
        self.gone = False
        self._script = script
        self._loaded = False
        self._ended = asyncio.Event()
        script.made.append(self)

    @property
    def alive(self) -> bool:
        return self.pid is not None and not self._ended.is_set()

    @property
    def loaded(self) -> bool:
        return self._loaded and self.alive

    async def prepare(self) -> None:
        self.pid = id(self)
        await self._get_ready(self._script.starts_in_s(), None)

    async def load(self, options: Options, sample_rate_hz: int) -> None:
        if self.pid is None:
            await self.prepare()
        self.model = str(options["model"])
        self._script.on_load(self)
        await self._get_ready(self._script.loads_in_s(), self._script.fault(self))
        self._loaded = True

    def speak(self, request: SpeechRequest) -> Spoken:
        return Spoken(self._chunks())

    async def speak_s(self, seconds: float) -> None:
        """Be of use for so long, unless it dies before: a request, as far as a model sees it."""
        self.users += 1
        try:
            await self._pass(seconds)
            if not self.alive:
                raise WorkerDied("It died.")
        finally:
            self.users -= 1

    def die(self) -> None:
        self.died_at = asyncio.get_running_loop().time()
        self._ended.set()

    async def stop(self) -> None:
        if self.pid is None:
            return
        self._script.on_stop(self)
        await self._bury()

    async def _chunks(self) -> AsyncGenerator[AudioChunk]:
        for _ in range(self._script.chunks):
            await self.speak_s(self._script.chunk_s)
            yield AudioChunk(np.full(CHUNK_SAMPLES, 0.1, np.float32), 0)

    async def _get_ready(self, seconds: float, fault: EngineUnavailable | None) -> None:
        """Let that time pass; if it does not go well nothing is left, as with the real one."""
        try:
            await self._pass(seconds)
            if not self.alive:
                raise EngineUnavailable("It died before it could speak.")
            if fault is not None:
                raise fault
        except BaseException:
            await self._bury()
            raise

    async def _bury(self) -> None:
        self._ended.set()
        await asyncio.sleep(self._script.stops_in_s())
        self.gone = True

    async def _pass(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()


def model_named(
    name: str,
    room: Room,
    source: Workers | None = None,
    metrics: Metrics | None = None,
    *,
    idle_timeout_s: float = 0.0,
) -> Model:
    """Return a model with workers as `Script.install` has them."""
    return Model(
        replace(registry.describe("fake"), id=name),
        {"model": name},
        source or Workers("fake", WorkerLimits()),
        room,
        metrics or Metrics(),
        idle_timeout_s=idle_timeout_s,
    )
