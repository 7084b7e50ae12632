"""How many frames a text may take before something must be wrong with its speech."""

from __future__ import annotations

import unicodedata

MIN_FRAMES = 128
MAX_FRAMES = 2048
FRAMES_PER_WORD = 8
"""0.64 s: slow speech has a word in half a second."""

_LONG_WORD_CHARS = 12


def frame_budget(text: str) -> int:
    """Return the frames (of 80 ms) that `text` may take.

    128 for up to 16 words, 8 for each of more, at most 2048. Every character of Chinese, Japanese
    and Korean counts as a word, and so does every digit, which is read as one; a word longer than
    12 letters counts once for each 12 begun.
    """
    return min(MAX_FRAMES, max(MIN_FRAMES, FRAMES_PER_WORD * _words(text)))


def _words(text: str) -> int:
    count = letters = 0
    for char in text:
        if char.isdigit() or _is_cjk(char):
            count += 1
            letters = 0
        elif unicodedata.category(char)[0] in "LM":
            count += letters % _LONG_WORD_CHARS == 0
            letters += 1
        else:
            letters = 0
    return count


def _is_cjk(char: str) -> bool:
    name = unicodedata.name(char, "") if char >= "\u1100" else ""
    return name.startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
