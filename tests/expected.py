"""What the fake engine's answers must be, computed here without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vivavoce.audio.encode import to_int16
from vivavoce.audio.join import Join
from vivavoce.audio.stretch import Stretch
from vivavoce.engine.fake import CHARS_PER_CHUNK, CHUNK_SAMPLES, SAMPLE_RATE_HZ, tone
from vivavoce.text.segment import segment

if TYPE_CHECKING:
    from vivavoce.types import Segment

TEXT = "One tone for this sentence. Another, a little longer, for this one! And a third?"


def fake_samples(
    text: str = TEXT, voice: str = "sine", seed: int = 7, speed: float = 1.0
) -> np.ndarray:
    """Return the float32 samples at 24 kHz that the fake engine's server must send."""
    sounds = []
    join = Join(24000)  # tones of two segments hardly ever meet
    for number, piece in enumerate(segment(text, "en", 400, 100)):
        sound = tone(piece, voice, seed, _chunks(piece) * CHUNK_SAMPLES)
        pause = np.zeros(round(piece.pause_s * SAMPLE_RATE_HZ), np.float32)
        sounds.append(join.feed(np.concatenate((sound, pause)), number))
    samples = np.concatenate(sounds)
    if speed == 1.0:
        return samples
    stretch = Stretch(speed, 24000)
    return np.concatenate([stretch.feed(samples), stretch.flush()])


def fake_chunks(text: str = TEXT) -> int:
    """Return how many chunks of tones the fake engine makes of a text."""
    return sum(_chunks(piece) for piece in segment(text, "en", 400, 100))


def _chunks(piece: Segment) -> int:
    return max(1, len(piece.text) // CHARS_PER_CHUNK)


def fake_pcm(text: str = TEXT, voice: str = "sine", seed: int = 7, speed: float = 1.0) -> bytes:
    """Return the same as the bytes of a `pcm` answer."""
    return to_int16(fake_samples(text, voice, seed, speed)).tobytes()
