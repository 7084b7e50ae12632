"""The frame loop: prompts in, frames of 16 codes out, for any number of sequences side by side.

A frame: the talker's hidden state gives the first code, the predictor the other 15; their
embeddings, summed, plus the next row of text are the talker's next input. Nothing is read back to
the host inside a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vivavoce.engine.qwen3.prompt import Prompt
from vivavoce.engine.qwen3.sampling import Sampling, draw, filter_logits, gumbel, penalize
from vivavoce.engine.qwen3.talker import Talker

MIN_FRAMES = 2
_CODES = 2048


@dataclass(frozen=True, slots=True)
class Controls:
    """How one sequence is sampled. The penalty is the first codebook's alone, as officially."""

    seed: int = 0
    talker: Sampling = field(default_factory=Sampling)
    predictor: Sampling = field(default_factory=Sampling)
    repetition_penalty: float = 1.05


class Generation:
    """Sequences that were prefilled together and advance together, one frame a call."""

    @torch.inference_mode()
    def __init__(
        self,
        talker: Talker,
        prompts: list[Prompt],
        controls: list[Controls],
        pad_row: Tensor,
        max_frames: int,
    ) -> None:
        self._talker = talker
        c = talker.config
        device = pad_row.device
        lengths = [len(prompt.rows) for prompt in prompts]
        self._longest = max(lengths)
        batch = len(prompts)
        self._cache = talker.new_cache(batch, self._longest + max_frames)
        self._frame_cache = talker.code_predictor.new_cache(batch)
        self._pad_row = pad_row
        self._trailing = torch.nn.utils.rnn.pad_sequence(
            [torch.cat((prompt.trailing, pad_row[None])) for prompt in prompts], batch_first=True
        )
        self._trailing_ends = torch.tensor(
            [len(prompt.trailing) for prompt in prompts], device=device
        )
        self._positions = torch.tensor(lengths, device=device)
        self._frame = 0
        self._seen = torch.zeros(batch, c.vocab_size, dtype=torch.bool, device=device)
        self._forbidden = torch.zeros(c.vocab_size, dtype=torch.bool, device=device)
        self._forbidden[_CODES:] = True
        self._forbidden[c.codec_eos_token_id] = False
        self._seeds = torch.tensor([k.seed for k in controls], device=device)
        self._penalty = self._column([k.repetition_penalty for k in controls])
        self._first = _Sampler([k.talker for k in controls], device)
        self._others = _Sampler([k.predictor for k in controls], device)
        rows = torch.nn.utils.rnn.pad_sequence([p.rows for p in prompts], batch_first=True)
        steps = torch.arange(self._longest, device=device).expand(batch, -1)
        # Rows beyond a prompt's end are written over before anything looks at them.
        hidden = talker(rows, steps, self._longest, self._cache)
        self._hidden = hidden[torch.arange(batch, device=device), self._positions - 1]

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, device=self._pad_row.device, dtype=torch.float32)[:, None]

    @torch.inference_mode()
    def first_logits(self) -> Tensor:
        """Return the first codebook's logits for the next frame, [B, V], fp32.

        They are processed as officially up to temperature: penalty, least length, forbidden codes.
        """
        logits = self._talker.codec_head(self._hidden).float()
        logits = penalize(logits, self._seen, self._penalty)
        eos = self._talker.config.codec_eos_token_id
        if self._frame < MIN_FRAMES:
            logits[:, eos] = float("-inf")
        return logits.masked_fill(self._forbidden, float("-inf"))

    @torch.inference_mode()
    def step(self) -> Tensor:
        """Make the next frame of every sequence: codes [B, 16].

        A sequence whose first code is the end token has ended; its frame is no audio, and what
        comes after it means nothing.
        """
        talker = self._talker
        books = talker.config.num_code_groups
        frames = torch.full_like(self._seeds, self._frame)
        first_noise = gumbel(self._seeds, frames, 1, talker.config.vocab_size)[:, 0]
        noise = gumbel(self._seeds ^ 0x5EED, frames, books, _CODES)
        first = self._first.choose(self.first_logits(), first_noise)
        self._seen.scatter_(1, first[:, None], True)
        embedded = talker.embed_codec(first)
        rest = talker.code_predictor(
            self._hidden,
            embedded,
            lambda logits, book: self._others.choose(logits.float(), noise[:, book]),
            self._frame_cache,
        )
        codes = torch.cat((first[:, None], rest), dim=1)
        place = torch.minimum(
            torch.full_like(self._trailing_ends, self._frame), self._trailing_ends
        )
        text = self._trailing[torch.arange(len(place), device=place.device), place]
        row = talker.embed_frames(codes) + text
        positions = self._positions[:, None]
        span = self._longest + self._frame + 1
        self._hidden = talker(row[:, None], positions, span, self._cache)[:, -1]
        self._positions = self._positions + 1
        self._frame += 1
        return codes


class _Sampler:
    """One sampler's controls for every sequence of a batch."""

    def __init__(self, controls: list[Sampling], device: torch.device) -> None:
        def column(values: list[float], dtype: torch.dtype) -> Tensor:
            return torch.tensor(values, device=device, dtype=dtype)[:, None]

        self._temperature = column([s.temperature for s in controls], torch.float32)
        self._top_k = column([s.top_k for s in controls], torch.long)
        self._top_p = column([s.top_p for s in controls], torch.float32)
        self._samples = torch.tensor([s.do_sample for s in controls], device=device)
        self._any = any(s.do_sample for s in controls)

    def choose(self, logits: Tensor, noise: Tensor) -> Tensor:
        """Return a code [B] for logits and noise [B, V]: drawn, or the likeliest."""
        likeliest = logits.argmax(dim=-1)
        if not self._any:
            return likeliest
        kept = filter_logits(logits, self._temperature, self._top_k, self._top_p)
        return torch.where(self._samples, draw(kept, noise), likeliest)
