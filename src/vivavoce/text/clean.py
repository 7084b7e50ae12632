"""Removing characters that no voice can say and that confuse what comes after."""

from __future__ import annotations

import re
import unicodedata

_BLANKS = re.compile(r"[^\S\n]+")
_MANY_LINES = re.compile(r"\s*\n\s*\n\s*")


def clean(text: str) -> str:
    """Return the text composed (NFC), without invisible characters, its white space tidied.

    Zero-width and other format characters vanish, and halves of surrogate pairs, which are no
    text. Control characters become spaces, line breaks stay: one within a paragraph, two between
    paragraphs.
    """
    tidy = _BLANKS.sub(" ", speakable(unicodedata.normalize("NFC", text)))
    return _MANY_LINES.sub("\n\n", tidy).strip()


def speakable(piece: str) -> str:
    """Return a piece of text without invisible characters; control characters become spaces."""
    kept: list[str] = []
    for char in piece:
        category = unicodedata.category(char)
        if category not in ("Cf", "Cs"):
            kept.append(" " if category == "Cc" and char != "\n" else char)
    return "".join(kept)
