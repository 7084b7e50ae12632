"""Text that is still being written, in whole sentences as soon as each is complete."""

from __future__ import annotations

import re
import unicodedata

from vivavoce.text.detect import detect
from vivavoce.text.sentences import sentences

_MAX_HELD_CHARS = 1000
"""Who writes more than that without an end to the sentence is heard up to the last word."""


class ArrivingText:
    """Takes text in pieces of any size. What it gives out, joined, is what it was given."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        self._languages = languages
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece; return the sentences that are complete: others have begun after them."""
        self._held += piece
        language = detect(self._held, self._languages)
        *complete, last = sentences(self._held, language) or [""]
        if not last.strip():  # the blanks after a sentence: whether more belongs to it is unknown
            last = complete.pop() + last if complete else last
        if len(last) > _MAX_HELD_CHARS:
            at = last.rfind(" ") + 1 or len(last)
            complete.append(last[:at])
            last = last[at:]
        self._held = last
        return "".join(complete)

    def flush(self) -> str:
        """Return the rest: nothing follows it."""
        rest, self._held = self._held, ""
        return rest


_MARKS = str.maketrans("", "", "*`#~_|")


def without_marks(piece: str) -> str:
    """Return a piece of an arriving text without the marks of Markdown, and without emoji.

    What belongs to a mark may not be there yet.
    """
    plain = piece.translate(_MARKS)
    if plain.isascii():
        return plain
    return "".join(char for char in plain if unicodedata.category(char) not in ("So", "Sk", "Cn"))


_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s|[。！？]+[\"”’」』]*|\n")


def part_end(text: str, said_chars: int, part_chars: int) -> int | None:
    """Return where in `text` a part of an arriving text ends, of which so much was said before it.

    That is the first end of a sentence from `part_chars` on; without one, at twice as many, the
    last blank. None: it goes on.
    """
    for end in _END.finditer(text):
        if said_chars + end.end() >= part_chars:
            return end.end()
    limit = 2 * part_chars - said_chars
    if len(text) <= limit:
        return None
    return text.rfind(" ", 0, limit) + 1 or max(limit, 1)
