"""Clips: the samples other libraries get, from every common file, and no harm from any other."""

from __future__ import annotations

import io
import os
import resource
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import soundfile
import soxr

from vivavoce.audio.clip import BadClip, TooLong, decode_clip

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = [sys.executable, "-P", "-m", "vivavoce.audio.clip"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and tells memory")


def speechlike(duration_s: float, rate_hz: int = 24000, channels: int = 1) -> np.ndarray:
    """Gliding tones that swell and fade, another one in each channel; shape [n, channels]."""
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    tones = [np.sin(2 * np.pi * (140 * (c + 1) * t + 40 * t * t)) for c in range(channels)]
    return (0.4 * np.stack(tones, axis=1) * np.hanning(len(t))[:, None]).astype(np.float32)


def written(samples: np.ndarray, rate_hz: int = 24000, subtype: str = "PCM_16", **how) -> bytes:
    """A file as libsndfile writes it."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **{"format": "WAV", "subtype": subtype, **how})
    return file.getvalue()


def muxed(
    samples: np.ndarray,
    container_format: str,
    codec: str,
    rate_hz: int = 24000,
    metadata: dict[str, str] | None = None,
) -> bytes:
    """A file as FFmpeg writes it."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(file, "w", format=container_format) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        pcm = (samples * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, "s16", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        wanted = stream.codec_context.format
        for piece in av.AudioResampler(wanted, layout, rate_hz).resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


def filmed(samples: np.ndarray | None, container_format: str = "mp4") -> bytes:
    """A second of a film, silent or with sound."""
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        video = container.add_stream("mpeg4", rate=10, width=64, height=64)
        sound = None if samples is None else container.add_stream("aac", 24000, layout="mono")
        for index in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * index, np.uint8))
            picture.pts, picture.time_base = index, Fraction(1, 10)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(samples.T, "fltp", "mono")
            frame.sample_rate, frame.pts = 24000, 0
            for piece in av.AudioResampler("fltp", "mono", 24000).resample(frame):
                container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
    return file.getvalue()


def wav_claiming(
    channels: int = 1, rate_hz: int = 24000, data_bytes: int = 4800, tag: int = 1, bits: int = 16
) -> bytes:
    """A WAV of 4800 bytes of samples whose header says what it likes."""
    block = channels * bits // 8
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", (36 + data_bytes) % 2**32, b"WAVE", b"fmt ", 16, tag, channels, rate_hz),
        *((rate_hz * block) % 2**32, block % 2**16, bits, b"data", data_bytes),
    )
    return header + np.random.default_rng(3).integers(-9999, 9999, 2400, np.int16).tobytes()


def likeness(heard: np.ndarray, original: np.ndarray) -> float:
    """Correlation of two clips, one of which may be late by an encoder's delay."""
    size = len(heard) + len(original)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size))
    lag = int(np.argmax(np.fft.irfft(product, size)[:3000]))
    length = min(len(heard) - lag, len(original))
    return float(np.corrcoef(heard[lag : lag + length], original[:length])[0, 1])


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_of_24_khz_comes_back_bit_for_bit(subtype: str) -> None:
    content = written(speechlike(1.3), subtype=subtype)
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    decoded = decode_clip(content)
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, expected)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_other_rates_and_channels_are_averaged_and_then_resampled(
    rate_hz: int, channels: int
) -> None:
    content = written(speechlike(1.1, rate_hz, channels), rate_hz)
    stored, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    expected = soxr.resample(stored.mean(axis=1), rate_hz, 24000, quality="HQ")
    decoded = decode_clip(content)
    assert len(decoded) in (len(expected), len(expected) + 1)
    assert np.abs(decoded[: len(expected)] - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("rate_hz", "n_samples", "length"),
    [(44100, 10, 6), (22050, 1, 2), (11025, 1001, 2180), (48000, 4801, 2401)],
)
def test_lengths_are_rounded_up_as_librosa_does(rate_hz: int, n_samples: int, length: int) -> None:
    assert len(decode_clip(written(speechlike(1.0)[:n_samples], rate_hz))) == length


@pytest.mark.parametrize(
    ("container_format", "codec"),
    [
        *[("wav", "pcm_s16le"), ("wav", "pcm_f32le"), ("w64", "pcm_s24le"), ("aiff", "pcm_s16be")],
        *[("caf", "pcm_s16be"), ("mov", "pcm_s16le"), ("ipod", "alac")],
        *[("flac", "flac"), ("ogg", "flac"), ("matroska", "flac"), ("mp4", "flac")],
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_files_keep_every_sample(container_format: str, codec: str, channels: int) -> None:
    samples = speechlike(1.3, channels=channels)
    expected = (samples * 32767).astype(np.int16).astype(np.float32) / 32768
    decoded = decode_clip(muxed(samples, container_format, codec))
    assert np.array_equal(decoded, expected.mean(axis=1))


@pytest.mark.parametrize(
    ("container_format", "codec"),
    [
        *[("mp3", "libmp3lame"), ("adts", "aac"), ("mp4", "aac"), ("ipod", "aac"), ("3gp", "aac")],
        *[("ogg", "libopus"), ("webm", "libopus"), ("matroska", "aac"), ("wav", "adpcm_ms")],
        *[("wav", "pcm_mulaw"), ("caf", "alac")],
    ],
)
def test_lossy_files_sound_like_what_was_recorded(container_format: str, codec: str) -> None:
    rate_hz = 48000 if codec == "libopus" else 24000
    decoded = decode_clip(muxed(speechlike(1.5, rate_hz), container_format, codec, rate_hz))
    assert abs(len(decoded) - 36000) < 3000
    assert likeness(decoded, speechlike(1.5)[:, 0]) > 0.98


def test_vorbis_sounds_like_what_was_recorded() -> None:
    decoded = decode_clip(written(speechlike(1.5), format="OGG", subtype="VORBIS"))
    assert abs(len(decoded) - 36000) < 3000
    assert likeness(decoded, speechlike(1.5)[:, 0]) > 0.98


def test_the_sound_of_a_film_is_taken_and_its_pictures_are_not() -> None:
    decoded = decode_clip(filmed(speechlike(1.0)))
    assert likeness(decoded, speechlike(1.0)[:, 0]) > 0.98


def test_tags_in_an_old_alphabet_do_not_matter() -> None:
    content = muxed(speechlike(1.0), "mp3", "libmp3lame", metadata={"title": "Stimme??"})
    content = content.replace(b"Stimme??", b"Stimme\xe9\xff")
    assert len(decode_clip(content)) > 20_000


def test_a_stream_without_known_length_is_read_to_its_end() -> None:
    content = bytearray(written(speechlike(1.0)))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    assert len(decode_clip(bytes(content))) == 24000


def a_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("voice.wav", written(speechlike(0.5)))
    return file.getvalue()


def a_png() -> bytes:
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 64, "rgb24", Fraction(1, 10)
    picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
    return b"".join(bytes(packet) for packet in codec.encode(picture))


RANDOM = np.random.default_rng(11)
NO_AUDIO = {
    "nothing": b"",
    "a byte": b"R",
    "a kilobyte of noise": RANDOM.bytes(1000),
    "two megabytes of noise": RANDOM.bytes(2_000_000),
    "noise that begins as MP3": b"\xff\xfb\x90\x64" + RANDOM.bytes(200_000),
    "noise that begins as AAC": b"\xff\xf1\x50\x80" + RANDOM.bytes(200_000),
    "noise that begins as FLAC": b"fLaC\0\0\0\x22" + RANDOM.bytes(200_000),
    "noise that begins as MP4": b"\0\0\0\x20ftypM4A " + RANDOM.bytes(200_000),
    "zeros": bytes(100_000),
    "HTML": b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>\n" * 200,
    "text": b"The quick brown fox jumps over the lazy dog.\n" * 5000,
    "a zip": a_zip(),
    "a picture": a_png(),
    "a silent film": filmed(None),
    "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.wav\n#EXT-X-ENDLIST\n",
    "a script": b"ffconcat version 1.0\nfile clip.wav\n",
    "a session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "subtitles": b"1\n00:00:00,000 --> 00:00:09,000\nHello there.\n\n" * 50,
    "a RIFF of nothing": b"RIFF\xff\xff\xff\xffWAVE",
    "another container": muxed(speechlike(1.0), "avi", "pcm_s16le"),
    "another codec": muxed(speechlike(1.0, 48000), "matroska", "ac3", 48000),
    "no samples": written(np.zeros((0, 1), np.float32)),
}


@pytest.mark.parametrize("content", NO_AUDIO.values(), ids=NO_AUDIO)
def test_what_is_no_audio_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.wav").write_bytes(written(speechlike(1.0)))  # what the playlist wants
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadClip) as refused:
        decode_clip(content, 60)
    assert "Upload a WAV" in str(refused.value) or "Export it again" in str(refused.value)
    assert "Errno" not in str(refused.value)


@pytest.mark.parametrize("rate_hz", [0, 1, 4000, 384_000, 4_000_000_000])
def test_impossible_sample_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(BadClip):
        decode_clip(wav_claiming(rate_hz=rate_hz), 60)


def test_a_rate_that_is_not_read_is_named() -> None:
    with pytest.raises(BadClip, match="sample rate is 4000 Hz"):
        decode_clip(wav_claiming(rate_hz=4000))


@pytest.mark.parametrize("channels", [0, 9, 255, 65535])
def test_impossible_numbers_of_channels_are_refused(channels: int) -> None:
    with pytest.raises(BadClip):
        decode_clip(wav_claiming(channels=channels), 60)


def test_too_many_channels_are_counted() -> None:
    with pytest.raises(BadClip, match="has 12 channels"):
        decode_clip(wav_claiming(channels=12))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 32768.0])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_that_are_no_sound_are_refused(value: float, subtype: str) -> None:
    samples = speechlike(1.0, channels=2)
    samples[9000] = value
    with pytest.raises(BadClip, match="loudest sample"):
        decode_clip(written(samples, subtype=subtype))


def test_a_rate_that_changes_midway_is_refused() -> None:
    parts = [muxed(speechlike(1.0, hz), "adts", "aac", hz) for hz in (24000, 48000)]
    with pytest.raises(BadClip, match="changes from 24000 to 48000"):
        decode_clip(b"".join(parts))


@pytest.mark.parametrize(("container_format", "codec"), [("mp3", "libmp3lame"), ("flac", "flac")])
def test_of_a_truncated_file_all_that_is_there_is_read(container_format: str, codec: str) -> None:
    samples = speechlike(4.0)
    whole = muxed(samples, container_format, codec)
    decoded = decode_clip(whole[: len(whole) // 2])
    assert 1.2 < len(decoded) / 24000 < 2.8
    assert likeness(decoded, samples[:, 0]) > 0.98


@pytest.mark.parametrize(("container_format", "codec"), [("mp3", "libmp3lame"), ("flac", "flac")])
def test_a_damaged_file_is_refused_rather_than_heard(container_format: str, codec: str) -> None:
    damaged = bytearray(muxed(speechlike(4.0), container_format, codec))
    for at in range(5000, len(damaged), 1500):
        damaged[at : at + 300] = RANDOM.bytes(300)
    with pytest.raises(BadClip, match="damaged"):
        decode_clip(bytes(damaged))


def test_a_flac_with_a_hole_is_refused() -> None:
    whole = muxed(speechlike(4.0), "flac", "flac")
    middle = len(whole) // 2
    with pytest.raises(BadClip, match=r"damaged [12]\.\d\d s from its start"):
        decode_clip(whole[:middle] + RANDOM.bytes(50) + whole[middle + 50 :])


def two_hours_of_flac() -> bytes:
    file = io.BytesIO()
    minute = np.zeros(60 * 8000, np.int16)
    with soundfile.SoundFile(file, "w", 8000, 1, "PCM_16", format="FLAC") as flac:
        for _ in range(120):
            flac.write(minute)
    return file.getvalue()


def two_hours_of_opus() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", 48000, layout="mono", format="s16")
        stream.options = {"frame_duration": "60"}
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2880), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        packet = next(iter([*stream.encode(frame), *stream.encode(None)]))
        silence = bytes(packet)
        for index in range(2 * 3600 * 50 // 3):
            packet = av.Packet(silence)
            packet.stream, packet.time_base = stream, Fraction(1, 48000)
            packet.pts = packet.dts = index * 2880
            packet.duration = 2880
            container.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize("content", [two_hours_of_flac, two_hours_of_opus])
def test_of_two_hours_in_a_small_file_only_a_minute_is_decoded(content) -> None:
    small = content()
    assert len(small) < 3_000_000
    tracemalloc.start()
    try:
        with pytest.raises(TooLong, match="longer than 60 s"):
            decode_clip(small, 60)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 30_000_000  # two hours are 230 MB and more


@pytest.mark.parametrize(("container_format", "codec"), [("mp3", "libmp3lame"), ("mp4", "aac")])
def test_a_clip_cut_to_the_limit_is_within_it(container_format: str, codec: str) -> None:
    content = muxed(speechlike(3.0), container_format, codec)
    assert len(decode_clip(content, 3.0)) >= 72000
    with pytest.raises(TooLong):
        decode_clip(content, 2.8)


def test_the_program_writes_the_samples_and_nothing_else() -> None:
    content = written(speechlike(1.2, 44100, 2), 44100)
    done = subprocess.run([*PROGRAM, "60"], input=content, capture_output=True, check=True)
    assert np.array_equal(np.frombuffer(done.stdout, "<f4"), decode_clip(content))
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("content", "status"),
    [(NO_AUDIO["noise that begins as MP3"], 3), (NO_AUDIO["HTML"], 3), (two_hours_of_flac(), 4)],
    ids=["noise", "HTML", "two hours"],
)
def test_the_program_refuses_with_one_line_and_a_status(content: bytes, status: int) -> None:
    done = subprocess.run([*PROGRAM, "60"], input=content, capture_output=True)
    assert (done.returncode, done.stdout) == (status, b"")
    with pytest.raises(BadClip) as refused:
        decode_clip(content, 60)
    assert done.stderr.decode() == f"{refused.value}\n"


@linux
def test_the_program_runs_within_limits() -> None:
    with subprocess.Popen([*PROGRAM, "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:

        def limit(name: str) -> int:
            return resource.prlimit(child.pid, getattr(resource, f"RLIMIT_{name}"))[1]

        deadline = time.monotonic() + 20
        while limit("NOFILE") > 64 and time.monotonic() < deadline:  # the last one it sets
            time.sleep(0.01)
        assert 0 < limit("AS") <= 2 << 30
        assert 0 < limit("CPU") <= 30
        assert (limit("FSIZE"), limit("CORE")) == (0, 0)
        assert limit("NOFILE") <= 64
        child.communicate(b"")


@linux
def test_running_out_of_memory_is_a_refusal() -> None:
    # Two hours are 230 MB, and twice that when put together, besides 250 MB of libraries.
    command = f"ulimit -v 600000; OPENBLAS_NUM_THREADS=1 exec {' '.join(PROGRAM)} 9999"
    content = two_hours_of_flac()
    done = subprocess.run(["/bin/sh", "-c", command], input=content, capture_output=True)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith(b"The file takes too much memory")


def peak_memory_bytes(content: bytes, path: Path) -> tuple[int, int]:
    """Run the program over a file; return its exit status and the most memory it ever used."""
    path.write_bytes(content)
    with path.open("rb") as file:
        child = subprocess.Popen([*PROGRAM, "60"], stdin=file, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss << 10


@linux
def test_memory_follows_what_is_there_and_not_what_a_header_claims(tmp_path: Path) -> None:
    honest = peak_memory_bytes(wav_claiming(), tmp_path / "honest.wav")
    boastful = peak_memory_bytes(wav_claiming(data_bytes=2_000_000_000), tmp_path / "boastful.wav")
    assert (honest[0], boastful[0]) == (0, 0)  # a tenth of a second each
    assert boastful[1] < honest[1] + 20_000_000
