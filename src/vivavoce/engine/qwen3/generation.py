"""The frame loop: prompts in, frames of 16 codes out, for any number of sequences side by side.

A frame: the talker's hidden state gives the first code, the predictor the other 15; their
embeddings, summed, plus the next row of text are the talker's next input. Nothing is read back to
the host inside a frame. Between frames sequences join and leave.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from vivavoce.engine.qwen3.prompt import Prompt
from vivavoce.engine.qwen3.sampling import Needs, Sampling, draw, filter_logits, gumbel, penalize
from vivavoce.engine.qwen3.talker import Talker

MIN_FRAMES = 2
_CODES = 2048
_CACHE_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Controls:
    """How one sequence is sampled. The penalty is the first codebook's alone, as officially.

    `seed` has 64 bits.
    """

    seed: int = 0
    talker: Sampling = field(default_factory=Sampling)
    predictor: Sampling = field(default_factory=Sampling)
    repetition_penalty: float = 1.05


@dataclass(slots=True)
class _Rows:
    """What the sequences carry from frame to frame besides their caches, one row each."""

    hidden: Tensor  # [B, H], the talker's last
    positions: Tensor  # [B], where its next input stands
    frames: Tensor  # [B], how many were made
    seen: Tensor  # [B, V], first codes so far
    trailing: Tensor  # [B, M, H], text rows to come; filled up with the padding row
    trailing_ends: Tensor  # [B], how many of them are text
    seeds: Tensor  # [B]
    penalty: Tensor  # [B, 1], as all that follow: the sampling controls
    talker_samples: Tensor
    talker_temperature: Tensor
    talker_top_k: Tensor
    talker_top_p: Tensor
    predictor_samples: Tensor
    predictor_temperature: Tensor
    predictor_top_k: Tensor
    predictor_top_p: Tensor

    def joined(self, others: _Rows, pad_row: Tensor) -> _Rows:
        """Return these rows and others below them."""
        longest = max(self.trailing.shape[1], others.trailing.shape[1])

        def values(rows: _Rows, name: str) -> Tensor:
            value: Tensor = getattr(rows, name)
            if name != "trailing":
                return value
            filling = pad_row.expand(len(value), longest - value.shape[1], -1)
            return torch.cat((value, filling), dim=1)

        return _Rows(
            **{f.name: torch.cat((values(self, f.name), values(others, f.name))) for f in _FIELDS}
        )

    def kept(self, index: Tensor) -> _Rows:
        """Return some of the rows."""
        return _Rows(**{f.name: getattr(self, f.name)[index] for f in _FIELDS})


_FIELDS = fields(_Rows)


class Generation:
    """Sequences that advance together, one frame a call.

    Rows are numbered from 0 in the order in which they joined; those after one that left move up.
    What a row gives does not depend on the others. A `join` or `step` that raises has changed
    nothing, and may be tried again. Not thread-safe.
    """

    def __init__(self, talker: Talker, pad_row: Tensor) -> None:
        self._talker = talker
        self._pad_row = pad_row
        self._device = pad_row.device
        c = talker.config
        self._forbidden = torch.zeros(c.vocab_size, dtype=torch.bool, device=self._device)
        self._forbidden[_CODES:] = True
        self._forbidden[c.codec_eos_token_id] = False
        self._lengths: list[int] = []  # the rows' positions, as the host knows them
        self._controls: list[Controls] = []
        self._rows: _Rows | None = None
        self._cache = talker.new_cache(0, 0)
        self._frame_cache = talker.code_predictor.new_cache(0)

    def __len__(self) -> int:
        return len(self._lengths)

    @torch.inference_mode()
    def join(self, prompts: list[Prompt], controls: list[Controls]) -> None:
        """Prefill prompts, side by side, and add them as the last rows."""
        talker, batch = self._talker, len(prompts)
        lengths = [len(prompt.rows) for prompt in prompts]
        longest = max(lengths)
        cache = talker.new_cache(batch, longest + _CACHE_BLOCK)
        rows = torch.nn.utils.rnn.pad_sequence([p.rows for p in prompts], batch_first=True)
        steps = torch.arange(longest, device=self._device).expand(batch, -1)
        # Rows beyond a prompt's end are written over before anything looks at them.
        hidden = talker(rows, steps, longest, cache)
        last = torch.tensor(lengths, device=self._device) - 1
        hidden = hidden[torch.arange(batch, device=self._device), last]
        joining = self._begin(prompts, controls, hidden, last + 1)
        if self._rows is not None and self._lengths:
            joining = self._rows.joined(joining, self._pad_row)
            cache = self._cache.joined(cache)
        frame_cache = talker.code_predictor.new_cache(len(self) + batch)
        # Nothing below needs memory, and nothing above has changed anything.
        self._rows, self._cache, self._frame_cache = joining, cache, frame_cache
        self._lengths += lengths
        self._controls += controls

    @torch.inference_mode()
    def keep(self, rows: list[int]) -> None:
        """Let all rows leave but these, given in ascending order."""
        if len(rows) == len(self):
            return
        index = torch.tensor(rows, dtype=torch.long, device=self._device)
        assert self._rows is not None
        self._rows = self._rows.kept(index)
        self._cache = self._cache.kept(rows)
        self._frame_cache = self._frame_cache.kept(rows)
        self._lengths = [self._lengths[row] for row in rows]
        self._controls = [self._controls[row] for row in rows]

    @torch.inference_mode()
    def first_logits(self) -> Tensor:
        """Return the first codebook's logits for the next frame, [B, V], fp32.

        They are processed as officially up to temperature: penalty, least length, forbidden codes.
        """
        r = self._rows
        assert r is not None
        logits = self._talker.codec_head(r.hidden).float()
        logits = penalize(logits, r.seen, r.penalty)
        eos = self._talker.config.codec_eos_token_id
        too_early = r.frames < MIN_FRAMES
        logits[:, eos] = logits[:, eos].masked_fill(too_early, float("-inf"))
        return logits.masked_fill(self._forbidden, float("-inf"))

    @torch.inference_mode()
    def step(self) -> Tensor:
        """Make the next frame of every sequence: codes [B, 16].

        A sequence whose first code is the end token has ended; its frame is no audio, and what
        comes after it means nothing.
        """
        talker, r = self._talker, self._rows
        assert r is not None
        sampled = any(c.talker.do_sample or c.predictor.do_sample for c in self._controls)
        first = self._choose_first(r, self.first_logits(), sampled)
        needs = Needs.of([c.predictor for c in self._controls])
        noise = gumbel(r.seeds, r.frames, range(1, 16), _CODES) if sampled else None

        def choose(logits: Tensor, book: int) -> Tensor:
            likeliest = logits.argmax(dim=-1)
            if noise is None:
                return likeliest
            kept = filter_logits(
                logits.float(),
                r.predictor_temperature,
                r.predictor_top_k,
                r.predictor_top_p,
                needs.most,
                nucleus=needs.nucleus,
            )
            drawn = draw(kept, noise[:, book - 1])
            return torch.where(r.predictor_samples[:, 0], drawn, likeliest)

        rest = talker.code_predictor(r.hidden, talker.embed_codec(first), choose, self._frame_cache)
        codes = torch.cat((first[:, None], rest), dim=1)
        self._advance(r, codes)
        return codes

    def _choose_first(self, r: _Rows, logits: Tensor, sampled: bool) -> Tensor:
        likeliest = logits.argmax(dim=-1)
        if not sampled:
            return likeliest
        needs = Needs.of([c.talker for c in self._controls])
        noise = gumbel(r.seeds, r.frames, range(1), logits.shape[-1])[:, 0]
        kept = filter_logits(
            logits,
            r.talker_temperature,
            r.talker_top_k,
            r.talker_top_p,
            needs.most,
            nucleus=needs.nucleus,
        )
        return torch.where(r.talker_samples[:, 0], draw(kept, noise), likeliest)

    def _advance(self, r: _Rows, codes: Tensor) -> None:
        """Run the talker on the frame just made, codes [B, 16], and the next row of text."""
        embedded = self._talker.embed_frames(codes)
        place = torch.minimum(r.frames, r.trailing_ends)
        text = r.trailing[torch.arange(len(place), device=self._device), place]
        span = max(self._lengths) + 1
        if span > self._cache.capacity:
            self._cache = self._cache.grown(_CACHE_BLOCK)
        hidden = self._talker((embedded + text)[:, None], r.positions[:, None], span, self._cache)
        positions, frames = r.positions + 1, r.frames + 1
        # Nothing below needs memory; what is above may be done again.
        r.seen.scatter_(1, codes[:, :1], True)
        r.hidden, r.positions, r.frames = hidden[:, -1], positions, frames
        self._lengths = [length + 1 for length in self._lengths]

    def _begin(
        self, prompts: list[Prompt], controls: list[Controls], hidden: Tensor, positions: Tensor
    ) -> _Rows:
        batch, device = len(prompts), self._device

        def column(values: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, device=device, dtype=dtype)[:, None]

        def sampling(name: str) -> dict[str, Tensor]:
            chosen: list[Sampling] = [getattr(c, name) for c in controls]
            return {
                f"{name}_samples": column([s.do_sample for s in chosen], torch.bool),
                f"{name}_temperature": column([s.temperature for s in chosen]),
                f"{name}_top_k": column([s.top_k for s in chosen], torch.long),
                f"{name}_top_p": column([s.top_p for s in chosen], torch.float64),
            }

        ends = [len(prompt.trailing) for prompt in prompts]
        trailing = torch.stack(
            [
                torch.cat((p.trailing, self._pad_row.expand(max(ends) + 1 - len(p.trailing), -1)))
                for p in prompts
            ]
        )
        vocab = self._talker.config.vocab_size
        return _Rows(
            hidden=hidden,
            positions=positions,
            frames=torch.zeros(batch, dtype=torch.long, device=device),
            seen=torch.zeros(batch, vocab, dtype=torch.bool, device=device),
            trailing=trailing,
            trailing_ends=torch.tensor(ends, device=device),
            seeds=torch.tensor([c.seed for c in controls], device=device),
            penalty=column([c.repetition_penalty for c in controls]),
            **sampling("talker"),
            **sampling("predictor"),
        )
