"""Which models there are, under which names, and who of them has a worker."""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

from vivavoce.errors import EngineUnavailable, InvalidRequest, UnknownModel
from vivavoce.types import Need
from vivavoce.worker.handle import WorkerHandle

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.types import LoadProgress, ModelInfo

log = structlog.get_logger("vivavoce.models")

DEFAULT_MODEL_ALIASES = (
    *("tts-1", "tts-1-hd"),
    *("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-03-20", "gpt-4o-mini-tts-2025-12-15"),
    "qwen3-tts",
)
"""Names that clients send without choosing: they mean whatever the default model is."""


class ModelState(StrEnum):
    """Where a model is in its life."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


class Model:
    """One model: its worker is started when first needed and replaced when it dies."""

    def __init__(self, info: ModelInfo, new_worker: Callable[[], WorkerHandle]) -> None:
        self.info = info
        self.failure: EngineUnavailable | None = None
        self._new_worker = new_worker
        self._worker: WorkerHandle | None = None
        self._starting: asyncio.Task[WorkerHandle] | None = None
        self._started_worker: WorkerHandle | None = None
        self._closed = False

    @property
    def state(self) -> ModelState:
        """The state now."""
        if self._starting is not None:
            return ModelState.STARTING
        if self._worker is not None and self._worker.alive:
            return ModelState.READY
        return ModelState.FAILED if self.failure else ModelState.ABSENT

    @property
    def loading(self) -> LoadProgress | None:
        """How far a load under way has come, if it tells."""
        return self._started_worker.loading if self._started_worker else None

    @property
    def worker(self) -> WorkerHandle | None:
        """The worker, if one is alive."""
        return self._worker if self._worker is not None and self._worker.alive else None

    async def ready_worker(self) -> WorkerHandle:
        """Return a worker that can speak; starts one if there is none. One start serves all.

        The start goes on if the caller is cancelled: whoever asks next is glad of it.

        Raises:
            EngineUnavailable: it could not be started (the next call tries again), or the model
                is closed.
        """
        if self._closed:
            raise self._is_closed()
        if self._worker is not None and self._worker.alive:
            return self._worker
        if self._starting is None:
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

    async def close(self) -> None:
        """End the worker, whatever it is doing. No other takes its place."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._worker is not None:
            await self._worker.stop()
            self._worker = None

    async def _start(self) -> WorkerHandle:
        if self._worker is not None:
            await self._worker.stop()  # clear away the dead one
            self._worker = None
        log.info("model starting", model=self.info.id, engine=self.info.engine)
        worker = self._started_worker = self._new_worker()
        try:
            await worker.start()
        finally:
            self._started_worker = None
        self._worker = worker
        return worker

    def _is_closed(self) -> EngineUnavailable:
        return EngineUnavailable(f"Model {self.info.id} is shutting down.")

    def _started(self, task: asyncio.Task[WorkerHandle]) -> None:
        self._starting = None
        if task.cancelled():
            return
        error = task.exception()
        self.failure = error if isinstance(error, EngineUnavailable) else None
        if error is not None:
            log.error("model failed to start", model=self.info.id, reason=str(error))


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name a client may use, and the model it means."""

    id: str
    model: Model

    @property
    def is_alias(self) -> bool:
        """Whether the model's own name is another."""
        return self.id != self.model.info.id


class Models:
    """The models by every name they answer to, and by what a request needs.

    Names choose a family; within it the need chooses. Only the default's own id and those of the
    others mean one model exactly.
    """

    def __init__(
        self,
        default: Model,
        *,
        clone: Model | None = None,
        design: Model | None = None,
        unknown_means_default: bool = False,
    ) -> None:
        self.default = default
        self._by_need = {Need.PRESET: default, Need.CLONE: clone, Need.DESIGN: design}
        self._unknown_means_default = unknown_means_default
        names = (default.info.id, *DEFAULT_MODEL_ALIASES)
        self.names = {name: ModelName(name, default) for name in names}
        for model in self.all:
            self.names.setdefault(model.info.id, ModelName(model.info.id, model))

    @property
    def all(self) -> tuple[Model, ...]:
        """Each model once, the default first."""
        return tuple({id(m): m for m in self._by_need.values() if m is not None}.values())

    def find(self, name: str) -> Model:
        """Return the model of that exact name.

        Raises:
            UnknownModel: there is none; the message lists those there are.
        """
        found = self.names.get(name.strip())
        if found is None:
            raise UnknownModel(
                f"There is no model {name[:80]!r}. Use one of: {', '.join(self.names)}.",
                param="model",
            )
        return found.model

    def choose(self, name: str | None, need: Need = Need.PRESET) -> Model:
        """Return the model for a request: none named is the default, an unknown one by setting.

        Raises:
            UnknownModel: as `find`, unless unknown names mean the default.
            InvalidRequest: the model named, or every model here, is for something else.
        """
        named = self._named(name)
        wanted = self._by_need[need]
        if wanted is None:
            raise InvalidRequest(
                f"Model {self.default.info.id} cannot {_VERBS[need]}. Qwen3-TTS can. {QWEN_REMEDY}",
                code="not_supported",
            )
        if named in (self.default, wanted):
            return wanted
        raise InvalidRequest(
            f"Model {named.info.id} cannot {_VERBS[need]}. Use {wanted.info.id}, or leave the "
            "model out.",
            param="model",
        )

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(model.close() for model in self.all))

    def _named(self, name: str | None) -> Model:
        if name is None or not name.strip():
            return self.default
        try:
            return self.find(name)
        except UnknownModel:
            if self._unknown_means_default:
                return self.default
            raise


_VERBS = {
    Need.PRESET: "speak in preset voices",
    Need.CLONE: "clone a voice from a clip",
    Need.DESIGN: "make a voice from a description",
}
QWEN_REMEDY = "Install it with: pip install 'vivavoce[qwen]', and start with ENGINE=qwen3."
"""How an operator gets what only that engine does."""
