"""How long a text takes to say, roughly: from its characters, by language."""

from __future__ import annotations

_CHARS_PER_S = {
    "zh": 4.3,
    "ja": 6.5,
    "ko": 6.0,
    "en": 15.0,
    "de": 14.5,
    "fr": 15.5,
    "ru": 13.5,
    "pt": 15.0,
    "es": 15.5,
    "it": 15.0,
}


def estimate_s(text: str, language: str) -> float:
    """Return seconds at the usual pace, without pauses."""
    spoken = sum(not char.isspace() for char in text) + 0.9 * text.count(" ")
    return spoken / _CHARS_PER_S.get(language, 15.0)
