"""How much is asked of proxy and servers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of one run.

    `pairs` of answers, one direct and one through the proxy; `many_rounds` of `many` over 16
    connections; `leavers` who leave; `refusals`. Then servers that end, `ends` times each way,
    while `clients` ask one request after the other for `load_s` and `streams` are running.
    """

    pairs: int = 300
    many_rounds: int = 5
    many: int = 200
    leavers: int = 20
    refusals: int = 20
    ends: int = 3
    clients: int = 8
    streams: int = 4
    stream_s: float = 5.0
    load_s: float = 9.0


def quick() -> Plan:
    """Return the plan of a first impression."""
    return Plan(
        pairs=10, many_rounds=1, many=40, leavers=3, refusals=3, ends=1, stream_s=3.0, load_s=6.0
    )
