"""The thread that owns a model: it admits segments, makes a frame for all, decodes those due.

    submit → waiting → join (prefill) → a frame at a time, beside all others → ended
                ↑                                                               │
                └──────────── the request's next segment, or a retry ───────────┘

Nothing else touches the model, so nothing needs a lock but the door.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from vivavoce.engine.qwen3.catalog import SAMPLE_RATE_HZ
from vivavoce.engine.qwen3.generation import Generation
from vivavoce.engine.qwen3.piece import Ending, Limits, Piece
from vivavoce.errors import SynthesisFailed
from vivavoce.types import AudioChunk, SpeechReport, Usage

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.codec.decoder import CodecState
    from vivavoce.engine.qwen3.generation import Controls
    from vivavoce.engine.qwen3.model import Qwen3TTS
    from vivavoce.engine.qwen3.prompt import PromptText
    from vivavoce.engine.qwen3.stream import QwenStream
    from vivavoce.types import Samples

T = TypeVar("T")

RETRIES = 2
"""How often a piece that ran away is made again, for an answer that nobody hears before its end."""

_WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ
"""A request's next segment begins when its listener is less than this behind."""


@dataclass(frozen=True, slots=True)
class Task:
    """A segment, ready to be spoken."""

    text: PromptText
    controls: Controls
    limits: Limits
    pause_s: float


Plan = Callable[["QwenStream", int, int, int], Task | None]
"""Stream, segment, attempt, frames made so far → what to speak; None when all is spoken."""


@dataclass(slots=True, eq=False)
class _Turn:
    """A request in the runner's hands: which of its segments is being made, and how far it is."""

    stream: QwenStream
    segment: int = 0
    attempt: int = 0
    task: Task | None = None
    piece: Piece | None = None
    codec: CodecState | None = None
    held: list[Samples] = field(default_factory=list)
    input_tokens: int = 0
    frames: int = 0
    faults: tuple[str, ...] = ()
    began_at: float = 0.0
    busy_s: float = 0.0

    def report(self) -> SpeechReport:
        busy_s = self.busy_s
        return SpeechReport(
            Usage(self.input_tokens, self.frames),
            faults=self.faults,
            codes_per_s=16 * self.frames / busy_s if busy_s else None,
        )


class Runner:
    """See the module. All methods may be called from any thread."""

    def __init__(self, model: Qwen3TTS, plan: Plan, max_batch: int) -> None:
        self._model = model
        self.steps = 0
        self._plan = plan
        self._max_batch = max_batch
        self._eos = model.config.talker.codec_eos_token_id
        self._waiting: list[_Turn] = []
        self._calls: list[Callable[[], None]] = []
        self._closing = False
        self._changed = threading.Condition()
        # Of the owning thread alone:
        self._active: list[_Turn] = []
        self._generation = self._new_generation()
        self._thread = threading.Thread(target=self._run, name="qwen3", daemon=True)
        self._thread.start()

    def submit(self, stream: QwenStream) -> None:
        """Speak a request, after those that wait already."""
        with self._changed:
            if self._closing:
                stream.end(SpeechReport())
                return
            self._waiting.append(_Turn(stream))
            self._changed.notify()

    def wake(self) -> None:
        """Look again: somebody left, or took what was made."""
        with self._changed:
            self._changed.notify()

    def tick(self) -> None:
        """Count a step of work; by the owning thread."""
        self.steps += 1

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done by the owning thread between two frames."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(work())
            except Exception as exc:
                result.set_exception(exc)

        with self._changed:
            if self._closing:
                raise SynthesisFailed("The engine is shutting down.")
            self._calls.append(run)
            self._changed.notify()
        return result.result()

    def close(self) -> None:
        """End the thread; open streams end where they are, without an error."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._closing:
                    break
                calls, self._calls = self._calls, []
                admitted = self._admit()
            for call in calls:
                call()
            if admitted:
                self._join(admitted)
            self._drop_cancelled()
            if self._active:
                self._frame()
            self.tick()
        for turn in (*self._active, *self._waiting):
            turn.stream.end(turn.report())

    def _has_work(self) -> bool:
        return bool(
            self._closing
            or self._calls
            or self._active
            or any(_can_go_on(turn) for turn in self._waiting)
        )

    def _admit(self) -> list[_Turn]:
        """Take from the waiting who may be made now."""
        self._waiting = [t for t in self._waiting if not t.stream.cancelled.is_set()]
        free = self._max_batch - len(self._active)
        admitted = [turn for turn in self._waiting if _can_go_on(turn)][: max(free, 0)]
        self._waiting = [turn for turn in self._waiting if turn not in admitted]
        return admitted

    def _join(self, turns: list[_Turn]) -> None:
        """Prefill the next segment of each."""
        joining, prompts = [], []
        for turn in turns:
            try:
                task = self._plan(turn.stream, turn.segment, turn.attempt, turn.frames)
                if task is None:
                    turn.stream.end(turn.report())
                    continue
                prompt = self._model.prompts.build(task.text)
                reference = task.text.reference
                turn.codec = (
                    self._model.prime(reference.codes)
                    if reference is not None and reference.codes is not None
                    else self._model.codec_decoder.start(1)
                )
            except Exception as exc:
                turn.stream.fail(exc)
                continue
            turn.task = task
            turn.piece = Piece(task.limits, self._eos, SAMPLE_RATE_HZ)
            turn.began_at = time.monotonic()
            if turn.attempt == 0:
                turn.input_tokens += len(prompt.rows) + len(prompt.trailing) - 1
            joining.append(turn)
            prompts.append(prompt)
        if not joining:
            return
        controls = [turn.task.controls for turn in joining if turn.task]
        try:
            self._generation.join(prompts, controls)
        except Exception as exc:
            for turn in joining:
                turn.stream.fail(exc)
        else:
            self._active += joining

    def _drop_cancelled(self) -> None:
        self._keep([turn for turn in self._active if not turn.stream.cancelled.is_set()])

    def _keep(self, turns: list[_Turn]) -> None:
        if len(turns) == len(self._active):
            return
        if turns:
            rows = [row for row, turn in enumerate(self._active) if turn in turns]
            self._generation.keep(rows)
        else:
            self._generation = self._new_generation()
        self._active = turns

    def _frame(self) -> None:
        """Make one frame for everybody; decode it for those whose next chunk is full."""
        try:
            frames = self._generation.step().tolist()
            for turn, codes in zip(self._active, frames, strict=True):
                assert turn.piece is not None
                turn.piece.hear(codes)
                self._sound(turn, turn.piece)
        except Exception as exc:
            for turn in self._active:
                turn.stream.fail(exc)
            self._active = []
            self._generation = self._new_generation()
            return
        ended = [turn for turn in self._active if turn.piece and turn.piece.ending]
        self._keep([turn for turn in self._active if turn not in ended])
        for turn in ended:
            self._end_piece(turn)

    def _sound(self, turn: _Turn, piece: Piece) -> None:
        """Decode what is due of a piece and hand it on, unless it turns out to have gone wrong."""
        if piece.ending is Ending.RUNAWAY or not (due := piece.take_due()):
            return
        assert turn.codec is not None
        samples, turn.codec = self._model.decode(due, turn.codec)
        if piece.hear_samples(samples):
            return
        if turn.stream.request.whole:
            turn.held.append(samples)
        else:
            self._hand_over(turn, samples, len(due))

    def _hand_over(self, turn: _Turn, samples: Samples, frames: int) -> None:
        turn.frames += frames
        now = time.monotonic()
        turn.busy_s += now - turn.began_at
        turn.began_at = now
        turn.stream.put(AudioChunk(samples, turn.segment), turn.report())

    def _end_piece(self, turn: _Turn) -> None:
        piece, task = turn.piece, turn.task
        assert piece is not None
        assert task is not None
        turn.piece = turn.codec = turn.task = None
        held, turn.held = turn.held, []
        if piece.ending is Ending.RUNAWAY:
            self._give_up(turn, piece.fault)
            return
        if held:
            self._hand_over(turn, np.concatenate(held), len(piece.frames))
        if piece.ending is Ending.LIMIT:
            turn.stream.end(turn.report())
            return
        if task.pause_s:
            pause = np.zeros(round(task.pause_s * SAMPLE_RATE_HZ), np.float32)
            turn.stream.put(AudioChunk(pause, turn.segment), turn.report())
        turn.segment += 1
        turn.attempt = 0
        self._wait_again(turn)

    def _give_up(self, turn: _Turn, fault: str) -> None:
        """Try a piece that ran away once more, if nobody heard it; else fail."""
        if turn.stream.request.whole and turn.attempt < RETRIES:
            turn.attempt += 1
            turn.faults = (*turn.faults, fault)
            self._wait_again(turn)
            return
        tries = f", {turn.attempt + 1} times over" if turn.attempt else ""
        turn.stream.fail(
            SynthesisFailed(
                f"{fault}{tries}. Send the request again with another seed, or reword the text.",
                code="generation_runaway",
            )
        )

    def _wait_again(self, turn: _Turn) -> None:
        with self._changed:
            self._waiting.append(turn)

    def _new_generation(self) -> Generation:
        return Generation(self._model.talker, self._model.prompts.pad_row())


def _can_go_on(turn: _Turn) -> bool:
    """Whether a waiting turn is to be looked at: its listener is near, or has gone."""
    return turn.stream.cancelled.is_set() or turn.stream.unread_samples < _WINDOW_SAMPLES
