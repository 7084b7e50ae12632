"""Odd texts are refused in a sentence or spoken in bounded time; markup is text like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients import error, speak
from decoding import decode

if TYPE_CHECKING:
    from conftest import Server

RATE_HZ = 24000

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">'
    '<!ENTITY x SYSTEM "file:///etc/passwd">]><speak>&lol2;&x;</speak>'
)

ODD = {
    "one letter 300 times": ("a" * 300, 60),
    "no spaces": ("supercalifragilistic" * 15, 60),
    "an accent on every letter": ("e\u0301" * 150, 60),
    "thirty accents on one letter": ("Z" + "\u0335" * 30 + "algo speaks.", 10),
    "a number without a name": ("It is 1" + ",234" * 12 + " or " + "1" * 37 + "th.", 90),
    "control characters": ("Good\x01\x02\x1b[31m morning\x7f.", 10),
    "a pause of a thousand seconds": ('<speak>Hi<break time="1000s"/>you</speak>', 30),
    "entities of entities": (LAUGHS, 120),
    "emoji between words": ("Good \U0001f600 morning \U0001f1e9\U0001f1ea!", 10),
    "turned around": ("Good \u202egninrom\u202c.", 10),
}


@pytest.mark.parametrize(("text", "longest_s"), ODD.values(), ids=ODD)
def test_it_is_spoken_in_bounded_time(voice_server: Server, text: str, longest_s: float) -> None:
    answer = speak(voice_server, input=text, voice="heart", instructions=None)
    assert answer.status_code == 200, answer.text
    assert 0.2 < len(decode(answer.content, "pcm")) / RATE_HZ < longest_s


def test_a_million_characters_are_refused_in_a_sentence(voice_server: Server) -> None:
    answer = speak(voice_server, input="x" * 1_000_000, voice="heart", instructions=None)
    assert answer.status_code == 400
    assert error(answer)["code"] == "string_above_max_length"
    assert "input has 1000000 characters; at most 4096" in error(answer)["message"]
    assert len(answer.content) < 1000
