"""Decoding answers with other libraries than the one that encoded them (PyAV, i.e. FFmpeg)."""

from __future__ import annotations

import io
import tempfile
import wave
from pathlib import Path

import miniaudio
import numpy as np
import soundfile
import sphn

DECODED_BY = {
    "mp3": "miniaudio (dr_mp3)",
    "opus": "soundfile (libopus)",
    "ogg": "soundfile (libopus)",
    "aac": "sphn (Symphonia)",
    "flac": "miniaudio (dr_flac)",
    "wav": "wave",
    "pcm": "numpy",
    "g711_ulaw": "soundfile (libsndfile)",
    "g711_alaw": "soundfile (libsndfile)",
}


def decode(data: bytes, format_name: str, sample_rate_hz: int = 24000) -> np.ndarray:
    """Return mono float32 samples at the rate the audio was made at."""
    if format_name == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768
    if format_name == "wav":
        with wave.open(io.BytesIO(_with_real_sizes(data))) as file:
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            assert file.getframerate() == sample_rate_hz
            return decode(file.readframes(file.getnframes()), "pcm")
    if format_name.startswith("g711_"):
        samples, _ = soundfile.read(
            io.BytesIO(data),
            dtype="float32",
            format="RAW",
            subtype={"g711_ulaw": "ULAW", "g711_alaw": "ALAW"}[format_name],
            channels=1,
            samplerate=sample_rate_hz,
        )
        return samples
    if format_name in ("opus", "ogg"):
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        assert rate == sample_rate_hz
        return samples
    if format_name == "aac":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "audio.aac")
            path.write_bytes(data)
            samples, rate = sphn.read(str(path))
            assert rate == sample_rate_hz
            return samples[0]
    sound = miniaudio.decode(
        data,
        nchannels=1,
        sample_rate=sample_rate_hz,
        output_format=miniaudio.SampleFormat.FLOAT32,
    )
    return np.array(sound.samples, np.float32)


def _with_real_sizes(data: bytes) -> bytes:
    """Return a streamed WAV as a strict reader wants it: the unknown sizes replaced."""
    assert data[:4] == b"RIFF"
    assert data[36:40] == b"data"
    if data[40:44] != b"\xff\xff\xff\xff":
        return data
    sizes = (len(data) - 8).to_bytes(4, "little"), (len(data) - 44).to_bytes(4, "little")
    return data[:4] + sizes[0] + data[8:40] + sizes[1] + data[44:]


# What a decoder may add to the engine's samples: encoder delay and the last frame's filling.
FRAME_SAMPLES = {"mp3": 576, "aac": 1024}


def assert_length(decoded: int, expected: int, format_name: str) -> None:
    """Exact for lossless formats and Opus, within two frames for mp3 and aac, never short."""
    if format_name in FRAME_SAMPLES:
        assert expected <= decoded <= expected + 2 * FRAME_SAMPLES[format_name]
    else:
        assert decoded == expected


def same_sound(one: bytes, other: bytes) -> bool:
    """Tell whether two answers in pcm are the same but for the last bits of float arithmetic.

    Qwen3-TTS decodes codes in pieces whose sizes follow from how much is to be done beside them.
    """
    first, second = (np.frombuffer(each, "<i2").astype(int) for each in (one, other))
    return len(first) == len(second) and bool((np.abs(first - second) <= 2).all())
