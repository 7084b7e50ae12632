"""Louder or quieter, without cutting anything off."""

from __future__ import annotations

import numpy as np

from vivavoce.types import Samples

_KNEE = 0.8


class Gain:
    """Multiplies samples; what then comes near full scale is bent, so that it stays below.

    Each sample for itself: it does not matter how the sound is cut into pieces.
    """

    def __init__(self, gain_db: float) -> None:
        self._factor = np.float32(10 ** (gain_db / 20))

    def feed(self, samples: Samples) -> Samples:
        """Take samples, shape [n]; return as many."""
        scaled = samples * self._factor
        over = np.abs(scaled) > _KNEE
        if self._factor <= 1 or not over.any():
            return scaled
        room = np.float32(1 - _KNEE)
        loud = np.abs(scaled[over])
        bent = _KNEE + room * np.tanh((loud - _KNEE) / room)
        scaled[over] = np.copysign(bent, scaled[over]).astype(np.float32)
        return scaled

    def flush(self) -> Samples:
        """Return nothing: every sample has left already."""
        return np.zeros(0, np.float32)
