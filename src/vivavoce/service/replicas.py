"""A model on several devices: a worker on each, and each request goes to the one with least to do.

The first request loads one. The others follow while those that are there have something to do, and
nobody waits for them. If one dies, whoever it served hears of it, and the next go to those that are
left until it is back.
"""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from vivavoce.errors import EngineUnavailable
from vivavoce.service.model import ModelState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from vivavoce.service.model import Model
    from vivavoce.types import LoadProgress
    from vivavoce.worker.handle import WorkerHandle

_MOST_ALIVE = (
    ModelState.READY,
    ModelState.STARTING,
    ModelState.DRAINING,
    ModelState.FAILED,
    ModelState.ABSENT,
)


class Replicas:
    """See `service.served.ServedModel`. `models` are the same model, each on a device of its own.

    Belongs to one event loop.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(models)
        self.info, self.fingerprint = models[0].info, models[0].fingerprint
        self._serving = dict.fromkeys(self.models, 0)
        self._joining: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> ModelState:
        """That of the one that is nearest to serving."""
        states = {model.state for model in self.models}
        return next(state for state in _MOST_ALIVE if state in states)

    @property
    def failure(self) -> EngineUnavailable | None:
        """Why a load failed, if none has a worker."""
        if self.workers:
            return None
        return next((model.failure for model in self.models if model.failure), None)

    @property
    def failed_lately(self) -> bool:
        """See `Model.failed_lately`: so with all of them."""
        return all(model.failed_lately for model in self.models)

    @property
    def loading(self) -> LoadProgress | None:
        """How far the first load under way has come."""
        return next((model.loading for model in self.models if model.loading), None)

    @property
    def workers(self) -> list[WorkerHandle]:
        """Those that are alive, in the order of the devices."""
        return [worker for model in self.models for worker in model.workers]

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Keep all of them from being unloaded as idle: they become idle together."""
        with ExitStack() as stack:
            for model in self.models:
                stack.enter_context(model.wanted())
            yield

    @asynccontextmanager
    async def use(self) -> AsyncIterator[WorkerHandle]:
        """Have the worker that has the least to do.

        Raises:
            EngineUnavailable: as `Model.use`, of the last one that was tried.
        """
        with self.wanted():
            chosen = await self._choose()
            self._serving[chosen] += 1
            try:
                async with chosen.use() as worker:
                    yield worker
            finally:
                self._serving[chosen] -= 1

    async def load(self) -> None:
        """Be loaded, on every device where that succeeds.

        Raises:
            EngineUnavailable: on none.
        """
        ends = await asyncio.gather(*(one.load() for one in self.models), return_exceptions=True)
        errors = [end for end in ends if end is not None]
        if len(errors) == len(self.models):
            raise errors[0]

    async def unload_if_unused(self) -> None:
        """Give everything back at once. See `Model.unload_if_unused`."""
        for model in self.models:  # who wants one wants all
            await model.unload_if_unused()

    async def close(self) -> None:
        """End all workers."""
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)
        await asyncio.gather(*(model.close() for model in self.models))

    async def _choose(self) -> Model:
        """Return the one for a request: of those that have a worker, if any can have one."""
        if not self._ready:
            await self._load_one()
        chosen = min(self._ready or self.models, key=lambda model: self._serving[model])
        if self._serving[chosen]:
            self._have_others_join()
        return chosen

    @property
    def _ready(self) -> list[Model]:
        return [model for model in self.models if model.state is ModelState.READY]

    async def _load_one(self) -> None:
        """Load one of them: the first on its way there, or else on the first device that can."""
        error: EngineUnavailable | None = None
        for model in sorted(self.models, key=lambda model: not model.starting):
            try:
                return await model.load()
            except EngineUnavailable as exc:
                error = exc
            if self._ready:
                return None
        assert error is not None
        raise error

    def _have_others_join(self) -> None:
        """Begin to load those that have no worker, for whoever comes next."""
        for model in self.models:
            if model.state in (ModelState.ABSENT, ModelState.FAILED) and not model.starting:
                task = asyncio.create_task(
                    _join(model), name=f"join {model.info.id}", context=contextvars.Context()
                )
                self._joining.add(task)
                task.add_done_callback(self._joining.discard)


async def _join(model: Model) -> None:
    try:
        await model.load()
    except EngineUnavailable:
        return  # it was logged, and the others serve
