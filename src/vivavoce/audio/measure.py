"""What can be told of a recording of speech by its samples: levels, noise, gaps, bandwidth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vivavoce.types import Samples

FLOOR_DB = -120.0
"""What silence counts as: quieter than any converter."""

_FRAME_S = 0.02
_QUIETEST_DB = -50.0  # a whisper close to the microphone is well above it
_ABOVE_NOISE_DB = 6.0
_BELOW_SPEECH_DB = 12.0
_FULL_SCALE = 0.999
_CLIPPED_RUN = 3  # one sample at full scale is a peak, three are cut off
_SPECTRUM = 1024
_BELOW_PEAK_DB = 70.0


@dataclass(frozen=True, slots=True)
class Measures:
    """Levels are in dB of full scale.

    `start` and `end` are the samples between which there is speech, `speech_s` how much of that is
    no pause. `noise_db` is the level of the pauses; None where there are none. `clipped_share` is
    the share of samples that were cut off at full scale, `bandwidth_hz` the highest frequency that
    is there.
    """

    start: int
    end: int
    speech_s: float
    level_db: float
    peak_db: float
    noise_db: float | None
    clipped_share: float
    bandwidth_hz: int

    @property
    def snr_db(self) -> float | None:
        """How far the speech is above the noise."""
        return None if self.noise_db is None else self.level_db - self.noise_db


def measure(samples: Samples, rate_hz: int) -> Measures:
    """Measure a recording, shape [n], n > 0."""
    length = round(_FRAME_S * rate_hz)
    frames = _frames(samples, length)
    levels = _db(np.sqrt(np.square(frames - frames.mean(1, keepdims=True)).mean(1)))
    spoken = _spoken(levels)
    where = np.flatnonzero(spoken)
    pauses = levels[~spoken]
    return Measures(
        start=int(where[0]) * length if len(where) else 0,
        end=min(len(samples), (int(where[-1]) + 1) * length) if len(where) else 0,
        speech_s=float(len(where) * _FRAME_S),
        level_db=_mean_db(levels[spoken]),
        peak_db=float(_db(np.abs(samples).max())),
        noise_db=_mean_db(pauses) if len(pauses) else None,
        clipped_share=_clipped_share(samples),
        bandwidth_hz=_bandwidth_hz(frames[spoken], rate_hz) if len(where) else 0,
    )


def _frames(samples: Samples, length: int) -> NDArray[np.float64]:
    """Return the samples [n] as frames [m, length]; the last is filled up with silence."""
    filled = np.pad(samples.astype(np.float64), (0, -len(samples) % length))
    return filled.reshape(-1, length)


def _spoken(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which frames are speech: clearly above the room, or not far below the voice."""
    room_db, voice_db = np.percentile(levels, 10), np.percentile(levels, 95)
    limit_db = max(_QUIETEST_DB, min(room_db + _ABOVE_NOISE_DB, voice_db - _BELOW_SPEECH_DB))
    spoken: NDArray[np.bool_] = levels > limit_db
    return spoken


def _clipped_share(samples: Samples) -> float:
    full = np.abs(samples) >= _FULL_SCALE
    runs = np.convolve(full, np.ones(_CLIPPED_RUN), "valid") >= _CLIPPED_RUN
    return float(runs.mean()) if len(runs) else 0.0


def _bandwidth_hz(frames: NDArray[np.float64], rate_hz: int) -> int:
    """Return above which frequency there is nothing, of frames of speech [m, length]."""
    window = np.hanning(frames.shape[1])
    power = np.square(np.abs(np.fft.rfft(frames * window, _SPECTRUM))).mean(0)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_BELOW_PEAK_DB / 10))
    return int(loud[-1] * rate_hz / _SPECTRUM) if len(loud) else 0


def _mean_db(levels: NDArray[np.float64]) -> float:
    """Return the level of frames together: the mean of their power."""
    if not len(levels):
        return FLOOR_DB
    return float(10 * np.log10(np.power(10, levels / 10).mean()))


def _db(amplitudes: Any) -> NDArray[np.float64]:
    decibels: NDArray[np.float64] = 20 * np.log10(np.maximum(amplitudes, 10 ** (FLOOR_DB / 20)))
    return decibels
