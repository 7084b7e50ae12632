"""Telephony's 8-bit codes: mu-law and A-law of ITU-T G.711, as tables over all 16-bit samples."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_Codes = NDArray[np.uint8]
_Integers = NDArray[np.int64]


@cache
def ulaw_codes() -> _Codes:
    """Return the mu-law code of each sample, by its 16 bits read as unsigned; shape [65536]."""
    samples = _all_samples()
    magnitude = np.minimum(np.abs(samples), 32635) + 132
    exponent = _bits(magnitude) - 8
    code = exponent << 4 | magnitude >> (exponent + 3) & 15 | (samples < 0) << 7
    codes: _Codes = (~code & 0xFF).astype(np.uint8)
    return codes


@cache
def alaw_codes() -> _Codes:
    """Return the A-law code of each sample, by its 16 bits read as unsigned; shape [65536]."""
    samples = _all_samples()
    magnitude = np.where(samples < 0, ~samples, samples) >> 3
    exponent = np.maximum(_bits(magnitude) - 5, 0)
    code = exponent << 4 | magnitude >> np.maximum(exponent, 1) & 15
    # Every other bit is inverted, and the sign's bit is 1 for positive samples.
    codes: _Codes = (code ^ np.where(samples < 0, 0x55, 0xD5)).astype(np.uint8)
    return codes


def _all_samples() -> _Integers:
    return np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)


def _bits(values: _Integers) -> _Integers:
    """Return how many bits each needs."""
    bits: _Integers = np.frexp(values)[1].astype(np.int64)
    return bits
