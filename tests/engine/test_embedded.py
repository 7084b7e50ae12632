"""The embedded voice, in this process: its sound, its promises to callers, and whose turn it is."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vivavoce.engine.embedded.turns import Turns
from vivavoce.engine.registry import describe, load
from vivavoce.errors import SynthesisFailed
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.base import Engine
    from vivavoce.types import Samples

RATE_HZ = 24000
AUDIBLE = 0.01  # -40 dBFS
LONG_S = 20  # for what takes milliseconds, unless it hangs
SENTENCES = [
    "Hello there, how are you doing today?",
    "The quick brown fox jumps over the lazy dog.",
    "It costs 5 dollars and 20 cents.",
    "Stop it right now!",
    "I think that it is quite a long way to the next town, so we should leave early.",
    "Yes.",
]


@pytest.fixture(scope="session")
def engine() -> Engine:
    return load("embedded")


def order(*texts: str, seed: int = 1, pause_s: float = 0.0) -> SpeechRequest:
    return SpeechRequest(tuple(Segment(text, pause_s) for text in texts), "heart", seed)


def samples_of(engine: Engine, request: SpeechRequest) -> Samples:
    return np.concatenate([chunk.samples for chunk in engine.speak(request)])


def level_db(samples: Samples) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(samples)))))


def quiet_s(samples: Samples) -> tuple[float, float]:
    """Return the seconds before anything is heard, and after all was."""
    heard = np.flatnonzero(np.abs(samples) > AUDIBLE)
    return int(heard[0]) / RATE_HZ, (len(samples) - int(heard[-1])) / RATE_HZ


# What it says of itself


def test_it_is_what_the_catalog_says(engine: Engine) -> None:
    assert engine.info == describe("embedded")
    assert engine.info.capabilities.sample_rate_hz == RATE_HZ


# Its sound


@pytest.mark.parametrize("text", SENTENCES)
def test_speech_is_as_loud_as_other_speech(engine: Engine, text: str) -> None:
    samples = samples_of(engine, order(text))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert np.abs(samples).max() <= 1
    assert -26 < level_db(samples) < -15


@pytest.mark.parametrize("text", SENTENCES)
def test_speech_begins_at_once_and_ends_soon(engine: Engine, text: str) -> None:
    before, after = quiet_s(samples_of(engine, order(text)))
    assert before < 0.1
    assert after < 0.2


@pytest.mark.parametrize("pause_s", [0.15, 0.4, 0.7])
def test_a_pause_is_as_long_as_asked(engine: Engine, pause_s: float) -> None:
    first, second = engine.speak(order("We came.", "We saw.", pause_s=pause_s))
    pause = quiet_s(first.samples)[1] + quiet_s(second.samples)[0]
    assert pause_s <= pause < pause_s + 0.25


@pytest.mark.parametrize(
    "text",
    ["The U.S. Army came.", "We met at Acme Inc. Headquarters.", "Luther King Jr. Day is near."],
)
def test_an_abbreviation_is_no_pause(engine: Engine, text: str) -> None:
    heard = np.flatnonzero(np.abs(samples_of(engine, order(text))) > AUDIBLE)
    assert np.diff(heard).max() / RATE_HZ < 0.4


@pytest.mark.parametrize("text", SENTENCES)
def test_edges_do_not_click(engine: Engine, text: str) -> None:
    samples = samples_of(engine, order(text))
    assert abs(samples[0]) < 0.001
    assert abs(samples[-1]) < 0.001


def test_more_text_takes_longer(engine: Engine) -> None:
    lengths = [len(samples_of(engine, order("one two three " * n))) for n in (1, 2, 4)]
    assert lengths[1] > 1.5 * lengths[0]
    assert lengths[2] > 1.5 * lengths[1]


# Its promises


def test_the_same_request_gives_the_same_samples(engine: Engine) -> None:
    request = order(*SENTENCES, seed=7)
    assert np.array_equal(samples_of(engine, request), samples_of(engine, request))


def test_the_seed_changes_the_samples(engine: Engine) -> None:
    first, second = (samples_of(engine, order("Hello.", seed=seed)) for seed in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_any_seed_will_do(engine: Engine, seed: int) -> None:
    assert len(list(engine.speak(order("One.", "Two.", seed=seed)))) == 2


def test_every_segment_is_a_chunk_in_order(engine: Engine) -> None:
    chunks = list(engine.speak(order(*SENTENCES)))
    assert [chunk.segment for chunk in chunks] == list(range(len(SENTENCES)))
    assert all(len(chunk.samples) for chunk in chunks)


def test_usage_grows_with_what_is_spoken(engine: Engine) -> None:
    stream = engine.speak(order(*SENTENCES[:2], pause_s=0.4))
    assert stream.usage.total_tokens == 0
    spoken_s = 0.0
    seen = [stream.usage]
    for chunk in stream:
        spoken_s += len(chunk.samples) / RATE_HZ
        seen.append(stream.usage)
    assert seen[0].input_tokens < seen[1].input_tokens < seen[2].input_tokens
    assert seen[0].output_tokens < seen[1].output_tokens < seen[2].output_tokens
    # Frames of 12.5 ms, also of the near-silence that is cut away; pauses are not counted.
    assert spoken_s - 0.8 < seen[2].output_tokens * 0.0125 < spoken_s + 1.0


def test_cancelling_ends_it_after_the_segment(engine: Engine) -> None:
    stream = engine.speak(order(*SENTENCES))
    next(stream)
    used = stream.usage
    stream.cancel()
    stream.cancel()
    assert list(stream) == []
    assert stream.usage == used


def test_cancelled_before_it_began_it_says_nothing(engine: Engine) -> None:
    stream = engine.speak(order("Hello."))
    stream.cancel()
    assert list(stream) == []
    assert stream.usage.total_tokens == 0


@pytest.mark.parametrize("text", ["ɮ", "中文", "😀"])
def test_text_it_has_no_sound_for_is_an_error(engine: Engine, text: str) -> None:
    stream = engine.speak(order("Hello.", text, "Never said."))
    assert next(stream).segment == 0
    with pytest.raises(SynthesisFailed, match=text):
        next(stream)
    assert list(stream) == []


def test_requests_side_by_side_do_not_change_each_other(engine: Engine) -> None:
    requests = [order(*SENTENCES[n % 3 :], seed=n) for n in range(8)]
    alone = [samples_of(engine, request) for request in requests]
    together = at_the_same_time(*[lambda r=r: samples_of(engine, r) for r in requests])
    assert all(map(np.array_equal, alone, together))


def test_who_hears_nothing_yet_does_not_queue_behind_those_who_do(engine: Engine) -> None:
    books_open = 10 * (os.cpu_count() or 1)
    books = [engine.speak(order(*["This is a rather long book."] * 999)) for _ in range(books_open)]
    under_way = [threading.Event() for _ in books]
    sentences_read = [0] * books_open

    def read_aloud(n: int) -> None:
        for chunk in books[n]:
            sentences_read[n] += 1
            if chunk.segment == 1:
                under_way[n].set()

    with ThreadPoolExecutor(books_open) as threads:
        readers = [threads.submit(read_aloud, n) for n in range(books_open)]
        assert all(begun.wait(LONG_S) for begun in under_way)
        before = sum(sentences_read)
        short = list(engine.speak(order("Good morning.")))
        meanwhile = sum(sentences_read) - before
        for book in books:
            book.cancel()
    for reader in readers:
        reader.result()
    assert len(short) == 1
    # In a queue, every book would get a turn before.
    assert meanwhile < books_open / 2


# Whose turn it is


def at_the_same_time(*jobs: Callable[[], object]) -> list:
    ready = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        ready.wait(LONG_S)
        return job()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return [job.result(LONG_S) for job in [threads.submit(run, job) for job in jobs]]


def until_waiting(turns: Turns, count: int) -> None:
    """Return once so many wait. (There is no other way to know that a thread is about to wait.)"""
    while True:
        with turns._changed:
            if len(turns._waiting) == count:
                return
        os.sched_yield()


def order_of_turns(urgencies: list[float]) -> list[int]:
    """Return who gets a turn after whom, of those who came in this order while one was held."""
    turns = Turns(1)
    served: list[int] = []

    def take(n: int, urgency: float) -> None:
        with turns.take(urgency):
            served.append(n)

    threads = [
        threading.Thread(target=take, args=(n, urgency)) for n, urgency in enumerate(urgencies)
    ]
    with turns.take(0.0):
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            until_waiting(turns, waiting)
        assert served == []
    for thread in threads:
        thread.join(LONG_S)
    return served


def test_the_most_urgent_is_next() -> None:
    assert order_of_turns([5.0, 1.0, 3.0, 2.0, 4.0]) == [1, 3, 2, 4, 0]


def test_ties_go_in_order_of_arrival() -> None:
    assert order_of_turns([2.0, 1.0, 2.0, 1.0, 2.0]) == [1, 3, 0, 2, 4]


def test_nobody_starves() -> None:
    # One who waits keeps its urgency; whoever speaks on is minutes ahead after a while.
    assert order_of_turns([5.0, *map(float, range(1, 10))]) == [1, 2, 3, 4, 0, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_so_many_at_once_and_no_more(at_once: int) -> None:
    turns = Turns(at_once)
    everyone_in = threading.Barrier(at_once)
    lock = threading.Lock()
    inside = 0
    most = 0

    def take() -> None:
        nonlocal inside, most
        with turns.take(0.0):
            with lock:
                inside += 1
                most = max(most, inside)
            everyone_in.wait(LONG_S)  # passes only if `at_once` hold a turn together
            with lock:
                inside -= 1

    at_the_same_time(*[take] * (4 * at_once))
    assert most == at_once


def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns(1)
    with pytest.raises(ZeroDivisionError), turns.take(0.0):
        1 / 0  # noqa: B018
    at_the_same_time(lambda: take_and_leave(turns))


def take_and_leave(turns: Turns) -> None:
    with turns.take(0.0):
        pass


def test_a_network_that_tells_no_durations_speaks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    request = SpeechRequest((Segment("One, two."),), "heart", 0, word_times=True)
    (known,) = load("embedded").speak(request)
    monkeypatch.setattr("vivavoce.engine.embedded.network._DURATIONS", b"/No_such_output")
    (unknown,) = load("embedded").speak(request)
    assert len(known.words) == 2
    assert unknown.words == ()
    assert np.array_equal(known.samples, unknown.samples)
