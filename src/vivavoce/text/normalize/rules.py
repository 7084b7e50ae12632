"""The rule engine: what every language's rules are made of, and the numbers they find in a text.

A rule is a pattern and what is said instead. Rules run one after the other over the whole text;
each is linear in its length and none reaches across a line break.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Reading = Callable[[re.Match[str]], str]
Rule = tuple[re.Pattern[str], str | Reading]

LONGEST_NUMBER = 15
"""Digits of the longest number that is read as one; longer ones are read digit by digit."""

VULGAR = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4)}


def apply(rules: Iterable[Rule], text: str) -> str:
    """Return `text` after all rules, without double blanks."""
    for pattern, reading in rules:
        text = pattern.sub(reading, text)
    return re.sub(r" {2,}", " ", text).strip(" ")


def rule(pattern: str, reading: str | Reading, *, any_case: bool = False) -> Rule:
    """Return a rule; what it says is parted from letters and digits that touch it."""
    flags = re.IGNORECASE if any_case else 0
    if isinstance(reading, str):
        return re.compile(pattern, flags), reading
    say = reading
    return re.compile(pattern, flags), lambda match: apart(match, say(match))


def abbreviation(pattern: str, words: str) -> Rule:
    """Return a rule for an abbreviation with a full stop, which may be that of the sentence too."""

    def say(match: re.Match[str]) -> str:
        return words + ("." if ends_sentence(match) else "")

    return rule(pattern, say)


def ends_sentence(match: re.Match[str]) -> bool:
    """Tell whether the full stop at the end of a match ends its sentence as well."""
    after = match.string[match.end() : match.end() + 2].lstrip(" ")
    return not after or after[0] == "\n" or after[0].isupper()


def apart(match: re.Match[str], words: str) -> str:
    """Return `words`, with a blank where letters or digits of the text would touch them."""
    if not words:
        return words
    before = match.string[max(0, match.start() - 1) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    front = " " if before.isalnum() and words[0].isalnum() else ""
    back = " " if after.isalnum() and words[-1].isalnum() else ""
    return front + words + back


def either(names: Iterable[str]) -> str:
    """Return a pattern for any of these names, the longest first."""
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


def roman(written: str) -> int:
    """Return the number that a Roman numeral stands for."""
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[c] for c in written]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < after else value for value, after in pairs)
