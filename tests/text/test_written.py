"""Numbers, money, dates and the rest come out as words, in ten languages."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import num2words

from text.tables import LANGUAGES, lines, reading, texts
from vivavoce.text.normalize import (
    WRITERS,
    chinese,
    english_numbers,
    french,
    german,
    italian,
    japanese,
    korean,
    portuguese,
    russian_numbers,
    spanish,
)
from vivavoce.text.reading import WriteOut

TABLE = [
    (language, *line.split("\t")) for language in LANGUAGES for line in lines("written", language)
]
NUMBERS: dict[str, ModuleType] = {
    "en": english_numbers,
    "de": german,
    "fr": french,
    "es": spanish,
    "pt": portuguese,
    "it": italian,
    "ru": russian_numbers,
    "ja": japanese,
    "ko": korean,
}
SIZES = (
    st.integers(0, 2000) | st.integers(0, 10**12 - 1) | st.integers(0, 999).map(lambda n: n * 1000)
)
SIGNS = "0123456789 .,:/-–%€$£¥°+@#&()½ \n"


def test_there_are_thirty_texts_for_each_language() -> None:
    assert {code: len(lines("written", code)) for code in LANGUAGES} == dict.fromkeys(LANGUAGES, 30)


@pytest.mark.parametrize(("language", "text", "spoken"), TABLE, ids=[row[1] for row in TABLE])
def test_a_text_is_written_out(language: str, text: str, spoken: str) -> None:
    script = reading(text, language=language, write_out=WriteOut.ALL)
    assert " / ".join(texts(script)) == spoken


@pytest.mark.parametrize(("language", "text", "spoken"), TABLE, ids=[row[1] for row in TABLE])
def test_what_is_written_out_stays(language: str, text: str, spoken: str) -> None:
    for sentence in spoken.split(" / "):
        assert WRITERS[language](sentence) == sentence


@settings(deadline=None)
@given(st.sampled_from(LANGUAGES), st.text(SIGNS + "abkmgh", max_size=40))
def test_no_digit_is_left_whatever_stands_around_it(language: str, text: str) -> None:
    written = WRITERS[language](text)
    assert not re.search(r"[0-9]", written)
    if any(char.isdecimal() for char in text):
        assert any(char.isalpha() for char in written)


@settings(deadline=None)
@given(st.sampled_from(sorted(NUMBERS)), SIZES)
def test_numbers_are_those_of_num2words(language: str, number: int) -> None:
    """Its own mistakes and manners aside, which are made good here."""
    known = num2words(number, lang="pt_BR" if language == "pt" else language)
    assert _comparable(language, NUMBERS[language].cardinal(number)) == _comparable(language, known)


def _comparable(language: str, words: str) -> str:
    words = words.replace(",", "")
    match language:
        case "en":
            return words.replace(" and ", " ")
        case "de":  # it has "einstausend", "einsmillionen"
            return words.replace("einstausend", "eintausend").replace("eins M", "eine M")
        case "es":  # it has "veintiuno mil", "uno millones"
            words = words.replace("veintiuno m", "veintiún m")
            return words.replace("uno m", "un m")
        case "pt":
            return words.replace("catorze", "quatorze").replace(" e ", " ")
        case "it":  # it has "centodicotto" and no accent
            words = words.replace("centodicotto", "centodiciotto").replace(" e ", " ")
            return words.replace("tré", "tre")
        case "ru":
            return words.removeprefix("одна ").replace(" одна тысяча", " тысяча")
        case "ko":
            return words.replace(" ", "")
        case _:
            return words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *[(0, "零"), (2, "二"), (10, "十"), (12, "十二"), (20, "二十"), (22, "二十二")],
        *[(102, "一百零二"), (110, "一百一十"), (200, "二百"), (222, "二百二十二")],
        *[(1000, "一千"), (1002, "一千零二"), (1020, "一千零二十"), (2000, "两千")],
        *[(10_000, "一万"), (20_000, "两万"), (22_222, "两万两千二百二十二")],
        *[(100_000, "十万"), (101_000, "十万一千"), (100_100, "十万零一百")],
        *[(10_000_001, "一千万零一"), (200_000_000, "两亿"), (120_000_000, "一亿两千万")],
        (10_0001_0001, "十亿零一万零一"),
    ],
)
def test_chinese_numbers(number: int, words: str) -> None:
    assert chinese.cardinal(number) == words


@pytest.mark.parametrize(
    ("language", "number", "words"),
    [
        *[("de", 1, "erste"), ("de", 3, "dritte"), ("de", 21, "einundzwanzigste")],
        *[("de", 107, "einhundertsiebte"), ("fr", 1, "premier"), ("fr", 9, "neuvième")],
        *[
            ("fr", 80, "quatre-vingtième"),
            ("es", 13, "décimo tercero"),
            ("en", 112, "one hundred twelfth"),
        ],
        *[("it", 23, "ventitreesimo"), ("it", 6, "sesto"), ("pt", 45, "quadragésimo quinto")],
        *[("ru", 3, "третий"), ("ru", 40, "сороковой"), ("ru", 1900, "тысяча девятисотый")],
    ],
)
def test_ordinals(language: str, number: int, words: str) -> None:
    assert NUMBERS[language].ordinal(number) == words


@given(st.sampled_from(["en", "de", "ru"]), st.integers(1, 9999))
def test_ordinals_are_those_of_num2words(language: str, number: int) -> None:
    known = num2words(number, lang=language, to="ordinal").replace(",", "").replace(" and ", " ")
    words = NUMBERS[language].ordinal(number)
    if language == "ru":
        words, known = words.removeprefix("одна "), known.removeprefix("одна ")
    assert words == known


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("de", "Das kostet 21 Euro.", "Das kostet einundzwanzig Euro."),
        ("de", "Es war 1 Uhr.", "Es war ein Uhr."),
        ("de", "Nummer 3. Dann kam er.", "Nummer drei. Dann kam er."),
        ("de", "1 Frage, 1 Tag", "eine Frage, ein Tag"),
        ("fr", "1 h, 21 minutes", "une heure, vingt et un minutes"),
        ("fr", "300 et 301", "trois cents et trois cent un"),
        (
            "es",
            "1 casa, 21 casas, 1 perro, 500 casas",
            "una casa, veintiuna casas, un perro, quinientas casas",
        ),
        ("es", "Son 21.", "Son veintiuno."),
        ("pt", "2 casas, 1 casa, 2 carros", "duas casas, uma casa, dois carros"),
        ("it", "1 ora, 1 giorno", "una ora, un giorno"),
        (
            "ru",
            "в 2021 году, 2021 год, 2021 года",
            "в две тысячи двадцать первом году, две тысячи двадцать первый год, "
            "две тысячи двадцать первого года",
        ),
        ("ru", "1 дом, 2 дома, 5 домов", "один дом, два дома, пять домов"),
        ("zh", "第2天，2天，12点", "第二天，两天，十二点"),
        ("ko", "12시 13시", "열두 시 십삼 시"),
        ("en", "$1, $2 and 1 foot", "one dollar, two dollars and one foot"),
        ("en", "At 5 p.m. we go. At 6 a.m.", "At five P M we go. At six A M."),
        ("en", "MP3 and B2B", "MP three and B two B"),
    ],
)
def test_numbers_agree_with_what_they_count(language: str, text: str, spoken: str) -> None:
    assert WRITERS[language](text) == spoken
