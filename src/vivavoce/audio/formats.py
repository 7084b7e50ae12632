"""The formats an answer can have: one table of names, content types and sample rates."""

from __future__ import annotations

from dataclasses import dataclass

PCM_SAMPLE_RATE_HZ = 24000
"""The usual rate; OpenAI's `pcm` is always this."""

_ANY_RATE = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One row: the `response_format` name, its media type, the rates (Hz) it can carry.

    The rate is `usual_rate_hz` where nobody asks for another.
    """

    name: str
    content_type: str
    sample_rates_hz: tuple[int, ...]
    usual_rate_hz: int = PCM_SAMPLE_RATE_HZ


FORMATS: dict[str, AudioFormat] = {
    f.name: f
    for f in (
        AudioFormat("mp3", "audio/mpeg", _ANY_RATE),
        AudioFormat("opus", "audio/opus", _OPUS_RATES),  # Opus in Ogg, as OpenAI sends it
        AudioFormat("aac", "audio/aac", _ANY_RATE),  # ADTS
        AudioFormat("flac", "audio/flac", _ANY_RATE),
        AudioFormat("wav", "audio/wav", _ANY_RATE),
        AudioFormat("pcm", "audio/pcm", _ANY_RATE),  # signed 16-bit little-endian, no header
        AudioFormat("ogg", "audio/ogg", _OPUS_RATES),  # the same bytes as opus, under Ogg's type
        # Telephony, under the names of OpenAI's realtime interface: bytes without a header.
        AudioFormat("g711_ulaw", "audio/PCMU", (8000,), 8000),
        AudioFormat("g711_alaw", "audio/PCMA", (8000,), 8000),
    )
}

DEFAULT_FORMAT = "mp3"
