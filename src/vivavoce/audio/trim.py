"""Leading and trailing silence cut to a short margin, while the audio is still being made."""

from __future__ import annotations

import numpy as np

from vivavoce.types import Samples

AUDIBLE = 0.002
"""-54 dBFS: above the noise of a voice's pauses, below its quietest consonants."""

MARGIN_S = 0.05
_NOTHING: Samples = np.zeros(0, np.float32)


class Trim:
    """Leaves `MARGIN_S` of the silence before the first sound and after the last.

    Pauses stay as they are; but of a longer one all that is over the margin comes only with the
    sound that ends it, because until then it might have been the end.
    """

    def __init__(self, rate_hz: int) -> None:
        self._margin = round(MARGIN_S * rate_hz)
        self._begun = False
        self._room = 0  # of the margin after the last sound
        self._held: list[Samples] = []
        self.cut = 0
        """Samples cut from the beginning; final with the first that come out."""

    def feed(self, samples: Samples) -> Samples:
        """Take samples, shape [n]; return those that are ready, shape [m], m >= 0."""
        loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
        if not len(loud):
            return self._hear_silence(samples)
        end = int(loud[-1]) + 1
        ready: Samples = np.concatenate((*self._held, samples[:end]))
        if not self._begun:
            lead = len(ready) - end + int(loud[0])
            cut = max(0, lead - self._margin)
            self.cut += cut
            ready = ready[cut:]
        self._begun = True
        self._held = []
        self._room = self._margin
        return np.concatenate((ready, self._hear_silence(samples[end:])))

    def flush(self) -> Samples:
        """Return nothing: what was held was trailing silence."""
        return _NOTHING

    def _hear_silence(self, samples: Samples) -> Samples:
        if not self._begun:
            held = np.concatenate((*self._held, samples))
            self.cut += max(0, len(held) - self._margin)
            self._held = [held[-self._margin :]]
            return _NOTHING
        ready, rest = samples[: self._room], samples[self._room :]
        self._room -= len(ready)
        if len(rest):
            self._held.append(rest)
        return ready
