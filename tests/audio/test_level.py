"""Loudness as FFmpeg measures it too; a gain that never clips; streamed the same as whole."""

from __future__ import annotations

from fractions import Fraction

import av
import av.filter
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.level import CEILING, Level
from vivavoce.audio.loudness import integrated_lufs

RATES = (8000, 16000, 24000, 44100, 48000)


def by_ffmpeg(samples: np.ndarray, rate_hz: int) -> tuple[float, float]:
    """Return integrated loudness in LUFS and true peak as FFmpeg's ebur128 measures them."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=rate_hz, format="flt", layout="mono", time_base=Fraction(1, rate_hz)
    )
    meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
    source.push(frame)
    source.push(None)
    told = {}
    while True:
        try:
            told = sink.pull().metadata or told  # the last, shorter one, has none
        except (av.error.EOFError, av.error.BlockingIOError):
            return float(told["lavfi.r128.I"]), float(told["lavfi.r128.true_peak"])


def signal(kind: str, seconds: float, rate_hz: int) -> np.ndarray:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(3).standard_normal(len(t))
    syllables = np.sin(2 * np.pi * 1.7 * t) ** 2
    wave = {
        "tone": 0.25 * np.sin(2 * np.pi * 997 * t),
        "hum": 0.4 * np.sin(2 * np.pi * 60 * t),
        "noise": 0.1 * noise,
        "speech and pauses": (0.2 * np.sin(2 * np.pi * 180 * t) + 0.05 * noise)
        * syllables
        * (np.sin(2 * np.pi * 0.4 * t) > -0.3),
        "loud then quiet": np.where(t < seconds / 3, 0.3, 0.004) * noise,
    }[kind]
    return wave.astype(np.float32)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("kind", ["tone", "hum", "noise", "speech and pauses", "loud then quiet"])
def test_loudness_is_what_ffmpeg_measures(kind: str, rate_hz: int) -> None:
    samples = signal(kind, 6.05, rate_hz)
    assert integrated_lufs(samples, rate_hz) == pytest.approx(
        by_ffmpeg(samples, rate_hz)[0], abs=0.1
    )


def test_a_tone_of_known_loudness() -> None:
    """EBU Tech 3341: a stereo tone at -23 dBFS is -23 LUFS; one channel alone is 3 LU less."""
    tone = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(480_000) / 48000)
    assert integrated_lufs(tone.astype(np.float32), 48000) == pytest.approx(-26, abs=0.1)


@pytest.mark.parametrize("n_samples", [0, 1, 24_000])
def test_silence_has_no_loudness(n_samples: int) -> None:
    assert integrated_lufs(np.zeros(n_samples, np.float32), 24000) is None


def run(gain_db: float, samples: np.ndarray, cuts: list[int], rate_hz: int = 24000) -> np.ndarray:
    level = Level(gain_db, rate_hz)
    return np.concatenate([*map(level.feed, np.split(samples, cuts)), level.flush()])


def loud(n_samples: int, rate_hz: int = 24000) -> np.ndarray:
    """Speech-like bursts; with 15 dB more they would be far over full scale."""
    t = np.arange(n_samples) / rate_hz
    wave = sum(np.sin(2 * np.pi * 137 * k * t + k * k) / k for k in range(1, 20))
    return (0.15 * wave * np.sin(2 * np.pi * 2.3 * t) ** 4).astype(np.float32)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("gain_db", [6, 15, 24])
def test_nothing_clips_not_even_between_samples(gain_db: float, rate_hz: int) -> None:
    raised = run(gain_db, loud(2 * rate_hz, rate_hz), [], rate_hz)
    assert len(raised) == 2 * rate_hz
    assert np.abs(raised).max() <= CEILING * 1.0001
    _, true_peak = by_ffmpeg(raised, rate_hz)
    assert true_peak < 10 ** (-0.7 / 20)
    assert np.abs(raised).max() > 0.5 * CEILING  # limited, not turned down


@pytest.mark.parametrize("gain_db", [-9.0, 0.0, 4.0])
def test_what_is_not_too_loud_is_only_multiplied(gain_db: float) -> None:
    samples = 0.2 * loud(30_000)
    raised = run(gain_db, samples, [7, 10_000])
    assert np.array_equal(raised, samples * np.float32(10 ** (gain_db / 20)))


def test_a_limited_peak_leaves_the_rest_as_it_was() -> None:
    """50 ms and a little after it, and 11 ms before it, the gain is whole again."""
    samples = np.full(24_000, 0.01, np.float32)
    samples[12_000] = 0.9
    raised = run(10, samples, [])
    factor = raised / samples
    assert factor[12_000] < 1.05
    usual = np.float32(10 ** (10 / 20))
    changed = np.flatnonzero(np.abs(factor - usual) > 1e-4)
    assert 12_000 - changed[0] <= 0.012 * 24_000
    assert changed[-1] - 12_000 <= 0.065 * 24_000
    assert np.abs(np.diff(factor)).max() < 0.05  # it glides


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 19_999), max_size=15, unique=True).map(sorted),
    gain_db=st.floats(-20, 24),
)
def test_levelled_streams_equal_wholes(cuts: list[int], gain_db: float) -> None:
    samples = loud(20_000)
    assert np.array_equal(run(gain_db, samples, cuts), run(gain_db, samples, []))
