"""Pauses and SSML: what is asked for exactly, what is not understood not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text.tables import reading, texts
from vivavoce.errors import InvalidRequest
from vivavoce.text.reading import Script
from vivavoce.text.segment import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S


def heard(script: Script) -> list[tuple[str, float]]:
    return [(segment.text, segment.pause_s) for segment in script.segments]


@pytest.mark.parametrize(
    ("text", "lead_s", "pieces"),
    [
        ("One. [pause 1s] Two.", 0, [("One.", 1.0), ("Two.", 0.0)]),
        ("One [pause 500ms] two.", 0, [("One", 0.5), ("two.", 0.0)]),
        ("[pause .25s]One.", 0.25, [("One.", 0.0)]),
        ("[pause 1s] [PAUSE 2s] One.", 3.0, [("One.", 0.0)]),
        ("One. [pause 1s] [pause 500ms] Two.", 0, [("One.", 1.5), ("Two.", 0.0)]),
        ("One. [pause 0s] Two.", 0, [("One.", 0.0), ("Two.", 0.0)]),
        ("One. [pause 2s]", 0, [("One.", 2.0)]),
        ("One. [pause 2s] 😀", 0, [("One.", 2.0)]),
        ("One. Two.[pause 1 s]", 0, [("One.", SENTENCE_PAUSE_S), ("Two.", 1.0)]),
        (
            "- a [pause 1s] b\n- **c [pause 2s] d**",
            0,
            [("a", 1.0), ("b.", SENTENCE_PAUSE_S), ("c", 2.0), ("d.", 0.0)],
        ),
        ("[pauses] are words.", 0, [("[pauses] are words.", 0.0)]),
    ],
)
def test_pauses_stand_where_they_are_asked_for(
    text: str, lead_s: float, pieces: list[tuple[str, float]]
) -> None:
    script = reading(text, "tags")
    assert script.lead_s == lead_s
    assert heard(script) == pieces


def test_sentences_are_joined_up_to_the_next_pause() -> None:
    text = "One. Two. [pause 1s] Three. Four."
    assert heard(reading(text, "tags", joins=True)) == [("One. Two.", 1.0), ("Three. Four.", 0.0)]


@pytest.mark.parametrize("format", ["markdown", "plain"])
def test_brackets_are_text_unless_tags_are_asked_for(format: str) -> None:
    text = "One [pause 500ms] two [pause x]."
    assert texts(reading(text, format)) == [text]


@given(st.integers(0, 10_000), st.sampled_from([0.25, 0.5, 1.5, 4.0]))
def test_a_pause_is_as_long_at_any_speed(milliseconds: int, speed: float) -> None:
    script = reading(f"One [pause {milliseconds}ms] two.", "tags", speed=speed)
    assert script.segments[0].pause_s / speed == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a [pause] b", "invalid_pause"),
        ("a [pause 1] b", "invalid_pause"),
        ("a [pause -1s] b", "invalid_pause"),
        ("a [pause 1e9s] b", "invalid_pause"),
        ("a [pause 1s b", "invalid_pause"),
        ("a [pause 10.1s] b", "pause_too_long"),
        ("a [pause 999999999s] b", "pause_too_long"),
        ("a [pause 10s]" * 61, "pause_too_long"),
    ],
)
def test_what_is_no_pause_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        reading(text, "tags")
    assert (refused.value.code, refused.value.param) == (code, "input")


def test_marks_cannot_be_smuggled_in() -> None:
    text = "a \U000f0000 b \U000f0001 [pause 1s] c"
    assert heard(reading(text, "tags")) == [("a b", 1.0), ("c", 0.0)]


# SSML


@pytest.mark.parametrize(
    ("inside", "pieces"),
    [
        ("Plain &amp; simple &#65;", [("Plain & simple A", 0.0)]),
        ("One.\n\n  Two.", [("One.", SENTENCE_PAUSE_S), ("Two.", 0.0)]),
        ('One <break time="300ms"/> two.', [("One", 0.3), ("two.", 0.0)]),
        ('One <break strength="strong"/> two.', [("One", 0.7), ("two.", 0.0)]),
        ('One. <break strength="none"/> Two.', [("One.", 0.0), ("Two.", 0.0)]),
        ("One.<break/>Two.", [("One.", 0.4), ("Two.", 0.0)]),
        ("<p>One.</p><p>Two.</p>", [("One.", PARAGRAPH_PAUSE_S), ("Two.", 0.0)]),
        ("<p><s>One</s><s>two</s></p>", [("One", SENTENCE_PAUSE_S), ("two", 0.0)]),
        ('The <sub alias="World Wide Web">WWW</sub>.', [("The World Wide Web.", 0.0)]),
        ('<say-as interpret-as="characters">AB1</say-as>.', [("A B one.", 0.0)]),
        ('<say-as interpret-as="digits">42-1</say-as>', [("four two one", 0.0)]),
        ('<say-as interpret-as="telephone">42-17</say-as>', [("four two, one seven", 0.0)]),
        ('<say-as interpret-as="cardinal">42</say-as> x', [("forty-two x", 0.0)]),
        ('The <say-as interpret-as="ordinal">3rd</say-as>.', [("The third.", 0.0)]),
        ("x <!-- not heard --> y", [("x y", 0.0)]),
        ("[pause 1s] *x*", [("[pause 1s] *x*", 0.0)]),
    ],
)
def test_ssml_is_spoken(inside: str, pieces: list[tuple[str, float]]) -> None:
    assert heard(reading(f'<speak xml:lang="en">{inside}</speak>', "ssml")) == pieces


def test_a_language_of_the_text_is_told_to_the_model() -> None:
    text = (
        '<speak>He said <lang xml:lang="fr-FR">bonjour</lang> to <lang xml:lang="de">'
        '<say-as interpret-as="digits">12</say-as></lang> people.</speak>'
    )
    script = reading(text, "ssml")
    assert texts(script) == ["He said", "bonjour", "to", "eins zwei", "people."]
    assert [segment.language for segment in script.segments] == [None, "fr", None, "de", None]
    assert [segment.pause_s for segment in script.segments] == [0.0] * 5


def test_a_document_s_language_stands_above_the_requests() -> None:
    script = reading('<speak xml:lang="fr">Oui.</speak>', "ssml", language="en")
    assert [segment.language for segment in script.segments] == ["fr"]


BOMB = '<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><speak>&b;</speak>'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<speak>Hi <audio src='x'/></speak>", "<audio>"),
        ("<speak><prosody rate='1'>x</prosody></speak>", "<prosody>"),
        ("<speak><mstts:express-as>x</mstts:express-as></speak>", "<mstts:express-as>"),
        ("<speak><p id='1'>x</p></speak>", "'id'"),
        ("<speak>Hi", "line 1"),
        ("Hi", "line 1"),
        ("<p>Hi</p>", "<speak>"),
        ("<speak><speak>x</speak></speak>", "<speak>"),
        ("<speak>&lol;</speak>", "undefined entity"),
        (BOMB, "DOCTYPE"),
        ("<!DOCTYPE speak SYSTEM 'file:///etc/passwd'><speak>x</speak>", "DOCTYPE"),
        ("<speak><?php x ?></speak>", "<?php?>"),
        ("<speak>" + "<p>" * 30 + "x" + "</p>" * 30 + "</speak>", "20 inside one another"),
        ("<speak>" + "<break/>" * 5001 + "x</speak>", "5000 elements"),
        ("<speak><break time='11s'/>x</speak>", "longer than 10 s"),
        ("<speak><break time='soon'/>x</speak>", "is not a pause"),
        ("<speak><break strength='huge'/>x</speak>", "'huge'"),
        ("<speak><sub>x</sub></speak>", "alias"),
        ("<speak><say-as>x</say-as></speak>", "interpret-as"),
        ("<speak><say-as interpret-as='song'>x</say-as></speak>", "'song'"),
        ("<speak><lang xml:lang='tlh'>x</lang></speak>", "'tlh'"),
        ("<speak><sub alias='y'><p>x</p></sub></speak>", "inside <sub>"),
    ],
)
def test_what_is_not_understood_is_refused_and_named(text: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=r".") as refused:
        reading(text, "ssml")
    assert told in refused.value.message
    assert refused.value.param == "input"


@given(st.text("<>/&;speakbr timlang='\"= x", max_size=60))
def test_whatever_stands_in_it_ssml_is_read_or_refused(inside: str) -> None:
    try:
        script = reading(f"<speak>{inside}</speak>", "ssml")
    except InvalidRequest:
        return
    assert "<" not in "".join(texts(script)).replace("<", "", inside.count("&lt;"))
