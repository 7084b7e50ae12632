"""What somebody asks for, and what of that is decided without an engine: format, language, text."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from vivavoce.audio.formats import DEFAULT_FORMAT, FORMATS, AudioFormat
from vivavoce.errors import InvalidRequest
from vivavoce.service.models import QWEN_REMEDY
from vivavoce.text.clean import clean
from vivavoce.text.language import LANGUAGE_NAMES, language_name, parse_language
from vivavoce.text.pronounce import Pronouncer
from vivavoce.text.reading import Manner, TextFormat, WriteOut, read
from vivavoce.text.script import describe, first_unreadable
from vivavoce.types import Need, SamplingControls, Timestamps

if TYPE_CHECKING:
    from vivavoce.text.pronounce import Rule
    from vivavoce.text.reading import Script
    from vivavoce.types import Capabilities, ModelInfo

FIRST_SEGMENT_CHARS = 100
"""Where a first sentence is cut at a clause: its listener waits for all of it to be made."""

MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class SpeechOrder:
    """What somebody asks for, in their words. None: whatever is usual.

    The voice is one by name, or one that is described, or that of a clip: at most one of the
    three. `normalize`: whether the text is written out as words. With `whole` nobody hears the
    answer before its end. `cache`: whether it may come from the cache of finished audio and be kept
    there. `loudness` is in LUFS. `traceparent` is the trace it belongs to, as W3C writes it.
    """

    text: str
    text_format: TextFormat = TextFormat.MARKDOWN
    normalize: bool | None = None
    voice: str | None = None
    description: str | None = None
    clip: bytes | None = None
    transcript: str | None = None
    model: str | None = None
    format: str = DEFAULT_FORMAT
    speed: float | None = None
    sample_rate_hz: int | None = None
    language: str | None = None
    instructions: str | None = None
    seed: int | None = None
    sampling: SamplingControls = field(default_factory=SamplingControls)
    max_new_tokens: int | None = None
    trim: bool = False
    loudness: float | Literal["off"] | None = None
    timestamps: Timestamps = Timestamps.NONE
    whole: bool = False
    cache: bool | None = None
    traceparent: str | None = None

    @property
    def need(self) -> Need:
        """What it needs of a model."""
        if self.clip is not None:
            return Need.CLONE
        return Need.DESIGN if self.description is not None else Need.PRESET

    @property
    def tempo(self) -> float:
        """How fast to speak."""
        return 1.0 if self.speed is None else self.speed


def choose_format(order: SpeechOrder) -> tuple[AudioFormat, int]:
    """Return the format and the rate in Hz.

    Raises:
        InvalidRequest: the format cannot have that rate.
    """
    audio_format = FORMATS[order.format]
    rate_hz = order.sample_rate_hz or audio_format.usual_rate_hz
    if rate_hz not in audio_format.sample_rates_hz:
        rates = ", ".join(map(str, audio_format.sample_rates_hz))
        raise InvalidRequest(
            f"{audio_format.name} cannot be made at {rate_hz} Hz. Use one of: {rates}.",
            param="sample_rate",
        )
    return audio_format, rate_hz


def choose_language(order: SpeechOrder, info: ModelInfo) -> str | None:
    """Return the language's code; None leaves it to the model.

    Raises:
        InvalidRequest: nobody knows that language, or the model does not speak it.
    """
    if order.language is None:
        return None
    try:
        language = parse_language(order.language)
    except ValueError:
        names = ", ".join(f"{code} ({name})" for code, name in LANGUAGE_NAMES.items())
        raise InvalidRequest(
            f"There is no language {order.language[:40]!r} here. Use auto or one of: {names}.",
            param="language",
        ) from None
    if language is not None and language not in info.capabilities.languages:
        raise InvalidRequest(
            f"Model {info.id} does not speak {language_name(language)}. {_who_else(info)}",
            param="language",
            code="language_not_supported",
        )
    return language


def prepare_text(
    order: SpeechOrder,
    language: str | None,
    voice: str,
    info: ModelInfo,
    pronunciations: tuple[Rule, ...] = (),
) -> Script:
    """Return the text as the model will be given it: cleaned, written out, in segments.

    Where times are asked for, each sentence is a segment of its own: they are known exactly then.

    Raises:
        InvalidRequest: the model cannot read it, or there is nothing to speak in it.
    """
    can: Capabilities = info.capabilities
    first_chars = can.segment_chars if can.joins_sentences else FIRST_SEGMENT_CHARS

    @cache
    def pronouncer(spoken_in: str) -> Pronouncer:
        return Pronouncer(pronunciations, spoken_in, voice)

    script = read(
        order.text,
        Manner(
            order.text_format,
            language,
            can.languages,
            _what_is_written_out(order, can),
            lambda text, spoken_in: pronouncer(spoken_in)(text),
            can.segment_chars,
            min(first_chars, can.segment_chars),
            can.joins_sentences and order.timestamps is Timestamps.NONE,
            order.tempo,
        ),
    )
    _check_readable(script, info)
    return script


def _what_is_written_out(order: SpeechOrder, can: Capabilities) -> WriteOut:
    if order.normalize:
        return WriteOut.ALL
    return WriteOut.NOTHING if can.reads_symbols else WriteOut.SYMBOLS


def check_letters(text: str, info: ModelInfo) -> None:
    """Make sure that the model knows all letters of a text.

    Raises:
        InvalidRequest: one of them is of a script that it cannot read.
    """
    scripts = info.capabilities.scripts
    if scripts and (letter := first_unreadable(text, scripts)) is not None:
        raise InvalidRequest(
            f"Model {info.id} cannot read {letter!r} of your text: {describe(letter)}. "
            f"{_who_else(info)}",
            param="input",
            code="language_not_supported",
        )


def _check_readable(script: Script, info: ModelInfo) -> None:
    can = info.capabilities
    told = {segment.language for segment in script.segments}
    for language in told - {None, *can.languages}:
        raise InvalidRequest(
            f"Model {info.id} does not speak {language_name(str(language))}, which the input's "
            f"xml:lang asks for. {_who_else(info)}",
            param="input",
            code="language_not_supported",
        )
    check_letters(" ".join(segment.text for segment in script.segments), info)
    if not script.segments:
        raise InvalidRequest(
            "There is nothing to speak in the input: it has no letters and no digits that are "
            "spoken. Send words.",
            param="input",
            code="nothing_to_speak",
        )


def choose_instructions(order: SpeechOrder, info: ModelInfo) -> str | None:
    """Return what the model is told of how to speak; a described voice is told with it."""
    if not info.capabilities.instructions:
        return None
    told = (clean(part) for part in (order.description, order.instructions) if part)
    return "\n".join(part for part in told if part) or None


def choose_transcript(order: SpeechOrder) -> str | None:
    """Return the words of the clip, if there are any."""
    return clean(order.transcript or "") or None


def ignored_wishes(order: SpeechOrder, info: ModelInfo) -> tuple[str, ...]:
    """Return the names of what the model cannot heed."""
    can = info.capabilities
    ignored = []
    if order.instructions and not can.instructions:
        ignored.append("instructions")
    if order.normalize is False and not can.reads_symbols:
        ignored.append("normalize")
    if not can.sampling:
        wishes = asdict(order.sampling) | {"max_new_tokens": order.max_new_tokens}
        ignored += [name for name, value in wishes.items() if value is not None]
    return tuple(ignored)


def _who_else(info: ModelInfo) -> str:
    codes = info.capabilities.languages
    speaks = ", ".join(language_name(code) for code in codes)
    others = ", ".join(name for code, name in LANGUAGE_NAMES.items() if code not in codes)
    return (
        f"It speaks {speaks}. Qwen3-TTS speaks {others} too. {QWEN_REMEDY}"
        if others
        else (f"It speaks {speaks}.")
    )
