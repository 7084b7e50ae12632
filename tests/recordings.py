"""Recordings that tests upload: no speech, but something to be told apart."""

from __future__ import annotations

import io
import wave

import numpy as np


def recording(seconds: float = 2.0, pitch_hz: float = 150, loudness: float = 0.3) -> bytes:
    """Return a WAV file of a buzz that swells three times a second."""
    t = np.arange(round(seconds * 24000)) / 24000
    samples = loudness * np.sign(np.sin(2 * np.pi * pitch_hz * t)) * np.abs(np.sin(9 * t))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 24000, 0, "NONE", ""))
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()
