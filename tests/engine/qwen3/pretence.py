"""A model that makes nothing but what tells whose it is, in virtual time; and who listens to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.live import LiveText
from vivavoce.engine.qwen3.loop import Loop
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.piece import Limits
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.turn import Task, Turn
from vivavoce.errors import OutOfMemory
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from vivavoce.types import AudioChunk, Samples, SpeechReport

EOS = 2150
FRAME = 1920


@dataclass
class Costs:
    """What things take, in seconds."""

    step: float = 0.010
    row: float = 0.001
    prompt_row: float = 0.0002
    decode: float = 0.004
    capture: float = 0.2


class Clock:
    """Goes forward when work is done."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(eq=False)
class Pretended:
    """A segment: its text says whose it is and how many frames it takes, "owner segment frames"."""

    row: int
    owner: int
    segment: int
    length: int
    prompt_rows: int
    pages: int
    words: int
    open: bool
    most_frames: int
    read: int = 0
    frames: int = 0
    decoded: int = 0
    on_their_way: int = 0

    @property
    def rows_left(self) -> int:
        return self.prompt_rows - 1 - self.read

    @property
    def can_step(self) -> bool:
        return not self.rows_left and (self.frames <= self.words or not self.open)


@dataclass
class FakePrompt:
    text: str
    rows: range
    trailing: range
    open: bool


@dataclass
class FakeFrames:
    """See `batch.Frames`. They are made at some moment until they are read."""

    several: list[Pretended]
    codes: list[list[int]]

    def read(self) -> list[list[int]]:
        for one in self.several:
            assert one.on_their_way
            one.on_their_way -= 1
        return self.codes


class FakeBatch:
    """See `batch.Batch`. Every one of its rules is asserted."""

    def __init__(self, clock: Clock, costs: Costs, rows: int, pages: int, ahead: int = 0) -> None:
        self.rows, self.pages, self.ahead = rows, pages, ahead
        self.wants_graphs = False
        self.captured_at_s: list[float] = []
        self.here: list[Pretended] = []
        self.most_here = 0
        self.prefills: list[tuple[float, int]] = []
        self.fails = lambda kind, many: False
        self._clock, self._costs = clock, costs

    def build(self, text: PromptText) -> FakePrompt:
        words = text.text.split()
        return FakePrompt(text.text, range(int(words[3])), range(max(len(words) - 4, 0)), text.open)

    def spoken(self, text: str, *, open_ended: bool) -> list[int]:
        words = text.split()
        return list(range(len(words[4:]) - open_ended))

    def can_begin(self, text: PromptText) -> bool:
        return len(text.text.split()) > 5

    def enter(
        self, prompt: FakePrompt, text: PromptText, controls: Controls, frames: int
    ) -> Pretended:
        owner, segment, length, rows = map(int, prompt.text.split()[:4])
        self._maybe_fail("enter", 1)
        taken = {one.row for one in self.here}
        row = min(set(range(self.rows)) - taken)
        pages = pages_for(rows + frames)
        assert sum(one.pages for one in self.here) + pages <= self.pages
        known = len(self.spoken(prompt.text, open_ended=prompt.open))
        one = Pretended(row, owner, segment, length, rows, pages, known, prompt.open, frames)
        self.here.append(one)
        self.most_here = max(self.most_here, len(self.here))
        return one

    def capture(self) -> None:
        self.captured_at_s.append(self._clock.now_s)
        self.wants_graphs = False
        self._clock.now_s += self._costs.capture

    def leave(self, one: Pretended) -> None:
        assert not one.on_their_way
        self.here.remove(one)

    def extend(self, one: Pretended, ids: list[int], *, last: bool) -> None:
        assert one.open
        one.words += len(ids)
        one.open = not last

    def prefill(self, pieces: list[tuple[Pretended, int]]) -> None:
        self._maybe_fail("prefill", len(pieces))
        for one, count in pieces:
            assert one in self.here
            assert 0 < count <= one.rows_left
            one.read += count
        rows = sum(count for _, count in pieces)
        self.prefills.append((self._clock.now_s, rows))
        self._clock.now_s += self._costs.prompt_row * rows

    def step(self, several: list[Pretended]) -> FakeFrames:
        assert several
        assert len(set(several)) == len(several)
        self._maybe_fail("step", len(several))
        self._clock.now_s += self._costs.step + self._costs.row * len(several)
        codes = []
        for one in several:
            assert one in self.here
            assert one.can_step
            assert one.on_their_way <= self.ahead
            assert one.frames < one.most_frames
            codes.append([EOS if one.frames == one.length else one.frames % 2048, *[0] * 15])
            one.frames += 1
            one.on_their_way += 1
        return FakeFrames(list(several), codes)

    def decode(self, several: list[Pretended], frames: list[list[list[int]]]) -> list[Samples]:
        assert len({len(each) for each in frames}) == 1
        self._maybe_fail("decode", len(several))
        self._clock.now_s += self._costs.decode
        heard = []
        for one, codes in zip(several, frames, strict=True):
            assert one in self.here
            assert [code[0] for code in codes] == [
                number % 2048 for number in range(one.decoded, one.decoded + len(codes))
            ]
            names = [sound(one.owner, one.segment, one.decoded + n) for n in range(len(codes))]
            one.decoded += len(codes)
            heard.append(np.repeat(np.array(names, np.float32), FRAME))
        return heard

    def _maybe_fail(self, kind: str, many: int) -> None:
        if self.fails(kind, many):
            raise MemoryError


def sound(owner: int, segment: int, frame: int) -> float:
    """Return what a frame sounds like."""
    return owner * 2**14 + segment * 2**11 + frame


@dataclass(eq=False)
class Listener:
    """See `QwenStream`: takes what comes, unless it is slow."""

    request: SpeechRequest
    came_at_s: float
    clock: Clock
    text: LiveText | None = None
    slow: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    heard: list[float] = field(default_factory=list)
    chunks_at_s: list[float] = field(default_factory=list)
    chunk_frames: list[int] = field(default_factory=list)
    kept: int = 0
    report: SpeechReport | None = None
    error: Exception | None = None

    @property
    def unread_samples(self) -> int:
        return self.kept if self.slow else 0

    def put(self, chunk: AudioChunk, report: SpeechReport) -> None:
        assert self.report is None
        self.kept += len(chunk.samples)
        self.heard += chunk.samples[::FRAME].tolist()
        self.chunks_at_s.append(self.clock.now_s)
        self.chunk_frames.append(len(chunk.samples) // FRAME)

    def end(self, report: SpeechReport) -> None:
        assert self.report is None
        assert self.error is None
        self.report = report

    def fail(self, error: Exception) -> None:
        assert self.report is None
        self.error = error

    @property
    def is_over(self) -> bool:
        return self.report is not None or self.error is not None or self.cancelled.is_set()

    @property
    def first_after_s(self) -> float:
        return self.chunks_at_s[0] - self.came_at_s


class Stage:
    """A loop, its pretended model and all who listen, in virtual time."""

    def __init__(
        self, *, rows: int = 8, pages: int = 200, costs: Costs | None = None, ahead: int = 0
    ) -> None:
        self.clock = Clock()
        self.batch = FakeBatch(self.clock, costs or Costs(), rows, pages, ahead)
        self.loop = Loop(self.batch, self._plan, EOS, self.clock)  # type: ignore[arg-type]
        self.listeners: list[Listener] = []

    def ask(self, *frames: int, rows: int = 20, pause_s: float = 0.0, **more: bool) -> Listener:
        """Ask for segments of so many frames, with prompts of so many rows."""
        owner = len(self.listeners)
        slow = more.pop("slow", False)
        texts = [f"{owner} {number} {length} {rows}" for number, length in enumerate(frames)]
        segments = tuple(Segment(text, pause_s) for text in texts)
        live = more.get("live", False)
        request = SpeechRequest(() if live else segments, "", seed=owner, **more)
        text = LiveText(lambda: None) if live else None
        if text is not None:
            text.push(texts[0] + " ")
        listener = Listener(request, self.clock.now_s, self.clock, text, slow)
        self.listeners.append(listener)
        self.loop.add(Turn(listener, self.clock.now_s))  # type: ignore[arg-type]
        return listener

    def run(self, until_s: float = 100_000.0) -> None:
        """Work until there is nothing to do, or it is so late."""
        while self.loop.has_work and self.clock.now_s < until_s:
            self.loop.once()

    def _plan(self, stream: Listener, segment: int, attempt: int, frames: int) -> Task | None:
        request = stream.request
        if stream.text is not None:
            if segment:
                return None
            text, finished = stream.text.read()
            if finished and not text:
                return None
            pause_s, is_open = 0.0, not finished
        else:
            if segment == len(request.segments):
                return None
            text, pause_s = request.segments[segment].text, request.segments[segment].pause_s
            is_open = False
        limit = request.max_new_tokens
        limits = Limits(
            None if limit is None else limit - frames,
            budget=max(int(text.split()[2]) + 1, 2048 * is_open),
            guarded=False,
        )
        wanted = PromptText(text, whole_text=not request.live, open=is_open)
        return Task(wanted, Controls(), limits, pause_s)


def no_memory(listener: Listener) -> bool:
    """Tell whether it was told that there was no memory."""
    return isinstance(listener.error, OutOfMemory)
