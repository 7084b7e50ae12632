"""Speech that ends when it should: budget, guard, and what happens to speech that runs away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3.budget import frame_budget
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.guard import FRAMES_PER_S, RunawayGuard
from vivavoce.engine.qwen3.piece import CHUNK_FRAMES, Ending, Limits, Piece
from vivavoce.errors import SynthesisFailed
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vivavoce.engine.qwen3.stream import QwenStream

RATE = 24000
FRAME = 1920
EOS = 2150
FREE = Limits(frames=None, budget=None, guarded=False)


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("Hello.", 128),
        (" ".join(["word"] * 16), 128),
        (" ".join(["word"] * 17), 136),
        ("word, " * 100, 800),
        ("word " * 1000, 2048),
        ("你" * 16, 128),
        ("你好。" * 20, 320),
        ("안녕하세요 " * 5, 200),
        ("ありがとうございます。" * 3, 240),
        ("0123456789" * 3, 240),
        ("don't " * 32, 512),  # an apostrophe ends a word here: better too much than too little
        ("Donaudampfschifffahrtsgesellschaft " * 10, 240),
        ("слово " * 20, 160),
        ("", 128),
    ],
)
def test_the_budget_grows_with_the_text(text: str, frames: int) -> None:
    assert frame_budget(text) == frames


@given(st.text(max_size=300), st.text(max_size=300))
def test_more_text_never_has_less_budget(text: str, more: str) -> None:
    assert 128 <= frame_budget(text) <= frame_budget(f"{text} {more}") <= 2048


def frames_until_noticed(codes: list[int]) -> int | None:
    guard = RunawayGuard(RATE)
    return next((n for n, code in enumerate(codes, 1) if guard.hear_code(code)), None)


@pytest.mark.parametrize("period", [1, 2, 7, 12, 25, 50])
def test_repetition_is_noticed_within_about_a_second(period: int) -> None:
    random = np.random.RandomState(period)
    before = random.randint(0, 2048, 100).tolist()
    phrase = random.permutation(2048)[:period].tolist()
    noticed = frames_until_noticed(before + phrase * 200)
    assert noticed is not None
    since_it_began_again = noticed - len(before) - period
    assert 0 < since_it_began_again <= FRAMES_PER_S * 1.1


@pytest.mark.parametrize("seed", range(5))
def test_speech_that_varies_is_left_alone(seed: int) -> None:
    random = np.random.RandomState(seed)
    assert frames_until_noticed(random.randint(0, 200, 2000).tolist()) is None
    held = np.repeat(random.randint(0, 2048, 200), random.randint(1, 10, 200))
    assert frames_until_noticed(held.tolist()) is None  # vowels held for up to 0.7 s


def seconds_until_silence_is_noticed(samples: np.ndarray, frames_at_a_time: int) -> float | None:
    guard = RunawayGuard(RATE)
    step = FRAME * frames_at_a_time
    for start in range(0, len(samples), step):
        if guard.hear_samples(samples[start : start + step]):
            return (start + step) / RATE
    return None


@pytest.mark.parametrize("frames_at_a_time", [1, 4, 12])
def test_silence_that_runs_on_is_noticed(frames_at_a_time: int) -> None:
    random = np.random.RandomState(0)
    speech = (0.1 * random.randn(4 * RATE)).astype(np.float32)
    hum = (0.001 * random.randn(20 * RATE)).astype(np.float32)
    noticed = seconds_until_silence_is_noticed(np.concatenate((speech, hum)), frames_at_a_time)
    assert noticed is not None
    assert 6.0 <= noticed <= 7.0
    paused = np.concatenate((speech, hum[: RATE * 3 // 2], speech, hum[: RATE * 3 // 2], speech))
    assert seconds_until_silence_is_noticed(paused, frames_at_a_time) is None


def frame(first: int = 1) -> list[int]:
    return [first] * 16


def test_chunks_start_with_one_frame_and_grow() -> None:
    piece = Piece(FREE, EOS, RATE)
    sizes = []
    for _ in range(50):
        piece.hear(frame())
        if piece.due_frames(now=False):
            sizes.append(piece.take_due())
    piece.hear(frame(EOS))
    assert not piece.is_over
    sizes.append(piece.due_frames(now=False))
    assert piece.take_due() == sizes[-1]
    assert sizes == [*CHUNK_FRAMES, 12, 11]
    assert piece.ending is Ending.SPOKEN
    assert piece.is_over
    assert piece.due_frames(now=True) == 0


def test_in_a_hurry_what_there_is_is_decoded_and_chunks_grow_no_further() -> None:
    piece = Piece(FREE, EOS, RATE)
    sizes = []
    for count in range(20):
        piece.hear(frame())
        if piece.due_frames(now=count in (1, 3)):
            sizes.append(piece.take_due())
    assert sizes == [1, 1, 2, 4, 8]


def test_the_clients_limit_ends_it_normally_and_the_budget_does_not() -> None:
    limited = Piece(Limits(frames=5, budget=None, guarded=False), EOS, RATE)
    spent = Piece(Limits(frames=None, budget=5, guarded=False), EOS, RATE)
    for _ in range(5):
        assert limited.ending is spent.ending is None
        limited.hear(frame())
        spent.hear(frame())
    assert limited.ending is Ending.LIMIT
    assert spent.ending is Ending.RUNAWAY
    assert spent.fault == "The speech did not end within 5 frames"


def test_a_guarded_piece_that_repeats_itself_ends() -> None:
    piece = Piece(Limits(frames=None, budget=None, guarded=True), EOS, RATE)
    while piece.ending is None:
        assert len(piece.frames) < 20
        piece.hear(frame())
    assert piece.ending is Ending.RUNAWAY
    assert piece.fault == "The speech repeated itself"


def test_silence_runs_away_only_while_it_goes_on() -> None:
    silence = np.zeros(FRAME * 40, np.float32)
    for ends, ending in ((False, Ending.RUNAWAY), (True, Ending.SPOKEN)):
        piece = Piece(Limits(frames=None, budget=None, guarded=True), EOS, RATE)
        piece.hear(frame(1))
        if ends:
            piece.hear(frame(EOS))
        assert piece.hear_samples(silence) == (not ends)
        assert piece.ending is ending


# In the engine


@pytest.fixture(scope="module")
def endless() -> Iterator[Qwen3Engine]:
    yield from loaded(ends=False)


@pytest.fixture(scope="module")
def ending() -> Iterator[Qwen3Engine]:
    yield from loaded(ends=True)


def loaded(*, ends: bool) -> Iterator[Qwen3Engine]:
    model = str(speaking_checkpoint("custom_voice", ends=ends))
    options = {"model": model, "need": "preset", "device": "cpu", "runaway_guard": False}
    engine = Qwen3Engine.load(options, lambda progress: None)
    yield engine
    engine.close()


def speak(engine: Qwen3Engine, seed: int, *texts: str, **more: object) -> QwenStream:
    segments = tuple(Segment(text) for text in texts or ("Hello.",))
    return engine.speak(SpeechRequest(segments, "vivian", seed, **more))


def test_a_stream_that_runs_away_fails_after_what_was_heard(endless: Qwen3Engine) -> None:
    stream = speak(endless, 3)
    heard = 0
    with pytest.raises(SynthesisFailed) as failed:
        for chunk in stream:
            heard += len(chunk.samples)
    assert failed.value.code == "generation_runaway"
    assert 100 * FRAME < heard < 128 * FRAME


def test_others_go_on_when_one_runs_away(endless: Qwen3Engine) -> None:
    alone = [chunk.samples for chunk in speak(endless, 4, max_new_tokens=150)]
    goes_on, runs_away = speak(endless, 4, max_new_tokens=150), speak(endless, 5)
    first = next(goes_on)
    with pytest.raises(SynthesisFailed):
        list(runs_away)
    together = [first.samples, *(chunk.samples for chunk in goes_on)]
    np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=1e-4)


def test_a_whole_answer_gets_another_try_with_a_seed_that_follows_from_the_first(
    ending: Qwen3Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = {
        seed: sum(len(chunk.samples) for chunk in speak(ending, seed)) // FRAME
        for seed in range(20)
    }
    long = max(lengths, key=lengths.__getitem__)
    monkeypatch.setattr("vivavoce.engine.qwen3.engine.frame_budget", lambda text: lengths[long])
    tries = [speak(ending, long, whole=True) for _ in range(2)]
    first, again = (np.concatenate([chunk.samples for chunk in stream]) for stream in tries)
    np.testing.assert_array_equal(first, again)
    assert len(first) < lengths[long] * FRAME
    for stream in tries:
        assert stream.report.faults
        assert stream.usage.output_tokens == len(first) // FRAME


def test_a_limit_holds_for_all_segments_together(ending: Qwen3Engine) -> None:
    texts = ("Hello there.", "How are you?", "Well, I hope.")
    whole = speak(ending, 2, *texts)
    list(whole)
    frames = whole.usage.output_tokens
    for limit in (2, frames // 2, frames, frames + 50):
        stream = speak(ending, 2, *texts, max_new_tokens=limit)
        made = sum(len(chunk.samples) for chunk in stream) // FRAME
        assert made == stream.usage.output_tokens == min(limit - 1, frames)
