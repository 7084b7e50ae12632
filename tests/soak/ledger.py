"""What happened: outcomes counted, workers killed, and everything that went wrong."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

_MOST_WRONGS = 200
_NOTICED_S = 3.0
"""A worker's death is noticed in milliseconds, but by a machine that may have much else to do."""


class Wrong(Exception):
    """The server did what it must not; the message says what."""


@dataclass(slots=True)
class Ledger:
    """The account of one server's run. Times are those of the monotonic clock."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    kills_at: list[float] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    began_at: float = field(default_factory=time.monotonic)

    def count(self, kind: str, outcome: str) -> None:
        """Note how a visit of that kind ended."""
        self.counts[kind][outcome] += 1

    def wrong(self, what: str) -> None:
        """Note what must not be; the first ones tell the most."""
        if len(self.wrongs) < _MOST_WRONGS:
            self.wrongs.append(f"after {time.monotonic() - self.began_at:.1f} s: {what}")

    def excused(self, began_at: float, ended_at: float) -> bool:
        """Tell whether a worker was killed while a request ran, so that it may have failed."""
        return any(began_at - _NOTICED_S <= kill <= ended_at for kill in self.kills_at)

    @property
    def outcomes(self) -> Counter[str]:
        """All visits by how they ended."""
        return sum(self.counts.values(), Counter())
