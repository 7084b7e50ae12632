"""How many models may be loaded at a time, and which one leaves when another needs its place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from vivavoce.types import ModelInfo

log = structlog.get_logger("vivavoce.models")


class Occupant(Protocol):
    """What a place is given to: a `vivavoce.service.model.Model`."""

    info: ModelInfo

    @property
    def occupies(self) -> bool:
        """Whether it is loaded, or on its way there."""

    @property
    def starting(self) -> bool:
        """Whether it is on its way there."""

    @property
    def in_use(self) -> bool:
        """Whether requests are being served by it."""

    @property
    def last_used_at(self) -> float:
        """When its last request ended, by the monotonic clock."""

    def claim(self) -> None:
        """Occupy a place from now on."""

    async def unload(self, reason: str) -> None:
        """Take no more requests, serve those it has, and be gone."""


class Room:
    """Places for `max_loaded` models. Who waits for one gets it in the order of asking.

    While one waits, the model that is to leave takes no new requests: so two models in demand
    take turns, and neither starves.
    """

    def __init__(self, max_loaded: int, wait_s: float = 300.0) -> None:
        self._max_loaded = max_loaded
        self._wait_s = wait_s
        self._door = asyncio.Lock()
        self._models: list[Occupant] = []

    def know(self, model: Occupant) -> None:
        """Count a model among those that share the places."""
        self._models.append(model)

    async def make(self, model: Occupant) -> None:
        """Return when there is a place for a model; it has it then.

        Raises:
            EngineUnavailable: those that have the places are busy for too long.
        """
        try:
            async with asyncio.timeout(self._wait_s), self._door:
                while len(others := self._others(model)) >= self._max_loaded:
                    await _next_to_leave(others).unload("room")
                model.claim()
        except TimeoutError:
            raise EngineUnavailable(
                f"Model {model.info.id} found no place: {self._max_loaded} other models were busy "
                f"for {self._wait_s:g} s. Raise MAX_LOADED_MODELS if the memory allows."
            ) from None

    async def make_more(self, model: Occupant) -> bool:
        """Have another model leave for one that did not fit into the memory; False if none can."""
        # Not through the door: who waits there may wait for this very model. And not one that is
        # starting: it may be short of memory as well, and wait for this one.
        others = [other for other in self._others(model) if not other.starting]
        if not others:
            return False
        leaving = _next_to_leave(others)
        log.warning("memory is short", model=model.info.id, unloading=leaving.info.id)
        await leaving.unload("memory")
        return True

    def _others(self, model: Occupant) -> list[Occupant]:
        return [other for other in self._models if other is not model and other.occupies]


def _next_to_leave(models: list[Occupant]) -> Occupant:
    """Return the one unused for longest; one that is in use only if all are."""
    return min(models, key=lambda model: (model.in_use, model.last_used_at))
