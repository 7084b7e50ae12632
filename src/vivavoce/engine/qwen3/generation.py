"""The frame loop: sequences join and leave between frames, and each frame is one pass for all.

A step feeds the talker each sequence's last frame and its next row of text (at first, the last row
of its prompt), chooses the first code, then has the predictor choose the other 15.
Source: the official package, qwen-tts 0.1.1.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vivavoce.engine.qwen3.prefix import PrefixCache
from vivavoce.engine.qwen3.sampling import Needs, Sampling, draw, filter_logits, gumbel, penalize

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from vivavoce.engine.qwen3.prefix import Beginning
    from vivavoce.engine.qwen3.prompt import Prompt
    from vivavoce.engine.qwen3.talker import Talker

MIN_FRAMES = 2
CODES = 2048
"""Of each book. The first one's table has rows beyond them, of which only the end token is one."""


@dataclass(frozen=True, slots=True)
class Controls:
    """How one sequence is sampled. The penalty is the first codebook's alone, as officially.

    `seed` has 64 bits.
    """

    seed: int = 0
    talker: Sampling = field(default_factory=Sampling)
    predictor: Sampling = field(default_factory=Sampling)
    repetition_penalty: float = 1.05


@dataclass(slots=True, eq=False)
class Sequence:
    """One text on its way to codes. Only `Generation` changes it.

    `prompt` [n, hidden], which has a `beginning` and of which the first `read` rows are in the
    cache; the last one is the first frame's input. `text` [m, hidden], a row for each frame after
    the first; more of it may come as long as it is `open`.
    """

    row: int
    controls: Controls
    prompt: Tensor
    text: Tensor
    beginning: Beginning
    open: bool
    read: int = 0
    frames: int = 0

    @property
    def rows_left(self) -> int:
        """How many rows of its prompt are to be read before its first frame."""
        return len(self.prompt) - 1 - self.read

    @property
    def can_step(self) -> bool:
        """Whether there is something to make its next frame of."""
        return not self.rows_left and (self.frames <= len(self.text) or not self.open)

    @property
    def position(self) -> int:
        """Where its next frame's input stands."""
        return len(self.prompt) - 1 + self.frames


class Generation:
    """Sequences that advance together, one frame a step.

    What one gives does not depend on the others. A method that raises has changed nothing, and may
    be called again. Memory for keys and values is taken here once: `pages` for up to `rows`
    sequences. Not thread-safe.
    """

    def __init__(self, talker: Talker, pad_row: Tensor, rows: int, pages: int) -> None:
        self.eos = talker.config.codec_eos_token_id
        self.pad_row = pad_row
        self._talker = talker
        self._no_text = torch.zeros_like(pad_row)
        self._device = pad_row.device
        c = talker.config
        self._forbidden = torch.zeros(c.vocab_size, dtype=torch.bool, device=self._device)
        self._forbidden[CODES:] = True
        self._forbidden[self.eos] = False
        self.cache = talker.new_cache(rows, pages)
        self.frame_cache = talker.code_predictor.new_cache(rows)
        self._prefixes = PrefixCache()
        self._free_rows = list(range(rows))  # the lowest first: those in use stay side by side
        # Of each row: its last frame's embedding (at first, its prompt's last row), and the first
        # codes so far. The last row is nobody's: `graphs/frame.py` has padding there.
        self.embedded = pad_row.new_zeros(rows + 1, len(pad_row))
        self.seen = torch.zeros(rows + 1, c.vocab_size, dtype=torch.bool, device=self._device)
        self._batch: _Batch | None = None

    @torch.inference_mode()
    def enter(self, prompt: Prompt, controls: Controls, frames: int) -> Sequence:
        """Take a row, which is free, and the pages of a prompt and so many frames, which are too.

        Nothing is computed yet; how the prompt begins may be known from another.
        """
        row = self._free_rows[0]
        self.embedded[row] = prompt.rows[-1]
        self.seen[row] = False
        self.cache.take(row, len(prompt.rows) + frames)
        heappop(self._free_rows)
        one = Sequence(row, controls, prompt.rows, prompt.trailing, prompt.beginning, prompt.open)
        known = self._prefixes.get(prompt.beginning)
        if known is not None:
            self.cache.write(row, known)
            one.read = len(known)
        return one

    def leave(self, sequence: Sequence) -> None:
        """Give its row and pages back."""
        self.cache.give_back(sequence.row)
        heappush(self._free_rows, sequence.row)
        self._batch = None

    @torch.inference_mode()
    def extend(self, sequence: Sequence, rows: Tensor, *, last: bool) -> None:
        """Add rows [m, hidden] to the text of a sequence that is open; with `last`, it is whole."""
        sequence.text, sequence.open = torch.cat((sequence.text, rows)), not last

    @torch.inference_mode()
    def prefill(self, pieces: Several[tuple[Sequence, int]]) -> None:
        """Read so many further rows of each prompt, one at least, side by side."""
        counts = [count for _, count in pieces]
        begins = [sequence.read for sequence, _ in pieces]
        x = torch.nn.utils.rnn.pad_sequence(
            [one.prompt[one.read : one.read + count] for one, count in pieces], batch_first=True
        )
        longest = max(counts)
        steps = torch.arange(longest, device=self._device)
        positions = torch.tensor(begins, device=self._device)[:, None] + steps
        view = self.cache.view([one.row for one, _ in pieces], begins, counts)
        self._talker(x, positions, max(begins) + longest, view)
        for one, count in pieces:
            one.read += count
            self._keep_beginning(one)

    def _keep_beginning(self, one: Sequence) -> None:
        beginning = one.beginning
        if one.read >= beginning.rows and self._prefixes.wants(beginning):
            with suppress(MemoryError, torch.OutOfMemoryError):  # then the next one reads it again
                self._prefixes.put(beginning, self.cache.read(one.row, beginning.rows))

    def join(
        self, prompts: Several[Prompt], controls: Several[Controls], frames: int
    ) -> list[Sequence]:
        """Let sequences of up to so many frames in, and read their prompts side by side."""
        joined = [self.enter(*each, frames) for each in zip(prompts, controls, strict=True)]
        pieces = [(one, one.rows_left) for one in joined if one.rows_left]
        if pieces:
            self.prefill(pieces)
        return joined

    @torch.inference_mode()
    def step(self, sequences: Several[Sequence]) -> Tensor:
        """Make the next frame of each, all of which `can_step`: codes [B, 16].

        A sequence whose first code is the end token has ended; its frame is no audio, and what
        comes after it means nothing.
        """
        talker, batch = self._talker, self._together(sequences)
        frames = torch.tensor([one.frames for one in sequences], device=self._device)
        hidden = self._advance(sequences, batch)
        first = self._choose_first(batch, hidden, frames)
        noise = gumbel(batch.seeds, frames, range(1, 16), CODES) if batch.draws else None

        def choose(logits: Tensor, book: int) -> Tensor:
            gumbels = None if noise is None else noise[:, book - 1]
            return batch.predictor.choose(logits.float(), gumbels)

        rest = talker.code_predictor(hidden, talker.embed_codec(first), choose, self.frame_cache)
        codes = torch.cat((first[:, None], rest), dim=1)
        embedded = talker.embed_frames(codes)
        # Nothing below needs memory; what is above may be done again.
        self.embedded[batch.rows] = embedded
        self.seen[batch.rows, first] = True
        for one in sequences:
            one.frames += 1
        return codes

    def _together(self, sequences: Several[Sequence]) -> _Batch:
        """Return what these have in common; the same from step to step, as long as they are."""
        if self._batch is None or self._batch.sequences != tuple(sequences):
            self._batch = _Batch.of(tuple(sequences), self._device)
        return self._batch

    def _advance(self, sequences: Several[Sequence], batch: _Batch) -> Tensor:
        """Run the talker on the last frames and the next rows of text; return [B, hidden]."""
        begins = [one.position for one in sequences]
        text = torch.stack([self.next_text(one) for one in sequences])
        x = (self.embedded[batch.rows] + text)[:, None]
        positions = torch.tensor(begins, device=self._device)[:, None]
        view = self.cache.view([one.row for one in sequences], begins, [1] * len(sequences))
        hidden: Tensor = self._talker(x, positions, max(begins) + 1, view)
        return hidden[:, -1]

    def next_text(self, one: Sequence) -> Tensor:
        """Return the row of text [hidden] that goes into a sequence's next frame."""
        if one.frames == 0:  # its input is of the prompt, and has text in it
            return self._no_text
        return one.text[one.frames - 1] if one.frames <= len(one.text) else self.pad_row

    def _choose_first(self, batch: _Batch, hidden: Tensor, frames: Tensor) -> Tensor:
        logits = self._talker.codec_head(hidden).float()
        logits = penalize(logits, self.seen[batch.rows], batch.penalty)
        eos = self.eos
        logits[:, eos] = logits[:, eos].masked_fill(frames < MIN_FRAMES, float("-inf"))
        logits = logits.masked_fill(self._forbidden, float("-inf"))
        noise = gumbel(batch.seeds, frames, range(1), logits.shape[-1]) if batch.draws else None
        return batch.talker.choose(logits, None if noise is None else noise[:, 0])


@dataclass(frozen=True, slots=True)
class _Sampler:
    """The sampling controls of several sequences, [B, 1] each."""

    samples: Tensor
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    needs: Needs

    @classmethod
    def of(cls, controls: list[Sampling], device: torch.device) -> _Sampler:
        return cls(
            samples=torch.tensor([c.do_sample for c in controls], device=device),
            temperature=_column([c.temperature for c in controls], device),
            top_k=_column([c.top_k for c in controls], device, torch.long),
            top_p=_column([c.top_p for c in controls], device, torch.float64),
            needs=Needs.of(controls),
        )

    def choose(self, logits: Tensor, noise: Tensor | None) -> Tensor:
        """Return a code [B] each: drawn, or the likeliest."""
        if noise is None:
            return logits.argmax(dim=-1)
        kept = filter_logits(
            logits,
            self.temperature,
            self.top_k,
            self.top_p,
            self.needs.most,
            nucleus=self.needs.nucleus,
        )
        drawn = draw(kept, noise)
        return drawn if self.needs.all_draw else torch.where(self.samples, drawn, logits.argmax(-1))


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the sequences of a step bring that does not change from frame to frame, in order."""

    sequences: tuple[Sequence, ...]
    rows: Tensor  # [B]
    seeds: Tensor  # [B]
    penalty: Tensor  # [B, 1]
    talker: _Sampler
    predictor: _Sampler

    @classmethod
    def of(cls, sequences: tuple[Sequence, ...], device: torch.device) -> _Batch:
        controls = [one.controls for one in sequences]
        return cls(
            sequences,
            rows=torch.tensor([one.row for one in sequences], device=device),
            seeds=torch.tensor([c.seed for c in controls], device=device),
            penalty=_column([c.repetition_penalty for c in controls], device),
            talker=_Sampler.of([c.talker for c in controls], device),
            predictor=_Sampler.of([c.predictor for c in controls], device),
        )

    @property
    def draws(self) -> bool:
        """Whether any of them draws anything."""
        return any(
            one.controls.talker.do_sample or one.controls.predictor.do_sample
            for one in self.sequences
        )


def _column(
    values: list[float], device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensor:
    return torch.tensor(values, device=device, dtype=dtype)[:, None]
