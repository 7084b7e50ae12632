"""What the layers hand to each other: voices, requests, chunks of audio.

Plain frozen values of the standard library and numpy. They are checked once, where they are made
(`api.schemas`, `service.speech`), and trusted afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

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


class Need(StrEnum):
    """What a request needs of a model: a voice it has, one heard in a clip, or one described."""

    PRESET = "preset"
    CLONE = "clone"
    DESIGN = "design"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, known without loading it.

    `scripts` are Unicode script names of the letters it can read (empty: any).
    `segment_chars` is the longest piece of text it speaks well in one go; `joins_sentences` tells
    whether such a piece may be several sentences. `reads_symbols` is False when numbers, money,
    URLs and the like must be written out for it. `instructions` and `sampling` tell whether it
    heeds a request's instructions and sampling controls, `live` whether it begins to speak a text
    before all of it has come, `blends` whether its voices can be mixed.
    """

    sample_rate_hz: int
    languages: tuple[str, ...]
    scripts: tuple[str, ...] = ()
    segment_chars: int = 400
    joins_sentences: bool = False
    reads_symbols: bool = True
    instructions: bool = False
    sampling: bool = False
    live: bool = False
    blends: bool = False


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
    """A piece of text spoken in one go, and the pause that follows it: silence, to the sample.

    `language`, if the text itself said so, stands above the request's.
    """

    text: str
    pause_s: float = 0.0
    language: str | None = None


@dataclass(frozen=True, slots=True)
class VoicePrompt:
    """A voice as an engine heard it in a clip: what `Engine.listen` makes of one.

    `speaker` holds float32 values [hidden]; `codes`, for speaking on in the clip's own context,
    int16 [frames, 16] of the clip whose words are `transcript`. Both little-endian.
    """

    speaker: bytes
    codes: bytes | None = None
    transcript: str | None = None


@dataclass(frozen=True, slots=True)
class SamplingControls:
    """How an engine draws; None is its own usual value. A `temperature` of 0 draws nothing."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What an engine is asked to speak. Same request, same seed: same samples (see `Engine.speak`).

    `voice` names one of the model's; it is empty for a voice that is described by `instructions`
    or was heard, `reference`, or is a `blend` of the model's: their names and shares, which sum to
    1 (takes `Capabilities.blends`). `max_new_tokens` bounds the frames, as the client wishes. With
    `whole` nobody hears the answer before its end: a segment that went wrong may be made again.
    With `live` there are no segments: the text is pushed into the stream while it is spoken, which
    takes `Capabilities.live`. With `word_times` chunks tell where words are, if the engine knows.
    """

    segments: tuple[Segment, ...]
    voice: str
    seed: int
    language: str | None = None
    instructions: str | None = None
    reference: VoicePrompt | None = None
    sampling: SamplingControls = field(default_factory=SamplingControls)
    max_new_tokens: int | None = None
    whole: bool = False
    live: bool = False
    blend: tuple[tuple[str, float], ...] = ()
    word_times: bool = False


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The next piece of a stream: float32 samples, shape [n], n > 0, of segment `segment`.

    `words` tells where each blank-separated word of the segment's text begins and ends, in samples
    from the segment's first. Empty in all chunks but its first, and where nobody knows or asked.
    """

    samples: Samples
    segment: int
    words: tuple[tuple[int, int], ...] = ()


class Timestamps(StrEnum):
    """Which times somebody wants with the audio; with the finer ones come the coarser."""

    NONE = "none"
    SEGMENT = "segment"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of the text as it was spoken, and when, in seconds from the answer's beginning."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class TimedSegment:
    """A segment's text as it was spoken, and when, without the pause after it; see `TimedWord`."""

    text: str
    start_s: float
    end_s: float
    words: tuple[TimedWord, ...] = ()


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


@dataclass(frozen=True, slots=True)
class SpeechReport:
    """How a request went in the engine.

    `faults` tells of segments that went wrong and were made again. `codes_per_s` is how fast the
    engine made its codes, where it makes any. `underruns` counts how often the next chunk was made
    later than whoever plays them as they come had need of it.
    """

    usage: Usage = field(default_factory=Usage)
    faults: tuple[str, ...] = ()
    codes_per_s: float | None = None
    underruns: int = 0


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load has come: its present stage, and of that so many of so many bytes."""

    stage: str
    done_bytes: int = 0
    total_bytes: int = 0
