"""Frames and sound made as graphs are those that are made without, on a device that is late."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from late import LateDriver, LateEvent
from ours import EOS, GREEDY, decode, generation_of, load, model
from pretence import Clock, Costs, Listener, Stage

from speaking import speaking_checkpoint
from vivavoce.engine.qwen3 import engine as engine_module
from vivavoce.engine.qwen3 import warmup
from vivavoce.engine.qwen3.batch import Batch
from vivavoce.engine.qwen3.engine import Qwen3Engine
from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
from vivavoce.engine.qwen3.graphs.packed import PackedTalker
from vivavoce.engine.qwen3.loop import Loop
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.ops import plain
from vivavoce.engine.qwen3.piece import Limits
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.sampling import Sampling
from vivavoce.engine.qwen3.turn import Task, Turn
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.generation import Sequence

TEXTS = ("Hello there, speak to the one voice.", "Two of three", "Hm.")
DRAWN = Controls(seed=2**40 + 7)
NARROW = Controls(5, Sampling(top_p=0.8), Sampling(top_p=0.9, top_k=0), repetition_penalty=1.3)
CONTROLS = (GREEDY, DRAWN, NARROW)


def graphed(shape: str, driver: LateDriver, *, rows: int = 4, most_bytes: int = 2**30) -> Batch:
    told: list[str] = []
    options = GraphOptions(driver, plain, most_bytes, told.append)
    batch = Batch(model("custom_voice", shape), rows, 80, options)
    batch.told = told  # type: ignore[attr-defined]
    return batch


def text(words: str) -> PromptText:
    return PromptText(words, "english", "ryan")


def expected(shape: str, words: str, controls: Controls, frames: int) -> list[list[int]]:
    m = model("custom_voice", shape)
    steps = generation_of(m)
    one = steps.join([m.prompts.build(text(words))], [controls], frames)
    return [steps.step(one)[0].tolist() for _ in range(frames)]


def enter(batch: Batch, words: str, controls: Controls, frames: int = 40) -> Sequence:
    wanted = text(words)
    one = batch.enter(batch.build(wanted), wanted, controls, frames)
    if one.rows_left:
        batch.prefill([(one, one.rows_left)])
    return one


def capture_all(batch: Batch) -> None:
    while batch.wants_graphs:
        batch.capture()


@pytest.mark.parametrize(
    ("shape", "captured"), [("tiny", False), ("projected", True)], ids=["launched", "replayed"]
)
def test_the_program_makes_the_codes_of_the_eager_loop(shape: str, captured: bool) -> None:
    driver = LateDriver(1)
    batch = graphed(shape, driver)
    ones = [enter(batch, *each) for each in zip(TEXTS, CONTROLS, strict=True)]
    made = [batch.step(ones).read()]
    if captured:
        capture_all(batch)
    flights = [batch.step(ones)]
    for _ in range(9):
        flights.append(batch.step(ones))
        made.append(flights.pop(0).read())
    assert bool(driver.replays) == captured
    for index, each in enumerate(zip(TEXTS, CONTROLS, strict=True)):
        assert [frame[index] for frame in made] == expected(shape, *each, 10)


# The loop


class Show:
    """A loop over a late device, and who listens to it."""

    def __init__(self, driver: LateDriver, *, rows: int = 4, pages: int = 40) -> None:
        told: list[str] = []
        self.model = load(speaking_checkpoint("custom_voice"))
        options = GraphOptions(driver, plain, 2**30, told.append)
        self.batch = Batch(self.model, rows, pages, options)
        self.clock = Clock()
        self.loop = Loop(self.batch, self._plan, EOS, self.clock)  # type: ignore[arg-type]
        self.told = told

    def ask(self, *texts: str, seed: int = 0, frames: int = 24) -> Listener:
        segments = tuple(Segment(each) for each in texts)
        request = SpeechRequest(segments, "ryan", seed, max_new_tokens=frames)
        listener = Listener(request, self.clock(), self.clock)
        listener.sound = []
        listener.put = lambda chunk, report: listener.sound.append(chunk.samples)
        self.loop.add(Turn(listener, self.clock()))  # type: ignore[arg-type]
        return listener

    def run(self, rounds: int = 10**6) -> None:
        while rounds and self.loop.has_work:
            self.loop.once()
            self.clock.now_s += 0.01
            rounds -= 1

    def _plan(self, stream: Listener, segment: int, attempt: int, frames: int) -> Task | None:
        request = stream.request
        if segment == len(request.segments):
            return None
        said = text(request.segments[segment].text)
        limits = Limits(request.max_new_tokens - frames, None, guarded=False)
        return Task(said, drawn(request.seed, segment), limits, 0.0)


def drawn(seed: int, segment: int = 0) -> Controls:
    """Return controls of which some draw, some do not."""
    return GREEDY if seed % 3 == 0 else Controls(seed << 32 | segment)


def alone(m: Qwen3TTS, listener: Listener) -> np.ndarray:
    """Return what it is to hear: each segment made and decoded by itself, without graphs."""
    request = listener.request
    left, parts = request.max_new_tokens, [np.zeros(0, np.float32)]
    for number, segment in enumerate(request.segments):
        steps = generation_of(m, rows=1)
        prompt = m.prompts.build(text(segment.text))
        one = steps.join([prompt], [drawn(request.seed, number)], left)
        codes = []
        while len(codes) < left and (frame := steps.step(one)[0])[0] != EOS:
            codes.append(frame)
        left -= len(codes)
        if codes:
            parts.append(decode(m, torch.stack(codes), len(codes), None))
        if not left:
            break
    return np.concatenate(parts)


def heard_right(show: Show, listener: Listener) -> bool:
    heard = np.concatenate([np.zeros(0, np.float32), *listener.sound])
    wanted = alone(show.model, listener)
    return len(heard) == len(wanted) and np.allclose(heard, wanted, atol=1e-4)


WORDS = ("Hello there.", "Two of three, and on.", "Hm.", "One more, please?")


@pytest.mark.parametrize("hurry", [0.0, 0.4])
def test_who_comes_and_goes_hears_what_he_would_alone(hurry: float) -> None:
    rng = random.Random(round(10 * hurry))
    driver = LateDriver(7, hurry)
    show = Show(driver)
    listeners = []
    for seed in range(7):
        texts = rng.choices(WORDS, k=rng.choice((1, 1, 2)))
        listeners.append(show.ask(*texts, seed=seed, frames=rng.choice((3, 9, 18))))
        show.run(rng.choice((0, 1, 5)))
        if seed == 2:
            listeners[2].cancelled.set()
    show.run()
    assert driver.replays
    assert driver.captures
    assert not show.told
    ended = [one for one in listeners if one.report is not None]
    assert len(ended) == 6
    assert all(heard_right(show, one) for one in ended)
    # All rows and pages are back.
    assert not show.loop.turns
    assert not any(show.batch._generation.cache.pages_of(row) for row in range(4))
    assert len(show.batch._generation._free_rows) == 4


def test_a_place_is_taken_again_at_once_and_nobody_hears_the_last_one() -> None:
    """One row, pages for one: whoever comes next has the place of who was there before."""
    show = Show(LateDriver(3, 0.0), rows=1, pages=2)
    listeners = [show.ask(WORDS[seed % 4], seed=seed, frames=12) for seed in range(3)]
    show.run(8)
    listeners[1].cancelled.set()
    show.run()
    assert all(heard_right(show, one) for one in listeners if one.report is not None)
    assert sum(one.report is not None for one in listeners) >= 2


def test_a_frame_is_on_its_way_before_the_last_one_is_read() -> None:
    show = Show(LateDriver(0, 0.0))
    show.ask(WORDS[1], seed=1)
    show.run(1)  # the first round begins a frame, and has nothing to read yet
    assert len(show.loop._begun) == 1
    frames, sound = show.batch._graphed.frames, show.batch._graphed.sound
    for _ in range(3):
        show.loop.once()
        assert len(show.loop._begun) == 1
        assert not show.loop._begun[0][1].slot.done.done  # it has not even started to be made
    assert sound.graphs.captured or sound.graphs.wants
    assert frames.graphs.captured or frames.graphs.wants


@pytest.mark.parametrize("broken", ["codes", "inputs"])
def test_what_nobody_waits_for_shows(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The late device notices the mistakes it is there for."""
    batch = graphed("tiny", LateDriver(0, 0.0))
    one = [enter(batch, TEXTS[0], DRAWN)]
    if broken == "codes":
        monkeypatch.setattr(LateEvent, "synchronize", lambda self: None)
    else:  # one block of pinned memory for all frames on their way
        slots = batch._graphed.frames._slots
        slots[1].inputs = slots[0].inputs
    flights = [batch.step(one)]
    made = []
    for _ in range(6):
        flights.append(batch.step(one))
        made.append(flights.pop(0).read()[0])
    assert made != expected("tiny", TEXTS[0], DRAWN, 6)


class Short:
    """Operations for which memory is short, once, at the end of a frame."""

    def __init__(self) -> None:
        self.shortages = 0

    def __getattr__(self, name: str) -> object:
        return getattr(plain, name)

    def embed_sum(self, *args: torch.Tensor) -> torch.Tensor:
        if self.shortages:
            self.shortages -= 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return plain.embed_sum(*args)


def test_a_frame_for_which_memory_was_short_is_made_again_as_if_nothing_had_been() -> None:
    driver, ops, told = LateDriver(), Short(), []
    driver.at_once = True
    options = GraphOptions(driver, ops, 0, told.append)  # type: ignore[arg-type]
    batch = Batch(model("custom_voice", "tiny"), 4, 80, options)
    one = [enter(batch, TEXTS[0], NARROW)]
    made = []
    for number in range(8):
        if number % 3 == 1:
            ops.shortages = 1
            with pytest.raises(torch.OutOfMemoryError):
                batch.step(one)
        made.append(batch.step(one).read()[0])
    assert made == expected("tiny", TEXTS[0], NARROW, 8)


# The engine


def test_an_engine_with_graphs_speaks_as_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = speaking_checkpoint("custom_voice")
    drivers: list[LateDriver] = []

    def graphs(*_: object) -> GraphOptions:
        drivers.append(LateDriver(9, 0.3))
        return GraphOptions(drivers[-1], plain, 2**30)

    def spoken() -> np.ndarray:
        options = {"model": str(folder), "need": "preset", "device": "cpu", "quantize": "none"}
        engine = Qwen3Engine.load({**options, "warmup": bool(drivers)}, lambda progress: None)
        try:
            segments = (Segment("Hello."), Segment("Hm."))
            request = SpeechRequest(segments, "vivian", 3, max_new_tokens=16)
            return np.concatenate([chunk.samples for chunk in engine.speak(request)])
        finally:
            engine.close()

    without = spoken()
    monkeypatch.setattr(engine_module, "_graphs", graphs)
    monkeypatch.setattr(warmup, "pays", lambda device: True)
    drivers.append(LateDriver())
    np.testing.assert_allclose(spoken(), without, atol=1e-4)
    assert drivers[-1].captures >= 7  # of one listener and of two, of each size of a chunk
    assert drivers[-1].replays


# Weights


def test_weights_are_in_memory_once() -> None:
    """Those that were read share a memory; what is put side by side must not keep all of it."""
    m = Qwen3TTS.load(speaking_checkpoint("custom_voice"), torch.device("cpu"), torch.float64)
    as_read = m.talker.codec_head.weight.untyped_storage()
    size = sum(one.nbytes for one in m.talker.parameters())
    assert as_read.nbytes() >= size // 2
    before = {name: one.clone() for name, one in m.talker.named_parameters()}
    packed = PackedTalker.of(m.talker, 64)
    storages = {}
    for name, one in m.talker.named_parameters():
        assert torch.equal(one, before[name])
        storages[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
    assert as_read.data_ptr() not in storages
    assert sum(storages.values()) == size
    assert packed.talker.layers[0].out is m.talker.model.layers[0].self_attn.o_proj.weight


# Capturing


def test_nothing_is_captured_while_a_stream_is_due() -> None:
    stage = Stage(costs=Costs(step=0.02, row=0.0, decode=0.01, capture=0.25), ahead=1)
    listener = stage.ask(200)
    while not listener.chunks_at_s:
        stage.batch.wants_graphs = True
        stage.loop.once()
        assert not stage.batch.captured_at_s  # its first sound is awaited
    while stage.loop.has_work and listener.report is None:
        stage.batch.wants_graphs = True
        stage.loop.once()
    assert len(stage.batch.captured_at_s) > 3
    assert listener.report.underruns == 0


def test_what_was_missed_is_captured_when_nobody_is_there() -> None:
    stage = Stage(ahead=1)
    stage.batch.wants_graphs = True
    assert stage.loop.has_work
    stage.loop.once()
    assert len(stage.batch.captured_at_s) == 1
    assert not stage.loop.has_work


@pytest.mark.parametrize(
    "why", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("operation not permitted")]
)
def test_where_nothing_can_be_captured_frames_are_launched_and_it_is_told_once(
    why: Exception,
) -> None:
    driver = LateDriver(2)
    driver.fails = why
    batch = graphed("tiny", driver)
    one = [enter(batch, TEXTS[1], DRAWN)]
    made = []
    for _ in range(6):
        capture_all(batch)
        made.append(batch.step(one).read()[0])
    assert made == expected("tiny", TEXTS[1], DRAWN, 6)
    assert not driver.replays
    assert len(batch.told) == 1
    assert str(why) in batch.told[0]


def test_graphs_take_no_more_memory_than_they_may() -> None:
    driver = LateDriver(2)
    driver.graph_bytes = 100 * 2**20
    batch = graphed("tiny", driver, most_bytes=150 * 2**20)
    batch.capture_first()
    frames = batch._graphed.frames.graphs
    assert len(frames.captured) == 2
    assert "200 MiB" in batch.told[0]
    one = [enter(batch, TEXTS[1], NARROW)]  # another variant
    assert batch.step(one).read()[0] == expected("tiny", TEXTS[1], NARROW, 1)[0]
    assert not frames.wants


def test_a_larger_graph_serves_until_there_is_a_fitting_one() -> None:
    driver = LateDriver(5)
    batch = graphed("tiny", driver)
    many = [enter(batch, words, DRAWN) for words in TEXTS]
    batch.step(many).read()
    capture_all(batch)
    for one in many[1:]:
        batch.leave(one)
    before = driver.replays
    made = [batch.step(many[:1]).read()[0]]
    assert driver.replays == before + 1
    assert batch.wants_graphs
    capture_all(batch)
    made.append(batch.step(many[:1]).read()[0])
    assert made == expected("tiny", TEXTS[0], DRAWN, 3)[1:]


def test_a_program_that_cannot_run_here_leaves_the_eager_loop() -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("no such kernel for this device\nand much advice")

    told: list[str] = []
    options = GraphOptions(LateDriver(), Broken(), 2**30, told.append)  # type: ignore[arg-type]
    batch = Batch(model("custom_voice", "tiny"), 4, 80, options)
    one = [enter(batch, TEXTS[2], DRAWN)]
    made = [batch.step(one).read()[0] for _ in range(4)]
    assert made == expected("tiny", TEXTS[2], DRAWN, 4)
    assert told == ["Frames are made without CUDA graphs: no such kernel for this device"]


# Sound


def test_sound_from_graphs_is_that_of_the_whole() -> None:
    """Rows in any order, chunks of any size, captured or not."""
    driver = LateDriver(4)
    batch = graphed("tiny", driver)
    ones = [enter(batch, words, DRAWN) for words in TEXTS]
    frames = {one: [batch.step([one]).read()[0] for _ in range(22)] for one in ones}
    heard = {one: [] for one in ones}
    done = 0
    for length in (1, 2, 3, 1, 13, 2):
        capture_all(batch)
        together = ones[::-1] if length % 2 else ones
        parts = [frames[one][done : done + length] for one in together]
        for one, samples in zip(together, batch.decode(together, parts), strict=True):
            heard[one].append(samples)
        done += length
    assert driver.replays
    m = model("custom_voice", "tiny")
    for one in ones:
        whole = decode(m, torch.tensor(frames[one]), 22, None)
        np.testing.assert_allclose(np.concatenate(heard[one]), whole, atol=1e-4)
