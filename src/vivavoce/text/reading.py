"""From what somebody wrote to what is spoken: markup read, languages found, words written out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from vivavoce.text.clean import clean
from vivavoce.text.detect import detect
from vivavoce.text.marks import Part, check_pauses, mark_pauses, parts_at_marks
from vivavoce.text.normalize import NORMALIZERS, WRITERS
from vivavoce.text.say_as import say_as
from vivavoce.text.script import has_words
from vivavoce.text.segment import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S, join, segment
from vivavoce.text.sentences import sentences
from vivavoce.types import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PARAGRAPH_END = re.compile(r"\n\s*\n\s*$")
_TAG = re.compile(r"<[^>]*>")
_SENTENCE_END = re.compile(r"(?:[.!?…。！？][\"'”’»」』)\]]*|\n)\s*$")


class TextFormat(StrEnum):
    """How a text is written: prose with or without Markdown, with pauses in brackets, as SSML."""

    MARKDOWN = "markdown"
    PLAIN = "plain"
    TAGS = "tags"
    SSML = "ssml"


class WriteOut(StrEnum):
    """What is written out as words: nothing, what the engine cannot read, everything."""

    NOTHING = "nothing"
    SYMBOLS = "symbols"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a text is to be read, and for whom.

    `language` is the one the client told, `languages` are all the model's. `pronounce` says words
    of a language as its rules have them. `segment_chars`, `first_chars` and `joins` are for
    `segment` and `join`. What is made of it is played at `speed`; pauses that are asked for keep
    their length.
    """

    format: TextFormat
    language: str | None
    languages: tuple[str, ...]
    write_out: WriteOut
    pronounce: Callable[[str, str], str]
    segment_chars: int
    first_chars: int
    joins: bool
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Script:
    """A text as it is spoken: silence, then segments; `languages` are those each was read in."""

    segments: tuple[Segment, ...]
    languages: tuple[str, ...]
    lead_s: float = 0.0


NOTHING = Script((), ())
"""Of a text that is still to come."""


def read(text: str, manner: Manner) -> Script:
    """Return a text as it is spoken.

    Raises:
        InvalidRequest: its markup is wrong, or asks for what is not to be had.
    """
    parts = _parts(clean(text), manner)
    check_pauses(parts)
    usual = detect("\n".join(part.text for part in parts), manner.languages)
    spoken: list[tuple[Segment, str]] = []
    lead_s = 0.0
    asked = False  # whether the pause after what is spoken so far was asked for
    for part in parts:
        first = manner.first_chars if not spoken else manner.segment_chars
        pieces = _speak(part, usual, replace(manner, first_chars=first))
        spoken += pieces
        asked = asked and not pieces
        if part.pause_s is None:
            continue
        pause_s = part.pause_s * manner.speed
        if not spoken:
            lead_s += pause_s
            continue
        before_s = spoken[-1][0].pause_s if asked else 0.0
        spoken[-1] = _with_pause(spoken[-1], before_s + pause_s)
        asked = True
    if spoken and not asked:
        spoken[-1] = _with_pause(spoken[-1], 0.0)  # nothing follows
    return Script(
        tuple(segment for segment, _ in spoken), tuple(language for _, language in spoken), lead_s
    )


def _parts(text: str, manner: Manner) -> tuple[Part, ...]:
    if manner.format is TextFormat.PLAIN:
        return (Part(text),)
    # Only now: most texts need no parser.
    if manner.format is TextFormat.SSML:
        from vivavoce.text.ssml import parse_ssml

        usual = detect(_TAG.sub(" ", text), manner.languages)

        def interpret(words: str, kind: str, language: str | None) -> str:
            spoken_in = language or manner.language or usual
            return say_as(words, kind, _base(spoken_in))

        return parse_ssml(text, interpret)
    from vivavoce.text.markdown import spoken_markdown

    if manner.format is TextFormat.MARKDOWN:
        return (Part(spoken_markdown(text)),)
    marked, pauses = mark_pauses(text)
    return parts_at_marks(spoken_markdown(marked), pauses)


def _speak(part: Part, usual: str, manner: Manner) -> list[tuple[Segment, str]]:
    """Return the segments of a part with the languages they were read in."""
    told = part.language or manner.language
    runs = [(part.text, _base(told))] if told else _runs(part.text, manner.languages, usual)
    spoken: list[Segment] = []
    for text, language in runs:
        words = _written_out(manner.pronounce(text, language), language, manner.write_out)
        first = manner.first_chars if not spoken else manner.segment_chars
        pieces = segment(words, language, manner.segment_chars, first)
        spoken += [replace(piece, language=language) for piece in pieces]
        if pieces:
            spoken[-1] = replace(spoken[-1], pause_s=_natural_pause_s(text))
    if manner.joins:
        spoken = list(join(tuple(spoken), manner.segment_chars))
    return [(replace(one, language=part.language), str(one.language)) for one in spoken]


def _runs(text: str, languages: tuple[str, ...], usual: str) -> Iterator[tuple[str, str]]:
    """Yield stretches of text in one language each; together they are the text.

    Found sentence by sentence; one that is too short to tell is in its paragraph's language.
    """
    if len({_base(code) for code in languages}) == 1:
        yield text, usual
        return
    run, of_run = "", usual
    for line in re.split(r"(?<=\n)", text):
        main = detect(line, languages, usual)
        for sentence in sentences(line, main):
            language = main
            if not has_words(sentence):
                language = of_run
            elif len(sentence) < len(line):
                language = detect(sentence, languages, main)
            if language != of_run and has_words(run):
                yield run, of_run
                run = ""
            run, of_run = run + sentence, language
    if run:
        yield run, of_run


def _written_out(text: str, language: str, what: WriteOut) -> str:
    writer = {WriteOut.ALL: WRITERS, WriteOut.SYMBOLS: NORMALIZERS}.get(what, {}).get(language)
    return text if writer is None else writer(text)


def _natural_pause_s(text: str) -> float:
    """Return the pause at the end of a text that goes on."""
    if _PARAGRAPH_END.search(text):
        return PARAGRAPH_PAUSE_S
    return SENTENCE_PAUSE_S if _SENTENCE_END.search(text) else 0.0


def _with_pause(spoken: tuple[Segment, str], pause_s: float) -> tuple[Segment, str]:
    return replace(spoken[0], pause_s=pause_s), spoken[1]


def _base(language: str) -> str:
    """Return the language of a dialect."""
    return language.partition("-")[0]
