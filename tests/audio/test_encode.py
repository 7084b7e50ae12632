"""Encoders: nothing lost, nothing added, the same bytes however the samples are cut."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from decoding import assert_length, decode
from vivavoce.audio.encode import open_encoder, to_int16
from vivavoce.audio.formats import FORMATS

LOSSLESS = ("pcm", "wav", "flac")


def speechlike(n_samples: int, rate_hz: int = 24000) -> np.ndarray:
    """A gliding tone with noise that starts and ends in silence, as speech does."""
    t = np.arange(n_samples) / rate_hz
    noise = np.random.default_rng(7).standard_normal(n_samples)
    wave = 0.4 * np.sin(2 * np.pi * (140 * t + 40 * t * t)) + 0.02 * noise
    return (wave * np.hanning(n_samples)).astype(np.float32)


def encode(samples: np.ndarray, format_name: str, cuts: list[int], rate_hz: int = 24000) -> bytes:
    encoder = open_encoder(format_name, rate_hz)
    parts = [encoder.feed(piece) for piece in np.split(samples, cuts) if len(piece)]
    return b"".join([*parts, encoder.flush()])


def every(n: int, total: int) -> list[int]:
    return list(range(n, total, n))


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("n_samples", [1, 500, 1920, 24000, 71_234])
def test_another_library_decodes_every_sample(format_name: str, n_samples: int) -> None:
    data = encode(speechlike(n_samples), format_name, every(1920, n_samples))
    assert_length(len(decode(data, format_name)), n_samples, format_name)


@pytest.mark.parametrize("format_name", LOSSLESS)
def test_lossless_formats_keep_every_sample(format_name: str) -> None:
    samples = speechlike(48_321)
    decoded = decode(encode(samples, format_name, every(777, 48_321)), format_name)
    assert np.array_equal(np.rint(decoded * 32768).astype(np.int16), to_int16(samples))


@pytest.mark.parametrize(("format_name", "delay"), [("mp3", 529), ("aac", 1024), ("opus", 0)])
def test_lossy_formats_sound_like_what_was_fed(format_name: str, delay: int) -> None:
    samples = speechlike(48_000)
    decoded = decode(encode(samples, format_name, every(1920, 48_000)), format_name)
    heard = decoded[delay : delay + len(samples)]
    error = np.sqrt(np.mean((heard - samples) ** 2) / np.mean(samples**2))
    assert error < 0.2, f"noise is {error:.1%} of the signal"


@pytest.mark.parametrize("format_name", FORMATS)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 29_999), max_size=12, unique=True).map(sorted))
def test_cuts_do_not_change_the_bytes(format_name: str, cuts: list[int]) -> None:
    samples = speechlike(30_000)
    assert encode(samples, format_name, cuts) == encode(samples, format_name, [])


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_other_rates(format_name: str, rate_hz: int) -> None:
    samples = speechlike(rate_hz, rate_hz)
    decoded = decode(encode(samples, format_name, [], rate_hz), format_name, rate_hz)
    assert_length(len(decoded), rate_hz, format_name)


@pytest.mark.parametrize("format_name", FORMATS)
def test_first_bytes_leave_before_the_second_frame_of_80_ms(format_name: str) -> None:
    encoder = open_encoder(format_name, 24000)
    first = encoder.feed(speechlike(1920))
    # AAC's own delay is two frames of 1024 samples: it cannot say anything after 1920.
    assert first or format_name == "aac"
    assert first + encoder.feed(speechlike(1920))


def test_wav_is_a_44_byte_header_and_samples() -> None:
    samples = speechlike(1000)
    streamed = encode(samples, "wav", [])
    assert len(streamed) == 44 + 2000
    assert streamed[4:8] == streamed[40:44] == b"\xff\xff\xff\xff"


@pytest.mark.parametrize("format_name", ["wav", "flac"])
def test_sealed_files_state_their_length(format_name: str) -> None:
    samples = speechlike(54_321)
    encoder = open_encoder(format_name, 24000)
    whole = bytearray(encoder.feed(samples) + encoder.flush())
    encoder.seal(whole, len(whole))
    assert soundfile.info(io.BytesIO(whole)).frames == 54_321


def test_int16_is_rounded_and_clipped() -> None:
    samples = np.array([-2, -1, -0.5 / 32767, 0.6 / 32767, 1, 2], np.float32)
    assert to_int16(samples).tolist() == [-32768, -32767, 0, 1, 32767, 32767]


@pytest.mark.parametrize("format_name", ["g711_ulaw", "g711_alaw"])
def test_telephony_is_right_to_half_a_step_for_every_sample(format_name: str) -> None:
    """Steps are 1/16 of a power of two: half of one is at most 1/32 of the sample."""
    samples = np.arange(-32767, 32768)
    data = encode((samples / 32767).astype(np.float32), format_name, [])
    assert len(data) == len(samples)
    decoded = np.rint(decode(data, format_name, 8000) * 32768)
    assert (np.abs(decoded - samples) <= (np.abs(samples) + 132) / 32 + 8).all()
    assert (np.diff(decoded) >= 0).all()
