"""Whether memory stays flat: a server's at rest and at its highest, a worker's over its life.

Series are (seconds, MiB).
"""

from __future__ import annotations

from statistics import linear_regression
from typing import TYPE_CHECKING

from soak.plan import (
    PEAK_GROWTH_LIMIT_MIB,
    REST_GROWTH_LIMIT_MIB,
    REST_SLOPE_LIMIT_MIB_H,
    REST_SLOPE_SPAN_S,
    WORKER_GROWTH_LIMIT_MIB,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soak.run import Soak

_LEAST_POINTS = 3
_WARMING_PART = 3
"""The first third, of a run or of a worker's life, is not judged: buffers reach their size."""


def troubles(soak: Soak) -> list[str]:
    """Return what grew by more than it may, one line each."""
    rest, highest, life = at_rest(soak), peaks(soak), last_life(soak)
    warm = max(1, len(soak.plan.rounds) // _WARMING_PART)
    grown = (
        ("the server's memory at rest", rest[:1], rest[1:], REST_GROWTH_LIMIT_MIB),
        ("the server's highest memory", highest[:warm], highest[warm:], PEAK_GROWTH_LIMIT_MIB),
        ("the last worker's memory", life[:1], life[1:], WORKER_GROWTH_LIMIT_MIB),
    )
    found = []
    for what, before, after, limit_mib in grown:
        if not before or not after:
            continue
        was_mib, now_mib = max(mib for _, mib in before), after[-1][1]
        if now_mib - was_mib > limit_mib:
            found.append(f"{what} went from {was_mib} to {now_mib} MiB; {limit_mib:g} are allowed")
    slope = mib_per_hour(rest)
    long_enough = bool(rest) and rest[-1][0] - rest[0][0] >= REST_SLOPE_SPAN_S
    if long_enough and slope is not None and slope > REST_SLOPE_LIMIT_MIB_H:
        found.append(
            f"the server's memory at rest grows by {slope} MiB an hour; "
            f"{REST_SLOPE_LIMIT_MIB_H:g} are allowed"
        )
    return found


def at_rest(soak: Soak) -> list[tuple[float, float]]:
    """Return the server's memory at each rest."""
    return [(rest.at_s, rest.memory_mib) for rest in soak.rests]


def peaks(soak: Soak) -> list[tuple[float, float]]:
    """Return the highest of the server's memory in each round.

    Not all of it: what is free goes back to the system when a model is unloaded, and not before.
    """
    highest: dict[int, tuple[float, float]] = {}
    for sample in soak.watch.samples:
        if sample.server_mib > highest.get(sample.round, (0.0, 0.0))[1]:
            highest[sample.round] = (sample.at_s, sample.server_mib)
    return list(highest.values())


def last_life(soak: Soak) -> list[tuple[float, float]]:
    """Return the memory of the last worker of the last round, but for its first third."""
    last_round = [s for s in soak.watch.samples if s.round == len(soak.plan.rounds) - 1]
    last_pid = next((s.worker_pid for s in reversed(last_round) if s.worker_pid), None)
    life = [
        (s.at_s, s.worker_mib)
        for s in last_round
        if s.worker_pid == last_pid and s.worker_mib is not None
    ]
    return life[len(life) // _WARMING_PART :]


def mib_per_hour(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of (seconds, MiB); None if they are too few to tell."""
    if len(points) < _LEAST_POINTS:
        return None
    slope = linear_regression([at_s for at_s, _ in points], [mib for _, mib in points]).slope
    return round(3600 * slope, 2)
