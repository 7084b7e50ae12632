"""A clip somebody uploads, decoded: the bytes of a file in, mono samples at 24 kHz out.

What comes is hostile until it has been decoded, so this is also a program that decodes in a
process of its own, under limits it sets itself:

    python -P -m vivavoce.audio.clip MAX_S [cut] < file > samples

It writes raw little-endian float32 and exits with 0, or writes one line for the user to stderr
and exits with `UNREADABLE_STATUS` or `TOO_LONG_STATUS`; with `cut` it writes what is within the
limit instead of the latter. Its stdout must be a pipe: it may not
write files. Nothing is trimmed or made louder here, and whether the clip is worth cloning is for
`vivavoce.service.reference` to say.
"""

from __future__ import annotations

import contextlib
import io
import math
import resource
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from vivavoce.types import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import AudioFrame, AudioStream
    from av.container import InputContainer

CLIP_HZ = 24000
UNREADABLE_STATUS = 3
TOO_LONG_STATUS = 4

MIN_HZ, MAX_HZ = 8000, 192_000
MAX_CHANNELS = 8
MAX_PEAK = 100.0
"""Full scale is 1. Float files go over it now and then, but 40 dB is not sound any more."""

# Encoders fill their last frame: what was cut to the limit comes out a little longer.
_FILLING_S = 0.1

# FFmpeg's names. Left out on purpose: whatever names other files (playlists, scripts), has no
# header to be known by (raw samples), or is no audio (pictures, subtitles).
_FORMATS = "wav,w64,aiff,mp3,flac,ogg,aac,mov,matroska,caf"
_CODECS = (
    *("mp3", "mp3float", "mp2", "mp2float", "aac", "flac", "alac", "vorbis", "opus", "libopus"),
    *("pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    *("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
    *("pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be"),
)
_READ_HERE = "Upload a WAV, FLAC, MP3, Ogg, Opus, AAC, M4A, WebM, AIFF or CAF file."
_AGAIN = "Export it again and send that."
_UNREADABLE = f"The file is not audio that can be read. {_READ_HERE}"

# Libraries take 250 MiB of it, a minute of stereo at 192 kHz twice that with its file.
_ADDRESS_SPACE_BYTES = 1536 << 20
_CPU_S = 30
_OPEN_FILES = 32


class BadClip(Exception):
    """The file cannot be used; the message is for whoever uploaded it."""


class TooLong(BadClip):
    """There is more audio in it than was asked for."""


def decode_clip(content: bytes, max_s: float | None = None, *, cut: bool = False) -> Samples:
    """Decode a file's first audio track: its samples at `CLIP_HZ`, channels averaged, shape [n].

    The same samples as Qwen3-TTS's own package gets from librosa. What a file's header claims
    is never believed: what counts is what comes out of the decoder.

    Raises:
        TooLong: more than `max_s` seconds came out; the rest was not decoded. Not with `cut`.
        BadClip: it is no audio, no sound of a common kind, or damaged.
    """
    import av  # 16 MiB that a process which only wants this module's names does not need

    # Old tags are Latin-1, and nobody reads them here. PyAV 19 takes them as they are.
    lenient: Any = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
    try:
        container = av.open(
            io.BytesIO(content),
            "r",
            container_options={
                "format_whitelist": _FORMATS,
                "codec_whitelist": ",".join(_CODECS),
                "protocol_whitelist": "",  # no file may have another one opened
            },
            **lenient,
        )
    except av.FFmpegError:
        raise BadClip(_UNREADABLE) from None
    with container:
        if not container.streams.audio:
            raise BadClip(f"The file has no audio track. {_READ_HERE}")
        samples, rate_hz = _read(container, container.streams.audio[0], max_s, cut)
    if not len(samples):
        raise BadClip(f"There is no sound in the file. {_READ_HERE}")
    peak = float(np.abs(samples).max())
    if not peak < MAX_PEAK:  # this way round, it catches what is not a number, too
        raise BadClip(
            f"The file's loudest sample is {peak:g}, where full scale is 1. "
            "Export it again, as 16-bit WAV."
        )
    return _resample(samples, rate_hz)


def _read(
    container: InputContainer, stream: AudioStream, max_s: float | None, cut: bool
) -> tuple[Samples, int]:
    """Decode a stream; return its samples, channels averaged, and their rate."""
    from av import FFmpegError

    codec: Any = stream.codec_context  # None without a decoder, whatever PyAV's types say
    name = "unknown" if codec is None else codec.name
    if name not in _CODECS:
        raise BadClip(f"The file's audio codec ({name}) is not read here. {_READ_HERE}")
    if name == "flac":  # FFmpeg would play damaged frames, loudly, and skip lost ones
        codec.options = {"err_detect": "crccheck+explode"}
    try:
        codec.open()
    except FFmpegError:  # such as: no channels, or a million
        raise BadClip(_UNREADABLE) from None
    pieces: list[Samples] = []
    n_samples = rate_hz = 0
    starts_s = 0.0
    for frame in _frames(container, stream):
        _check(frame, rate_hz)
        rate_hz = frame.sample_rate
        if not pieces:
            starts_s = frame.time or 0.0
        read_s = n_samples / rate_hz
        if name == "flac" and (frame.time or 0.0) - starts_s > read_s + 0.01:
            raise BadClip(f"The file is damaged {read_s:.2f} s from its start. {_AGAIN}")
        pieces.append(_mono(frame))
        n_samples += frame.samples
        if max_s is not None and n_samples > (max_s + _FILLING_S) * rate_hz:
            if cut:
                break
            raise TooLong(f"The clip is longer than {max_s:g} s. Cut it and send it again.")
    return (np.concatenate(pieces) if pieces else np.zeros(0, np.float32)), rate_hz


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Yield what can be decoded. A lost packet or two nobody hears; more of them is damage."""
    from av import FFmpegError

    n_packets = n_lost = 0
    packets = container.demux(stream)
    while True:
        n_packets += 1
        try:
            packet = next(packets, None)  # None, too, after the container itself has failed
            if packet is None:
                break
            frames = packet.decode()
        except FFmpegError:
            n_lost += 1
        else:
            yield from frames
    if n_lost > 1 + n_packets // 50:
        raise BadClip(
            f"The file is damaged: {n_lost} of its {n_packets} pieces cannot be decoded. {_AGAIN}"
        )


def _check(frame: AudioFrame, rate_before_hz: int) -> None:
    """Raise BadClip if the audio is of a kind that no recording of a voice is."""
    rate_hz, channels = frame.sample_rate, frame.layout.nb_channels
    if not MIN_HZ <= rate_hz <= MAX_HZ:
        raise BadClip(
            f"The file's sample rate is {rate_hz} Hz; {MIN_HZ} to {MAX_HZ} Hz can be read. "
            "Export it at 24000 Hz."
        )
    if rate_before_hz not in (0, rate_hz):
        raise BadClip(
            f"The file's sample rate changes from {rate_before_hz} to {rate_hz} Hz midway. "
            "Export it again at one rate."
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise BadClip(
            f"The file has {channels} channels; at most {MAX_CHANNELS} can be read. "
            "Export it in mono."
        )


def _mono(frame: AudioFrame) -> Samples:
    """Return a frame's samples as float32, full scale 1, channels averaged, shape [n]."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    with np.errstate(all="ignore"):  # what is absurd in a float file is found at the end
        scaled: Samples = values.astype(np.float32)
        if values.dtype == np.uint8:
            scaled = (scaled - np.float32(128)) / np.float32(128)
        elif values.dtype.kind == "i":
            scaled /= np.float32(1 << (8 * values.itemsize - 1))
        mono: Samples = scaled.mean(axis=0)
    return mono


def _resample(samples: Samples, rate_hz: int) -> Samples:
    """Bring samples, shape [n], to `CLIP_HZ`, with the filter and the length of librosa's."""
    if rate_hz == CLIP_HZ:
        return samples
    resampled: Samples = soxr.resample(samples, rate_hz, CLIP_HZ, quality="HQ")
    length = math.ceil(len(samples) * (CLIP_HZ / rate_hz))
    return np.pad(resampled, (0, max(0, length - len(resampled))))[:length]


def main() -> None:
    """Decode stdin to stdout, as the module's docstring says."""
    _limit_resources()
    max_s = float(sys.argv[1])
    try:
        samples = decode_clip(sys.stdin.buffer.read(), max_s, cut="cut" in sys.argv[2:])
    except BadClip as exc:
        _refuse(str(exc), TOO_LONG_STATUS if isinstance(exc, TooLong) else UNREADABLE_STATUS)
    except MemoryError:
        _refuse(f"The file takes too much memory to decode. {_READ_HERE}", UNREADABLE_STATUS)
    else:
        sys.stdout.buffer.write(samples.astype("<f4", copy=False).tobytes())


def _limit_resources() -> None:
    """Give up what decoding needs none of, for good; what this platform cannot limit it skips."""
    wanted = {
        "RLIMIT_AS": _ADDRESS_SPACE_BYTES,
        "RLIMIT_CPU": _CPU_S,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,  # a core file would hold the clip
        "RLIMIT_NOFILE": _OPEN_FILES,
    }
    for name, value in wanted.items():
        limit = getattr(resource, name, None)
        if limit is None:
            continue
        hard = resource.getrlimit(limit)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def _refuse(message: str, status: int) -> None:
    sys.stderr.buffer.write(message.encode() + b"\n")
    sys.stderr.flush()
    sys.exit(status)


if __name__ == "__main__":
    main()
