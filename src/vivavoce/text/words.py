"""The words of a text, for telling when each is spoken."""

from __future__ import annotations

import re

from vivavoce.text.script import has_words

# Scripts that put no blanks between words: a character counts as one, with what follows it.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff][^\w\s]*|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)


def words_of(text: str) -> list[str]:
    """Return the words with the punctuation about them, in order; each has a letter or a digit.

    A dash that stands alone belongs to the word before it. Every word is a part of the text.
    """
    spans: list[tuple[int, int]] = []
    opening: int | None = None  # of punctuation before the first word
    for found in _WORD.finditer(text):
        if has_words(found[0]):
            spans.append((found.start() if opening is None else opening, found.end()))
            opening = None
        elif spans:
            spans[-1] = (spans[-1][0], found.end())
        elif opening is None:
            opening = found.start()
    return [text[start:end] for start, end in spans]
