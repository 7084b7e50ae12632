"""Which kinds of clients come, and how often each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from soak.answers import ask, error_of, honest_failure
from soak.listeners import (
    chorus,
    clone,
    crowd,
    events,
    known,
    plain_events,
    plain_pcm,
    slow,
    stream,
    whole,
)
from soak.nuisances import bad, dawdler, faulty, leaver, mute, quitter, stalled
from soak.visit import Visit

Kind = Callable[[Visit], Awaitable[str | tuple[str, ...]]]
"""A kind of visit returns how each of its requests ended, and raises `Wrong`."""


async def operator(visit: Visit) -> str:
    """Clear the caches, load the model, or unload it if nobody uses it."""
    house = visit.house
    path = visit.rng.choice(("/v1/cache/clear", "load", "unload"))
    if not path.startswith("/"):
        path = f"/v1/models/{house.model}/{path}"
    answer = await ask(house.client, path)
    if answer.status == 409 and path.endswith("unload"):
        error_of(answer)
        return "in_use"
    return honest_failure(answer, house.ledger) or "done"


_LISTENERS: dict[Kind, int] = {stream: 24, whole: 16, events: 8, plain_events: 6, plain_pcm: 6}
_OTHERS: dict[Kind, int] = {known: 4, slow: 3, crowd: 2, chorus: 5, operator: 4}
_NUISANCES: dict[Kind, int] = {leaver: 12, quitter: 8, bad: 16, dawdler: 2, mute: 2}
_FAKE_ONLY: dict[Kind, int] = {clone: 6, stalled: 1, faulty: 4}


def kinds(engine: str) -> dict[Kind, int]:
    """Return the kinds of visits that an engine gets, and how often each comes."""
    return _LISTENERS | _OTHERS | _NUISANCES | (_FAKE_ONLY if engine == "fake" else {})
