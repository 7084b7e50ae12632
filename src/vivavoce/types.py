"""What the layers hand to each other: voices, requests, chunks of audio.

Plain frozen values of the standard library and numpy. They are checked once, where they are made
(`api.schemas`, `service.speech`), and trusted afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono audio, shape [samples], nominally within [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice an engine can speak with.

    `aliases` are other names that resolve to it, such as OpenAI's.
    """

    id: str
    name: str
    languages: tuple[str, ...]
    description: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, known without loading it.

    `scripts` are Unicode script names of the letters it can read (empty: any).
    `segment_chars` is the longest piece of text it speaks well in one go.
    `reads_symbols` is False when numbers, money, URLs and the like must be written out for it.
    """

    sample_rate_hz: int
    languages: tuple[str, ...]
    scripts: tuple[str, ...] = ()
    segment_chars: int = 400
    reads_symbols: bool = True
    instructions: bool = False


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as users see it: its id, its voices (the first is the default), its abilities."""

    id: str
    engine: str
    owner: str
    capabilities: Capabilities
    voices: tuple[Voice, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text spoken in one go, and the pause that follows it."""

    text: str
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What an engine is asked to speak. Same request, same seed: same samples."""

    segments: tuple[Segment, ...]
    voice: str
    seed: int
    language: str | None = None
    instructions: str | None = None


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The next piece of a stream: float32 samples, shape [n], n > 0, of segment `segment`."""

    samples: Samples
    segment: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost in the engine's own units, as OpenAI's usage object reports it.

    Each engine documents its units: what it reads (phonemes, text tokens) and what it makes
    (frames).
    """

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens
