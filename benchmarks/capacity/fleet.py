"""Several servers behind a proxy that sends each request to the one with the fewest open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.capacity.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.capacity.replica import Listener
    from benchmarks.capacity.times import Times


def serve(
    listeners: Iterable[Listener], times: Times, replicas: int, *, seats: int, most_open: int
) -> None:
    """Serve all who ask, in the order in which they do, until the last has heard all.

    A server that has `most_open` refuses. A round that has begun is ended before the next request
    is seen, as in a server whose frame is being computed.
    """
    fleet = [Replica(times, seats) for _ in range(replicas)]
    for listener in sorted(listeners, key=lambda listener: listener.asked_at_s):
        for replica in fleet:
            _run(replica, listener.asked_at_s)
        chosen = min(fleet, key=lambda replica: replica.open)
        if chosen.open >= most_open:
            listener.refused = True
        else:
            chosen.ask(listener)
    for replica in fleet:
        _run(replica, float("inf"))


def _run(replica: Replica, until_s: float) -> None:
    while replica.has_work and replica.clock_s < until_s:
        replica.once()
