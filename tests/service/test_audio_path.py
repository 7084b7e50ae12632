"""The way from samples to bytes: streamed and whole are the same, whatever is done on it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.errors import SynthesisFailed
from vivavoce.service.audio_path import AudioPath

RATE = 24000
SEGMENT = 9000
N_SAMPLES = 4 * SEGMENT


def speech() -> np.ndarray:
    """Return four segments of buzz with a pause in the middle and silence around it."""
    t = np.arange(N_SAMPLES) / RATE
    wave = 0.2 * sum(np.sin(2 * np.pi * 130 * k * t + k) for k in range(1, 6))
    wave[:3000] = wave[17_000:20_000] = wave[-4000:] = 0
    return wave.astype(np.float32)


def encode(
    cuts: list[int],
    format_name: str,
    rate_hz: int,
    speed: float,
    trim: bool,
    gain_db: float | None,
) -> bytes:
    path = AudioPath(format_name, RATE, rate_hz, speed, trim=trim)
    if gain_db is not None:
        path.level(gain_db)
    borders = sorted({*cuts, *range(SEGMENT, N_SAMPLES, SEGMENT)})
    parts = [
        path.feed(piece, start // SEGMENT)
        for start, piece in zip([0, *borders], np.split(speech(), borders), strict=True)
    ]
    return b"".join([*parts, path.flush()])


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, N_SAMPLES - 1), max_size=12),
    format_name=st.sampled_from(["pcm", "mp3", "g711_ulaw"]),
    speed=st.sampled_from([0.5, 1.0, 1.3]),
    trim=st.booleans(),
    gain_db=st.sampled_from([None, -6.0, 12.0]),
)
def test_cuts_do_not_change_the_bytes(
    cuts: list[int], format_name: str, speed: float, trim: bool, gain_db: float | None
) -> None:
    rate_hz = 8000 if format_name == "g711_ulaw" else RATE
    wishes = (format_name, rate_hz, speed, trim, gain_db)
    assert encode(cuts, *wishes) == encode([], *wishes)


def test_trimmed_it_is_as_much_shorter_as_there_was_silence() -> None:
    whole = encode([], "pcm", RATE, 1.0, False, None)
    trimmed = encode([], "pcm", RATE, 1.0, True, None)
    kept = N_SAMPLES - (3000 - 1200) - (4000 - 1200)
    assert len(whole) // 2 == N_SAMPLES
    assert len(trimmed) // 2 == pytest.approx(kept, abs=20)  # a buzz does not begin at its loudest
    assert trimmed in whole


def test_a_whisper_that_is_trimmed_away_is_no_answer() -> None:
    path = AudioPath("wav", RATE, RATE, 1.0, trim=True)
    path.feed(np.full(5000, 0.001, np.float32), 0)
    with pytest.raises(SynthesisFailed, match="no sound"):
        path.flush()
