"""How many servers a crowd needs, and what one of them costs for each million characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.capacity.check import SEATS, p95
from benchmarks.capacity.fleet import serve
from benchmarks.capacity.replica import Listener
from benchmarks.streams.arrivals import moments_s
from benchmarks.streams.listener import Heard
from vivavoce.engine.qwen3.pace import FRAME_S

if TYPE_CHECKING:
    from benchmarks.capacity.times import Times

CHARS_PER_S = 15.7
"""Of English, spoken by the embedded voice: 44 characters in 2.8 s."""
_SETTLING = 2


@dataclass(frozen=True, slots=True)
class Demand:
    """So many people who hear speech at any moment; each answer has so many frames.

    They come independently of each other, so now more of them, now fewer. They are well served if
    the first audio of 19 of 20 comes within `limit_s`, fewer than one in `dry_of` hears a gap, and
    nobody is refused. Who comes before the fleet is as full
    as it will be is not judged.
    """

    listeners: int
    frames: int
    limit_s: float = 0.5
    dry_of: int = 100
    most_open: int = 192
    answers: int = 10
    """Each listener's, over the time that is looked at; of a large crowd fewer."""
    most_requests: int = 4000
    seed: int = 7

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.listeners / (self.frames * FRAME_S)


@dataclass(frozen=True, slots=True)
class Served:
    """How a fleet served a demand. `dry` and `refused` are shares of all who asked."""

    replicas: int
    first_audio_p50_s: float
    first_audio_p95_s: float
    dry: float
    refused: float

    def pleases(self, demand: Demand) -> bool:
        """Tell whether that is good enough."""
        in_time = self.first_audio_p95_s <= demand.limit_s
        return in_time and not self.refused and self.dry * demand.dry_of < 1


def served(demand: Demand, times: Times, replicas: int) -> Served:
    """Return how so many servers do."""
    answers = max(_SETTLING + 2, min(demand.answers, demand.most_requests // demand.listeners))
    count = max(demand.listeners * answers, 20)
    everybody = [
        Listener(at_s, demand.frames) for at_s in moments_s(count, demand.rate, demand.seed)
    ]
    serve(everybody, times, replicas, seats=SEATS, most_open=demand.most_open)
    settled_s = _SETTLING * demand.frames * FRAME_S
    judged = [one for one in everybody if one.asked_at_s >= settled_s] or everybody
    heard = [Heard(one.asked_at_s, tuple(one.chunks)) for one in judged if not one.refused]
    first_s = sorted(one.first_audio_s for one in heard)
    return Served(
        replicas,
        first_s[len(first_s) // 2],
        p95(first_s),
        dry=sum(one.late > 0 for one in heard) / len(heard),
        refused=1 - len(heard) / len(judged),
    )


def fewest(demand: Demand, times: Times, most: int) -> Served | None:
    """Return the smallest fleet that serves a demand well, of at most so many; None: none does."""
    low, tried = 1, served(demand, times, 1)
    while not tried.pleases(demand):  # twice as many, until they are enough
        if tried.replicas >= most:
            return None
        low = tried.replicas + 1
        tried = served(demand, times, min(2 * tried.replicas, most))
    best = tried
    while low < best.replicas:
        tried = served(demand, times, (low + best.replicas) // 2)
        if tried.pleases(demand):
            best = tried
        else:
            low = tried.replicas + 1
    return best


def characters_per_s(demand: Demand, replicas: int) -> float:
    """Return how many characters each of them speaks a second, with that demand."""
    return demand.listeners * CHARS_PER_S / replicas


def price_of_a_million(price_per_hour: float, chars_per_s: float) -> float:
    """Return what a million characters cost where a server costs so much an hour."""
    return price_per_hour * 1e6 / (chars_per_s * 3600)
