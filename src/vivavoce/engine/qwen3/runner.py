"""The thread that owns a model: it admits segments, makes a frame for all, decodes those due.

    submit → waiting → join (prefill) → a frame at a time, beside all others → ended
                ↑                                                               │
                └──────────── the request's next segment, or a retry ───────────┘

Nothing else touches the model, so nothing needs a lock but the door. Where memory does not suffice,
what can be freed is, and the work is done once more; then one request fails and the others go on.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from vivavoce.engine.base import EngineBroken
from vivavoce.engine.qwen3 import faults
from vivavoce.engine.qwen3.catalog import SAMPLE_RATE_HZ
from vivavoce.engine.qwen3.generation import Generation
from vivavoce.engine.qwen3.piece import Ending, Piece
from vivavoce.engine.qwen3.turn import Turn
from vivavoce.errors import OutOfMemory, SynthesisFailed
from vivavoce.types import SpeechReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.qwen3.model import Qwen3TTS
    from vivavoce.engine.qwen3.prompt import Prompt
    from vivavoce.engine.qwen3.stream import QwenStream
    from vivavoce.engine.qwen3.turn import Plan

T = TypeVar("T")

SHORTAGES = 5
"""How often in a row memory may fall short without a frame in between.

Then it is held by what nobody can free from here, and a new process is the remedy.
"""


class Runner:
    """See the module. All methods may be called from any thread."""

    def __init__(self, model: Qwen3TTS, plan: Plan, max_batch: int) -> None:
        self._model = model
        self.steps = 0
        self._plan = plan
        self._max_batch = max_batch
        self._eos = model.config.talker.codec_eos_token_id
        self._waiting: list[Turn] = []
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._closing = False
        self._broken: EngineBroken | None = None
        self._changed = threading.Condition()
        # Of the owning thread alone:
        self._joining: list[Turn] = []
        self._active: list[Turn] = []
        self._short = False
        self._shortages = 0
        self._generation = self._new_generation()
        self._thread = threading.Thread(target=self._run, name="qwen3", daemon=True)
        self._thread.start()

    def submit(self, stream: QwenStream) -> None:
        """Speak a request, after those that wait already."""
        with self._changed:
            if self._broken is not None:
                stream.fail(self._broken)
            elif self._closing:
                stream.end(SpeechReport())
            else:
                self._waiting.append(Turn(stream))
                self._changed.notify()

    def wake(self) -> None:
        """Look again: somebody left, or took what was made."""
        with self._changed:
            self._changed.notify()

    @property
    def broken(self) -> str | None:
        """See `Engine.broken`."""
        return None if self._broken is None else str(self._broken)

    def tick(self) -> None:
        """Count a step of work; by the owning thread."""
        self.steps += 1

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done by the owning thread between two frames.

        It may be done twice, where memory does not suffice the first time.

        Raises:
            SynthesisFailed: the engine is closed.
            OutOfMemory, EngineBroken: as `faults.attempt`.
        """
        result: Future[T] = Future()
        with self._changed:
            if self._broken is not None:
                raise self._broken
            if self._closing:
                raise _shutting_down()
            self._calls.append((work, result))
            self._changed.notify()
        return result.result()

    def close(self) -> None:
        """End the thread; open streams end where they are, without an error."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except EngineBroken as exc:
            self._leave(exc)
        except Exception as exc:  # whatever was being made, nobody could tell its state
            broken = EngineBroken(f"{type(exc).__name__}: {faults.first_line(exc)}")
            broken.__cause__ = exc
            self._leave(broken)
        else:
            self._leave(None)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._closing:
                    return
                self._joining = self._admit()
            self._short = False
            self._answer_calls()
            self._join()
            self._drop_cancelled()
            made = bool(self._active) and self._frame()
            self._shortages = 0 if made else self._shortages + self._short
            if self._shortages == SHORTAGES:
                raise EngineBroken(f"memory fell short {SHORTAGES} times in a row")
            self.tick()

    def _leave(self, broken: EngineBroken | None) -> None:
        """End what is open: without an error, unless everything is broken."""
        with self._changed:
            self._closing, self._broken = True, broken
            turns = (*self._active, *self._joining, *self._waiting)
            calls, self._calls = self._calls, []
        for turn in turns:
            if broken is None:
                turn.stream.end(turn.report())
            else:
                turn.fail(broken)
        for _, result in calls:
            result.set_exception(broken or _shutting_down())

    def _has_work(self) -> bool:
        return bool(
            self._closing
            or self._calls
            or self._active
            or any(turn.can_go_on for turn in self._waiting)
        )

    def _admit(self) -> list[Turn]:
        """Take from the waiting who may be made now."""
        self._waiting = [t for t in self._waiting if not t.stream.cancelled.is_set()]
        free = self._max_batch - len(self._active)
        admitted = [turn for turn in self._waiting if turn.can_go_on][: max(free, 0)]
        self._waiting = [turn for turn in self._waiting if turn not in admitted]
        return admitted

    def _answer_calls(self) -> None:
        while self._calls:
            work, result = self._calls[0]  # it stays until it is answered, whatever happens
            try:
                result.set_result(faults.attempt_twice(work))
            except EngineBroken:
                raise
            except Exception as exc:
                self._short |= isinstance(exc, OutOfMemory)
                result.set_exception(exc)
            with self._changed:
                self._calls.pop(0)

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
        self._short |= isinstance(error, OutOfMemory)
        turn.fail(error)

    def _join(self) -> None:
        """Prefill the next segment of each that was admitted."""
        ready = []
        for turn in self._joining:
            prompt = self._try(turn, partial(self._make_ready, turn))
            if prompt is not None:
                ready.append((turn, prompt))
        together = len(ready) > 1
        if together:
            try:
                faults.attempt(partial(self._enter, ready))
            except EngineBroken:
                raise
            except Exception:  # each alone will show whose fault it is, if anybody's
                together = False
        if not together:
            for turn, prompt in ready:
                self._try(turn, partial(self._enter, [(turn, prompt)]))
        self._joining = []

    def _make_ready(self, turn: Turn) -> Prompt | None:
        """Return the prompt of a request's next segment; None if it has no more, and has ended."""
        task = self._plan(turn.stream, turn.segment, turn.attempt, turn.frames)
        if task is None:
            turn.stream.end(turn.report())
            return None
        prompt = self._model.prompts.build(task.text)
        reference = task.text.reference
        turn.codec = (
            self._model.prime(reference.codes)
            if reference is not None and reference.codes is not None
            else self._model.codec_decoder.start(1)
        )
        piece = Piece(task.limits, self._eos, SAMPLE_RATE_HZ)
        turn.begin(task, piece, len(prompt.rows) + len(prompt.trailing) - 1)
        return prompt

    def _enter(self, ready: list[tuple[Turn, Prompt]]) -> None:
        """Prefill prompts side by side. Raising, it has changed nothing."""
        prompts = [prompt for _, prompt in ready]
        controls = [turn.task.controls for turn, _ in ready if turn.task]
        self._generation.join(prompts, controls)
        self._active += [turn for turn, _ in ready]

    def _drop_cancelled(self) -> None:
        self._keep([turn for turn in self._active if not turn.stream.cancelled.is_set()])

    def _keep(self, turns: list[Turn]) -> None:
        if len(turns) == len(self._active):
            return
        if turns:
            rows = [row for row, turn in enumerate(self._active) if turn in turns]
            faults.attempt_twice(partial(self._generation.keep, rows))
        else:
            self._generation = faults.attempt_twice(self._new_generation)
        self._active = turns

    def _frame(self) -> bool:
        """Make one frame for everybody; decode it for those whose next chunk is full.

        False if memory did not suffice.
        """
        try:
            codes = faults.attempt_twice(self._generation.step)
        except EngineBroken:
            raise
        except OutOfMemory as exc:
            self._fail(self._active[-1], exc)  # the newest, in which the least work is lost
            self._keep(self._active[:-1])
            return False
        except Exception as exc:
            for turn in self._active:
                self._fail(turn, exc)
            self._keep([])
            return False
        frames = faults.attempt(codes.tolist)  # here a device tells what went wrong on it
        self._short = False
        for turn, frame in zip(self._active, frames, strict=True):
            assert turn.piece is not None
            turn.piece.hear(frame)
            self._sound(turn, turn.piece)
        over = [turn for turn in self._active if turn.is_over]
        self._keep([turn for turn in self._active if not turn.is_over])
        for turn in over:
            if not turn.failed and turn.end_piece():
                with self._changed:
                    self._waiting.append(turn)
        return not self._short

    def _sound(self, turn: Turn, piece: Piece) -> None:
        """Decode what is due of a piece and hand it on, unless it turns out to have gone wrong."""
        if piece.ending is Ending.RUNAWAY or not (due := piece.take_due()):
            return
        assert turn.codec is not None
        decoded = self._try(turn, partial(self._model.decode, due, turn.codec))
        if decoded is None:
            return
        samples, turn.codec = decoded
        if piece.hear_samples(samples):
            return
        if turn.stream.request.whole:
            turn.held.append(samples)
        else:
            turn.hand_over(samples, len(due))

    def _new_generation(self) -> Generation:
        return Generation(self._model.talker, self._model.prompts.pad_row())


def _shutting_down() -> SynthesisFailed:
    return SynthesisFailed("The engine is shutting down.")
