"""Joins between segments, and between speech and the silence after it, without a click.

Segments are spoken each on its own: nothing makes one begin where the one before it ended. A jump
that is large is spread over the first milliseconds of what follows. That takes no look ahead, so
no time.
"""

from __future__ import annotations

import numpy as np

from vivavoce.types import Samples

JUMP_LIMIT = 0.02
"""-34 dBFS. Speech itself jumps more, in the middle of sounds, where it is heard as sound."""

SPREAD_S = 0.005


def fall(start: float, length: int) -> Samples:
    """Return the way from `start` to 0 along half a cosine, shape [length]."""
    at = np.arange(length) / length
    values: Samples = (start * (0.5 + 0.5 * np.cos(np.pi * at))).astype(np.float32)
    return values


def silence_after(last: float, length: int, rate_hz: int) -> Samples:
    """Return a pause, shape [length], for what ended with the sample `last`."""
    pause = np.zeros(length, np.float32)
    if abs(last) > JUMP_LIMIT:
        bridge = fall(last, min(length, round(SPREAD_S * rate_hz)))
        pause[: len(bridge)] = bridge
    return pause


class Join:
    """Lets samples through; where a segment begins with a jump over `JUMP_LIMIT`, evens it out."""

    def __init__(self, rate_hz: int) -> None:
        self._spread = round(SPREAD_S * rate_hz)
        self._segment: int | None = None
        self._last = 0.0
        self._bridge: Samples = np.zeros(0, np.float32)

    def feed(self, samples: Samples, segment: int) -> Samples:
        """Take samples of a segment, shape [n]; return as many."""
        if not len(samples):
            return samples
        if self._segment not in (None, segment):
            jump = self._last - float(samples[0])
            if abs(jump) > JUMP_LIMIT:
                self._bridge = fall(jump, self._spread)
        self._segment = segment
        if len(self._bridge):
            samples = samples.copy()
            count = min(len(samples), len(self._bridge))
            samples[:count] += self._bridge[:count]
            self._bridge = self._bridge[count:]
        self._last = float(samples[-1])
        return samples
