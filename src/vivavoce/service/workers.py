"""Where models get their worker processes from: a new one, or one that waits with imports done."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import structlog

from vivavoce.errors import EngineUnavailable
from vivavoce.worker.handle import WorkerHandle

if TYPE_CHECKING:
    from vivavoce.worker.handle import WorkerLimits

log = structlog.get_logger("vivavoce.workers")


class Workers:
    """Workers of one engine. With `standby` one is kept ready for the next load.

    It has its libraries imported and nothing loaded: no GPU memory, and a load is that much faster.
    """

    def __init__(self, engine: str, limits: WorkerLimits, *, standby: bool = False) -> None:
        self._engine = engine
        self._limits = limits
        self._standby = standby
        self._waiting: WorkerHandle | None = None
        self._coming: WorkerHandle | None = None
        self._preparing: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> WorkerHandle | None:
        """The worker that waits for a load, if there is one."""
        return self._waiting if self._waiting is not None and self._waiting.alive else None

    def take(self) -> WorkerHandle:
        """Return a worker to load. It belongs to the caller, who also ends it."""
        worker = self.waiting
        if worker is None:
            return WorkerHandle(self._engine, self._limits)
        self._waiting = None
        return worker

    def refill(self) -> None:
        """Begin to prepare the next one. Called when no load is slowed down by it."""
        if self._standby and self.waiting is None and self._preparing is None:
            self._preparing = asyncio.create_task(
                self._prepare(), name=f"standby {self._engine}", context=contextvars.Context()
            )

    async def close(self) -> None:
        """End the one that waits."""
        self._standby = False
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        for worker in (self._coming, self._waiting):
            if worker is not None:
                await worker.stop()

    async def _prepare(self) -> None:
        try:
            if self._waiting is not None:  # it has died
                await self._waiting.stop()
            worker = self._coming = WorkerHandle(self._engine, self._limits)
            await worker.prepare()
            self._waiting, self._coming = worker, None
            log.info("worker on standby", engine=self._engine, pid=worker.pid)
        except EngineUnavailable as exc:
            log.warning("no worker on standby", engine=self._engine, reason=exc.message)
        finally:
            self._preparing = None
