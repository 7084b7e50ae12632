"""Text that arrives in pieces comes out in whole sentences, and all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.arriving import ArrivingText

PIECES = st.lists(st.text("ab .!?,;\n。Dr你", max_size=12), max_size=12)


@given(PIECES)
def test_nothing_is_lost_or_invented(pieces: list[str]) -> None:
    arriving = ArrivingText(("en", "zh"))
    given_out = [arriving.feed(piece) for piece in pieces]
    assert "".join(given_out) + arriving.flush() == "".join(pieces)
    assert arriving.flush() == ""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "sentences",
    [
        ["Dr. Smith went home. ", "It was 3.14 o'clock! ", "Why?"],
        ["First.\n\n", "Second paragraph."],
        ["你好。", "我是一个人。", "再见"],
    ],
)
def test_each_sentence_comes_whole_as_soon_as_the_next_begins(
    sentences: list[str], size: int
) -> None:
    text = "".join(sentences)
    arriving = ArrivingText(("en", "zh"))
    given_out = [
        part for at in range(0, len(text), size) if (part := arriving.feed(text[at : at + size]))
    ]
    assert "".join(given_out) == "".join(sentences[:-1])
    ends = {len("".join(sentences[:n])) for n in range(1, len(sentences))}
    assert {len("".join(given_out[:n])) for n in range(1, len(given_out) + 1)} <= ends
    if size == 1:
        assert given_out == sentences[:-1]


def test_a_sentence_without_an_end_is_not_waited_for() -> None:
    arriving = ArrivingText(("en",))
    given_out = [arriving.feed("word ") for _ in range(1000)]
    assert sum(map(bool, given_out)) == 4
    assert max(map(len, given_out)) <= 1005
    assert all(part.endswith(" ") for part in given_out if part)
