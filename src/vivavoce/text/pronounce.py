"""Pronunciation rules: what is said instead of what is written, by language and voice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_RULES = 2000
# Chinese, Japanese: words touch there. Korean: particles follow words.
_TOUCHING = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")


@dataclass(frozen=True, slots=True)
class Rule:
    """Say `spoken` for the word or words `written`.

    In one language only, or one voice's only, unless those are None. `exact`: upper and lower case
    must be as written.
    """

    written: str
    spoken: str
    language: str | None = None
    voice: str | None = None
    exact: bool = False

    @property
    def key(self) -> tuple[str, str | None, str | None, bool]:
        """What tells it from other rules; of one key there is only one."""
        written = self.written if self.exact else self.written.casefold()
        return (written, self.language, self.voice, self.exact)


class Pronouncer:
    """The rules for one language and voice, as one pass over a text.

    Where several fit, the longest is taken; then the voice's own, then the language's. What a rule
    says is not read again.
    """

    def __init__(self, rules: Iterable[Rule], language: str, voice: str) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules:
            of_voice = rule.voice is None or rule.voice.casefold() == voice.casefold()
            if rule.language in (None, language) and of_voice:
                self._rules.setdefault(_folded(rule.written), []).append(rule)
        for same in self._rules.values():
            same.sort(key=_rank, reverse=True)
        self._lengths: dict[str, list[int]] = {}
        for written in self._rules:
            self._lengths.setdefault(written[0], []).append(len(written))
        self._lengths = {
            letter: sorted(set(lengths), reverse=True) for letter, lengths in self._lengths.items()
        }

    def __call__(self, text: str) -> str:
        """Return the text with every word said as the rules have it."""
        if not self._rules:
            return text
        folded = _folded(text)
        said: list[str] = []
        done = 0
        for at, letter in enumerate(folded):
            if at < done or letter not in self._lengths:
                continue
            rule = self._find(text, folded, at)
            if rule is not None:
                said += [text[done:at], rule.spoken]
                done = at + len(rule.written)
        return "".join((*said, text[done:]))

    def _find(self, text: str, folded: str, at: int) -> Rule | None:
        """Return the rule for the word at a place, if there is one."""
        if at > 0 and _joined(text[at - 1], text[at]):
            return None
        for length in self._lengths[folded[at]]:
            end = at + length
            for rule in self._rules.get(folded[at:end], ()):
                as_written = not rule.exact or rule.written == text[at:end]
                if as_written and _ends(text, end):
                    return rule
        return None


def _rank(rule: Rule) -> tuple[bool, bool, bool]:
    return rule.voice is not None, rule.language is not None, rule.exact


def _folded(text: str) -> str:
    """Return the text in lower case, as long as it was; a line break is like a blank."""
    if len(lower := text.lower()) != len(text):
        lower = "".join(c if len(c.lower()) > 1 else c.lower() for c in text)
    return lower.replace("\n", " ")


def _ends(text: str, end: int) -> bool:
    """Tell whether a word ends there: no letter goes on with it, but a particle in Korean."""
    return (
        end >= len(text)
        or _HANGUL.match(text[end - 1]) is not None
        or not _joined(text[end - 1], text[end])
    )


def _joined(one: str, other: str) -> bool:
    """Tell whether two letters beside each other are of one word."""
    kinds = _kind(one), _kind(other)
    return kinds[0] == kinds[1] and kinds[0] in ("letter", "hangul")


def _kind(letter: str) -> str:
    if _TOUCHING.match(letter):
        return "touching"
    if _HANGUL.match(letter):
        return "hangul"
    return "letter" if letter.isalnum() or letter == "_" else ""
