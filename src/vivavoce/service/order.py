"""What somebody asks for, and what of that is decided without an engine: format, language, text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vivavoce import __version__
from vivavoce.audio.formats import DEFAULT_FORMAT, FORMATS, PCM_SAMPLE_RATE_HZ, AudioFormat
from vivavoce.errors import InvalidRequest
from vivavoce.text.clean import clean
from vivavoce.text.language import LANGUAGE_NAMES, parse_language
from vivavoce.text.normalize import NORMALIZERS
from vivavoce.text.script import describe, first_unreadable, has_words
from vivavoce.text.segment import segment

if TYPE_CHECKING:
    from vivavoce.types import Capabilities, ModelInfo, Segment

FIRST_SEGMENT_CHARS = 100
"""Where a first sentence is cut at a clause: its listener waits for all of it to be made."""

MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class SpeechOrder:
    """What somebody asks for, in their words. None: whatever is usual."""

    text: str
    voice: str | None = None
    model: str | None = None
    format: str = DEFAULT_FORMAT
    speed: float = 1.0
    sample_rate_hz: int | None = None
    language: str | None = None
    instructions: str | None = None
    seed: int | None = None


def choose_format(order: SpeechOrder) -> tuple[AudioFormat, int]:
    """Return the format and the rate in Hz.

    Raises:
        InvalidRequest: the format cannot have that rate.
    """
    audio_format = FORMATS[order.format]
    rate_hz = order.sample_rate_hz or PCM_SAMPLE_RATE_HZ
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
            f"Model {info.id} does not speak {LANGUAGE_NAMES[language]}. {_who_else(info)}",
            param="language",
            code="language_not_supported",
        )
    return language


def prepare_text(text: str, language: str | None, info: ModelInfo) -> tuple[Segment, ...]:
    """Return the text as the model will be given it: cleaned, written out, in segments.

    Raises:
        InvalidRequest: the model cannot read it, or there is nothing to speak in it.
    """
    can: Capabilities = info.capabilities
    text = clean(text)
    read_as = language or can.languages[0]
    if not can.reads_symbols:
        text = NORMALIZERS[read_as](text)
    if can.scripts and (letter := first_unreadable(text, can.scripts)) is not None:
        raise InvalidRequest(
            f"Model {info.id} cannot read {letter!r} of your text: {describe(letter)}. "
            f"{_who_else(info)}",
            param="input",
            code="language_not_supported",
        )
    if not has_words(text):
        raise InvalidRequest(
            "There is nothing to speak in the input: it has no letters and no digits. Send words.",
            param="input",
            code="nothing_to_speak",
        )
    return segment(text, read_as, can.segment_chars, min(FIRST_SEGMENT_CHARS, can.segment_chars))


def _who_else(info: ModelInfo) -> str:
    speaks = ", ".join(LANGUAGE_NAMES[code] for code in info.capabilities.languages)
    others = ", ".join(LANGUAGE_NAMES.values())
    return (
        f"It speaks {speaks}. The Qwen3-TTS engine speaks {others}, "
        f"but vivavoce {__version__} does not contain it yet."
    )
