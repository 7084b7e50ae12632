"""The texts that these tests are made of, in files beside them: one for each language."""

from __future__ import annotations

from pathlib import Path

from vivavoce.text.language import LANGUAGE_NAMES
from vivavoce.text.reading import Manner, Script, TextFormat, WriteOut, read

FOLDER = Path(__file__).parent
LANGUAGES = tuple(LANGUAGE_NAMES)


def lines(kind: str, language: str) -> list[str]:
    """Return the lines of a language's file: `sentences`, `prose` or `written`."""
    (file,) = (FOLDER / kind).glob(f"{language}.*")
    return file.read_text("utf-8").splitlines()


def reading(
    text: str,
    format: str = "markdown",
    *,
    language: str | None = None,
    languages: tuple[str, ...] = LANGUAGES,
    write_out: WriteOut = WriteOut.NOTHING,
    joins: bool = False,
    speed: float = 1.0,
    chars: int = 400,
) -> Script:
    """Read a text as a model of all languages would have it read."""
    return read(
        text,
        Manner(
            TextFormat(format),
            language,
            languages,
            write_out,
            lambda words, _language: words,
            chars,
            chars,
            joins,
            speed,
        ),
    )


def texts(script: Script) -> list[str]:
    """Return what is spoken, piece by piece."""
    return [segment.text for segment in script.segments]
