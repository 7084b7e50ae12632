"""Novels pass unchanged: whatever is done to texts is done to marks and numbers, not to prose."""

from __future__ import annotations

import pytest

from text.tables import LANGUAGES, lines, reading, texts
from vivavoce.text.clean import clean
from vivavoce.text.markdown import spoken_markdown
from vivavoce.text.reading import WriteOut

# What `docs/text.md` says is written out: abbreviations, and in English dashes made of hyphens.
WRITTEN_OUT = {"Sr. Almeida": "senhor Almeida", " -- ": " — "}


def together(text: str) -> str:
    return "".join(text.split())


def test_there_are_two_hundred_lines() -> None:
    assert sum(len(lines("prose", language)) for language in LANGUAGES) == 200


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("break_", ["\n", "\n\n", " "])
def test_cleaning_changes_nothing(language: str, break_: str) -> None:
    page = clean(break_.join(lines("prose", language)))
    assert spoken_markdown(page) == page


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("joins", [False, True])
def test_every_letter_and_mark_is_spoken_in_its_order(language: str, joins: bool) -> None:
    page = "\n".join(lines("prose", language))
    assert together("".join(texts(reading(page, joins=joins)))) == together(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_writing_out_changes_only_what_is_documented(language: str) -> None:
    for line in lines("prose", language):
        expected = line
        for written, spoken in WRITTEN_OUT.items():
            if written.strip() != "--" or language == "en":
                expected = expected.replace(written, spoken)
        heard = texts(reading(line, language=language, write_out=WriteOut.ALL))
        assert together("".join(heard)) == together(expected)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("chars", [60, 200])
def test_pieces_are_short_enough(language: str, chars: int) -> None:
    page = "\n".join(lines("prose", language))
    pieces = texts(reading(page, chars=chars))
    assert max(map(len, pieces)) <= chars
    assert together("".join(pieces)) == together(page)
