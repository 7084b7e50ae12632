"""Of Markdown, HTML and emoji the words are left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text.tables import reading, texts
from vivavoce.text.markdown import spoken_markdown

CASES = {
    # Headings
    "# Title\n\nText.": "Title.\n\nText.",
    "## What now? ##\nText.": "What now?\n\nText.",
    "Title\n=====\nText.": "Title.\n\nText.",
    "# 标题\n正文。": "标题。\n\n正文。",
    "No #hashtag, no # sign": "No #hashtag, no # sign",
    # Emphasis
    "**bold** _italic_ ***both*** ~~gone~~": "bold italic both gone",
    "half**bold**": "halfbold",
    "snake_case_name and __init__": "snake_case_name and init",
    "5 * 3 * 2 and 2*3*4": "5 * 3 * 2 and 2*3*4",
    r"\*not bold\*": "*not bold*",
    # Lists
    "- one\n- two\n  - three": "one.\ntwo.\nthree.",
    "* one;\n* two!": "one;\ntwo!",
    "1. one\n2. two": "1. one.\n2. two.",
    "- [ ] to do\n- [x] done": "to do.\ndone.",
    "Text:\n\n- a\n- b\n\nAnd on.": "Text:\n\na.\nb.\n\nAnd on.",
    "- 一\n- 二": "一。\n二。",
    # Tables
    "| a | b |\n|---|---|\n| 1 | 2 |": "a, b.\n1, 2.",
    # Links and pictures
    "See [the docs](https://example.com/x?y=z).": "See the docs.",
    "See [the docs][1].\n\n[1]: https://example.com": "See the docs.",
    "![a red cat](cat.png) sleeps": "a red cat sleeps",
    "<https://example.com>": "https://example.com",
    "[Anna]: Yes. [sic] [1]": "[Anna]: Yes. [sic] [1]",
    "So it is.[^1]\n\n[^1]: Really.": "So it is.\n\nReally.",
    # Code
    "Call `print(x)` now": "Call print(x) now",
    "Before.\n\n```python\nprint(1)\n```\n\nAfter.": "Before.\n\nAfter.",
    "~~~\nx = 1\n~~~\nAfter.": "After.",
    "    set in, but no code": "set in, but no code",
    # Quotes and rules
    "> They said\n> so.": "They said\nso.",
    "One.\n\n---\n\nTwo.": "One.\n\nTwo.",
    # HTML
    "<b>Bold</b> and <span class='x'>plain</span>": "Bold and plain",
    "one<br>two": "one\ntwo",
    "<div>\n\nInside\n\n</div>": "Inside",
    "A<script>alert(1)</script>B": "AB",
    "x <!-- not this --> y": "x y",
    "AT&T &amp; co, a < b > c, I <3 you": "AT&T & co, a < b > c, I <3 you",
    "<Anna> hello": "<Anna> hello",
    # Emoji
    "Hi 😀!": "Hi!",
    "Good😀morning": "Good morning",
    "👍 Yes 👩‍🚀👨‍👩‍👧 no 🇩🇪": "Yes no",
    "✓ done ❤️": "done",
    "1️⃣ first": "1 first",
    "你好😀！": "你好！",
    "5 °C, ©, ™, №, →, ½": "5 °C, ©, ™, №, →, ½",
    # Marks over and over
    "What????": "What?",
    "No!!!!!": "No!",
    "Really?!?!?!": "Really?!",
    "Well.......": "Well...",
    "好！！！": "好！",
    "one ---------- two": "one two",
    "a ___ b": "a b",
    "Yes!! Well... no?? ……": "Yes!! Well... no?? ……",
}


@pytest.mark.parametrize(("written", "heard"), CASES.items(), ids=CASES)
def test_markup_is_not_heard(written: str, heard: str) -> None:
    assert spoken_markdown(written) == heard


@given(st.text("ab1 *_`#[]()<>!|-=~\\.\n", max_size=80))
def test_whatever_is_written_comes_out_tidy_and_nothing_is_made_up(text: str) -> None:
    heard = spoken_markdown(text)
    assert "\n\n\n" not in heard
    assert heard == heard.strip()
    assert set(heard) <= set(text) | set(". ,\n")


@given(st.lists(st.sampled_from(["word", "Wort.", "mot,", "слово", "“x”", "(y)"]), min_size=1))
def test_words_alone_are_untouched(words: list[str]) -> None:
    text = " ".join(words)
    assert spoken_markdown(text) == text


def test_plain_is_as_it_stands() -> None:
    text = "# Not a *heading* 😀 [x](y)"
    assert texts(reading(text, "plain")) == [text]


def test_items_of_lists_and_headings_are_sentences_of_their_own() -> None:
    text = "# Shopping\n\nBuy:\n\n- milk\n- bread"
    assert texts(reading(text)) == ["Shopping.", "Buy:", "milk.", "bread."]
    assert texts(reading(text, joins=True)) == ["Shopping.", "Buy:", "milk. bread."]
