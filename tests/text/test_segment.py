"""Pieces short enough to speak, cut where a reader would pause, with nothing lost between them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.text.clean import clean
from vivavoce.text.script import has_words
from vivavoce.text.segment import (
    CLAUSE_PAUSE_S,
    PARAGRAPH_PAUSE_S,
    SENTENCE_PAUSE_S,
    join,
    segment,
)

LETTERS = st.from_regex(r"[A-Za-z]{1,12}", fullmatch=True)
WORDS = LETTERS | st.from_regex(r"\d{1,5}", fullmatch=True)
GLUE = st.sampled_from(
    [
        " ",
        " ",
        " ",
        ", ",
        "; ",
        ": ",
        " — ",
        " - ",
        ") ",
        ". ",
        "! ",
        "? ",
        "... ",
        "。",
        "\n",
        "\n\n",
    ]
)
PROSE = st.lists(st.tuples(WORDS, GLUE), min_size=1, max_size=60).map(
    lambda pairs: "".join(word + glue for word, glue in pairs)
)
DASHES = st.integers(1, 300).map(lambda n: "-" * n + " ")
MIXED = st.lists(PROSE | DASHES | st.text(max_size=30), max_size=6).map("".join)
LIMITS = st.tuples(st.integers(10, 120), st.integers(1, 120)).map(
    lambda limits: (max(limits), min(limits))
)
ONE_SENTENCE = [
    "Dr. Smith met Mrs. Jones at St. Mary's.",
    "Pi is 3.14 and e is 2.72 or so.",
    "A book by J. K. Rowling or by J.R.R. Tolkien.",
    "We met at 5 p.m. in London.",
    "The talk at 10 a.m. is short.",
    "Bring fruit, e.g. apples, i.e. food.",
    "The U.S. Army left Washington, D.C. in May.",
    "No. 5 is alive.",
    "See Fig. 2 for it.",
    "Acme Inc. is a firm of Ph.D. students.",
    "Martin Luther King Jr. Day is in Jan. each year.",
    "Version 1.2.3 is out at example.com now.",
    "Smith et al. found it, vs. what we thought.",
    "“Stop!” he said.",
    "Well... perhaps.",
]


def text_of(text: str, **limits: int) -> list[str]:
    return [
        piece.text
        for piece in segment(text, "en", **({"max_chars": 240, "first_max_chars": 100} | limits))
    ]


def spoken(text: str) -> str:
    """Return the letters and digits alone."""
    return "".join(c for c in text if unicodedata.category(c)[0] in "LN")


@settings(deadline=None)
@given(MIXED, LIMITS)
def test_nothing_is_lost_and_nothing_is_too_long(text: str, limits: tuple[int, int]) -> None:
    max_chars, first_max_chars = limits
    text = clean(text)
    pieces = segment(text, "en", max_chars, first_max_chars)
    assert spoken("".join(piece.text for piece in pieces)) == spoken(text)
    assert all(len(piece.text) <= max_chars for piece in pieces)
    assert all(has_words(piece.text) for piece in pieces)
    assert all(piece.text == piece.text.strip() for piece in pieces)


@settings(deadline=None)
@given(MIXED, LIMITS)
def test_every_piece_is_followed_by_a_pause_but_the_last(
    text: str, limits: tuple[int, int]
) -> None:
    *others, last = segment(f"{clean(text)} end", "en", *limits)
    assert last.pause_s == 0
    allowed = {CLAUSE_PAUSE_S, SENTENCE_PAUSE_S, PARAGRAPH_PAUSE_S}
    assert all(piece.pause_s in allowed for piece in others)


@settings(deadline=None)
@given(st.lists(LETTERS, min_size=20, max_size=60), st.integers(12, 60))
def test_words_stay_whole_while_they_fit(words: list[str], max_chars: int) -> None:
    pieces = text_of(" ".join(words), max_chars=max_chars, first_max_chars=max_chars)
    assert " ".join(pieces).split() == words


@settings(deadline=None)
@given(st.integers(3, 12), st.integers(3, 40))
def test_the_first_piece_ends_early_where_a_clause_does(opening: int, rest: int) -> None:
    text = "word " * (opening - 1) + "word, " + "then " * rest
    first, *_ = text_of(text, max_chars=240, first_max_chars=80)
    if len(text.strip()) > 80:
        assert first == "word " * (opening - 1) + "word,"
    else:
        assert first == text.strip()


def test_only_the_first_piece_is_cut_early() -> None:
    clause = "here is a clause of some words, "
    sentence = clause * 5 + "and its end."
    first, *others = text_of(f"{sentence} {sentence}")
    assert first == (clause * 3).strip()
    assert others == [clause * 2 + "and its end.", sentence]


def test_a_first_sentence_without_clauses_is_not_cut() -> None:
    sentence = "there is no comma in here " * 6
    assert text_of(sentence) == [sentence.strip()]


def test_no_word_or_two_are_cut_off_alone() -> None:
    text = "Well, " + "this goes on without a break " * 4
    assert text_of(text) == [text.strip()]


def test_long_sentences_are_cut_at_the_last_clause_that_fits() -> None:
    text = "one two three four; five six seven eight, nine ten eleven twelve thirteen fourteen"
    assert text_of(text, max_chars=45) == [
        "one two three four; five six seven eight,",
        "nine ten eleven twelve thirteen fourteen",
    ]


def test_a_word_longer_than_a_piece_is_cut_anywhere() -> None:
    assert text_of("a" * 50, max_chars=20) == ["a" * 20, "a" * 20, "a" * 10]


def test_pauses_tell_clauses_sentences_and_paragraphs_apart() -> None:
    text = "One sentence here, of two clauses. Another.\nA line.\n\nA paragraph. Its end."
    assert [(piece.text, piece.pause_s) for piece in segment(text, "en", 240, 25)] == [
        ("One sentence here,", CLAUSE_PAUSE_S),
        ("of two clauses.", SENTENCE_PAUSE_S),
        ("Another.", SENTENCE_PAUSE_S),
        ("A line.", PARAGRAPH_PAUSE_S),
        ("A paragraph.", SENTENCE_PAUSE_S),
        ("Its end.", 0.0),
    ]


def test_longer_breaks_get_longer_pauses() -> None:
    assert 0 < CLAUSE_PAUSE_S < SENTENCE_PAUSE_S < PARAGRAPH_PAUSE_S < 1


@pytest.mark.parametrize("sentence", ONE_SENTENCE)
def test_stops_within_a_sentence_do_not_end_it(sentence: str) -> None:
    assert text_of(sentence) == [sentence]


@pytest.mark.parametrize(
    "first",
    [
        *["We are done.", "We are done!", "Are we done?", "We are done...", "Are we?!"],
        *['He said: "We are done."', "He said: “We are done.”", "We are done (for today)."],
    ],
)
def test_sentences_end_where_they_end(first: str) -> None:
    assert text_of(f"{first} They went home.") == [first, "They went home."]


@pytest.mark.parametrize("first", ["He left at 5 p.m.", "She lives in the U.S.", "It is plan B."])
def test_an_abbreviation_may_end_a_sentence(first: str) -> None:
    assert text_of(f"{first} They stayed.") == [first, "They stayed."]


@pytest.mark.parametrize("text", ["", "---", "\n\n", "?!\n…", "😀 !"])
def test_text_without_words_has_no_pieces(text: str) -> None:
    assert segment(text, "en", 240, 100) == ()


@pytest.mark.parametrize(
    ("language", "text", "pieces"),
    [
        ("zh", "今天天气很好。我们去公园吧！", ["今天天气很好。", "我们去公园吧！"]),
        ("ja", "今日は晴れです。散歩に行きます。", ["今日は晴れです。", "散歩に行きます。"]),
        ("de", "Das ist z. B. gut. Ja.", ["Das ist z. B. gut.", "Ja."]),
        ("fr", "Il est là. Elle attend.", ["Il est là.", "Elle attend."]),
    ],
)
def test_other_languages_end_their_sentences_too(
    language: str, text: str, pieces: list[str]
) -> None:
    assert [piece.text for piece in segment(text, language, 240, 100)] == pieces


# Joining


@pytest.mark.parametrize(
    ("text", "language", "joined"),
    [
        ("One. Two. Three.", "en", [("One. Two. Three.", 0.0)]),
        ("One.\nTwo.", "en", [("One. Two.", 0.0)]),
        ("One. Two.\n\nThree.", "en", [("One. Two.", PARAGRAPH_PAUSE_S), ("Three.", 0.0)]),
        ("你好。再见。", "zh", [("你好。再见。", 0.0)]),
        ("Six one. " * 5, "en", [("Six one. Six one. Six one. Six one.", 0.0), ("Six one.", 0.0)]),
    ],
)
def test_sentences_are_joined_within_a_paragraph(
    text: str, language: str, joined: list[tuple[str, float]]
) -> None:
    pieces = join(segment(text, language, 40, 40), 40)
    assert [(piece.text, piece.pause_s) for piece in pieces] == joined


@given(st.text(alphabet="ab .,!?\n", max_size=400), st.integers(10, 80))
def test_joining_loses_nothing_and_keeps_to_the_length(text: str, max_chars: int) -> None:
    pieces = segment(text, "en", max_chars, max_chars)
    joined = join(pieces, max_chars)
    assert all(len(piece.text) <= max_chars for piece in joined)
    assert " ".join(piece.text for piece in joined) == " ".join(piece.text for piece in pieces)
