"""One segment of a request on its way: what it has made, what of that is due, how it ends.

Plain Python: codes and samples come in, decisions come out. The runner does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from vivavoce.engine.qwen3.guard import RunawayGuard

if TYPE_CHECKING:
    from vivavoce.types import Samples

CHUNK_FRAMES = (1, 2, 4, 8, 12)
"""Frames decoded at a time: the first at once, later ones in fewer calls; the last goes on.

The same on every device. A call costs a processor as much as two thirds of a frame, whatever its
size: to wait for four frames after the first would save a hundredth of the decoder's time.
"""


_MOST_FRAMES = 8192
"""What officially every answer may come to; nothing is longer."""


class Ending(Enum):
    """How a piece ended."""

    SPOKEN = auto()  # the model said so
    LIMIT = auto()  # the client's own limit
    RUNAWAY = auto()  # never: the budget is used up, or the guard noticed something


@dataclass(frozen=True, slots=True)
class Limits:
    """When a piece ends without the model's saying so.

    `frames`: the client's limit, a normal end. `budget`: more than its text can need.
    """

    frames: int | None
    budget: int | None
    guarded: bool


class Piece:
    """The frames of one segment."""

    def __init__(self, limits: Limits, eos: int, sample_rate_hz: int) -> None:
        self.frames: list[list[int]] = []
        self.ending: Ending | None = None
        self.fault = ""
        self._limits = limits
        self._eos = eos
        self._guard = RunawayGuard(sample_rate_hz) if limits.guarded else None
        self._decoded = 0
        self._chunks = 0

    def hear(self, codes: list[int]) -> None:
        """Take the next frame, 16 codes; the one that begins with the end token is none."""
        limits = self._limits
        if codes[0] == self._eos:
            self.ending = Ending.SPOKEN
            return
        self.frames.append(codes)
        if self._guard is not None and (fault := self._guard.hear_code(codes[0])):
            self._run_away(f"The speech {fault}")
        elif len(self.frames) == limits.frames:
            self.ending = Ending.LIMIT
        elif len(self.frames) == limits.budget:
            self._run_away(f"The speech did not end within {limits.budget} frames")

    def hear_samples(self, samples: Samples) -> bool:
        """Take the sound of frames that were due; tell whether it has run away."""
        going_on = self.ending is None  # what has ended may end in silence
        if self._guard is not None and (fault := self._guard.hear_samples(samples)) and going_on:
            self._run_away(f"The speech {fault}")
        return self.ending is Ending.RUNAWAY

    @property
    def most_frames(self) -> int:
        """How many frames it can come to."""
        limits = (self._limits.frames, self._limits.budget, _MOST_FRAMES)
        return min(limit for limit in limits if limit is not None)

    @property
    def due(self) -> list[list[int]]:
        """The frames that are not decoded yet."""
        return self.frames[self._decoded :]

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done for it."""
        all_heard = self._decoded == len(self.frames)
        return self.ending is Ending.RUNAWAY or (self.ending is not None and all_heard)

    def due_frames(self, *, now: bool) -> int:
        """Return how many frames to decode: a whole chunk's, or at the end all that are left.

        With `now`, what there is.
        """
        left = len(self.frames) - self._decoded
        if self.ending is Ending.RUNAWAY:
            return 0
        return left if now or self.ending is not None or left >= self._chunk_frames else 0

    def take_due(self) -> int:
        """Note that all there is has been decoded; return how many frames that were."""
        frames = len(self.frames) - self._decoded
        self._chunks += frames >= self._chunk_frames
        self._decoded = len(self.frames)
        return frames

    @property
    def _chunk_frames(self) -> int:
        return CHUNK_FRAMES[min(self._chunks, len(CHUNK_FRAMES) - 1)]

    def _run_away(self, fault: str) -> None:
        self.ending, self.fault = Ending.RUNAWAY, fault
