"""Times of segments are exact; times of words, where the engine does not know them, are near."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.engine.embedded.engine import EmbeddedEngine
from vivavoce.service.timeline import Timeline
from vivavoce.service.word_times import end_at_pauses, guess_words
from vivavoce.text.words import words_of
from vivavoce.types import AudioChunk, Segment, SpeechRequest, TimedSegment, Timestamps

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 24000
SENTENCES = [
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "Unfortunately, internationalization requires extraordinary perseverance and patience.",
    "They should act towards one another in a spirit of brotherhood.",
    '"Come here," he said, "and look at this."',
    "A long time ago, in a village far away, an old man lived alone with his three cats.",
]


def times(
    lengths: list[int], cuts: list[int], wanted: Timestamps, speed: float, cut: int
) -> list[TimedSegment]:
    """Return the times of segments with so many samples of sound each, in pieces."""
    segments = tuple(Segment(f"Number {i}, and on.", 0.1) for i in range(len(lengths)))
    timeline = Timeline(SpeechRequest(segments, "v", 0), wanted, RATE, speed)
    for number, length in enumerate(lengths):
        tone = 0.1 + 0.05 * np.sin(np.arange(length, dtype=np.float32))
        samples = np.concatenate((tone, np.zeros(2400, np.float32)))
        inside = [at for at in cuts if at < len(samples)]
        for piece in np.split(samples, inside):
            timeline.hear(AudioChunk(piece, number), cut)
    total = sum(lengths) + 2400 * len(lengths) - cut
    timeline.end(cut, total / RATE / speed)
    return timeline.ended


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1000, 9000), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 9000), max_size=6, unique=True).map(sorted),
    wanted=st.sampled_from([Timestamps.SEGMENT, Timestamps.WORD]),
    speed=st.sampled_from([0.5, 1.0, 2.0]),
    cut=st.integers(0, 900),
)
def test_segments_are_exact_and_words_lie_within_them(
    lengths: list[int], cuts: list[int], wanted: Timestamps, speed: float, cut: int
) -> None:
    found = times(lengths, cuts, wanted, speed, cut)
    assert found == times(lengths, [], wanted, speed, cut)
    at = -cut
    for segment, length in zip(found, lengths, strict=True):
        assert segment.start_s == pytest.approx(max(0, at) / RATE / speed, abs=1e-6)
        assert segment.end_s == pytest.approx((at + length) / RATE / speed, abs=1e-6)
        at += length + 2400
        edges = [edge for word in segment.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert all(segment.start_s <= edge <= segment.end_s for edge in edges)
        expected = words_of(segment.text) if wanted is Timestamps.WORD else []
        assert [word.text for word in segment.words] == expected


def test_a_segment_that_was_stopped_ends_where_it_was_stopped() -> None:
    request = SpeechRequest((Segment("One.", 0.4), Segment("Two.")), "v", 0)
    timeline = Timeline(request, Timestamps.SEGMENT, RATE, 1.0)
    timeline.hear(AudioChunk(np.ones(4800, np.float32), 0), 0)
    timeline.end(0, 0.2)
    assert timeline.ended == [TimedSegment("One.", 0.0, 0.2)]


@pytest.fixture(scope="module")
def spoken() -> Iterator[list[tuple[list[str], AudioChunk]]]:
    engine = EmbeddedEngine.load({}, lambda progress: None)
    segments = tuple(Segment(sentence, 0.4) for sentence in SENTENCES)
    chunks = list(engine.speak(SpeechRequest(segments, "heart", 0, word_times=True)))
    yield [(words_of(SENTENCES[chunk.segment]), chunk) for chunk in chunks]
    engine.close()


def test_the_embedded_voice_knows_its_words(spoken: list[tuple[list[str], AudioChunk]]) -> None:
    pauses = 0
    for words, chunk in spoken:
        assert len(chunk.words) == len(words)
        spans = end_at_pauses(chunk.words, chunk.samples, RATE)
        edges = [edge for span in spans for edge in span]
        assert edges == sorted(edges)
        level = np.convolve(chunk.samples**2, np.ones(480) / 480, "same")
        for start, end in spans:
            assert level[start:end].max() > 1e-5  # a word is heard
        sounding = np.flatnonzero(level > 1e-5)
        for before, after in pairwise(sounding):
            if after - before > 2400:  # 0.1 s of silence: no consonant's
                middle = (before + after) // 2
                assert all(not start < middle < end for start, end in spans)
                pauses += 1
    assert pauses >= 3


def test_nobody_who_did_not_ask_is_told_of_words() -> None:
    engine = EmbeddedEngine.load({}, lambda progress: None)
    (chunk,) = engine.speak(SpeechRequest((Segment("One two."),), "heart", 0))
    assert chunk.words == ()


def test_guessed_words_are_near_the_true_ones(
    spoken: list[tuple[list[str], AudioChunk]],
) -> None:
    off_s = []
    for words, chunk in spoken:
        guessed = guess_words(words, chunk.samples, RATE)
        off_s += [abs(g[0] - t[0]) / RATE for g, t in zip(guessed, chunk.words, strict=True)]
    assert np.mean(off_s) < 0.12
    assert np.percentile(off_s, 90) < 0.25


@pytest.mark.parametrize("n_samples", [0, 1, 100, 24_000])
@pytest.mark.parametrize("words", [["one"], ["one", "two,", "three"]])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_guesses_are_in_order_whatever_the_sound(
    n_samples: int, words: list[str], level: float
) -> None:
    guessed = guess_words(words, np.full(n_samples, level, np.float32), RATE)
    edges = [edge for span in guessed for edge in span]
    assert len(guessed) == len(words)
    assert edges == sorted(edges)
    assert 0 <= edges[0] <= edges[-1] <= n_samples
