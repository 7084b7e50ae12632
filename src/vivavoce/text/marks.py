"""What stands between the words of a text: its parts, and the pauses and languages asked for.

While a text is taken apart, each mark is one character that no text has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vivavoce.errors import InvalidRequest

MAX_PAUSE_S = 10.0
MAX_PAUSES_S = 600.0
_FIRST = 0xF0000
_ANY = re.compile("[\U000f0000-\U000ffffd]")
_TAG = re.compile(r"\[pause\b([^\[\]\n]*)\]?", re.IGNORECASE)
_DURATION = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})\s*(ms|s)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text, its language if the text itself tells, and the pause asked for after it.

    `pause_s` None asks for none: it is as long as punctuation makes it.
    """

    text: str
    language: str | None = None
    pause_s: float | None = None


def without_marks(text: str) -> str:
    """Return the text without the characters that would be taken for marks."""
    return _ANY.sub("", text)


def mark_pauses(text: str) -> tuple[str, tuple[float, ...]]:
    """Return the text with a mark for each `[pause 0.5s]`, and how long they are.

    Raises:
        InvalidRequest: a pause is not written like that, or too long.
    """
    pauses: list[float] = []

    def mark(match: re.Match[str]) -> str:
        if not match.group(0).endswith("]"):
            raise _unclear(match.group(0))
        pauses.append(parse_pause(match[1], match.group(0)))
        return chr(_FIRST + len(pauses) - 1)

    return _TAG.sub(mark, without_marks(text)), tuple(pauses)


def parts_at_marks(text: str, pauses: tuple[float, ...]) -> tuple[Part, ...]:
    """Return the parts of a marked text; what follows the last pause comes last."""
    parts = []
    start = 0
    for found in _ANY.finditer(text):
        parts.append(Part(text[start : found.start()], None, pauses[ord(found[0]) - _FIRST]))
        start = found.end()
    return (*parts, Part(text[start:]))


def parse_pause(written: str, shown: str) -> float:
    """Return the seconds of `500ms` or `0.5s`; `shown` is how the error names it.

    Raises:
        InvalidRequest: it is not a duration, or too long.
    """
    found = _DURATION.fullmatch(written)
    if found is None:
        raise _unclear(shown)
    seconds = float(found[1]) / (1000 if found[2].lower() == "ms" else 1)
    if seconds > MAX_PAUSE_S:
        raise InvalidRequest(
            f"The pause {shown[:60]!r} is longer than {MAX_PAUSE_S:g} s. Make it shorter.",
            param="input",
            code="pause_too_long",
        )
    return seconds


def check_pauses(parts: tuple[Part, ...]) -> None:
    """Make sure that the pauses together are not too long.

    Raises:
        InvalidRequest: they are.
    """
    total_s = sum(part.pause_s or 0.0 for part in parts)
    if total_s > MAX_PAUSES_S:
        raise InvalidRequest(
            f"The pauses in the input are {total_s:g} s together; at most {MAX_PAUSES_S:g} s are "
            "made. Leave some out, or send the text in parts.",
            param="input",
            code="pause_too_long",
        )


def _unclear(shown: str) -> InvalidRequest:
    return InvalidRequest(
        f"{shown[:60]!r} is not a pause. Write its length in seconds or milliseconds, as in "
        "[pause 0.5s] or [pause 500ms].",
        param="input",
        code="invalid_pause",
    )
