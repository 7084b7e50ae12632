"""Words of a text, and subtitles as FFmpeg reads them."""

from __future__ import annotations

import html
import io
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.script import has_words
from vivavoce.text.subtitles import MAX_CUE_CHARS, SUBTITLE_FORMATS, subtitles
from vivavoce.text.words import words_of
from vivavoce.types import TimedSegment, TimedWord


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("One two.", ["One", "two."]),
        ("“Well-known,” he said — twice!", ["“Well-known,”", "he", "said —", "twice!"]),
        ("- So?\nSo.", ["- So?", "So."]),
        ("你好,世界。", ["你", "好,", "世", "界。"]),
        ("Python 很好 3.5", ["Python", "很", "好", "3.5"]),
        ("... —", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text(max_size=60))
def test_no_letter_is_lost_and_every_word_is_in_the_text(text: str) -> None:
    words = words_of(text)
    at = 0
    for word in words:
        assert has_words(word)
        at = text.index(word, at) + len(word)
    assert "".join(words).split() or not has_words(text)
    letters = [c for c in text if has_words(c)]
    assert [c for word in words for c in word if has_words(c)] == letters


def timed(text: str, start_s: float) -> TimedSegment:
    """Return a segment whose words take 0.25 s each."""
    words = tuple(
        TimedWord(word, start_s + i / 4, start_s + (i + 1) / 4)
        for i, word in enumerate(words_of(text))
    )
    return TimedSegment(text, start_s, words[-1].end_s, words)


def as_ffmpeg_reads(content: str, format_name: str) -> list[tuple[float, float, str]]:
    name = "webvtt" if format_name == "vtt" else "srt"
    with av.open(io.BytesIO(content.encode()), format=name) as f:
        stream = f.streams[0]
        return [
            (
                float(packet.pts * stream.time_base),
                float((packet.pts + packet.duration) * stream.time_base),
                bytes(packet).decode(),
            )
            for packet in f.demux(stream)
            if packet.size
        ]


LONG = "This sentence goes on & on, <twice> as long as what two lines can show, " * 3


@pytest.mark.parametrize("format_name", SUBTITLE_FORMATS)
def test_another_library_reads_them(format_name: str) -> None:
    segments = [timed("Hello there.", 0.0), timed("And\nthen?", 3725.0625)]
    cues = as_ffmpeg_reads(subtitles(segments, format_name), format_name)
    assert cues == [
        (0.0, 0.5, "Hello there."),
        (pytest.approx(3725.0625, abs=0.001), pytest.approx(3725.5625, abs=0.001), "And then?"),
    ]


@pytest.mark.parametrize("format_name", SUBTITLE_FORMATS)
def test_long_segments_are_several_cues_that_follow_each_other(format_name: str) -> None:
    cues = as_ffmpeg_reads(subtitles([timed(LONG.strip(), 1.0)], format_name), format_name)
    texts = [html.unescape(text) for *_, text in cues]
    assert " ".join(texts) == LONG.strip()
    assert all(len(text) <= MAX_CUE_CHARS for text in texts)
    assert min(map(len, texts)) > MAX_CUE_CHARS / 2
    assert cues[0][0] == 1.0
    for (_, end, _), (start, *_) in pairwise(cues):
        assert end == pytest.approx(start, abs=0.002)


def test_without_words_a_long_segment_is_one_cue() -> None:
    segment = TimedSegment(LONG, 0, 9)
    assert subtitles([segment], "srt").count("-->") == 1
