"""What goes wrong in a tier: counted each time, told once and not for each request."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger("vivavoce.cache")

QUIET_S = 60.0
"""A kind of failure that comes and goes is told again after this long at the earliest."""


OnFailure = Callable[[str, str], None]
"""Called with the tier and what it was doing, on whatever thread that was."""


def uncounted(_tier: str, _doing: str) -> None:
    """Count nothing."""


class Trouble:
    """Logs the first failure of a kind, then nothing until it is over. For any thread."""

    def __init__(
        self,
        tier: str,
        on_failure: OnFailure = uncounted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tier = tier
        self._on_failure = on_failure
        self._clock = clock
        self._lock = threading.Lock()
        self._current: dict[tuple[str, str], bool] = {}  # what and why: whether it was logged
        self._told_s: dict[tuple[str, str], float] = {}

    def tell(self, doing: str, reason: str | Exception) -> None:
        """Log that something failed, unless it is known that it does."""
        self._on_failure(self._tier, doing)
        kind = (doing, reason if isinstance(reason, str) else _named(reason))
        with self._lock:
            if kind in self._current:
                return
            now_s = self._clock()
            loud = now_s >= self._told_s.get(kind, -math.inf) + QUIET_S
            self._current[kind] = loud
            if loud:
                self._told_s[kind] = now_s
        if loud:
            log.warning("audio cache fails", tier=self._tier, doing=doing, reason=kind[1])

    def over(self, doing: str) -> None:
        """Log that something works again, if it was logged that it did not."""
        if not self._current:
            return
        with self._lock:
            ended = [kind for kind in self._current if kind[0] == doing]
            told = [self._current.pop(kind) for kind in ended]
        if any(told):
            log.info("audio cache works again", tier=self._tier, doing=doing)


def _named(error: Exception) -> str:
    """Name a failure without its own text, which may hold a password or be another each time.

    The operating system's reason is safe; redis has it below its own exception.
    """
    name = type(error).__name__
    for cause in (error, error.__context__):
        if isinstance(cause, OSError) and cause.strerror:
            return f"{name}: {cause.strerror}"
    return name
