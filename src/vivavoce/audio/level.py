"""A fixed gain, and a limiter that keeps what it raises below full scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vivavoce.types import Samples

CEILING = 10 ** (-1 / 20)
"""-1 dBTP, EBU R128's limit: what is between two samples counts as well."""

_ATTACK_S = 0.005
_HOLD_S = 0.05
"""Longer than a period of any voice: the gain does not follow single waves."""

_NOTHING: Samples = np.zeros(0, np.float32)


class Level:
    """Multiplies by a gain in dB. Where that goes over `CEILING`, less, with a look ahead.

    The gain sinks over two attack times before a peak, is held, and rises as it sank: no sample
    is clipped. Each result depends on its surroundings only, through sums and products in one
    order, so streamed and whole are the same samples, to the last bit.
    """

    def __init__(self, gain_db: float, rate_hz: int) -> None:
        self._gain = np.float32(10 ** (gain_db / 20))
        self._width = 2 ** round(np.log2(_ATTACK_S * rate_hz))
        self._ahead = 2 * self._width - 2
        self._hold = self._ahead + round(_HOLD_S * rate_hz)
        self._before = self._hold - 1 + _TAPS_BEFORE
        self._after = self._ahead + _TAPS_AFTER
        self._samples: Samples = np.zeros(self._before, np.float32)

    def feed(self, samples: Samples) -> Samples:
        """Take samples, shape [n]; return those that are ready, shape [m], m >= 0."""
        self._samples = np.concatenate((self._samples, samples * self._gain))
        count = len(self._samples) - self._before - self._after
        if count <= 0:
            return _NOTHING
        ready: Samples = self._samples[self._before : self._before + count]
        if np.abs(self._samples).max() * _MOST_BETWEEN > CEILING:
            ready = ready * self._limits()[:count]
        self._samples = self._samples[count:]
        return ready

    def flush(self) -> Samples:
        """Return the rest. Nothing may be fed afterwards."""
        return self.feed(np.zeros(self._after, np.float32))

    def _limits(self) -> Samples:
        """Return what each sample is multiplied by, from the first that is ready on."""
        peaks = _peaks(self._samples)
        needed = (np.float32(CEILING) / np.maximum(peaks, np.float32(CEILING))).astype(np.float32)
        held = _over_windows(np.minimum, needed, self._hold)
        smooth = _over_windows(np.add, held, self._width)
        smooth = _over_windows(np.add, smooth, self._width)
        limits: Samples = smooth / np.float32(self._width**2)
        return limits


def _over_windows(operation: np.ufunc, values: Samples, width: int) -> Samples:
    """Return the sum or least of every `width` values that follow each other."""
    done = 1
    while done < width:
        step = min(done, width - done)
        values = operation(values[: len(values) - step], values[step:])
        done += step
    return values


def _peaks(samples: Samples) -> Samples:
    """Return the largest of each sample and three points between it and the next, absolute."""
    count = len(samples) - _TAPS_BEFORE - _TAPS_AFTER
    peaks: Samples = np.abs(samples[_TAPS_BEFORE : _TAPS_BEFORE + count])
    for taps in _TAPS:
        between = np.zeros(count, np.float32)
        for index, tap in enumerate(taps):
            between += tap * samples[index : index + count]
        peaks = np.maximum(peaks, np.abs(between))
    return peaks


_TAPS_BEFORE, _TAPS_AFTER = 7, 8


def _interpolators() -> NDArray[np.float32]:
    """Return filters for a quarter, half and three quarters of the way to the next sample."""
    at = np.arange(-_TAPS_BEFORE, _TAPS_AFTER + 1) - np.array([[0.25], [0.5], [0.75]])
    window = np.cos(np.pi * at / (2 * _TAPS_AFTER + 1)) ** 2
    taps = np.sinc(at) * window
    taps /= taps.sum(axis=1, keepdims=True)
    found: NDArray[np.float32] = taps.astype(np.float32)
    return found


_TAPS = _interpolators()
_MOST_BETWEEN = float(np.abs(_TAPS).sum(axis=1).max())
