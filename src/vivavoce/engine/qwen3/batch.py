"""Everything that is computed for several listeners at once: prompts, frames and their sound."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import torch

from vivavoce.engine.qwen3.codec.arena import CodecArena
from vivavoce.engine.qwen3.generation import Generation
from vivavoce.engine.qwen3.graphs.graphed import Graphed

if TYPE_CHECKING:
    from collections.abc import Sequence as Several
    from contextlib import AbstractContextManager

    from vivavoce.engine.qwen3.codec.decoder import CodecState
    from vivavoce.engine.qwen3.generation import Controls, Sequence
    from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
    from vivavoce.engine.qwen3.model import Qwen3TTS
    from vivavoce.engine.qwen3.prompt import Prompt, PromptText, Reference
    from vivavoce.types import Samples


_CLIPS = 8
"""Of so many clips the codec's state is kept, 5 MB each: to hear one takes a processor a second."""


class Frames(Protocol):
    """Frames of several segments, made or on their way."""

    def read(self) -> list[list[int]]:
        """Return 16 codes of each, once they are made."""


@dataclass(frozen=True, slots=True)
class Made:
    """Frames that are there. See `Frames`."""

    codes: list[list[int]]

    def read(self) -> list[list[int]]:
        """See `Frames.read`."""
        return self.codes


class Batch:
    """A model and what it keeps of up to `rows` segments. Of the owning thread alone.

    A method that raises has changed nothing, and may be called again. With `graphs` frames and
    sound are made as CUDA graphs. All other work of the thread is to be done in `stream`.
    """

    def __init__(
        self, model: Qwen3TTS, rows: int, pages: int, graphs: GraphOptions | None = None
    ) -> None:
        self.rows, self.pages = rows, pages
        self.stream: AbstractContextManager[object] = nullcontext()
        self._model = model
        self._graphed: Graphed | None = None
        self._after_clip = lru_cache(_CLIPS)(self._hear_clip)
        stream = None if graphs is None else graphs.driver.stream(urgent=True)
        if stream is not None:
            self.stream = stream
        with self.stream:
            self._generation = Generation(model.talker, model.prompts.pad_row(), rows, pages)
            # One row more, where there is padding.
            self._codec = CodecArena(model.codec_decoder, rows + (graphs is not None))
            if graphs is not None and stream is not None:
                parts = (model, self._generation, self._codec)
                self._graphed = Graphed.build(*parts, stream, graphs)

    def build(self, text: PromptText) -> Prompt:
        """Return the prompt of a text."""
        return self._model.prompts.build(text)

    def spoken(self, text: str, *, open_ended: bool) -> list[int]:
        """Return the ids of a text that is spoken; what is certain of one that goes on."""
        return self._model.prompts.spoken(text, open_ended=open_ended)

    def can_begin(self, text: PromptText) -> bool:
        """Tell whether enough is known of an open text to build its prompt."""
        return self._model.prompts.can_begin(text)

    def enter(self, prompt: Prompt, text: PromptText, controls: Controls, frames: int) -> Sequence:
        """Let a segment of at most so many frames in; there is room for it."""
        with self.stream:
            sequence = self._generation.enter(prompt, controls, frames)
            try:
                self._codec.begin(sequence.row, self._before(text.reference))
            except BaseException:
                self._generation.leave(sequence)
                raise
        return sequence

    def _before(self, reference: Reference | None) -> CodecState:
        """Return what the codec has heard before a segment begins: silence, or a clip."""
        if reference is None or reference.codes is None:
            return self._model.codec_decoder.start(1)
        return self._after_clip(reference)

    @torch.inference_mode()
    def _hear_clip(self, reference: Reference) -> CodecState:
        assert reference.codes is not None
        return self._model.codec_decoder.prime(reference.codes.T[None])

    def leave(self, sequence: Sequence) -> None:
        """Let a segment go. No frame of it is on its way."""
        self._generation.leave(sequence)

    def extend(self, sequence: Sequence, ids: list[int], *, last: bool) -> None:
        """Add to the text of a segment that is open. `ids` are of its tokens."""
        with self.stream:
            rows = self._model.prompts.more_text(ids, last=last)
            self._generation.extend(sequence, rows, last=last)

    def prefill(self, pieces: Several[tuple[Sequence, int]]) -> None:
        """Read so many rows of each one's prompt."""
        with self.stream:
            self._generation.prefill(pieces)

    @property
    def ahead(self) -> int:
        """How many frames may be on their way, not read, when the next is begun."""
        return 0 if self._graphed is None else self._graphed.ahead

    def step(self, sequences: Several[Sequence]) -> Frames:
        """Begin the next frame of each. They are read in the order in which they were begun."""
        if self._graphed is not None and self._graphed.frames.serves(sequences):
            return self._graphed.frames.step(sequences)
        with self.stream:
            return Made(self._generation.step(sequences).tolist())

    def decode(
        self, sequences: Several[Sequence], frames: Several[Several[list[int]]]
    ) -> list[Samples]:
        """Return the sound of each one's next frames: as many of each."""
        rows = [one.row for one in sequences]
        if self._graphed is not None:
            return self._graphed.sound.decode(rows, frames)
        codes = torch.tensor(frames, device=self._model.device).transpose(1, 2)
        samples = self._codec.decode(rows, codes)
        return list(samples.float().cpu().numpy())

    @property
    def wants_graphs(self) -> bool:
        """Whether `capture` would do something."""
        return self._graphed is not None and self._graphed.wants

    def capture(self) -> None:
        """Capture one of the graphs that were missed. It takes tenths of a second."""
        assert self._graphed is not None
        self._graphed.capture()

    def capture_first(self) -> None:
        """Capture the graphs that the first listeners need, if there are to be any."""
        if self._graphed is not None:
            self._graphed.capture_first()
