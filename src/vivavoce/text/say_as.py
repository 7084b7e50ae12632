"""SSML's say-as: a text letter by letter, digit by digit, as a number or an ordinal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vivavoce.text.normalize import (
    WRITERS,
    english_numbers,
    french,
    german,
    italian,
    portuguese,
    russian_numbers,
    spanish,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_ORDINALS: dict[str, Callable[[int], str]] = {
    "en": english_numbers.ordinal,
    "de": german.ordinal,
    "fr": french.ordinal,
    "es": spanish.ordinal,
    "pt": portuguese.ordinal,
    "it": italian.ordinal,
    "ru": russian_numbers.ordinal,
}
_BEFORE_ORDINAL = {"zh": "第{}", "ja": "第{}", "ko": "제{}"}
_LONGEST_ORDINAL = 4


def say_as(text: str, kind: str, language: str) -> str:
    """Return the words for a text in a language; `kind` is one of `ssml.SAY_AS`."""
    write = WRITERS[language]
    if kind in ("characters", "spell-out"):
        return " ".join(write(char) if char.isdecimal() else char for char in text if char != " ")
    if kind in ("digits", "telephone"):
        pause = ", " if kind == "telephone" else " "
        groups = re.findall(r"\d+", text)
        return pause.join(" ".join(write(digit) for digit in group) for group in groups)
    number = re.sub(r"\D", "", text)
    if kind == "ordinal" and 0 < len(number) <= _LONGEST_ORDINAL:
        if language in _ORDINALS:
            return _ORDINALS[language](int(number))
        return _BEFORE_ORDINAL[language].format(write(str(int(number))))
    return write(text)
