"""Noticing speech that has run away: it repeats itself, or falls silent and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vivavoce.types import Samples

FRAMES_PER_S = 12.5
REPEATED_FRAMES = 13
"""A second: no speech has the same first codes for so long, a frame or a phrase later."""
LONGEST_PERIOD = 50
"""4 s, the longest phrase whose repetition is looked for."""
SILENT_S = 2.0
"""Speech has pauses of a second; a second later it is no pause."""
SILENCE = 10 ** (-50 / 20)
"""-50 dBFS, as a root mean square: below the noise of any recording that voices were made of."""


class RunawayGuard:
    """Watches one piece of speech, frame by frame. `hear_*` tell what is wrong, or None."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._first_codes: list[int] = []
        self._matches = [0] * (LONGEST_PERIOD + 1)
        self._block = round(sample_rate_hz / FRAMES_PER_S)
        self._max_silent = round(SILENT_S * FRAMES_PER_S)
        self._silent = 0

    def hear_code(self, first_code: int) -> str | None:
        """Take the next frame's first code, which says what is said."""
        history = self._first_codes
        for period in range(1, min(LONGEST_PERIOD, len(history)) + 1):
            same = history[-period] == first_code
            self._matches[period] = self._matches[period] + 1 if same else 0
        history.append(first_code)
        if max(self._matches) >= REPEATED_FRAMES:
            return "repeated itself"
        return None

    def hear_samples(self, samples: Samples) -> str | None:
        """Take the next samples, shape [n], whole frames."""
        for start in range(0, len(samples), self._block):
            loudness = float(np.sqrt(np.mean(np.square(samples[start : start + self._block]))))
            self._silent = self._silent + 1 if loudness < SILENCE else 0
            if self._silent >= self._max_silent:
                return f"was silent for {SILENT_S:g} s"
        return None
