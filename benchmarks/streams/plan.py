"""How much is asked of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of one run. A frame is 80 ms of speech.

    Part one, `rounds` times: `alone` streams one after the other, `count` at once, and one that
    comes while `count - 1` others are in the middle of their speech.

    Part two, for each of `rates` (requests a second): `arrivals_s` seconds of requests that come at
    random moments, but never fewer than `fewest`. A rate is held if `limit_ms` was enough for the
    first audio of 19 of 20, all were served, and nobody heard a gap.
    """

    count: int = 4
    rounds: int = 8
    alone: int = 3
    frames: int = 100
    rates: tuple[float, ...] = (1, 2, 3, 4, 6)
    arrivals_s: float = 8.0
    fewest: int = 20
    arrival_frames: int = 50
    limit_ms: float = 500.0
    seed: int = 7
    answer_limit_s: float = 120.0

    def arrivals(self, rate: float) -> int:
        """Return how many requests come at a rate."""
        return max(round(rate * self.arrivals_s), self.fewest)


def quick() -> Plan:
    """Return the plan of a first impression."""
    return Plan(rounds=2, alone=2, frames=60, rates=(2, 4), arrivals_s=2.0, arrival_frames=20)
