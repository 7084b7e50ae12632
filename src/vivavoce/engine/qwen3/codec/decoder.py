"""Codes to sound: 16 codebooks at 12.5 frames a second to 24 kHz, any number of frames at a time.

codes [B, 16, T] → codebook vectors → causal conv → windowed transformer → 2 × (upsample 2,
ConvNeXt) → 4 × (Snake, upsample 8/5/4/3, residual units) → samples [B, T * 1920].
Everything is causal, so a stream's past is finite and explicit: `CodecState`. Architecture and
parameter names: the official package, qwen-tts 0.1.1 (tokenizer_12hz).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vivavoce.engine.qwen3.codec.streaming import (
    CausalConv,
    CausalTransposedConv,
    ConvNeXtBlock,
    SnakeBeta,
)
from vivavoce.engine.qwen3.config import CodecDecoderConfig
from vivavoce.engine.qwen3.layers import MLP, RMSNorm, rope, rotate

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
        """Map codes [B, books, T] to [B, dim, T]."""
        books = [layer._codebook for layer in self.vq.layers]
        total = sum(book(codes[:, i]) for i, book in enumerate(books))
        return self.output_proj(total.transpose(1, 2))


class Quantizer(nn.Module):
    """The first (semantic) codebook and the 15 (acoustic) others."""

    def __init__(self, books: int, size: int, dim: int) -> None:
        super().__init__()
        self.rvq_first = ResidualQuantizer(1, size, dim)
        self.rvq_rest = ResidualQuantizer(books - 1, size, dim)

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes [B, books, T] to [B, dim, T]."""
        return self.rvq_first(codes[:, :1]) + self.rvq_rest(codes[:, 1:])


class LayerScale(nn.Module):
    """A gain per channel."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(size))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last dimension."""
        return self.scale * x


class WindowedAttention(nn.Module):
    """Attention over the last `window` frames, the present one included."""

    def __init__(self, c: CodecDecoderConfig) -> None:
        super().__init__()
        self.heads, self.head_dim, self.window = c.num_attention_heads, c.head_dim, c.sliding_window
        width = self.heads * self.head_dim
        self.q_proj = nn.Linear(c.hidden_size, width, bias=False)
        self.k_proj = nn.Linear(c.hidden_size, width, bias=False)
        self.v_proj = nn.Linear(c.hidden_size, width, bias=False)
        self.o_proj = nn.Linear(width, c.hidden_size, bias=False)

    def forward(
        self, x: Tensor, cos_sin: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from x [B, T, H] to the cached window - 1 frames and itself.

        The mask, [B, 1, T, S], is that of the last S of them: there is nothing in those before.
        Returns the result and the next cached keys and values.
        """
        batch, length, _ = x.shape
        shape = (batch, length, self.heads, self.head_dim)
        q = rotate(self.q_proj(x).view(shape).transpose(1, 2), cos_sin)
        k = rotate(self.k_proj(x).view(shape).transpose(1, 2), cos_sin)
        k = torch.cat((keys, k), dim=2)
        v = torch.cat((values, self.v_proj(x).view(shape).transpose(1, 2)), dim=2)
        empty = k.shape[2] - mask.shape[-1]
        y = F.scaled_dot_product_attention(q, k[:, :, empty:], v[:, :, empty:], attn_mask=mask)
        y = self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))
        kept = k.shape[2] - (self.window - 1)
        return y, k[:, :, kept:], v[:, :, kept:]


class TransformerLayer(nn.Module):
    """Norm, attention, norm, MLP; each result scaled before it is added."""

    def __init__(self, c: CodecDecoderConfig) -> None:
        super().__init__()
        self.self_attn = WindowedAttention(c)
        self.mlp = MLP(c.hidden_size, c.intermediate_size)
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn_layer_scale = LayerScale(c.hidden_size)
        self.mlp_layer_scale = LayerScale(c.hidden_size)

    def forward(
        self, x: Tensor, cos_sin: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `WindowedAttention.forward`."""
        y, keys, values = self.self_attn(self.input_layernorm(x), cos_sin, mask, keys, values)
        x = x + self.self_attn_layer_scale(y)
        x = x + self.mlp_layer_scale(self.mlp(self.post_attention_layernorm(x)))
        return x, keys, values


class Transformer(nn.Module):
    """The codec's transformer, between two projections."""

    def __init__(self, c: CodecDecoderConfig) -> None:
        super().__init__()
        self.window, self.head_dim, self.theta = c.sliding_window, c.head_dim, c.rope_theta
        self.input_proj = nn.Linear(c.latent_dim, c.hidden_size)
        self.layers = nn.ModuleList(TransformerLayer(c) for _ in range(c.num_hidden_layers))
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.output_proj = nn.Linear(c.hidden_size, c.latent_dim)

    def forward(
        self, x: Tensor, frames: Tensor, longest: int, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Map x [B, T, latent] after `frames` [B] others; return the next keys and values too."""
        length, back = x.shape[1], self.window - 1
        steps = torch.arange(length, device=x.device)
        cos_sin = rope(frames[:, None] + steps, self.head_dim, self.theta, x.dtype)
        # Key j stands for frame `frames - back + j`; before frame 0 there is nothing.
        places = torch.arange(back + length, device=x.device)
        age = steps[:, None] + back - places[None, :]
        near = (age >= 0) & (age < self.window)
        real = places[None, :] >= back - frames[:, None]
        mask = (near[None] & real[:, None, :])[:, None]
        # Places where no stream has a frame yet are left out: masked, they would still be summed,
        # and rounded otherwise than officially.
        mask = mask[..., max(back - longest, 0) :]
        x = self.input_proj(x)
        next_keys, next_values = [], []
        for layer, layer_keys, layer_values in zip(self.layers, keys, values, strict=True):
            x, k, v = layer(x, cos_sin, mask, layer_keys, layer_values)
            next_keys.append(k)
            next_values.append(v)
        x = self.output_proj(self.norm(x))
        return x, torch.stack(next_keys), torch.stack(next_values)


class ResidualUnit(nn.Module):
    """Two convolutions with Snakes before them, beside a residual."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.act1 = SnakeBeta(channels)
        self.conv1 = CausalConv(channels, channels, kernel=7, dilation=dilation)
        self.act2 = SnakeBeta(channels)
        self.conv2 = CausalConv(channels, channels, kernel=1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, C, T] to itself; return the first convolution's next state as well."""
        y, state = self.conv1(self.act1(x), state)
        return x + self.conv2.conv(self.act2(y)), state


class UpsampleBlock(nn.Module):
    """A Snake, an upsampling convolution that halves the channels, three residual units."""

    def __init__(self, channels: int, rate: int) -> None:
        super().__init__()
        half = channels // 2
        self.block = nn.ModuleList(
            [
                SnakeBeta(channels),
                CausalTransposedConv(channels, half, kernel=2 * rate, stride=rate),
                *(ResidualUnit(half, dilation) for dilation in (1, 3, 9)),
            ]
        )


class CodecDecoder(nn.Module):
    """The whole decoder; see the module."""

    def __init__(self, c: CodecDecoderConfig) -> None:
        super().__init__()
        self.config = c
        self.quantizer = Quantizer(c.num_quantizers, c.codebook_size, c.codebook_dim)
        self.pre_conv = CausalConv(c.codebook_dim, c.latent_dim, kernel=3)
        self.pre_transformer = Transformer(c)
        self.upsample = nn.ModuleList(
            nn.ModuleList(
                [
                    CausalTransposedConv(c.latent_dim, c.latent_dim, kernel=rate, stride=rate),
                    ConvNeXtBlock(c.latent_dim),
                ]
            )
            for rate in c.upsampling_ratios
        )
        widths = [c.decoder_dim // 2**i for i in range(len(c.upsample_rates) + 1)]
        self.decoder = nn.ModuleList(
            [
                CausalConv(c.latent_dim, c.decoder_dim, kernel=7),
                *(UpsampleBlock(w, r) for w, r in zip(widths, c.upsample_rates, strict=False)),
                SnakeBeta(widths[-1]),
                CausalConv(widths[-1], 1, kernel=7),
            ]
        )

    def start(self, batch: int) -> CodecState:
        """Return the state of `batch` streams that have decoded nothing."""
        c = self.config
        like = self.pre_conv.conv.weight
        back = (c.num_hidden_layers, batch, c.num_attention_heads, c.sliding_window - 1, c.head_dim)
        return CodecState(
            frames=torch.zeros(batch, dtype=torch.long, device=like.device),
            keys=like.new_zeros(back),
            values=like.new_zeros(back),
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
        _, convs = self._vocode(x[..., -_VOCODER_REACH:], start.convs[1:])
        length = codes.shape[-1]
        return CodecState(start.frames + length, keys, values, [first, *convs], length)

    def _latents(self, codes: Tensor, state: CodecState) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return latents [B, latent, T] and the next states of what makes them."""
        x, first = self.pre_conv(self.quantizer(codes), state.convs[0])
        x, keys, values = self.pre_transformer(
            x.transpose(1, 2), state.frames, state.longest, state.keys, state.values
        )
        return x.transpose(1, 2), first, keys, values

    def _vocode(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Map latents [B, latent, T] to samples [B, T * 1920]; return the next states as well."""
        past = iter(states)
        after: list[Tensor] = []

        def run(module: nn.Module, x: Tensor) -> Tensor:
            y, state = module(x, next(past))
            after.append(state)
            return y

        for upsample, block in self.upsample:
            x = run(block, run(upsample, x))
        first, *blocks, snake, last = self.decoder
        x = run(first, x)
        for block in blocks:
            act, upsample, *units = block.block
            x = run(upsample, act(x))
            for unit in units:
                x = run(unit, x)
        x = run(last, snake(x))
        return x[:, 0].clamp(-1, 1), after

    def _stateful(self) -> list[CausalConv | CausalTransposedConv]:
        """Return the modules that have a state, in the order in which `forward` uses them."""
        found: list[CausalConv | CausalTransposedConv] = [self.pre_conv]
        for upsample, block in self.upsample:
            found += [upsample, block.dwconv]
        first, *blocks, _, last = self.decoder
        found.append(first)
        for block in blocks:
            _, upsample, *units = block.block
            found += [upsample, *(unit.conv1 for unit in units)]
        return [*found, last]
