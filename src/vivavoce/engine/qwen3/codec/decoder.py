"""Codes to sound: 16 codebooks at 12.5 frames a second to 24 kHz, any number of frames at a time.

codes [B, 16, T] → codebook vectors → causal conv → windowed transformer → 2 × (upsample 2,
ConvNeXt) → 4 × (Snake, upsample 8/5/4/3, residual units) → samples [B, T * 1920].
Everything is causal, so a stream's past is finite and explicit: `CodecState`. Architecture and
parameter names: the official package, qwen-tts 0.1.1 (tokenizer_12hz).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vivavoce.engine.qwen3.codec.streaming import (
    CausalConv,
    ConvNeXtBlock,
    SnakeBeta,
    Taps,
    TransposedTaps,
)
from vivavoce.engine.qwen3.codec.transformer import Transformer
from vivavoce.engine.qwen3.memory import zeros

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.config import CodecDecoderConfig

# Frames of latents that a sample depends on: convolutions of 7 at 25, 50 and 50 Hz, then in each
# block dilations of 1, 3 and 9 at 400 Hz, 2 kHz, 8 kHz and 24 kHz. Together 9.6.
_VOCODER_REACH = 12


@dataclass(slots=True)
class CodecState:
    """The past of B streams.

    `frames` [B] counts the frames decoded; `keys` and `values` [layers, B, heads, window - 1,
    head_dim] are the transformer's; `convs` are the convolutions' states in order of use. `longest`
    is the largest of `frames`, as the host knows it.
    """

    frames: Tensor
    keys: Tensor
    values: Tensor
    convs: list[Tensor]
    longest: int = 0


class Codebook(nn.Module):
    """One codebook, stored as running sums and counts; their quotient is a code's vector."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.cluster_usage = nn.Parameter(torch.empty(size))
        self.embedding_sum = nn.Parameter(torch.empty(size, dim))

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes [...] to their vectors [..., dim]; only theirs are divided."""
        counts = F.embedding(codes, self.cluster_usage[:, None])
        return F.embedding(codes, self.embedding_sum) / counts.clamp(min=1e-5)


class _Layer(nn.Module):
    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self._codebook = Codebook(size, dim)


class _Books(nn.Module):
    def __init__(self, books: int, size: int, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(size, dim) for _ in range(books))


class ResidualQuantizer(nn.Module):
    """Some codebooks whose vectors are added, and the projection out of their space.

    `input_proj` belongs to encoding, which the released encoder does by itself; it is loaded so
    that no tensor of a checkpoint is left over.
    """

    def __init__(self, books: int, size: int, dim: int) -> None:
        super().__init__()
        self.input_proj = nn.Conv1d(dim, dim // 2, 1, bias=False)
        self.output_proj = nn.Conv1d(dim // 2, dim, 1, bias=False)
        self.vq = _Books(books, size, dim // 2)

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes [B, books, T] to [B, T, dim]."""
        books = [layer._codebook for layer in self.vq.layers]
        total = sum(book(codes[:, i]) for i, book in enumerate(books))
        return F.linear(total, self.output_proj.weight.squeeze(-1))


class Quantizer(nn.Module):
    """The first (semantic) codebook and the 15 (acoustic) others."""

    def __init__(self, books: int, size: int, dim: int) -> None:
        super().__init__()
        self.rvq_first = ResidualQuantizer(1, size, dim)
        self.rvq_rest = ResidualQuantizer(books - 1, size, dim)

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes [B, books, T] to [B, T, dim]."""
        return self.rvq_first(codes[:, :1]) + self.rvq_rest(codes[:, 1:])


class ResidualUnit(nn.Module):
    """Two convolutions with Snakes before them, beside a residual."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.act1 = SnakeBeta(channels)
        self.conv1 = CausalConv(Taps(channels, channels, kernel=7), dilation)
        self.act2 = SnakeBeta(channels)
        self.conv2 = CausalConv(Taps(channels, channels, kernel=1))

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, T, C] to itself, in place; return the first convolution's next state as well."""
        y, state = self.conv1(x, state, self.act1)
        y = self.act2(y, out=torch.empty_like(y))
        return self.conv2.conv.add_to(x, y), state


class UpsampleBlock(nn.Module):
    """A Snake, an upsampling convolution that halves the channels, three residual units."""

    def __init__(self, channels: int, rate: int) -> None:
        super().__init__()
        half = channels // 2
        self.block = nn.ModuleList(
            [
                SnakeBeta(channels),
                CausalConv(TransposedTaps(channels, half, kernel=2 * rate, stride=rate)),
                *(ResidualUnit(half, dilation) for dilation in (1, 3, 9)),
            ]
        )


class CodecDecoder(nn.Module):
    """The whole decoder; see the module."""

    def __init__(self, c: CodecDecoderConfig) -> None:
        super().__init__()
        self.config = c
        self.quantizer = Quantizer(c.num_quantizers, c.codebook_size, c.codebook_dim)
        self.pre_conv = CausalConv(Taps(c.codebook_dim, c.latent_dim, kernel=3))
        self.pre_transformer = Transformer(c)
        self.upsample = nn.ModuleList(
            nn.ModuleList(
                [
                    CausalConv(
                        TransposedTaps(c.latent_dim, c.latent_dim, kernel=rate, stride=rate)
                    ),
                    ConvNeXtBlock(c.latent_dim),
                ]
            )
            for rate in c.upsampling_ratios
        )
        widths = [c.decoder_dim // 2**i for i in range(len(c.upsample_rates) + 1)]
        self.decoder = nn.ModuleList(
            [
                CausalConv(Taps(c.latent_dim, c.decoder_dim, kernel=7)),
                *(UpsampleBlock(w, r) for w, r in zip(widths, c.upsample_rates, strict=False)),
                SnakeBeta(widths[-1]),
                CausalConv(Taps(widths[-1], 1, kernel=7)),
            ]
        )

    def compute_as_officially(self, wanted: bool = True) -> None:
        """Have all sums made in the official package's order: slower, and no more exact.

        A signal decoded in one call is then the package's, bit for bit where torch is the same.
        """
        for module in self.modules():
            if isinstance(module, Taps | SnakeBeta):
                module.as_officially = wanted

    def start(self, batch: int) -> CodecState:
        """Return the state of `batch` streams that have decoded nothing."""
        c = self.config
        like = self.pre_conv.conv.weight
        back = (c.num_hidden_layers, batch, c.num_attention_heads, c.sliding_window - 1, c.head_dim)
        return CodecState(
            frames=torch.zeros(batch, dtype=torch.long, device=like.device),
            keys=zeros(back, like),
            values=zeros(back, like),
            convs=[module.start(batch) for module in self._stateful()],
        )

    def forward(self, codes: Tensor, state: CodecState) -> tuple[Tensor, CodecState]:
        """Decode codes [B, 16, T], T > 0, that follow `state`.

        Returns samples [B, T * 1920] within [-1, 1], and the state after them. The state given is
        left as it was.
        """
        x, first, keys, values = self._latents(codes, state)
        samples, convs = self._vocode(x, state.convs[1:])
        length = codes.shape[-1]
        frames, longest = state.frames + length, state.longest + length
        return samples, CodecState(frames, keys, values, [first, *convs], longest)

    def prime(self, codes: Tensor) -> CodecState:
        """Return the state after codes [B, 16, T] whose sound nobody needs: a reference clip's.

        Only the transformer looks far back. The rest, nearly all of the work, is done for the last
        frames alone.
        """
        start = self.start(len(codes))
        x, first, keys, values = self._latents(codes, start)
        _, convs = self._vocode(x[:, -_VOCODER_REACH:], start.convs[1:])
        length = codes.shape[-1]
        return CodecState(start.frames + length, keys, values, [first, *convs], length)

    def _latents(self, codes: Tensor, state: CodecState) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return latents [B, T, latent] and the next states of what makes them."""
        x, first = self.pre_conv(self.quantizer(codes), state.convs[0])
        x, keys, values = self.pre_transformer(
            x, state.frames, state.longest, state.keys, state.values
        )
        return x, first, keys, values

    def _vocode(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Map latents [B, T, latent] to samples [B, T * 1920]; return the next states as well."""
        past = iter(states)
        after: list[Tensor] = []

        def run(module: nn.Module, x: Tensor, *act: SnakeBeta) -> Tensor:
            y, state = module(x, next(past), *act)
            after.append(state)
            return y

        for upsample, block in self.upsample:
            x = run(block, run(upsample, x))
        first, *blocks, snake, last = self.decoder
        x = run(first, x)
        for block in blocks:
            act, upsample, *units = block.block
            x = run(upsample, x, act)
            for unit in units:
                x = run(unit, x)
        x = run(last, x, snake)
        return x[..., 0].clamp(-1, 1), after

    def _stateful(self) -> list[CausalConv]:
        """Return the modules that have a state, in the order in which `forward` uses them."""
        found: list[CausalConv] = [self.pre_conv]
        for upsample, block in self.upsample:
            found += [upsample, block.dwconv]
        first, *blocks, _, last = self.decoder
        found.append(first)
        for block in blocks:
            _, upsample, *units = block.block
            found += [upsample, *(unit.conv1 for unit in units)]
        return [*found, last]
