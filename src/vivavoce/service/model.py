"""One model: loaded when somebody needs it, unloaded when nobody does, replaced when it dies."""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from vivavoce import allocator
from vivavoce.errors import EngineUnavailable, ModelInUse, VivavoceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from vivavoce.engine.base import Options
    from vivavoce.service.metrics import Metrics
    from vivavoce.service.room import Room
    from vivavoce.service.workers import Workers
    from vivavoce.types import LoadProgress, ModelInfo
    from vivavoce.worker.handle import WorkerHandle

log = structlog.get_logger("vivavoce.models")

MAX_BACKOFF_S = 30.0
UNREADY_S = 30.0
"""So long after a load that failed requests had better go elsewhere. By then one may be tried."""
OUT_OF_MEMORY = "out_of_memory"


class ModelState(StrEnum):
    """Where a model is in its life."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


class Model:
    """A model and its worker. `fingerprint` tells its audio from that of any other model.

    Belongs to one event loop. Between two awaits its state does not change, so a request that
    comes while it is unloaded either keeps it or waits for the next load: none is lost.
    """

    def __init__(
        self,
        info: ModelInfo,
        options: Options,
        workers: Workers,
        room: Room,
        metrics: Metrics,
        *,
        idle_timeout_s: float = 0.0,
        fingerprint: str = "",
    ) -> None:
        self.info = info
        self.fingerprint = fingerprint
        self.failure: EngineUnavailable | None = None
        self._failed_at = float("-inf")
        self.last_used_at = time.monotonic()
        self._options = options
        self._workers = workers
        self._room = room
        self._metrics = metrics
        self._idle_timeout_s = idle_timeout_s
        self._worker: WorkerHandle | None = None
        self._starting: asyncio.Task[WorkerHandle] | None = None
        self._loading: WorkerHandle | None = None
        self._unloading: asyncio.Task[None] | None = None
        self._claimed = False
        self._wanted = 0
        self._users = 0
        self._unused = asyncio.Event()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._failures = Failures()
        self._proved = True
        self._closed = False
        room.know(self)

    @property
    def state(self) -> ModelState:
        """The state now."""
        if self._unloading is not None:
            return ModelState.DRAINING
        if self._starting is not None:
            return ModelState.STARTING
        if self.worker is not None:
            return ModelState.READY
        return ModelState.FAILED if self.failure else ModelState.ABSENT

    @property
    def failed_lately(self) -> bool:
        """Whether requests had better go elsewhere: its last load failed not long ago.

        Only a request has it try again, so after a while they are welcome.
        """
        failed = self.state is ModelState.FAILED
        return failed and time.monotonic() - self._failed_at < UNREADY_S

    @property
    def loading(self) -> LoadProgress | None:
        """How far a load under way has come, if it tells."""
        return self._loading.loading if self._loading else None

    @property
    def worker(self) -> WorkerHandle | None:
        """The worker, if one is alive."""
        return self._worker if self._worker is not None and self._worker.alive else None

    @property
    def workers(self) -> list[WorkerHandle]:
        """The worker, if one is alive: see `service.served.ServedModel`."""
        worker = self.worker
        return [] if worker is None else [worker]

    @property
    def starting(self) -> bool:
        """Whether it is being loaded."""
        return self._starting is not None

    @property
    def occupies(self) -> bool:
        """Whether it takes one of the places in the `Room`."""
        return self._claimed or self.worker is not None

    @property
    def in_use(self) -> bool:
        """Whether requests have its worker, or wait for it to load."""
        return self._users > 0

    def claim(self) -> None:
        """Take a place in the `Room`."""
        self._claimed = True

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Keep it from being unloaded as idle: a request for it is under way somewhere."""
        self._wanted += 1
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        try:
            yield
        finally:
            self._wanted -= 1
            self.last_used_at = time.monotonic()
            self._rest()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[WorkerHandle]:
        """Have a worker that can speak, loaded if need be. It stays as long as it is used.

        Raises:
            EngineUnavailable: it could not be loaded (a later call tries again), or is closed.
        """
        async with self._hold() as worker:
            yield worker
            self._served(worker)

    async def load(self) -> None:
        """Be loaded.

        Raises:
            EngineUnavailable: as `use`.
        """
        async with self._hold():
            pass

    async def unload_if_unused(self) -> None:
        """Give everything back at once.

        Raises:
            ModelInUse: requests use it or wait for it.
        """
        if self._wanted:
            raise ModelInUse(
                f"Model {self.info.id} is in use, or requests wait for it. Unload it when they "
                "have ended."
            )
        await self.unload("asked")

    async def unload(self, reason: str) -> None:
        """Take no more requests, serve those that have the worker, then end it."""
        await asyncio.wait({self._unloading or self._begin_ending(self._unload(reason))})

    async def close(self) -> None:
        """End the worker, whatever it is doing. No other takes its place."""
        self._closed = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        loading = self._loading
        tasks = [task for task in (self._starting, self._unloading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if loading is not None:  # if it had failed already, its clearing away was cut short
            await loading.stop()
        await self._end_worker()

    @asynccontextmanager
    async def _hold(self) -> AsyncIterator[WorkerHandle]:
        with self.wanted():
            while (ending := self._ending()) is not None:
                await asyncio.wait({ending})
            self._users += 1
            try:
                yield await self._ready_worker()
            finally:
                self._users -= 1
                if not self._users:
                    self._unused.set()

    async def _ready_worker(self) -> WorkerHandle:
        """Return a worker that can speak; starts one if there is none. One start serves all.

        The start goes on if the caller is cancelled: whoever asks next is glad of it.
        """
        if self._closed:
            raise self._is_closed()
        if (worker := self.worker) is not None:
            return worker
        if self._starting is None:
            self._failures.check(self.info.id, self.failure)
            # A context of its own: a worker's log lines belong to no request.
            self._starting = asyncio.create_task(
                self._start(), name=f"start {self.info.id}", context=contextvars.Context()
            )
            self._starting.add_done_callback(self._started)
        starting = self._starting
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if starting.cancelled() and not (caller and caller.cancelling()):
                raise self._is_closed() from None
            raise

    async def _start(self) -> WorkerHandle:
        await self._room.make(self)
        began = time.monotonic()
        log.info("model loading", model=self.info.id, engine=self.info.engine)
        try:
            worker = await self._load()
        except BaseException:
            self._claimed = False
            raise
        self._worker, self._proved = worker, False
        load_s = time.monotonic() - began
        self._metrics.load_s.labels(self.info.id).observe(load_s)
        log.info("model ready", model=self.info.id, load_s=round(load_s, 3), pid=worker.pid)
        self._workers.refill()
        return worker

    async def _load(self) -> WorkerHandle:
        """Load a worker; if the memory does not suffice, after another model has left."""
        while True:
            worker = self._loading = self._workers.take()
            try:
                await worker.load(self._options, self.info.capabilities.sample_rate_hz)
            except EngineUnavailable as exc:
                if exc.code != OUT_OF_MEMORY or not await self._room.make_more(self):
                    raise
            else:
                return worker
            finally:
                self._loading = None

    def _started(self, task: asyncio.Task[WorkerHandle]) -> None:
        self._starting = None
        if task.cancelled():
            return
        error = task.exception()
        self.failure = error if isinstance(error, EngineUnavailable) else None
        outcome = error.code if isinstance(error, VivavoceError) else "error" if error else "ready"
        self._metrics.loads.labels(self.info.id, outcome).inc()
        if error is None:
            self._rest()  # everybody who wanted it may have left meanwhile
            return
        self._failures.count()
        self._failed_at = time.monotonic()
        log.error("model failed to load", model=self.info.id, reason=str(error))

    def _served(self, worker: WorkerHandle) -> None:
        """Note that this worker is good for something."""
        if worker is self._worker:
            self._proved = True
            self._failures.forget()

    def _ending(self) -> asyncio.Task[None] | None:
        """Return what ends the worker, if it is unloaded or has died: the next one comes after it.

        A dead one keeps its place until it is cleared away, and waits for no other place meanwhile.
        """
        dead = self._worker is not None and self.worker is None
        if dead and self._unloading is None and self._starting is None and not self._closed:
            return self._begin_ending(self._end_worker())
        return self._unloading

    def _begin_ending(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        self._unloading = asyncio.create_task(
            work, name=f"unload {self.info.id}", context=contextvars.Context()
        )
        # Not by the task itself: one that is cancelled before its first step never comes so far.
        self._unloading.add_done_callback(self._ended)
        return self._unloading

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._unloading = None

    async def _unload(self, reason: str) -> None:
        if self._starting is not None:
            await asyncio.wait({self._starting})
        while self._users:
            self._unused.clear()
            await self._unused.wait()
        if self._worker is not None:
            await self._end_worker()
            self._metrics.unloads.labels(self.info.id, reason).inc()
            log.info("model unloaded", model=self.info.id, reason=reason)
            allocator.give_back()  # what its answers left in this process; it takes milliseconds

    async def _end_worker(self) -> None:
        worker = self._worker
        if worker is not None:
            if not worker.alive and not self._proved:
                self._proved = True
                self._failures.count()  # it died before it had served anybody: no better than none
            await worker.stop()
        # Only now: if this is cancelled, `close` must find the worker.
        self._worker = None
        self._claimed = False

    def _rest(self) -> None:
        """Begin to count the idle time, if nobody wants it now."""
        if self._wanted or not self._idle_timeout_s or self._worker is None or self._closed:
            return
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(self._idle_timeout_s, self._on_idle)

    def _on_idle(self) -> None:
        self._idle_timer = None
        if not self._wanted and self._unloading is None and self._starting is None:
            self._begin_ending(self._unload("idle"))

    def _is_closed(self) -> EngineUnavailable:
        return EngineUnavailable(f"Model {self.info.id} is shutting down.")


class Failures:
    """Loads that failed one after the other: the first is tried again at once, others later."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._again_at = 0.0

    def count(self) -> None:
        """Note one more."""
        self._in_a_row += 1
        pause_s = min(2.0 ** (self._in_a_row - 2), MAX_BACKOFF_S) if self._in_a_row > 1 else 0.0
        self._again_at = time.monotonic() + pause_s

    def forget(self) -> None:
        """Start afresh: it works."""
        self._in_a_row = 0

    def check(self, model_id: str, failure: EngineUnavailable | None) -> None:
        """Raise EngineUnavailable if it is too early to try again."""
        left_s = self._again_at - time.monotonic()
        if self._in_a_row == 0 or left_s <= 0:
            return
        why = failure.message if failure else f"Model {model_id} died as soon as it was used."
        raise EngineUnavailable(
            f"{why} This happened {self._in_a_row} times in a row; the next attempt is made in "
            f"{math.ceil(left_s)} s.",
            code=failure.code if failure else None,
            retry_after_s=left_s,
        )
