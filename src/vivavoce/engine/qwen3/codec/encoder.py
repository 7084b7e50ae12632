"""Sound to codes, for reference clips: 24 kHz samples to 16 codebooks at 12.5 frames a second.

A Mimi encoder (arXiv:2410.00037) as the official package runs it: the whole clip at once, its
transformer looking back without limit, the first 16 of its codebooks. Parameter names are the
checkpoint's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vivavoce.engine.qwen3.codec.transformer import LayerScale
from vivavoce.engine.qwen3.layers import rope, rotate

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.config import CodecEncoderConfig

BOOKS = 16


class PaddedConv(nn.Module):
    """A causal convolution, its right end padded to a whole step of its stride."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int = 1,
        *,
        pad: str = "constant",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(c_in, c_out, kernel, stride=stride, bias=bias)
        self.left, self.stride, self.pad = kernel - stride, stride, pad

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C_in, T] to [B, C_out, ceil(T / stride)]."""
        right = -x.shape[-1] % self.stride
        return self.conv(F.pad(x, (self.left, right), mode=self.pad))


class ResidualBlock(nn.Module):
    """Two convolutions with ELUs before them, beside a residual."""

    def __init__(self, channels: int, kernel: int, compress: int) -> None:
        super().__init__()
        narrow = channels // compress
        self.block = nn.ModuleList(
            [
                nn.ELU(),
                PaddedConv(channels, narrow, kernel),
                nn.ELU(),
                PaddedConv(narrow, channels, 1),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to itself."""
        y = x
        for layer in self.block:
            y = layer(y)
        return x + y


class ConvEncoder(nn.Module):
    """From samples to 25 steps a second."""

    def __init__(self, c: CodecEncoderConfig) -> None:
        super().__init__()
        width = c.num_filters
        layers: list[nn.Module] = [PaddedConv(1, width, c.kernel_size)]
        for rate in reversed(c.upsampling_ratios):
            layers += [
                ResidualBlock(width, c.residual_kernel_size, c.compress),
                nn.ELU(),
                PaddedConv(width, 2 * width, 2 * rate, rate),
            ]
            width *= 2
        layers += [nn.ELU(), PaddedConv(width, c.hidden_size, c.last_kernel_size)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, 1, samples] to [B, hidden, steps]."""
        for layer in self.layers:
            x = layer(x)
        return x


class Attention(nn.Module):
    """Causal attention with RoPE."""

    def __init__(self, c: CodecEncoderConfig) -> None:
        super().__init__()
        self.heads, self.head_dim = c.num_attention_heads, c.head_dim
        width = self.heads * self.head_dim
        self.q_proj = nn.Linear(c.hidden_size, width, bias=False)
        self.k_proj = nn.Linear(c.hidden_size, width, bias=False)
        self.v_proj = nn.Linear(c.hidden_size, width, bias=False)
        self.o_proj = nn.Linear(width, c.hidden_size, bias=False)

    def forward(self, x: Tensor, cos_sin: Tensor) -> Tensor:
        """Map [B, T, hidden] to itself."""
        batch, length, _ = x.shape
        shape = (batch, length, self.heads, self.head_dim)
        q = rotate(self.q_proj(x).view(shape).transpose(1, 2), cos_sin)
        k = rotate(self.k_proj(x).view(shape).transpose(1, 2), cos_sin)
        v = self.v_proj(x).view(shape).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, c: CodecEncoderConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.fc2 = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., hidden] to itself."""
        return self.fc2(F.gelu(self.fc1(x)))


class TransformerLayer(nn.Module):
    """Norm, attention, norm, feed-forward; each result scaled before it is added."""

    def __init__(self, c: CodecEncoderConfig) -> None:
        super().__init__()
        self.self_attn = Attention(c)
        self.mlp = FeedForward(c)
        self.input_layernorm = nn.LayerNorm(c.hidden_size, eps=c.norm_eps)
        self.post_attention_layernorm = nn.LayerNorm(c.hidden_size, eps=c.norm_eps)
        self.self_attn_layer_scale = LayerScale(c.hidden_size)
        self.mlp_layer_scale = LayerScale(c.hidden_size)

    def forward(self, x: Tensor, cos_sin: Tensor) -> Tensor:
        """Map [B, T, hidden] to itself."""
        x = x + self.self_attn_layer_scale(self.self_attn(self.input_layernorm(x), cos_sin))
        return x + self.mlp_layer_scale(self.mlp(self.post_attention_layernorm(x)))


class Transformer(nn.Module):
    """The encoder's transformer; it has no norm at its end."""

    def __init__(self, c: CodecEncoderConfig) -> None:
        super().__init__()
        self.head_dim, self.theta = c.head_dim, c.rope_theta
        self.layers = nn.ModuleList(TransformerLayer(c) for _ in range(c.num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, hidden] to itself."""
        positions = torch.arange(x.shape[1], device=x.device)[None]
        cos_sin = rope(positions, self.head_dim, self.theta, x.dtype)
        for layer in self.layers:
            x = layer(x, cos_sin)
        return x


class Codebook(nn.Module):
    """One codebook, stored as running sums and counts."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.initialized = nn.Parameter(torch.empty(1))
        self.cluster_usage = nn.Parameter(torch.empty(size))
        self.embed_sum = nn.Parameter(torch.empty(size, dim))

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return for x [n, dim] the nearest codes [n] and their vectors [n, dim]."""
        vectors = self.embed_sum / self.cluster_usage.clamp(min=1e-5)[:, None]
        codes = torch.cdist(x[None].float(), vectors[None].float())[0].argmin(dim=-1)
        return codes, vectors[codes]


class _Layer(nn.Module):
    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.codebook = Codebook(size, dim)


class ResidualQuantizer(nn.Module):
    """Codebooks that each describe what those before them left. `output_proj` is the decoder's."""

    def __init__(self, books: int, c: CodecEncoderConfig) -> None:
        super().__init__()
        self.input_proj = nn.Conv1d(c.hidden_size, c.codebook_dim, 1, bias=False)
        self.output_proj = nn.Conv1d(c.codebook_dim, c.hidden_size, 1, bias=False)
        self.layers = nn.ModuleList(_Layer(c.codebook_size, c.codebook_dim) for _ in range(books))

    def forward(self, x: Tensor, books: int) -> Tensor:
        """Return the first `books` codes of x [1, hidden, T], as [T, books]."""
        left = self.input_proj(x)[0].T
        found = []
        for layer in self.layers[:books]:
            codes, vectors = layer.codebook.nearest(left)
            left = left - vectors
            found.append(codes)
        return torch.stack(found, dim=-1)


class SplitQuantizer(nn.Module):
    """The semantic codebook and the acoustic ones, both of the same signal."""

    def __init__(self, c: CodecEncoderConfig) -> None:
        super().__init__()
        self.semantic_residual_vector_quantizer = ResidualQuantizer(1, c)
        self.acoustic_residual_vector_quantizer = ResidualQuantizer(c.num_quantizers - 1, c)

    def forward(self, x: Tensor) -> Tensor:
        """Return codes [T, 16] of x [1, hidden, T]."""
        semantic = self.semantic_residual_vector_quantizer(x, 1)
        acoustic = self.acoustic_residual_vector_quantizer(x, BOOKS - 1)
        return torch.cat((semantic, acoustic), dim=-1)


class CodecEncoder(nn.Module):
    """The whole encoder; see the module."""

    def __init__(self, c: CodecEncoderConfig) -> None:
        super().__init__()
        self.encoder = ConvEncoder(c)
        self.encoder_transformer = Transformer(c)
        self.downsample = PaddedConv(
            c.hidden_size, c.hidden_size, 4, 2, pad="replicate", bias=False
        )
        self.quantizer = SplitQuantizer(c)
        self.samples_per_frame = 2 * math.prod(c.upsampling_ratios)

    def forward(self, samples: Tensor) -> Tensor:
        """Return codes [frames, 16], int64, of samples [n], n > 0; frames = ceil(n / 1920)."""
        x = self.encoder(samples[None, None])
        x = self.encoder_transformer(x.transpose(1, 2)).transpose(1, 2)
        codes = self.quantizer(self.downsample(x))
        return codes[: -(-len(samples) // self.samples_per_frame)]
