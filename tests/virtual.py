"""An event loop whose clock moves only when everybody waits: hours pass in milliseconds.

The same program takes the same course each time. Where nobody could ever go on, it says so.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Coroutine


MOST_ROUNDS = 10_000


class _Clock(selectors.SelectSelector):
    """Where a selector would wait, it moves the clock on instead. Nothing comes from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("Everybody waits, and nothing is left to wait for.")
        self._rounds = 0 if timeout > 0 else self._rounds + 1
        if self._rounds > MOST_ROUNDS:
            self._rounds = 0
            raise AssertionError("Somebody runs in circles: no time passes.")
        self.now_s += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    """Run it; `time.monotonic` is the loop's clock meanwhile."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        with patch.object(time, "monotonic", loop.time):
            runner.run(main)
