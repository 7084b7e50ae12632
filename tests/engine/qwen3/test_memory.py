"""Memory that runs out while the model works: one request fails, or none, and nobody hears it.

No card is needed: the model's parts raise what torch raises when there is no room.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from speaking import speaking_checkpoint
from vivavoce.engine.base import EngineBroken
from vivavoce.engine.qwen3.catalog import describe
from vivavoce.engine.qwen3.defaults import GenerationDefaults, read_defaults
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.generation import Generation
from vivavoce.engine.qwen3.loop import SHORTAGES
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.errors import OutOfMemory
from vivavoce.types import ModelInfo, Samples, SamplingControls, Segment, SpeechRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vivavoce.engine.qwen3.stream import QwenStream

ANSWER_S = 30
CLIP = (0.3 * np.sin(0.03 * np.arange(24000))).astype(np.float32)


@cache
def loaded(kind: str, need: str) -> tuple[ModelInfo, Qwen3TTS, GenerationDefaults]:
    folder = speaking_checkpoint(kind, ends=False)
    model = Qwen3TTS.load(folder, torch.device("cpu"), torch.float32)
    return describe({"model": str(folder), "need": need}), model, read_defaults(folder)


def engine_of(kind: str, need: str) -> Qwen3Engine:
    """Return an engine of its own; what is loaded is shared, and no test changes it."""
    return Qwen3Engine(*loaded(kind, need), {"runaway_guard": False})


@pytest.fixture
def engine() -> Iterator[Qwen3Engine]:
    engine = engine_of("custom_voice", "preset")
    yield engine
    engine.close()


def ask(
    number: int = 3,
    text: str = "Hello",
    *,
    frames: int = 5,
    draws: bool = False,
    whole: bool = False,
) -> SpeechRequest:
    """Return a request that no other number sounds like."""
    # A heavy penalty, and numbers drawn by the frame: one that were counted twice would be heard.
    sampling = SamplingControls(temperature=None if draws else 0, repetition_penalty=3.0)
    return SpeechRequest(
        (Segment(f"{text} {number}."),),
        "vivian",
        seed=1,
        sampling=sampling,
        max_new_tokens=frames + 1,
        whole=whole,
    )


@dataclass
class Heard:
    """What came of a request."""

    samples: Samples
    error: Exception | None = None


def hear(stream: QwenStream) -> Heard:
    chunks = [np.zeros(0, np.float32)]
    error = None
    try:
        chunks += (chunk.samples for chunk in stream)
    except (OutOfMemory, EngineBroken) as exc:
        error = exc
    return Heard(np.concatenate(chunks), error)


def same(one: Samples, other: Samples) -> None:
    """Check that two are the same, but for the last bits of what is decoded together or apart."""
    np.testing.assert_allclose(one, other, atol=1e-4)


def alone(engine: Qwen3Engine, *requests: SpeechRequest) -> list[Samples]:
    heard = [hear(engine.speak(request)) for request in requests]
    assert all(len(one.samples) for one in heard)
    return [one.samples for one in heard]


class Card:
    """Decides when parts of a model find no memory, and counts how often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shortages = 0
        self._monkeypatch = monkeypatch

    def fill(self, part: Any, name: str, is_full: Callable[..., bool]) -> None:
        """Let a method of a part fail whenever `is_full`, given what it is given."""
        work = getattr(part, name)

        def work_or_fail(*given: Any) -> Any:
            if is_full(*given):
                self.shortages += 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
            return work(*given)

        self._monkeypatch.setattr(part, name, work_or_fail)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    return Card(monkeypatch)


def every(nth: int) -> Callable[..., bool]:
    calls = iter(range(1, 100_000))
    return lambda *_: next(calls) % nth == 0


def prefills(x: torch.Tensor) -> bool:
    return x.shape[1] > 1


class Door:
    """Notices when requests have come to the runner."""

    def __init__(self, engine: Qwen3Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._came = threading.Semaphore(0)
        submit = engine._runner.submit

        def submit_and_tell(stream: QwenStream) -> None:
            submit(stream)
            self._came.release()

        monkeypatch.setattr(engine._runner, "submit", submit_and_tell)

    def wait(self) -> None:
        assert self._came.acquire(timeout=ANSWER_S)


def meet_before(
    engine: Qwen3Engine, monkeypatch: pytest.MonkeyPatch, *requests: SpeechRequest
) -> list[Heard]:
    """Speak requests that the runner admits at the same time."""
    door, open_up = Door(engine, monkeypatch), threading.Event()
    with ThreadPoolExecutor() as threads:
        held = threads.submit(engine._runner.call, lambda: open_up.wait(ANSWER_S))
        hearing = []
        for request in requests:
            hearing.append(threads.submit(hear, engine.speak(request)))
            door.wait()
        open_up.set()
        assert held.result()
        return [one.result() for one in hearing]


def meet_later(
    engine: Qwen3Engine, monkeypatch: pytest.MonkeyPatch, *requests: SpeechRequest
) -> list[Heard]:
    """Speak requests of which the first has just begun when the others come."""
    door, begun, go_on = Door(engine, monkeypatch), threading.Event(), threading.Event()
    talker = engine._model.talker
    work = talker.forward

    def wait_once(x: torch.Tensor, *given: Any) -> torch.Tensor:
        if not prefills(x) and not begun.is_set():
            begun.set()
            assert go_on.wait(ANSWER_S)
        return work(x, *given)

    monkeypatch.setattr(talker, "forward", wait_once)
    with ThreadPoolExecutor() as threads:
        hearing = []
        for request in requests:
            hearing.append(threads.submit(hear, engine.speak(request)))
            door.wait()
            assert begun.wait(ANSWER_S)
        go_on.set()
        return [one.result() for one in hearing]


# Joining


def test_who_do_not_fit_side_by_side_come_in_one_after_the_other(
    engine: Qwen3Engine, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ask(number, whole=True) for number in range(3)]
    expected = alone(engine, *requests)
    card.fill(engine._model.talker, "forward", lambda x, *_: prefills(x) and len(x) > 1)
    for heard, samples in zip(meet_before(engine, monkeypatch, *requests), expected, strict=True):
        assert heard.error is None
        same(heard.samples, samples)
    assert card.shortages == 1


@pytest.mark.parametrize("meet", [meet_before, meet_later])
def test_who_does_not_fit_fails_and_the_others_never_notice(
    meet: Callable[..., list[Heard]],
    engine: Qwen3Engine,
    card: Card,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short, long = ask(), ask(text="word " * 60)
    (expected,) = alone(engine, short)
    assert alone(engine, long)
    card.fill(engine._model.talker, "forward", lambda x, *_: x.shape[1] > 50)
    first, second = meet(engine, monkeypatch, short, long)
    assert isinstance(second.error, OutOfMemory)
    assert "20.00 MiB" in second.error.message
    assert len(second.samples) == 0
    assert first.error is None
    same(first.samples, expected)
    same(alone(engine, short)[0], expected)


# Frames and their sound


@pytest.mark.parametrize("part", ["talker", "code_predictor", "entering", "codec_decoder"])
def test_memory_that_is_short_for_a_moment_is_not_heard(
    part: str, engine: Qwen3Engine, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ask(number, draws=True) for number in range(2)]
    expected = alone(engine, *requests)
    model = engine._model
    parts = {
        "talker": (model.talker, "forward"),
        "code_predictor": (model.talker.code_predictor, "forward"),
        "entering": (Generation, "enter"),
        "codec_decoder": (model.codec_decoder, "forward"),
    }
    # Entering fails the second who comes; what is tried again works.
    card.fill(*parts[part], every(2 if part == "entering" else 3))
    for heard, samples in zip(meet_later(engine, monkeypatch, *requests), expected, strict=True):
        assert heard.error is None
        same(heard.samples, samples)
    assert card.shortages


def test_where_a_frame_does_not_fit_the_newest_leaves(
    engine: Qwen3Engine, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens before the end: so all come in, however slow this machine is.
    requests = [ask(number, whole=True) for number in range(4)]
    expected = alone(engine, *requests)
    card.fill(engine._model.talker, "forward", lambda x, *_: not prefills(x) and len(x) > 2)
    heard = meet_later(engine, monkeypatch, *requests)
    for stays, samples in zip(heard[:2], expected, strict=False):
        assert stays.error is None
        same(stays.samples, samples)
    for leaves in heard[2:]:
        assert isinstance(leaves.error, OutOfMemory)
    assert card.shortages == 4  # each of the two was tried once more
    same(alone(engine, requests[3])[0], expected[3])


def test_whose_sound_finds_no_memory_fails_alone(
    engine: Qwen3Engine, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ask(number) for number in range(3)]
    expected = alone(engine, *requests)
    begun: list[int] = []

    def second_begins(codes: torch.Tensor, state: Any) -> bool:
        begins = bool((state.frames == 0).any())
        if begins:
            begun.append(1)
        return begins and len(begun) in (2, 3, 4)  # beside others, then alone

    card.fill(engine._model.codec_decoder, "forward", second_begins)
    first, second, third = meet_later(engine, monkeypatch, *requests)
    assert isinstance(second.error, OutOfMemory)
    same(first.samples, expected[0])
    same(third.samples, expected[2])
    assert first.error is third.error is None


def test_a_clip_finds_no_memory(card: Card) -> None:
    engine = engine_of("base", "clone")
    try:
        expected = engine.listen(CLIP, None)
        times = iter([True, False, True, True, False])
        card.fill(engine._model.speaker_encoder, "forward", lambda *_: next(times))
        assert engine.listen(CLIP, None) == expected
        with pytest.raises(OutOfMemory):
            engine.listen(CLIP, None)
        assert engine.listen(CLIP, None) == expected
        assert engine.broken is None
    finally:
        engine.close()


# Beyond help


def test_without_memory_time_and_again_the_engine_is_broken(
    engine: Qwen3Engine, card: Card
) -> None:
    filled = True
    card.fill(engine._model.talker, "forward", lambda x, *_: filled)
    for _ in range(SHORTAGES - 1):
        assert isinstance(hear(engine.speak(ask())).error, OutOfMemory)
    filled = False
    alone(engine, ask())  # a frame in between
    filled = True
    for _ in range(SHORTAGES):
        assert isinstance(hear(engine.speak(ask())).error, OutOfMemory)
    filled = False
    error = hear(engine.speak(ask())).error
    assert isinstance(error, EngineBroken)
    assert engine.broken == str(error) == "memory fell short 5 times in a row"


@pytest.mark.parametrize("part", ["talker", "code_predictor", "codec_decoder", "clip"])
def test_a_lost_device_breaks_the_engine_for_all(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of("base", "clone")
    voice = engine.listen(CLIP, None)
    requests = [
        SpeechRequest((Segment("Hello."),), "", seed, reference=voice, max_new_tokens=1000)
        for seed in range(2)
    ]
    model = engine._model
    parts = {
        "talker": model.talker,
        "code_predictor": model.talker.code_predictor,
        "codec_decoder": model.codec_decoder,
        "clip": model.speaker_encoder,
    }
    door = Door(engine, monkeypatch)
    first, second = (engine.speak(request) for request in requests)
    next(first)
    door.wait()

    def lose(*_: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered\nCompile with TORCH_USE_")

    with ThreadPoolExecutor() as threads:
        hearing = threads.submit(hear, second)
        door.wait()
        monkeypatch.setattr(parts[part], "forward", lose)
        if part == "clip":
            with pytest.raises(EngineBroken):
                engine.listen(CLIP, None)
        errors = [hear(first).error, hearing.result().error, hear(engine.speak(requests[0])).error]
    reason = "CUDA error: device-side assert triggered"
    for error in errors:
        assert isinstance(error, EngineBroken)
        assert str(error) == reason
    with pytest.raises(EngineBroken):
        engine.listen(CLIP, None)
    assert engine.broken == reason
    engine.close()


def test_an_error_of_our_own_outside_any_request_breaks_it_too(
    engine: Qwen3Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a mistake")

    monkeypatch.setattr("vivavoce.engine.qwen3.generation.Generation.leave", fail)
    first, second = meet_later(engine, monkeypatch, ask(frames=3), ask(frames=10))
    assert first.error is None or isinstance(first.error, EngineBroken)
    assert isinstance(second.error, EngineBroken)
    assert engine.broken == "ValueError: a mistake"
