"""Which writing systems a text uses, so that nothing unreadable is passed over in silence."""

from __future__ import annotations

import unicodedata

_LANGUAGES_OF_SCRIPT = {
    "CJK": "Chinese or Japanese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "Russian",
}


def script_of(letter: str) -> str | None:
    """Return the script of a letter by its Unicode name ("LATIN", "CJK"); None if not a letter."""
    if not unicodedata.category(letter).startswith("L"):
        return None
    # Compatibility forms (full-width, mathematical, ligatures) count as what they stand for.
    plain = unicodedata.normalize("NFKC", letter)[0]
    return unicodedata.name(plain, "UNKNOWN").split()[0]


def first_unreadable(text: str, scripts: tuple[str, ...]) -> str | None:
    """Return the first letter whose script is not among `scripts`; None if all can be read."""
    for letter in text:
        script = None if letter.isascii() else script_of(letter)
        if script is not None and script not in scripts:
            return letter
    return None


def has_words(text: str) -> bool:
    """Tell whether there is anything to speak: at least one letter or digit."""
    return any(unicodedata.category(c)[0] in "LN" for c in text)


def describe(letter: str) -> str:
    """Say what writing system a letter belongs to and which language that suggests."""
    script = script_of(letter) or "UNKNOWN"
    languages = _LANGUAGES_OF_SCRIPT.get(script)
    return f"{script.title()} script" + (f" ({languages})" if languages else "")
