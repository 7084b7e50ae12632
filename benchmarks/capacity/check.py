"""Does the simulation foretell what a real server was measured at? Same requests, same moments.

What a request costs outside of the model, and by how much everything is slower beside a server and
its clients on the same cores, is taken from listeners who ask one after the other and at once. Then
requests at random moments are foretold, of which the simulation has seen nothing.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.capacity.fleet import serve
from benchmarks.capacity.replica import Listener
from benchmarks.online.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.capacity.times import Times
    from benchmarks.streams.listener import Heard

SEATS = 16
"""Of the engine: `MAX_BATCH`."""
_MOST_OPEN = 192
"""So many requests a server takes by default before it refuses: running and waiting ones."""
_ROUNDS = 12
"""In each, factor and door come nearer to what they are to explain."""


def adjusted(
    times: Times, alone: Sequence[Heard], rounds: Sequence[Sequence[Heard]], frames: int
) -> Times:
    """Return the times with `factor` and `door_s` such that these answers come out as measured.

    `rounds`: in each as many asked at the same moment. All by their medians.
    """
    measured_total_s = statistics.median(one.total_s for those in rounds for one in those)
    measured_first_s = statistics.median(one.first_audio_s for one in alone)
    for _ in range(_ROUNDS):
        crowd = foretold(times, [0.0] * len(rounds[0]), frames)
        total_s = statistics.median(one.chunks[-1][0] for one in crowd)
        spent_s = total_s - times.door_s
        times = times.beside(
            factor=times.factor * (measured_total_s - times.door_s) / spent_s, door_s=times.door_s
        )
        first_s = foretold(times, [0.0], frames)[0].chunks[0][0]
        door_s = max(0.0, times.door_s + measured_first_s - first_s)
        times = times.beside(factor=times.factor, door_s=door_s)
    return times


def foretold(times: Times, moments_s: Sequence[float], frames: int) -> list[Listener]:
    """Return what who ask one server at these moments hear, by the simulation."""
    listeners = [Listener(at_s, frames) for at_s in moments_s]
    serve(listeners, times, 1, seats=SEATS, most_open=_MOST_OPEN)
    return listeners


def figures_of(heard: Sequence[Heard] | Sequence[Listener]) -> dict[str, float]:
    """Return what is compared: medians of first audio and of an answer, speech made each second."""
    answers = [_Answer(one) for one in heard]
    began_s = min(one.asked_at_s for one in answers)
    ended_s = max(one.asked_at_s + one.chunks[-1][0] for one in answers)
    audio_s = sum(audio_s for one in answers for _, audio_s in one.chunks)
    return {
        "first_audio": statistics.median(one.chunks[0][0] for one in answers),
        "took": statistics.median(one.chunks[-1][0] for one in answers),
        "audio": audio_s / (ended_s - began_s),
    }


def p95(values: Sequence[float]) -> float:
    """Return what 19 of 20 stay below; the largest of fewer than 20."""
    found = Figure("", "", tuple(values)).p95
    return max(values) if found is None else found


class _Answer:
    """Of a listener here or of one who was measured."""

    def __init__(self, one: Heard | Listener) -> None:
        self.asked_at_s = one.asked_at_s if isinstance(one, Listener) else one.began_s
        self.chunks = one.chunks
