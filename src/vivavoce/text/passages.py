"""A long text in passages, so that its beginning is spoken before its end is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vivavoce.text.arriving import part_end

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_CHARS = 800
PASSAGE_CHARS = 4000
"""The first is shorter: its listener waits for all of it to be read."""

_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
_FENCE = re.compile(r"^\s{0,3}(?:```|~~~)", re.MULTILINE)


def passages(text: str) -> Iterator[tuple[str, bool]]:
    """Yield passages of a text, and whether each ends with a paragraph. Joined they are the text.

    They end with a paragraph, but not within a block of code; one that is far too long is cut
    where a sentence ends.
    """
    begin, wanted = 0, FIRST_CHARS
    while begin < len(text):
        end, paragraph = _end(text, begin, wanted)
        yield text[begin:end], paragraph
        begin, wanted = end, PASSAGE_CHARS


def _end(text: str, begin: int, wanted: int) -> tuple[int, bool]:
    for found in _PARAGRAPH_END.finditer(text, begin):
        if found.end() - begin >= wanted and not _is_within_code(text, begin, found.end()):
            if found.end() - begin <= 2 * wanted:
                return found.end(), True
            break
    if len(text) - begin <= 2 * wanted or _is_within_code(text, begin, begin + 2 * wanted):
        return _paragraph_end_outside_code(text, begin, wanted)
    at = part_end(text[begin : begin + 2 * wanted + 1], 0, wanted)
    return (len(text), True) if at is None else (begin + at, False)


def _paragraph_end_outside_code(text: str, begin: int, wanted: int) -> tuple[int, bool]:
    for found in _PARAGRAPH_END.finditer(text, begin + wanted):
        if not _is_within_code(text, begin, found.end()):
            return found.end(), True
    return len(text), True


def _is_within_code(text: str, begin: int, end: int) -> bool:
    return len(_FENCE.findall(text, begin, end)) % 2 == 1
