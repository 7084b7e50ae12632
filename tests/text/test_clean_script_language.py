"""Text is tidied, letters know their script, and languages go by any of their names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vivavoce.text.clean import clean
from vivavoce.text.language import LANGUAGE_NAMES, parse_language
from vivavoce.text.script import (
    describe,
    first_unreadable,
    has_words,
    script_of,
)

SPACES = ["\t", "\r", "\x0b", "\x0c", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"]
INVISIBLE = ["\u200b", "\u200d", "\u00ad", "\u2060", "\ufeff", "\u202e", "\ud800"]


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("plain text, as it is.", "plain text, as it is."),
        ("  around  and   within ", "around and within"),
        ("one\ntwo", "one\ntwo"),
        ("one\r\ntwo", "one \ntwo"),
        ("one \n \n\n\t two", "one\n\ntwo"),
        ("\n\none\n\n", "one"),
        ("e\u0301te\u0301", "été"),
        ("co\u00adop\u200be\u2060ra\ufefftion", "cooperation"),
        ("bell\x07and\x00null", "bell and null"),
        ("half \ud83d of a pair", "half of a pair"),
        ("👩\u200d🚀", "👩🚀"),
        ("", ""),
        ("\u200b\n", ""),
    ],
)
def test_cleans(written: str, cleaned: str) -> None:
    assert clean(written) == cleaned


@given(st.text(st.characters() | st.sampled_from([*SPACES, *INVISIBLE, " ", "\n"])))
def test_what_is_clean_stays_and_can_be_sent(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert cleaned.encode().decode() == cleaned
    assert "  " not in cleaned
    assert "\n\n\n" not in cleaned
    assert not {unicodedata.category(c) for c in cleaned if c != "\n"} & {"Cc", "Cf", "Cs"}


@given(st.text())
def test_cleaning_loses_no_letter_or_digit(text: str) -> None:
    def spoken(text: str) -> list[str]:
        text = unicodedata.normalize("NFC", text)
        return [c for c in text if unicodedata.category(c)[0] in "LN"]

    # Without what stands between them, a letter and an accent may meet and become one.
    assume(not any(unicodedata.category(c) in ("Cf", "Cs") for c in text))
    assert spoken(clean(text)) == spoken(text)


@given(st.sampled_from(SPACES), st.sampled_from(INVISIBLE))
def test_spaces_part_words_and_invisible_marks_do_not(space: str, mark: str) -> None:
    assert clean(f"a{space}b{mark}c") == "a bc"


@pytest.mark.parametrize(
    ("letter", "script"),
    [
        *[("a", "LATIN"), ("É", "LATIN"), ("ß", "LATIN"), ("Ａ", "LATIN"), ("ﬁ", "LATIN")],
        *[("𝐛", "LATIN"), ("ª", "LATIN"), ("я", "CYRILLIC"), ("中", "CJK"), ("ひ", "HIRAGANA")],
        *[("カ", "KATAKANA"), ("ｶ", "KATAKANA"), ("한", "HANGUL"), ("ω", "GREEK"), ("ع", "ARABIC")],
        *[("5", None), ("½", None), ("!", None), (" ", None), ("😀", None), ("\u0301", None)],
    ],
)
def test_letters_have_a_script(letter: str, script: str | None) -> None:
    assert script_of(letter) == script


@given(st.characters())
def test_every_letter_has_a_script_and_nothing_else(char: str) -> None:
    assert (script_of(char) is not None) == unicodedata.category(char).startswith("L")


@pytest.mark.parametrize(
    ("text", "scripts", "letter"),
    [
        ("Plain, with 5 cafés & a naïve 😀 ½.", ("LATIN",), None),
        ("Tokyo is 東京 in Japanese", ("LATIN",), "東"),
        ("Tokyo is 東京 in Japanese", ("LATIN", "CJK"), None),
        ("Привет", ("LATIN",), "П"),
        ("Привет", ("CYRILLIC",), None),
        ("ascii is read by all", ("CYRILLIC",), None),
        ("", (), None),
    ],
)
def test_the_first_unreadable_letter_is_found(
    text: str, scripts: tuple[str, ...], letter: str | None
) -> None:
    assert first_unreadable(text, scripts) == letter


@given(st.text(), st.text())
def test_a_letter_is_unreadable_wherever_it_stands(before: str, after: str) -> None:
    text = f"{before}Ж{after}"
    assert first_unreadable(text, ("LATIN",)) is not None
    assert first_unreadable(before, ("LATIN",)) in (None, first_unreadable(text, ("LATIN",)))


@pytest.mark.parametrize(
    ("letter", "description"),
    [
        ("東", "Cjk script (Chinese or Japanese)"),
        ("ひ", "Hiragana script (Japanese)"),
        ("П", "Cyrillic script (Russian)"),
        ("한", "Hangul script (Korean)"),
        ("ω", "Greek script"),
    ],
)
def test_a_letter_is_described_by_script_and_language(letter: str, description: str) -> None:
    assert describe(letter) == description


@pytest.mark.parametrize("text", ["a", "5", "½", "…ß…", "中", "①", "-a-"])
def test_words_are_letters_or_digits(text: str) -> None:
    assert has_words(text)


@pytest.mark.parametrize("text", ["", " ", "...", "--- ***", "😀", "\u0301", "$%&", "_"])
def test_marks_are_no_words(text: str) -> None:
    assert not has_words(text)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *[("en", "en"), ("EN", "en"), ("eng", "en"), ("English", "en"), (" english ", "en")],
        *[("en-US", "en"), ("en_GB", "en"), ("zh-Hans-CN", "zh"), ("cmn", "zh"), ("chi", "zh")],
        *[("ger", "de"), ("deu", "de"), ("fra", "fr"), ("fre", "fr"), ("pt-BR", "pt")],
        *[("auto", None), ("Auto", None), ("", None), ("  ", None)],
        ("zh-CN", "zh"),
        ("zh-Sichuan", "zh-sichuan"),
        ("sichuan_dialect", "zh-sichuan"),
        ("Beijing dialect", "zh-beijing"),
        (" BEIJING_DIALECT ", "zh-beijing"),
    ],
)
def test_a_language_goes_by_many_names(name: str, code: str | None) -> None:
    assert parse_language(name) == code


@given(
    st.sampled_from(sorted(LANGUAGE_NAMES)),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", "-XX", "_xx", "-Latn-ZZ"]),
)
def test_codes_and_names_mean_the_same(code: str, spell: type[str.upper], region: str) -> None:
    assert parse_language(spell(code) + region) == code
    assert parse_language(spell(LANGUAGE_NAMES[code])) == code


@pytest.mark.parametrize("name", ["xx", "klingon", "e", "english-ish", "12", "no", "en US", "-"])
def test_an_unknown_language_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        parse_language(name)
