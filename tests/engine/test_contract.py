"""What every engine promises (`vivavoce.engine.base`), tried on each of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from speaking import speaking_checkpoint
from vivavoce.audio.join import SPREAD_S
from vivavoce.engine import registry
from vivavoce.types import AudioChunk, Segment, SpeechRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vivavoce.engine.base import Engine, SpeechStream

TEXTS = ("Good morning.", "The train leaves at noon.", "Do not be late!")
ANSWER_S = 30


def options(engine: str) -> dict[str, object]:
    if engine != "qwen3":
        return {}
    model = str(speaking_checkpoint("custom_voice"))
    return {"model": model, "need": "preset", "device": "cpu", "runaway_guard": False}


@pytest.fixture(scope="module", params=registry.ENGINE_NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    loaded = registry.load(request.param, options(request.param))
    yield loaded
    loaded.close()


def ask(engine: Engine, *texts: str, seed: int = 7) -> SpeechRequest:
    segments = tuple(Segment(text) for text in texts or TEXTS)
    return SpeechRequest(
        segments, engine.info.voices[0].id, seed, engine.info.voices[0].languages[0]
    )


def samples_of(chunks: list[AudioChunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


def spoken(engine: Engine, request: SpeechRequest) -> np.ndarray:
    return samples_of(list(engine.speak(request)))


def assert_stays_ended(stream: SpeechStream) -> None:
    assert next(stream, None) is None
    assert next(stream, None) is None


def test_it_describes_itself_as_the_registry_does(engine: Engine) -> None:
    assert engine.info == registry.describe(engine.info.engine, options(engine.info.engine))
    assert engine.info.voices
    assert engine.info.capabilities.sample_rate_hz > 0


def test_chunks_are_sound_in_the_order_of_the_segments(engine: Engine) -> None:
    chunks = list(engine.speak(ask(engine)))
    for chunk in chunks:
        assert chunk.samples.dtype == np.float32
        assert chunk.samples.ndim == 1
        assert len(chunk.samples) > 0
        assert chunk.samples.data.contiguous
        assert np.isfinite(chunk.samples).all()
        assert np.abs(chunk.samples).max() <= 1.0
    order = [chunk.segment for chunk in chunks]
    assert order == sorted(order)
    assert set(order) == set(range(len(TEXTS)))


def test_every_segment_is_heard(engine: Engine) -> None:
    chunks = list(engine.speak(ask(engine)))
    for index in range(len(TEXTS)):
        of_segment = samples_of([chunk for chunk in chunks if chunk.segment == index])
        assert np.abs(of_segment).max() > 0.1


def test_every_voice_speaks(engine: Engine) -> None:
    heard = [
        spoken(engine, SpeechRequest((Segment(TEXTS[0]),), voice.id, 7))
        for voice in engine.info.voices
    ]
    assert all(np.abs(samples).max() > 0.1 for samples in heard)
    assert len({samples.tobytes() for samples in heard}) == len(heard)


def assert_same(engine: Engine, one: np.ndarray, other: np.ndarray) -> None:
    """Check that two are the same; of Qwen3-TTS, to the rounding of its arithmetic.

    How much it decodes together follows from what else is to be done.
    """
    most = 1e-4 if engine.info.engine == "qwen3" else 0
    np.testing.assert_allclose(one, other, rtol=0, atol=most)


def test_the_same_request_gives_the_same_samples(engine: Engine) -> None:
    first, second = (spoken(engine, ask(engine)) for _ in range(2))
    assert_same(engine, first, second)


def test_another_seed_speaks_the_same_text(engine: Engine) -> None:
    usual, other = spoken(engine, ask(engine)), spoken(engine, ask(engine, seed=2**32 - 1))
    if engine.info.engine != "qwen3":  # random weights end when they please
        assert 0.5 < len(other) / len(usual) < 2.0
    assert np.abs(other).max() > 0.1
    assert not np.array_equal(other, usual)


def test_taking_it_chunk_by_chunk_changes_nothing(engine: Engine) -> None:
    whole = spoken(engine, ask(engine))
    stream = engine.speak(ask(engine))
    other = engine.speak(ask(engine, "Something else in between.", seed=1))
    taken = []
    while (chunk := next(stream, None)) is not None:
        taken.append(chunk)
        next(other, None)
    assert_same(engine, samples_of(taken), whole)


def test_streams_on_several_threads_do_not_mix(engine: Engine) -> None:
    requests = [ask(engine, f"This is speaker number {n}.", "Over.", seed=n) for n in range(8)]
    alone = [spoken(engine, request) for request in requests]
    with ThreadPoolExecutor(len(requests)) as threads:
        together = list(threads.map(lambda request: spoken(engine, request), requests))
    for expected, heard in zip(alone, together, strict=True):
        assert_same(engine, heard, expected)


@pytest.mark.parametrize("pause_s", [0.1234, 2.0])
def test_a_pause_is_silence_to_the_sample(engine: Engine, pause_s: float) -> None:
    plain = ask(engine, *TEXTS[:2])
    first, last = plain.segments
    paused = (replace(first, pause_s=pause_s), replace(last, pause_s=pause_s))
    usual, heard = (
        list(engine.speak(replace(plain, segments=s))) for s in (plain.segments, paused)
    )
    rate_hz = engine.info.capabilities.sample_rate_hz
    for index in range(2):
        speech, with_pause = (
            samples_of([chunk for chunk in chunks if chunk.segment == index])
            for chunks in (usual, heard)
        )
        assert len(with_pause) == len(speech) + round(pause_s * rate_hz)
        assert_same(engine, with_pause[: len(speech)], speech)
        pause = with_pause[len(speech) :]
        assert not pause[round(SPREAD_S * rate_hz) :].any()  # the last sound may fade until then
        assert np.all(np.diff(np.abs(pause)) <= 0)


def test_usage_is_counted_and_final_after_the_end(engine: Engine) -> None:
    short, long = engine.speak(ask(engine, TEXTS[0])), engine.speak(ask(engine))
    list(short)
    list(long)
    final = long.usage
    assert 0 < short.usage.input_tokens < final.input_tokens
    assert 0 < short.usage.output_tokens < final.output_tokens
    assert_stays_ended(long)
    long.cancel()
    assert long.usage == final


def test_cancelled_before_the_first_chunk_it_makes_none(engine: Engine) -> None:
    stream = engine.speak(ask(engine))
    stream.cancel()
    assert_stays_ended(stream)
    assert stream.usage.output_tokens == 0


def test_cancelled_mid_stream_it_makes_no_more(engine: Engine) -> None:
    stream = engine.speak(ask(engine))
    assert next(stream).segment == 0
    so_far = stream.usage
    stream.cancel()
    stream.cancel()
    assert_stays_ended(stream)
    assert stream.usage == so_far


def test_cancelled_from_another_thread_it_ends_within_a_step(engine: Engine) -> None:
    stream = engine.speak(ask(engine, *(f"Sentence number {n} of many." for n in range(20_000))))
    begun, ended = threading.Event(), threading.Event()
    chunks: list[AudioChunk] = []
    failures: list[BaseException] = []

    def listen() -> None:
        try:
            for chunk in stream:
                chunks.append(chunk)
                begun.set()
        except BaseException as exc:
            failures.append(exc)
        finally:
            begun.set()
            ended.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert begun.wait(ANSWER_S)
    stream.cancel()
    at_cancel = len(chunks)
    assert ended.wait(ANSWER_S)
    listener.join()
    assert not failures
    assert len(chunks) <= at_cancel + 1  # the one that was being made
    assert chunks[-1].segment < 19_999


def test_a_cancelled_stream_leaves_the_others_alone(engine: Engine) -> None:
    whole = spoken(engine, ask(engine))
    stays, goes = engine.speak(ask(engine)), engine.speak(ask(engine))
    taken = [next(stays)]
    next(goes)
    goes.cancel()
    assert_same(engine, samples_of([*taken, *stays]), whole)


def test_closing_ends_open_streams_without_an_error(engine: Engine) -> None:
    closing = registry.load(engine.info.engine, options(engine.info.engine))
    stream = closing.speak(ask(engine))
    chunks = [next(stream)]
    closing.close()
    chunks += stream
    assert [chunk.segment for chunk in chunks] == sorted(chunk.segment for chunk in chunks)
    assert_stays_ended(stream)
    closing.close()
