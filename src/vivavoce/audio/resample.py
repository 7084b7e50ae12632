"""Changing the sample rate, while the audio is still being made."""

from __future__ import annotations

import numpy as np
import soxr

from vivavoce.types import Samples


class Resample:
    """Streaming rate change with soxr's high quality; streamed and whole are the same samples."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, num_channels=1, dtype="float32")

    def feed(self, samples: Samples) -> Samples:
        """Take samples at the old rate, shape [n]; return those at the new, shape [m]."""
        ready: Samples = self._stream.resample_chunk(samples)
        return ready

    def flush(self) -> Samples:
        """Return the rest. Nothing may be fed afterwards."""
        ready: Samples = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        return ready
