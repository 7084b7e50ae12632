"""Whose turn it is to compute, when there are more requests than cores."""

from __future__ import annotations

import heapq
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turns:
    """Admits `at_once` holders; of those who wait, the one whose listener runs dry first.

    With `urgency` the time at which a listener will have heard all it was sent, a request that has
    sent nothing yet goes before one that is minutes ahead. Ties go in order of arrival.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._arrivals = 0
        self._waiting: list[tuple[float, int]] = []
        self._changed = threading.Condition()

    @contextmanager
    def take(self, urgency: float) -> Iterator[None]:
        """Hold a turn for the block; waits until it is one's own."""
        with self._changed:
            self._arrivals += 1
            ticket = (urgency, self._arrivals)
            heapq.heappush(self._waiting, ticket)
            while self._free == 0 or self._waiting[0] != ticket:
                self._changed.wait()
            heapq.heappop(self._waiting)
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
