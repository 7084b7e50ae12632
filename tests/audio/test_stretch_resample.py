"""Tempo and rate: exact lengths, pitch kept, streamed the same as whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.resample import Resample
from vivavoce.audio.stretch import Stretch

SPEEDS = (0.25, 0.3, 0.5, 0.8, 1.1, 1.5, 2.0, 2.7, 4.0)


def run(stage: Stretch | Resample, samples: np.ndarray, cuts: list[int]) -> np.ndarray:
    parts = [stage.feed(piece) for piece in np.split(samples, cuts)]
    return np.concatenate([*parts, stage.flush()])


def voice(n_samples: int, pitch_hz: float = 170.0) -> np.ndarray:
    """A buzz with the overtones and slow swell of a voice."""
    t = np.arange(n_samples) / 24000
    overtones = sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in range(1, 12))
    return (0.2 * overtones * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def pitch_hz(samples: np.ndarray) -> float:
    """Return the fundamental by autocorrelation over the middle of the signal."""
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    spectrum = np.fft.rfft(middle, 2 * len(middle))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: 24000 // 80]
    lag = 24000 // 400 + int(np.argmax(correlation[24000 // 400 :]))
    return 24000 / lag


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("n_samples", [1, 700, 24_000, 100_001])
def test_the_duration_is_exact(speed: float, n_samples: int) -> None:
    assert len(run(Stretch(speed, 24000), voice(n_samples), [])) == round(n_samples / speed)


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_pitch_is_kept(speed: float) -> None:
    stretched = run(Stretch(speed, 24000), voice(72_000), [])
    assert pitch_hz(stretched) == pytest.approx(170, rel=0.02)


@pytest.mark.parametrize("speed", SPEEDS)
def test_nothing_is_swallowed_at_the_end(speed: float) -> None:
    """A click in the last 20 ms is still there afterwards."""
    samples = np.zeros(48_000, np.float32)
    samples[-480:] = voice(480)
    stretched = run(Stretch(speed, 24000), samples, [])
    assert np.abs(stretched[-round(1200 / speed) :]).max() > 0.1


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 2.0, 4.0])
@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(1, 39_999), max_size=15, unique=True).map(sorted))
def test_stretched_streams_equal_wholes(speed: float, cuts: list[int]) -> None:
    samples = voice(40_000)
    whole = run(Stretch(speed, 24000), samples, [])
    assert np.array_equal(run(Stretch(speed, 24000), samples, cuts), whole)


def test_tiny_first_pieces_do_not_change_a_stretched_stream() -> None:
    """FFmpeg's atempo alone depends on how its input was cut; blocks of one length hide that."""
    samples = voice(20_000)
    whole = run(Stretch(0.25, 24000), samples, [])
    assert np.array_equal(run(Stretch(0.25, 24000), samples, [3, 50, 421, 422, 1500]), whole)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 29_999), max_size=10, unique=True).map(sorted))
def test_resampled_streams_equal_wholes(rate_hz: int, cuts: list[int]) -> None:
    samples = voice(30_000)
    whole = run(Resample(24000, rate_hz), samples, [])
    assert np.array_equal(run(Resample(24000, rate_hz), samples, cuts), whole)
    assert abs(len(whole) - 30_000 * rate_hz / 24000) <= 1


def test_resampling_does_not_alias() -> None:
    """A 10.5 kHz tone has no place at 16 kHz and vanishes instead of folding back."""
    t = np.arange(24_000) / 24000
    tone = np.sin(2 * np.pi * 10_500 * t).astype(np.float32)
    resampled = run(Resample(24000, 16000), tone, [])[1000:-1000]
    assert 20 * np.log10(np.abs(resampled).max()) < -80
