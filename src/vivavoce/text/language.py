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
_BY_NAME = {name.lower(): code for code, name in LANGUAGE_NAMES.items()}


def parse_language(value: str) -> str | None:
    """Return the two-letter code for `en`, `eng`, `en-US`, `English`, ...; None for `auto`.

    Raises:
        ValueError: the name is not one of the ten languages.
    """
    wanted = value.strip().lower()
    if wanted in ("", "auto"):
        return None
    if wanted in _BY_NAME:
        return _BY_NAME[wanted]
    primary = wanted.replace("_", "-").split("-")[0]
    code = _THREE_LETTERS.get(primary, primary)
    if code not in LANGUAGE_NAMES:
        raise ValueError(value)
    return code
