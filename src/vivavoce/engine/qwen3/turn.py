"""A request in the loop's hands: which of its segments is being made, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.audio.join import silence_after
from vivavoce.engine.qwen3.catalog import SAMPLE_RATE_HZ
from vivavoce.engine.qwen3.piece import Ending
from vivavoce.engine.qwen3.playback import Playback
from vivavoce.errors import SynthesisFailed
from vivavoce.types import AudioChunk, SpeechReport, Usage

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.batch import Batch
    from vivavoce.engine.qwen3.generation import Controls, Sequence
    from vivavoce.engine.qwen3.piece import Limits, Piece
    from vivavoce.engine.qwen3.prompt import Prompt, PromptText
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


class Turn:
    """One request. `task`, `prompt`, `piece` and `sequence` are those of the present segment.

    `frames_begun`: how many of its frames are on their way.
    """

    def __init__(self, stream: QwenStream, now_s: float) -> None:
        self.stream = stream
        self.playback = Playback(now_s, whole=stream.request.whole)
        self.segment = self.attempt = self.frames = self.frames_begun = 0
        self.failed = False
        self.seated_at_s = 0.0
        self._task: Task | None = None
        self._prompt: Prompt | None = None
        self._piece: Piece | None = None
        self._sequence: Sequence | None = None
        self._held: list[Samples] = []
        self._last_sample = 0.0
        self._input_tokens = 0
        self._faults: tuple[str, ...] = ()
        self._known_tokens = 0
        self._began_at_s = 0.0
        self._busy_s = 0.0

    # Waiting

    @property
    def can_begin(self) -> bool:
        """Whether it is worth trying to begin its next segment.

        Its listener must be near. Of a text that is being written, something must have come since
        there was too little of it.
        """
        text = self.stream.text
        is_there = text is None or self.segment > 0 or self.is_ready or text.has_news
        return self._is_near and is_there

    @property
    def _is_near(self) -> bool:
        return self.stream.unread_samples < _WINDOW_SAMPLES

    @property
    def is_ready(self) -> bool:
        """Whether its next segment is prepared."""
        return self._prompt is not None

    def make_ready(self, task: Task, batch: Batch, piece: Piece) -> None:
        """Prepare a segment, unless too little is known of its text yet."""
        if task.text.open and not batch.can_begin(task.text):
            return
        self._prompt = batch.build(task.text)
        self._known_tokens = len(batch.spoken(task.text.text, open_ended=task.text.open))
        self._task, self._piece = task, piece

    @property
    def positions(self) -> int:
        """How many positions of the KV cache the segment needs at most."""
        assert self._prompt is not None
        return len(self._prompt.rows) + self.piece.most_frames

    def enter(self, batch: Batch, now_s: float) -> bool:
        """Let the segment in, and note what its prompt cost."""
        assert self._task is not None
        assert self._prompt is not None
        prompt, task = self._prompt, self._task
        self._sequence = batch.enter(prompt, task.text, task.controls, self.piece.most_frames)
        self._prompt = None
        self._began_at_s = now_s
        if self.attempt == 0:
            self._input_tokens += len(prompt.rows) + len(prompt.trailing) - (not prompt.open)
        return True

    # Seated

    @property
    def piece(self) -> Piece:
        """What was made of the present segment."""
        assert self._piece is not None
        return self._piece

    @property
    def sequence(self) -> Sequence:
        """The present segment, in the batch."""
        assert self._sequence is not None
        return self._sequence

    @property
    def row(self) -> int:
        """Where it is in the batch."""
        return self.sequence.row

    @property
    def rows_left(self) -> int:
        """See `schedule.Seated`."""
        return 0 if self.failed else self.sequence.rows_left

    @property
    def can_step(self) -> bool:
        """See `schedule.Seated`."""
        going_on = not self.failed and self.piece.ending is None
        return going_on and self.sequence.can_step and not self._is_last_begun

    @property
    def _is_last_begun(self) -> bool:
        """Whether the last frame that there can be is on its way."""
        begun = self.frames_begun
        return bool(begun) and len(self.piece.frames) + begun >= self.piece.most_frames

    def hear_frame(self, codes: list[int]) -> None:
        """Take the oldest frame on its way; one after the end is none."""
        self.frames_begun -= 1
        if not self.failed and self.piece.ending is None:
            self.piece.hear(codes)

    def note_starved(self) -> None:
        """Do not count it as a gap of ours if sound runs out for want of text."""
        if not self.rows_left and not self.can_step:
            self.playback.rest()

    def due_frames(self, *, now: bool) -> int:
        """See `schedule.Seated`."""
        return 0 if self.failed else self.piece.due_frames(now=now)

    @property
    def has_news(self) -> bool:
        """Whether more of its text has come."""
        text = self.stream.text
        return text is not None and not self.failed and self.sequence.open and text.has_news

    def hear_news(self, batch: Batch) -> None:
        """Take what has come of its text."""
        assert self.stream.text is not None
        text, finished = self.stream.text.read()
        ids = batch.spoken(text, open_ended=not finished)
        new = ids[self._known_tokens :]
        batch.extend(self.sequence, new, last=finished)
        self._known_tokens += len(new)  # what is certain stays so, even if fewer are for a while
        self._input_tokens += len(new)

    def hear(self, samples: Samples, now_s: float) -> None:
        """Take the sound of what was due, and hand it on unless it has gone wrong."""
        frames = self.piece.take_due()
        if self.piece.hear_samples(samples):
            return
        if self.stream.request.whole:
            self._held.append(samples)
        else:
            self._hand_over(samples, frames, now_s)

    @property
    def is_over(self) -> bool:
        """Whether its segment is to leave the others."""
        return self.failed or self.piece.is_over

    def leave(self, batch: Batch) -> None:
        """Leave the batch."""
        batch.leave(self.sequence)
        self._sequence = None

    def end_piece(self, now_s: float) -> bool:
        """Draw the conclusions from the segment's end; tell whether the request is to go on."""
        piece, task = self.piece, self._task
        assert task is not None
        self._piece = self._task = None
        held, self._held = self._held, []
        if piece.ending is Ending.RUNAWAY:
            return self._try_again(piece.fault)
        if held:
            self._hand_over(np.concatenate(held), len(piece.frames), now_s)
        if piece.ending is Ending.LIMIT:
            self.stream.end(self.report())
            return False
        if task.pause_s:
            length = round(task.pause_s * SAMPLE_RATE_HZ)
            pause = silence_after(self._last_sample, length, SAMPLE_RATE_HZ)
            self._hand_over(pause, 0, now_s)
        if not self._is_near:  # it is waited for, however long it takes
            self.playback.rest()
        self.segment += 1
        self.attempt = 0
        return True

    def fail(self, error: Exception) -> None:
        """Say that no more will come, and why."""
        self.failed = True
        self.stream.fail(error)

    def report(self) -> SpeechReport:
        """Return how it went so far."""
        return SpeechReport(
            Usage(self._input_tokens, self.frames),
            faults=self._faults,
            codes_per_s=16 * self.frames / self._busy_s if self._busy_s else None,
            underruns=self.playback.underruns,
        )

    def _try_again(self, fault: str) -> bool:
        """Make a piece that ran away once more, if nobody heard it; else fail."""
        if self.stream.request.whole and self.attempt < RETRIES:
            self.attempt += 1
            self._faults = (*self._faults, fault)
            return True
        tries = f", {self.attempt + 1} times over" if self.attempt else ""
        self.fail(
            SynthesisFailed(
                f"{fault}{tries}. Send the request again with another seed, or reword the text.",
                code="generation_runaway",
            )
        )
        return False

    def _hand_over(self, samples: Samples, frames: int, now_s: float) -> None:
        """Give the listener the sound of so many frames."""
        self.frames += frames
        self._last_sample = float(samples[-1])
        self._busy_s += now_s - self._began_at_s
        self._began_at_s = now_s
        self.playback.hear(len(samples) / SAMPLE_RATE_HZ, now_s)
        self.stream.put(AudioChunk(samples, self.segment), self.report())
