"""Everything that is computed for several listeners at once: prompts, frames and their sound."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.codec.arena import CodecArena
from vivavoce.engine.qwen3.generation import Generation

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from vivavoce.engine.qwen3.codec.decoder import CodecState
    from vivavoce.engine.qwen3.generation import Controls, Sequence
    from vivavoce.engine.qwen3.model import Qwen3TTS
    from vivavoce.engine.qwen3.prompt import Prompt, PromptText, Reference
    from vivavoce.types import Samples


_CLIPS = 8
"""Of so many clips the codec's state is kept, 5 MB each: to hear one takes a processor a second."""


class Batch:
    """A model and what it keeps of up to `rows` segments. Of the owning thread alone.

    A method that raises has changed nothing, and may be called again.
    """

    def __init__(self, model: Qwen3TTS, rows: int, pages: int) -> None:
        self.rows, self.pages = rows, pages
        self._model = model
        self._generation = Generation(model.talker, model.prompts.pad_row(), rows, pages)
        self._codec = CodecArena(model.codec_decoder, rows)
        self._after_clip = lru_cache(_CLIPS)(self._hear_clip)

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
        """Let a segment go."""
        self._generation.leave(sequence)

    def extend(self, sequence: Sequence, ids: list[int], *, last: bool) -> None:
        """Add to the text of a segment that is open. `ids` are of its tokens."""
        rows = self._model.prompts.more_text(ids, last=last)
        self._generation.extend(sequence, rows, last=last)

    def prefill(self, pieces: Several[tuple[Sequence, int]]) -> None:
        """Read so many rows of each one's prompt."""
        self._generation.prefill(pieces)

    def step(self, sequences: Several[Sequence]) -> list[list[int]]:
        """Return the next frame of each, 16 codes."""
        codes: list[list[int]] = self._generation.step(sequences).tolist()
        return codes

    def decode(
        self, sequences: Several[Sequence], frames: Several[Several[list[int]]]
    ) -> list[Samples]:
        """Return the sound of each one's next frames: as many of each."""
        codes = torch.tensor(frames, device=self._model.device).transpose(1, 2)
        samples = self._codec.decode([one.row for one in sequences], codes)
        return list(samples.float().cpu().numpy())
