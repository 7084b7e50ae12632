"""One server in virtual time: its loop is the real one, its model only takes time.

So who is let in, who gets a frame and whose sound is decoded first is decided by the very code that
decides it in a server.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vivavoce.engine.qwen3.batch import Made
from vivavoce.engine.qwen3.catalog import SAMPLE_RATE_HZ
from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.loop import Loop
from vivavoce.engine.qwen3.pace import FRAME_S
from vivavoce.engine.qwen3.pages import pages_for
from vivavoce.engine.qwen3.piece import Limits
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.turn import Task, Turn
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from benchmarks.capacity.times import Times
    from vivavoce.types import AudioChunk, Samples, SpeechReport

_EOS = -1
_ROOM = 400
"""Positions of the KV cache for each seat: it never is what runs short here."""
_FRAME = round(FRAME_S * SAMPLE_RATE_HZ)
_SILENCE = np.zeros(400 * _FRAME, np.float32)


@dataclass(eq=False, slots=True)
class Listener:
    """Who asked for so many frames at a moment; what came of it, and when.

    `chunks` are (seconds after it asked, seconds of sound), as of `streams.listener.Heard`.
    """

    asked_at_s: float
    frames: int
    refused: bool = False
    chunks: list[tuple[float, float]] = field(default_factory=list)


class Replica:
    """A server with seats for so many; `clock_s` is as far as it has come."""

    def __init__(self, times: Times, seats: int) -> None:
        self.clock_s = 0.0
        self.open = 0
        self._times = times
        self._loop = Loop(_Model(self, times, seats), _plan, _EOS, lambda: self.clock_s)  # type: ignore[arg-type]

    def ask(self, listener: Listener) -> None:
        """Take a request; its listener has asked some time ago, on the replica's own clock."""
        came_at_s = listener.asked_at_s + self._times.door_s / 2
        if not self._loop.has_work:
            self.clock_s = max(self.clock_s, came_at_s)
        self.open += 1
        self._loop.add(Turn(_Stream(self, listener, self._times.door_s / 2), came_at_s))  # type: ignore[arg-type]

    @property
    def has_work(self) -> bool:
        """Whether somebody waits or is being served."""
        return self._loop.has_work

    def once(self) -> None:
        """Go through one round."""
        self._loop.once()


@dataclass(eq=False)
class _Sequence:
    row: int
    rows_left: int
    open: bool = False
    can_step: bool = True


@dataclass(frozen=True, slots=True)
class _Prompt:
    rows: range
    trailing: range = range(0)
    open: bool = False


class _Model:
    """See `batch.Batch`."""

    ahead = 0
    wants_graphs = False

    def __init__(self, replica: Replica, times: Times, seats: int) -> None:
        self.rows = seats
        self.pages = pages_for(_ROOM) * seats
        self._replica, self._times = replica, times
        self._free = list(range(seats))

    def build(self, text: PromptText) -> _Prompt:
        return _Prompt(range(self._times.prompt_rows))

    def spoken(self, text: str, *, open_ended: bool) -> list[int]:
        return []

    def enter(self, prompt: _Prompt, *_: object) -> _Sequence:
        self._take(self._times.enter())
        return _Sequence(self._free.pop(), len(prompt.rows) - 1)

    def leave(self, one: _Sequence) -> None:
        self._free.append(one.row)

    def prefill(self, pieces: list[tuple[_Sequence, int]]) -> None:
        self._take(self._times.prefill(sum(rows for _, rows in pieces)))
        for one, rows in pieces:
            one.rows_left -= rows

    def step(self, several: list[_Sequence]) -> Made:
        self._take(self._times.step(len(several)))
        return Made([[0] for _ in several])

    def decode(self, several: list[_Sequence], frames: list[list[list[int]]]) -> list[Samples]:
        count = len(frames[0])
        self._take(self._times.decode(len(several), count))
        return [_SILENCE[: count * _FRAME]] * len(several)

    def _take(self, seconds: float) -> None:
        self._replica.clock_s += seconds


class _Stream:
    """See `QwenStream`. Its listener takes what comes at once."""

    text = None
    unread_samples = 0

    def __init__(self, replica: Replica, listener: Listener, way_s: float) -> None:
        self.request = SpeechRequest(
            (Segment("-"),), "", seed=0, max_new_tokens=listener.frames + 1
        )
        self.cancelled = threading.Event()
        self._replica, self._listener, self._way_s = replica, listener, way_s

    def put(self, chunk: AudioChunk, report: SpeechReport) -> None:
        after_s = self._replica.clock_s + self._way_s - self._listener.asked_at_s
        self._listener.chunks.append((after_s, len(chunk.samples) / SAMPLE_RATE_HZ))

    def end(self, report: SpeechReport) -> None:
        self._replica.open -= 1

    def fail(self, error: Exception) -> None:
        raise AssertionError("nothing can fail here") from error


def _plan(stream: Any, segment: int, attempt: int, frames: int) -> Task | None:
    if segment:
        return None
    limits = Limits(stream.request.max_new_tokens - 1, None, guarded=False)
    return Task(PromptText("-"), Controls(), limits, 0.0)
