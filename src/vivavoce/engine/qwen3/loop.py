"""One round of work after the other: who comes in, prompts, a frame for many, sound for those due.

Where the batch can, a frame is begun before the last one is read, so that the device never waits.
What it makes for somebody who had ended by then is dropped, and nobody leaves before it is made.

    add → waiting → seated: prompt read → a frame at a time, beside the others → over
             ↑                                                                    │
             └───────────── the request's next segment, or a retry ───────────────┘

`Schedule` says whose turn it is; the batch computes. Where memory does not suffice, what can be
freed is, and the work is done once more; then one request fails and the others go on.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from vivavoce.engine.base import EngineBroken
from vivavoce.engine.qwen3 import faults
from vivavoce.engine.qwen3.catalog import SAMPLE_RATE_HZ
from vivavoce.engine.qwen3.pages import PAGE
from vivavoce.engine.qwen3.piece import Piece
from vivavoce.engine.qwen3.schedule import Schedule
from vivavoce.errors import OutOfMemory, SynthesisFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.qwen3.batch import Batch, Frames
    from vivavoce.engine.qwen3.turn import Plan, Turn
    from vivavoce.types import Samples

T = TypeVar("T")

CAPTURE_S = 0.3
"""What every listener must have in hand while a graph is captured."""

SHORTAGES = 5
"""How often in a row memory may fall short without a frame in between.

Then it is held by what nobody can free from here, and a new process is the remedy.
"""


class Loop:
    """See the module. Of the owning thread alone, but for `add`. `plan` is `Turn`'s."""

    def __init__(
        self, batch: Batch, plan: Plan, eos: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._batch = batch
        self._plan = plan
        self._eos = eos
        self._clock = clock
        self._schedule: Schedule[Turn] = Schedule(batch.rows, batch.pages)
        self._arrived: deque[Turn] = deque()
        self._waiting: list[Turn] = []
        self._begun: deque[tuple[list[Turn], Frames]] = deque()
        self._full = False
        """Nobody else comes in before something changes: a frame, somebody who leaves."""
        self._short = False
        self._shortages = 0

    @property
    def turns(self) -> list[Turn]:
        """All requests that are not over."""
        return [*self._schedule.seated, *self._waiting, *self._arrived]

    @property
    def has_work(self) -> bool:
        """Whether `once` would do something."""
        if any(turn.stream.cancelled.is_set() for turn in self.turns):
            return True
        if self._arrived or self._begun:
            return True
        if not self._full and any(turn.can_begin for turn in self._waiting):
            return True
        seated = self._schedule.seated
        if not seated and self._batch.wants_graphs:
            return True
        return any(turn.rows_left or turn.can_step or turn.has_news for turn in seated)

    def note(self, error: Exception) -> None:
        """Take into account that other work of the owning thread failed."""
        self._short |= isinstance(error, OutOfMemory)

    def add(self, turn: Turn) -> None:
        """Speak a request, after those that wait already. From any thread."""
        self._arrived.append(turn)

    def once(self) -> None:
        """Do what is due now, at most one frame for each.

        Raises:
            EngineBroken: nothing works any more.
        """
        began_s = self._clock()
        self._drop_cancelled()
        self._hear_news()
        self._admit()
        self._prefill()
        if self._arrived:  # meanwhile: one frame does for those who came a moment apart
            self._admit()
            self._prefill()
        made = self._frame()
        self._sound()
        self._part()
        for turn in self._schedule.seated:
            turn.note_starved()
        if made:
            self._full = False
            self._schedule.took_step(made, self._clock() - began_s)
        self._shortages = 0 if made else self._shortages + self._short
        self._short = False
        if self._shortages == SHORTAGES:
            raise EngineBroken(f"memory fell short {SHORTAGES} times in a row")
        if self._batch.wants_graphs and self._schedule.can_pause(self._clock(), CAPTURE_S):
            self._batch.capture()

    def _drop_cancelled(self) -> None:
        self._waiting = [turn for turn in self._waiting if not turn.stream.cancelled.is_set()]
        for turn in list(self._schedule.seated):
            if turn.stream.cancelled.is_set():
                turn.failed = True  # whatever comes of it is for nobody
                if not turn.frames_begun:
                    self._leave(turn)

    def _hear_news(self) -> None:
        """Take what came of texts that are still being written."""
        for turn in list(self._schedule.seated):
            if turn.has_news:
                self._try(turn, partial(turn.hear_news, self._batch))

    def _admit(self) -> None:
        """Give seats to those who wait: whose sound is needed first comes in first."""
        while True:
            while self._arrived:
                self._waiting.append(self._arrived.popleft())
            if self._full:
                return
            ready = [turn for turn in self._waiting if turn.can_begin]
            turn = min(ready, key=lambda turn: turn.playback.runs_out_at_s, default=None)
            if turn is None:
                return
            if not self._schedule.may_seat(turn.playback, self._clock()):
                self._full = True
            elif not self._try(turn, partial(self._make_ready, turn)):
                self._waiting.remove(turn)
            elif not turn.is_ready:
                continue  # of its text there is too little so far
            elif self._schedule.fits(positions := turn.positions):
                seated = self._try(turn, partial(turn.enter, self._batch, self._clock()))
                self._waiting.remove(turn)
                if seated:
                    self._schedule.seat(turn, positions, self._clock())
            elif self._schedule.ever_fits(positions):
                self._full = True
            else:
                self._waiting.remove(turn)
                turn.fail(_too_long(positions, self._batch.pages))

    def _make_ready(self, turn: Turn) -> bool:
        """Prepare a request's next segment if it can be; False if it has none, and has ended."""
        if turn.is_ready:
            return True
        task = self._plan(turn.stream, turn.segment, turn.attempt, turn.frames)
        if task is None:
            turn.stream.end(turn.report())
            return False
        turn.make_ready(task, self._batch, Piece(task.limits, self._eos, SAMPLE_RATE_HZ))
        return True

    def _prefill(self) -> None:
        """Read as much of the prompts as those who listen leave time for."""
        began_s = self._clock()
        pieces = self._schedule.prefill(began_s)
        if not pieces:
            return
        read = len(pieces) > 1 and self._side_by_side(partial(self._read_prompts, pieces))
        if not read:
            for piece in pieces:
                self._try(piece[0], partial(self._read_prompts, [piece]))
        took_s = self._clock() - began_s
        self._schedule.took_prefill(sum(rows for _, rows in pieces), took_s)

    def _read_prompts(self, pieces: list[tuple[Turn, int]]) -> bool:
        self._batch.prefill([(turn.sequence, rows) for turn, rows in pieces])
        return True

    def _frame(self) -> int:
        """Begin a frame for those whose turn it is, and read one; return for how many it was."""
        began = self._begin_frame()
        made = 0
        while self._begun and (len(self._begun) > self._batch.ahead or not began):
            made += self._read_frame(*self._begun.popleft())
        return made

    def _begin_frame(self) -> bool:
        turns = self._schedule.frame(self._clock())
        if not turns:
            return False
        turns.sort(key=lambda turn: turn.row)
        try:
            frames = faults.attempt_twice(
                partial(self._batch.step, [turn.sequence for turn in turns])
            )
        except EngineBroken:
            raise
        except OutOfMemory as exc:
            newest = list(self._schedule.seated)[-1]  # in whom the least work is lost
            self._fail(newest, exc)
            return False
        except Exception as exc:
            for turn in turns:
                self._fail(turn, exc)
            return False
        for turn in turns:
            turn.frames_begun += 1
        self._begun.append((turns, frames))
        return True

    def _read_frame(self, turns: list[Turn], frames: Frames) -> int:
        """Take a frame that was begun; return for how many it was."""
        for turn, frame in zip(turns, faults.attempt(frames.read), strict=True):
            turn.hear_frame(frame)
        return len(turns)

    def _sound(self) -> None:
        """Decode what is due, side by side where it is as much, and hand it on."""
        due = self._schedule.due(self._clock())
        while due:
            count = due[0][1]
            together = [turn for turn, frames in due if frames == count]
            due = [(turn, frames) for turn, frames in due if frames != count]
            self._decode(together)

    def _decode(self, turns: list[Turn]) -> None:
        began_s = self._clock()
        heard: list[Samples] | list[Samples | None] | None = None
        if len(turns) > 1:
            heard = self._side_by_side(partial(self._decoded, turns))
        if heard is None:
            heard = [self._decode_alone(turn) for turn in turns]
        self._schedule.took_decode(self._clock() - began_s)
        for turn, samples in zip(turns, heard, strict=True):
            if samples is not None:
                turn.hear(samples, self._clock())

    def _decoded(self, turns: list[Turn]) -> list[Samples]:
        frames = [turn.piece.due for turn in turns]
        return self._batch.decode([turn.sequence for turn in turns], frames)

    def _decode_alone(self, turn: Turn) -> Samples | None:
        heard = self._try(turn, partial(self._decoded, [turn]))
        return None if heard is None else heard[0]

    def _part(self) -> None:
        """Let those go whose piece is over; a request that has more to say waits again."""
        for turn in [turn for turn in self._schedule.seated if turn.is_over]:
            if turn.frames_begun:
                continue
            goes_on = not turn.failed and turn.end_piece(self._clock())
            self._leave(turn)
            if goes_on:
                self._waiting.append(turn)

    def _leave(self, turn: Turn) -> None:
        self._schedule.leave(turn)
        turn.leave(self._batch)
        self._full = False

    def _side_by_side(self, work: Callable[[], T]) -> T | None:
        """Return what `work` does for several, or None: each alone will show whose fault it is."""
        try:
            return faults.attempt(work)
        except EngineBroken:
            raise
        except Exception:
            return None

    def _try(self, turn: Turn, work: Callable[[], T]) -> T | None:
        """Return what `work`, which may be repeated, does for one request, or None: that failed."""
        try:
            return faults.attempt_twice(work)
        except EngineBroken:
            raise
        except Exception as exc:
            self._fail(turn, exc)
            return None

    def _fail(self, turn: Turn, error: Exception) -> None:
        self.note(error)
        turn.fail(error)


def _too_long(positions: int, pages: int) -> SynthesisFailed:
    return SynthesisFailed(
        f"This needs {positions} positions of the KV cache, which has {pages * PAGE}. Send a "
        "shorter text, clip or max_new_tokens, or give it more with KV_CACHE_POSITIONS."
    )
