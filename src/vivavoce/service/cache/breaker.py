"""Whether a server that has failed may be asked again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 5
"""So many in a row, and the server is left alone for a while."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


class Breaker:
    """Lets everybody through while the server works, and after a failure's pause one at a time.

    The pause doubles with each trial that fails. For one thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._paused_until_s = 0.0
        self._trying = False

    def admits(self) -> bool:
        """Tell whether to ask now. After a yes, tell how it went: one of the three below."""
        if self._failures < FAILURES:
            return True
        if self._trying or self._clock() < self._paused_until_s:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """The server answered."""
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._trying = False

    def failed(self) -> None:
        """The server did not answer, or not in time, or nonsense."""
        self._failures += 1
        # Those that were under way when the pause began fail as well, and do not make it longer.
        if self._failures == FAILURES or self._trying:
            self._paused_until_s = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._trying = False

    def abandoned(self) -> None:
        """Nobody waited for the answer."""
        self._trying = False
