"""How much is measured: counts, and a time after which every loop ends early."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of one run. `limit_s` bounds it on a slow machine: figures then have a smaller n."""

    fresh_servers: int = 5
    warm_requests: int = 50
    concurrency: tuple[int, ...] = (1, 2, 4, 8)
    realtime_rounds: int = 3
    short_requests: int = 8
    overhead_requests: int = 200
    throughput_rounds: int = 5
    throughput_requests: int = 160
    stream_listeners: int = 64
    stream_s: float = 10.0
    limit_s: float = 220.0
    begun: float = field(default_factory=time.monotonic)

    def rounds(self, n: int) -> Iterator[int]:
        """Count to `n`, but not past the limit; the first always takes place."""
        for index in range(n):
            if index and time.monotonic() - self.begun > self.limit_s:
                return
            yield index


def quick() -> Plan:
    """Return the plan of a first impression: every figure, few values."""
    return Plan(
        fresh_servers=2,
        warm_requests=10,
        concurrency=(1, 2),
        realtime_rounds=1,
        overhead_requests=30,
        throughput_rounds=1,
        throughput_requests=64,
        stream_listeners=8,
        stream_s=2.0,
        limit_s=30.0,
    )
