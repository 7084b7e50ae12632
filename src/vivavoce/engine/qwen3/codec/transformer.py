"""The codec decoder's transformer: it looks back over a window of frames, which are its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vivavoce.engine.qwen3.layers import MLP, RMSNorm, rope, rotate

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.config import CodecDecoderConfig


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
