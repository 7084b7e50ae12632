"""Names of languages: whatever a client writes, one code comes out."""

from __future__ import annotations

LANGUAGE_NAMES: dict[str, str] = {
    "zh": "Chinese",
    "en": "English",
    "ja": "Japanese",
    "ko": "Korean",
    "de": "German",
    "fr": "French",
    "ru": "Russian",
    "pt": "Portuguese",
    "es": "Spanish",
    "it": "Italian",
}
DIALECT_NAMES: dict[str, str] = {
    "zh-beijing": "Beijing dialect",
    "zh-sichuan": "Sichuan dialect",
}
"""Of Chinese; the part before the hyphen is the language."""

_THREE_LETTERS = {
    "zho": "zh",
    "chi": "zh",
    "cmn": "zh",
    "eng": "en",
    "jpn": "ja",
    "kor": "ko",
    "deu": "de",
    "ger": "de",
    "fra": "fr",
    "fre": "fr",
    "rus": "ru",
    "por": "pt",
    "spa": "es",
    "ita": "it",
}
_BY_NAME = {name.lower(): code for code, name in (LANGUAGE_NAMES | DIALECT_NAMES).items()}


def parse_language(value: str) -> str | None:
    """Return the code for `en`, `eng`, `en-US`, `English`, `beijing_dialect`...; None for `auto`.

    Raises:
        ValueError: the name is not one of the ten languages or two dialects.
    """
    wanted = value.strip().lower().replace("_", "-")
    if wanted in ("", "auto"):
        return None
    if wanted in DIALECT_NAMES:
        return wanted
    if (spaced := wanted.replace("-", " ")) in _BY_NAME:
        return _BY_NAME[spaced]
    primary = wanted.split("-")[0]
    code = _THREE_LETTERS.get(primary, primary)
    if code not in LANGUAGE_NAMES:
        raise ValueError(value)
    return code


def language_name(code: str) -> str:
    """Return the English name of a code."""
    return LANGUAGE_NAMES.get(code) or DIALECT_NAMES[code]
