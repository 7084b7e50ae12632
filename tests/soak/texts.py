"""What is said: a stock of texts, some asked for often, and texts that are said only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_WORDS = (
    *("harbour", "window", "letter", "garden", "kitchen", "river", "morning", "evening", "winter"),
    *("a", "the", "one", "every", "no", "quiet", "narrow", "yellow", "heavy", "gentle", "early"),
    *("opened", "carried", "answered", "forgot", "followed", "waited", "turned", "sang", "slept"),
    *("slowly", "again", "together", "under", "over", "beside", "between", "before", "after"),
)
_STOCK = 30


def sentence(rng: Random, words: int) -> str:
    """Return a sentence of so many words, such as no engine misreads."""
    return " ".join(rng.choice(_WORDS) for _ in range(words)).capitalize() + "."


class Stock:
    """Texts asked for again and again: more than the cache keeps, the first of them most often."""

    def __init__(self, rng: Random) -> None:
        self._texts = [paragraph(rng) for _ in range(_STOCK)]

    def draw(self, rng: Random) -> str:
        """Return one of the texts."""
        return self._texts[min(int(rng.expovariate(0.15)), _STOCK - 1)]


def paragraph(rng: Random) -> str:
    """Return one or two sentences."""
    return " ".join(sentence(rng, rng.randint(3, 7)) for _ in range(rng.randint(1, 2)))


def long_text(rng: Random, chars: int) -> str:
    """Return sentences of about so many characters together, never more."""
    text = sentence(rng, 8)
    while len(more := f"{text} {sentence(rng, 8)}") <= chars:
        text = more
    return text
