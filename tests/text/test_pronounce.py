"""Words are said as the rules have it: whole words, in their language, by their voice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.pronounce import Pronouncer, Rule

RULES = (
    Rule("SQL", "sequel"),
    Rule("SQL", "ess cue ell", voice="heart"),
    Rule("Nginx", "engine x", exact=True),
    Rule("C++", "see plus plus"),
    Rule("New York", "big apple"),
    Rule("York", "jork"),
    Rule("lead", "led", language="en"),
    Rule("重庆", "Chóngqìng"),
    Rule("서울", "소울"),
    Rule("naïve", "nigh-eve"),
)


def said(text: str, language: str = "en", voice: str = "") -> str:
    return Pronouncer(RULES, language, voice)(text)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("I use sql, MySQL and SQL's.", "I use sequel, MySQL and sequel's."),
        ("nginx Nginx Nginx2", "nginx engine x Nginx2"),
        ("C++ and C+++ and c++11", "see plus plus and see plus plus+ and see plus plus11"),
        ("New York, new\nyork, York", "big apple, big apple, jork"),
        ("New Yorker", "New Yorker"),
        ("我在重庆用SQL写代码", "我在Chóngqìng用sequel写代码"),
        ("서울은 멀다, 새서울", "소울은 멀다, 새서울"),
        ("NAÏVE naïveté", "nigh-eve naïveté"),
        ("SQL_id", "SQL_id"),
        ("", ""),
    ],
)
def test_whole_words_are_said_otherwise(text: str, heard: str) -> None:
    assert said(text) == heard


def test_a_voice_s_rule_stands_above_the_others() -> None:
    assert said("SQL", voice="Heart") == "ess cue ell"
    assert said("SQL", voice="other") == "sequel"


def test_a_language_s_rule_is_for_that_language() -> None:
    assert said("lead", "en") == "led"
    assert said("lead", "de") == "lead"


def test_what_a_rule_says_is_not_read_again() -> None:
    rules = (Rule("a", "b"), Rule("b", "c"))
    assert Pronouncer(rules, "en", "")("a b") == "b c"


@given(st.text(max_size=60))
def test_without_a_word_of_a_rule_nothing_changes(text: str) -> None:
    assert Pronouncer((Rule("qqzz", "x"),), "en", "")(text) in (text, text.replace("qqzz", "x"))


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_word_between_blanks_is_always_found(before: str, after: str) -> None:
    heard = Pronouncer((Rule("Zyx", "ok"),), "en", "")(f"{before} zYX {after}")
    assert heard == f"{before} ok {after}"
