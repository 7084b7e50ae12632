"""Writing out what is not words: numbers, money, dates, addresses; one file per language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.text.normalize import (
    chinese,
    english_numbers,
    french,
    german,
    italian,
    japanese,
    korean,
    portuguese,
    russian,
    spanish,
)
from vivavoce.text.normalize.english import normalize_english
from vivavoce.text.normalize.rules import apply

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.text.normalize.rules import Rule

NORMALIZERS: dict[str, Callable[[str], str]] = {"en": normalize_english}
"""For engines that read numbers but not symbols: symbols as words, numbers as they are."""


def _by(rules: tuple[Rule, ...]) -> Callable[[str], str]:
    return lambda text: apply(rules, text)


def _english(text: str) -> str:
    return apply(english_numbers.RULES, normalize_english(text))


WRITERS: dict[str, Callable[[str], str]] = {
    "zh": chinese.write_out,
    "en": _english,
    "ja": japanese.write_out,
    "ko": korean.write_out,
    "de": _by(german.RULES),
    "fr": _by(french.RULES),
    "ru": _by(russian.RULES),
    "pt": _by(portuguese.RULES),
    "es": _by(spanish.RULES),
    "it": _by(italian.RULES),
}
"""Language code to what writes all of a text out as words: no digit is left."""
