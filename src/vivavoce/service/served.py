"""What requests see of a model, whether one process has it or one on each of several devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from vivavoce.errors import EngineUnavailable
    from vivavoce.service.model import ModelState
    from vivavoce.types import LoadProgress, ModelInfo
    from vivavoce.worker.handle import WorkerHandle


class ServedModel(Protocol):
    """A `service.model.Model`, or several: `service.replicas.Replicas`. See there."""

    info: ModelInfo
    fingerprint: str

    @property
    def state(self) -> ModelState:
        """The state now."""

    @property
    def failure(self) -> EngineUnavailable | None:
        """Why the last load failed, if it did."""

    @property
    def failed_lately(self) -> bool:
        """Whether requests had better go elsewhere for a while."""

    @property
    def loading(self) -> LoadProgress | None:
        """How far a load under way has come, if it tells."""

    @property
    def workers(self) -> list[WorkerHandle]:
        """The workers that are alive."""

    def wanted(self) -> AbstractContextManager[None]:
        """Keep it from being unloaded as idle."""

    def use(self) -> AbstractAsyncContextManager[WorkerHandle]:
        """Have a worker that can speak, loaded if need be."""

    async def load(self) -> None:
        """Be loaded."""

    async def unload_if_unused(self) -> None:
        """Give everything back at once, unless it is in use."""

    async def close(self) -> None:
        """End every worker."""
