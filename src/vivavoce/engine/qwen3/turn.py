"""A request in the runner's hands: which of its segments is being made, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.engine.qwen3.catalog import SAMPLE_RATE_HZ
from vivavoce.engine.qwen3.piece import Ending
from vivavoce.errors import SynthesisFailed
from vivavoce.types import AudioChunk, SpeechReport, Usage

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.codec.decoder import CodecState
    from vivavoce.engine.qwen3.generation import Controls
    from vivavoce.engine.qwen3.piece import Limits, Piece
    from vivavoce.engine.qwen3.prompt import PromptText
    from vivavoce.engine.qwen3.stream import QwenStream
    from vivavoce.types import Samples

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
class Turn:
    """One request. `task`, `piece` and `codec` are those of the segment being made."""

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
    failed: bool = False

    @property
    def can_go_on(self) -> bool:
        """Whether, waiting, it is to be looked at: its listener is near, or has gone."""
        return self.stream.cancelled.is_set() or self.stream.unread_samples < _WINDOW_SAMPLES

    @property
    def is_over(self) -> bool:
        """Whether, being made, its piece is to leave the others."""
        return self.failed or (self.piece is not None and self.piece.ending is not None)

    def begin(self, task: Task, piece: Piece, input_tokens: int) -> None:
        """Note what is being made now, and what its prompt cost."""
        self.task, self.piece = task, piece
        self.began_at = time.monotonic()
        if self.attempt == 0:
            self.input_tokens += input_tokens

    def hand_over(self, samples: Samples, frames: int) -> None:
        """Give the listener the sound of so many frames."""
        self.frames += frames
        now = time.monotonic()
        self.busy_s += now - self.began_at
        self.began_at = now
        self.stream.put(AudioChunk(samples, self.segment), self.report())

    def end_piece(self) -> bool:
        """Draw the conclusions from the piece's end; tell whether the request is to go on."""
        piece, task = self.piece, self.task
        assert piece is not None
        assert task is not None
        self.piece = self.codec = self.task = None
        held, self.held = self.held, []
        if piece.ending is Ending.RUNAWAY:
            return self._try_again(piece.fault)
        if held:
            self.hand_over(np.concatenate(held), len(piece.frames))
        if piece.ending is Ending.LIMIT:
            self.stream.end(self.report())
            return False
        if task.pause_s:
            pause = np.zeros(round(task.pause_s * SAMPLE_RATE_HZ), np.float32)
            self.stream.put(AudioChunk(pause, self.segment), self.report())
        self.segment += 1
        self.attempt = 0
        return True

    def _try_again(self, fault: str) -> bool:
        """Make a piece that ran away once more, if nobody heard it; else fail."""
        if self.stream.request.whole and self.attempt < RETRIES:
            self.attempt += 1
            self.faults = (*self.faults, fault)
            return True
        tries = f", {self.attempt + 1} times over" if self.attempt else ""
        self.fail(
            SynthesisFailed(
                f"{fault}{tries}. Send the request again with another seed, or reword the text.",
                code="generation_runaway",
            )
        )
        return False

    def fail(self, error: Exception) -> None:
        """Say that no more will come, and why."""
        self.failed = True
        self.stream.fail(error)

    def report(self) -> SpeechReport:
        """Return how it went so far."""
        busy_s = self.busy_s
        return SpeechReport(
            Usage(self.input_tokens, self.frames),
            faults=self.faults,
            codes_per_s=16 * self.frames / busy_s if busy_s else None,
        )
