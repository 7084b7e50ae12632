"""Cutting text into the pieces an engine speaks in one go.

Sentences come from `text/sentences.py`. What is too long is cut here: at the punctuation between
clauses, then between words, then anywhere, but not within a number. Joined together the pieces are
the text again.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vivavoce.text.script import has_words
from vivavoce.text.sentences import sentences
from vivavoce.types import Segment

PARAGRAPH_PAUSE_S = 0.7
SENTENCE_PAUSE_S = 0.4
CLAUSE_PAUSE_S = 0.15
_CLAUSE_END = re.compile(
    r"[,;:)—–。，、；：][\"'”’)\]]*\s+|(?<!\d)[。，、；：]|[。，、；：](?!\d)|\s[—–-]\s"
)
_CJK_END = re.compile(r"[。，、；：！？”』」]$")
_LINE_END = re.compile(r"\n+")
_IN_NUMBER = re.compile(r"\d \d")
_RUN = re.compile(r"[\w.,:/%-]", re.ASCII)
_LONGEST_RUN = 40


def segment(text: str, language: str, max_chars: int, first_max_chars: int) -> tuple[Segment, ...]:
    """Cut `text` into segments of at most `max_chars` characters, each with words in it.

    The first is cut shorter, at a clause end if there is one within `first_max_chars`, because the
    listener waits for it. Pieces without words (a row of dashes) are left out.
    """
    segments: list[Segment] = []
    for paragraph in text.split("\n\n"):
        found = [
            stripped
            for line in _LINE_END.split(paragraph)
            for sentence in sentences(line, language)
            if (stripped := sentence.strip()) and has_words(stripped)
        ]
        for sentence in found:
            first = not segments
            pieces = _cut(sentence, max_chars, first_max_chars if first else max_chars)
            segments += [Segment(piece, CLAUSE_PAUSE_S) for piece in pieces]
            segments[-1] = Segment(segments[-1].text, SENTENCE_PAUSE_S)
        if found:
            segments[-1] = Segment(segments[-1].text, PARAGRAPH_PAUSE_S)
    if segments:
        segments[-1] = Segment(segments[-1].text)  # nothing follows the last
    return tuple(segments)


def join(segments: tuple[Segment, ...], max_chars: int) -> tuple[Segment, ...]:
    """Join neighbours within a paragraph to as few segments of at most `max_chars` as can be.

    For voices that make the pauses between sentences themselves: only those between paragraphs
    stay. One joined of several languages counts as the longer's.
    """
    joined: list[Segment] = []
    new_paragraph = True
    for piece in segments:
        fits = joined and len(joined[-1].text) + 1 + len(piece.text) <= max_chars
        if fits and not new_paragraph:
            blank = "" if _CJK_END.search(joined[-1].text) else " "
            longer = max(joined[-1], piece, key=lambda one: len(one.text))
            joined[-1] = Segment(joined[-1].text + blank + piece.text, 0.0, longer.language)
        else:
            joined.append(replace(piece, pause_s=0.0))
        new_paragraph = piece.pause_s == PARAGRAPH_PAUSE_S
        if new_paragraph:
            joined[-1] = replace(joined[-1], pause_s=PARAGRAPH_PAUSE_S)
    return tuple(joined)


def _cut(sentence: str, max_chars: int, first_max_chars: int) -> list[str]:
    """Cut one sentence; `first_max_chars` bounds its first piece only where a clause ends there."""
    pieces: list[str] = []
    rest = sentence
    soft = first_max_chars
    while len(rest) > min(soft, max_chars):
        at = _last_clause_end(rest, min(soft, max_chars))
        if at is None and len(rest) > max_chars:
            at = _last_clause_end(rest, max_chars) or _last_blank(rest, max_chars)
            at = at or _between_numbers(rest, max_chars)
        soft = max_chars
        if at is None:
            continue
        piece, rest = rest[:at].strip(), rest[at:].strip()
        pieces.append(piece)
    return [piece for piece in (*pieces, rest) if has_words(piece)]


def _last_clause_end(text: str, limit: int) -> int | None:
    ends = [m.end() for m in _CLAUSE_END.finditer(text, 0, limit + 1) if m.end() <= limit]
    # A cut that leaves a word or two alone sounds worse than a longer piece.
    return next((end for end in reversed(ends) if len(text[:end].split()) >= 3), None)


def _last_blank(text: str, limit: int) -> int | None:
    at = text.rfind(" ", 1, limit + 1)
    while at > 0 and _IN_NUMBER.fullmatch(text, at - 1, at + 2):
        at = text.rfind(" ", 1, at)
    return at if at > 0 else None


def _between_numbers(text: str, limit: int) -> int:
    """Return where to cut a text without blanks: not in a number or word of another script."""
    for at in range(limit, max(limit - _LONGEST_RUN, limit // 2), -1):
        if not (_RUN.match(text[at - 1]) and _RUN.match(text[at])):
            return at
    return limit
