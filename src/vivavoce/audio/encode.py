"""Encoders that work while the audio is being made: feed samples, get bytes, flush at the end.

`pcm`, `wav` and telephony's G.711 are trivial and written here. Every other compressed format comes
from FFmpeg's encoders and muxers through PyAV. The same samples give the same bytes however they
are cut into pieces.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vivavoce.audio.g711 import alaw_codes, ulaw_codes
from vivavoce.types import Samples

if TYPE_CHECKING:
    from collections.abc import Mapping

WAV_HEADER_BYTES = 44
_UNKNOWN_SIZE = 0xFFFFFFFF


class Encoder(Protocol):
    """Turns float32 samples into the bytes of one format. Not thread-safe; used by one stream."""

    def feed(self, samples: Samples) -> bytes:
        """Encode some samples, shape [n]; return the bytes that are ready, perhaps none."""

    def flush(self) -> bytes:
        """Return everything that was held back. Nothing may be fed afterwards."""

    def seal(self, head: bytearray, total_bytes: int) -> None:
        """Write what only the end knows (sizes) into the first bytes of a finished file."""


def open_encoder(format_name: str, sample_rate_hz: int) -> Encoder:
    """Return a new encoder for a name of `vivavoce.audio.formats.FORMATS`."""
    if format_name == "pcm":
        return PcmEncoder()
    if format_name == "wav":
        return WavEncoder(sample_rate_hz)
    if format_name in _G711_CODES:
        return G711Encoder(_G711_CODES[format_name]())
    return AvEncoder(_AV_FORMATS[format_name], sample_rate_hz)


def to_int16(samples: Samples) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Scale [-1, 1] to signed 16-bit, rounding, and clip what is outside."""
    scaled = np.rint(samples * np.float32(32767.0))
    clipped: np.ndarray[Any, np.dtype[np.int16]] = np.clip(scaled, -32768, 32767).astype("<i2")
    return clipped


class PcmEncoder:
    """Signed 16-bit little-endian samples and nothing else."""

    def feed(self, samples: Samples) -> bytes:
        """Return the samples' own bytes."""
        return to_int16(samples).tobytes()

    def flush(self) -> bytes:
        """Return nothing: every sample has left already."""
        return b""

    def seal(self, head: bytearray, total_bytes: int) -> None:
        """Change nothing: there is no header."""


class WavEncoder(PcmEncoder):
    """A 44-byte header, then PCM, and nothing after it: some clients play what follows as sound.

    While streaming the sizes are unknown and both size fields say 0xFFFFFFFF, as OpenAI's do.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._header = struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", _UNKNOWN_SIZE, b"WAVE"),
            *(b"fmt ", 16, 1, 1, sample_rate_hz, sample_rate_hz * 2, 2, 16),
            *(b"data", _UNKNOWN_SIZE),
        )

    def feed(self, samples: Samples) -> bytes:
        """Return the header, the first time, and the samples' bytes."""
        header, self._header = self._header, b""
        return header + super().feed(samples)

    def flush(self) -> bytes:
        """Return the header if nothing was ever fed."""
        header, self._header = self._header, b""
        return header

    def seal(self, head: bytearray, total_bytes: int) -> None:
        """Put the exact sizes into the header; the format cannot say more than 4 GiB."""
        struct.pack_into("<I", head, 4, min(total_bytes - 8, _UNKNOWN_SIZE))
        struct.pack_into("<I", head, 40, min(total_bytes - WAV_HEADER_BYTES, _UNKNOWN_SIZE))


_G711_CODES = {"g711_ulaw": ulaw_codes, "g711_alaw": alaw_codes}


class G711Encoder(PcmEncoder):
    """A byte for each sample, and nothing else; `codes` has them by the sample's 16 bits."""

    def __init__(self, codes: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        self._codes = codes

    def feed(self, samples: Samples) -> bytes:
        """Return the samples' codes."""
        data: bytes = self._codes[to_int16(samples).view("<u2")].tobytes()
        return data


@dataclass(frozen=True, slots=True)
class _AvFormat:
    """How FFmpeg is told to make a format.

    `priming_packets` are leading packets that hold nothing but encoder delay and are not sent.
    """

    muxer: str
    codec: str
    sample_format: str
    bit_rate: int | None = None
    muxer_options: Mapping[str, str] = field(default_factory=dict)
    codec_options: Mapping[str, str] = field(default_factory=dict)
    priming_packets: int = 0


_OPUS = _AvFormat(
    "ogg",
    "libopus",
    "s16",
    bit_rate=48_000,
    # One page per 20 ms packet; the muxer's default is a page per second of audio.
    muxer_options={"page_duration": "20000"},
)
_AV_FORMATS = {
    "mp3": _AvFormat(
        "mp3",
        "libmp3lame",
        "s16p",
        bit_rate=96_000,
        # A Xing frame states lengths that a stream does not know, an ID3 tag is played by some.
        muxer_options={"write_xing": "0", "id3v2_version": "0"},
        # LAME starts 1105 samples late; its first frame is all delay. Without the bit reservoir
        # no later frame points back into it, so it can be left out.
        codec_options={"reservoir": "0"},
        priming_packets=1,
    ),
    "opus": _OPUS,
    "ogg": _OPUS,
    "aac": _AvFormat("adts", "aac", "fltp", bit_rate=96_000),
    "flac": _AvFormat(
        "flac",
        "flac",
        "s16",
        muxer_options={"metadata_header_padding": "0"},  # 8 KiB of nothing otherwise
        codec_options={"compression_level": "2"},  # blocks of 24 ms; from 3 on, of 96 ms
    ),
}


class _Drain:
    """The write-only file that a muxer writes into: it cannot seek, so nothing is rewritten."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class AvEncoder:
    """Any format FFmpeg can stream.

    Each packet leaves as soon as the codec gives it out: the delay is the codec's own frame.
    """

    def __init__(self, spec: _AvFormat, sample_rate_hz: int) -> None:
        import av  # 16 MiB that a server which only ever sends PCM does not need

        self._av = av
        self._spec = spec
        self._rate = sample_rate_hz
        self._position = 0
        self._to_skip = spec.priming_packets
        self._drain = _Drain()
        # bitexact: no library versions in the header, so equal requests give equal bytes.
        options = {"fflags": "+flush_packets+bitexact", **spec.muxer_options}
        self._container: Any = av.open(self._drain, "w", format=spec.muxer, options=options)
        bit_rate = {} if spec.bit_rate is None else {"bit_rate": spec.bit_rate}
        add_stream: Any = self._container.add_stream  # its overloads know no codec by variable
        self._stream = add_stream(
            spec.codec,
            rate=sample_rate_hz,
            layout="mono",
            format=spec.sample_format,
            options={"flags": "+bitexact", **spec.codec_options},
            **bit_rate,
        )
        self._container.start_encoding()  # the header leaves with the first samples

    def feed(self, samples: Samples) -> bytes:
        """Encode samples, shape [n]; packets the codec still holds come with a later call."""
        pcm = samples if self._spec.sample_format == "fltp" else to_int16(samples)
        frame = self._av.AudioFrame.from_ndarray(
            pcm[np.newaxis], format=self._spec.sample_format, layout="mono"
        )
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._position
        self._position += len(samples)
        self._mux(frame)
        return self._drain.take()

    def flush(self) -> bytes:
        """Return the last packets and whatever ends the container."""
        self._mux(None)
        self._container.close()
        return self._drain.take()

    def seal(self, head: bytearray, total_bytes: int) -> None:
        """Put the number of samples into FLAC's STREAMINFO; other formats need nothing.

        The field is 36 bits wide and starts in the low half of byte 21 (RFC 9639, section 8.2).
        """
        if self._spec.codec == "flac":
            head[21] = (head[21] & 0xF0) | (self._position >> 32 & 0x0F)
            struct.pack_into(">I", head, 22, self._position & 0xFFFFFFFF)

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            if self._to_skip:
                self._to_skip -= 1
            else:
                self._container.mux(packet)
