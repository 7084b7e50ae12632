"""Who is served now, who waits, and who is refused: the bound on answers made at the same time."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from vivavoce.errors import ServerFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LIVE_IN_A_ROW = 3
"""So many live requests go first, then one that nobody listens to yet: it waits, not for ever."""

_MAX_RETRY_AFTER_S = 30.0
_LATEST = 0.2
"""How much the latest answer counts in the mean time that answers take."""

_Turn = asyncio.Future[None]


class Admission:
    """At most `max_running` slots are held at a time, and at most `max_waiting` wait for one.

    Belongs to one event loop. Who leaves while waiting is forgotten at once.
    """

    def __init__(
        self, max_running: int, max_waiting: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_running = max_running
        self.max_waiting = max_waiting
        self.running = 0
        self._clock = clock
        self._live: deque[_Turn] = deque()
        self._batch: deque[_Turn] = deque()
        self._live_in_a_row = 0
        self._mean_s = 1.0

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._live) + len(self._batch)

    @asynccontextmanager
    async def slot(self, *, live: bool) -> AsyncIterator[None]:
        """Hold a slot, waiting for one if need be; `live`: somebody listens as it is made.

        Raises:
            ServerFull: none is free, and no more may wait.
        """
        if self.running < self.max_running:
            self.running += 1
        else:
            await self._wait(self._live if live else self._batch)
        began = self._clock()
        try:
            yield
        finally:
            self._mean_s += _LATEST * (self._clock() - began - self._mean_s)
            self._hand_on()

    async def _wait(self, queue: deque[_Turn]) -> None:
        if self.waiting >= self.max_waiting:
            raise ServerFull(
                f"The server is full: {self.running} answers are being made and {self.waiting} "
                "requests wait. Try again shortly, or have the operator raise "
                "MAX_CONCURRENT_REQUESTS or MAX_QUEUE_DEPTH.",
                retry_after_s=self._retry_after_s(),
            )
        turn: _Turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given a slot in the same moment
                self._hand_on()
            elif turn in queue:
                queue.remove(turn)
            raise

    def _hand_on(self) -> None:
        """Give a slot that became free to whoever is next."""
        while (queue := self._next()) is not None:
            turn = queue.popleft()
            if turn.cancelled():  # who waited is leaving in this moment
                continue
            self._live_in_a_row = self._live_in_a_row + 1 if queue is self._live else 0
            turn.set_result(None)
            return
        self.running -= 1

    def _next(self) -> deque[_Turn] | None:
        if self._live and (not self._batch or self._live_in_a_row < LIVE_IN_A_ROW):
            return self._live
        return self._batch or None

    def _retry_after_s(self) -> float:
        """Guess when the last of those who wait now will have been served."""
        rounds = (self.waiting + 1) / self.max_running
        return min(max(1.0, math.ceil(rounds * self._mean_s)), _MAX_RETRY_AFTER_S)
