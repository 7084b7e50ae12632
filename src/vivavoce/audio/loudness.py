"""How loud speech is: integrated loudness of ITU-R BS.1770-5, in LUFS, as EBU R128 uses it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vivavoce.types import Samples

_Response = NDArray[np.complex128]

_BLOCK_S, _STEP_S = 0.4, 0.1
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET_LUFS = -0.691
_RINGING_S = 0.5
"""By then the filters have come to rest: what follows the sound is not its beginning again."""


def integrated_lufs(samples: Samples, rate_hz: int) -> float | None:
    """Return the loudness of mono samples, shape [n]; None if there is nothing to be heard.

    What is shorter than a block of 0.4 s is measured as one.
    """
    block, step = round(_BLOCK_S * rate_hz), round(_STEP_S * rate_hz)
    padded = np.pad(samples.astype(np.float64), (0, max(0, block - len(samples))))
    size = len(padded) + round(_RINGING_S * rate_hz)
    response = _k_weighting(np.fft.rfftfreq(size, 1 / rate_hz).astype(np.float64), rate_hz)
    weighted = np.fft.irfft(np.fft.rfft(padded, size) * response, size)[: len(padded)]
    energy = np.concatenate(([0.0], np.cumsum(weighted**2)))
    starts = np.arange(0, len(padded) - block + 1, step)
    power = (energy[starts + block] - energy[starts]) / block
    power = power[power > 10 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET_LUFS) / 10)]
    if not len(power):
        return None
    power = power[power > power.mean() * 10 ** (_RELATIVE_GATE_LU / 10)]
    return _OFFSET_LUFS + 10 * math.log10(float(power.mean()))


def _k_weighting(frequencies_hz: NDArray[np.float64], rate_hz: int) -> _Response:
    """Return the response of the two filters of BS.1770, at any sample rate.

    The standard gives coefficients for 48 kHz only. These are the analogue filters they stand for
    (B. De Man, "Evaluation of implementations of the EBU R128 loudness measurement", 2018).
    """
    delay = np.exp(-2j * np.pi * frequencies_hz / rate_hz)
    # A shelf for what a head does to sound: 4 dB more above 1.7 kHz.
    k, q = math.tan(math.pi * 1681.974450955533 / rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf = _biquad(
        delay,
        (high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k),
        (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k),
    )
    # And what is felt more than heard: nothing below 38 Hz.
    k, q = math.tan(math.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    a0 = 1 + k / q + k * k
    high_pass = _biquad(delay, (a0, -2 * a0, a0), (a0, 2 * (k * k - 1), 1 - k / q + k * k))
    response: _Response = shelf * high_pass
    return response


def _biquad(
    delay: _Response,
    b: tuple[float, float, float],
    a: tuple[float, float, float],
) -> _Response:
    response: _Response = (b[0] + b[1] * delay + b[2] * delay**2) / (
        a[0] + a[1] * delay + a[2] * delay**2
    )
    return response
