"""The transformer that talker and code predictor are made of: Qwen3, with its cache passed in.

Shapes: B sequences, T new positions, S positions to look at, H hidden. Nothing here keeps state or
reads a value back to the host, so every function can be captured in a graph.
Formulas: Qwen3 technical report (arXiv:2505.09388) and the official package, qwen-tts 0.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vivavoce.engine.qwen3.kv import FrameCache, PagedCache

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.attention import Attend
    from vivavoce.engine.qwen3.config import TransformerConfig
    from vivavoce.engine.qwen3.kv import View


class RMSNorm(nn.Module):
    """Root mean square norm: statistics in fp32, cast back, then the weight (in that order)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Norm the last dimension."""
        return self.weight * F.rms_norm(x.float(), self.weight.shape, eps=self.eps).to(x.dtype)


def rope(positions: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> Tensor:
    """Return cos and sin for `rotate`, [2, B, 1, T, head_dim], of positions [B, T].

    The talker's interleaved multimodal RoPE has three equal position rows and so is this one.
    """
    powers = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    # Rounded as officially: theta**-powers differs in its last bit, and far out that is an angle.
    angles = positions[:, None, :, None].float() * (1.0 / theta**powers)
    cos, sin = angles.cos(), angles.sin()
    return torch.stack((torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1))).to(dtype)


def rotate(x: Tensor, cos_sin: Tensor) -> Tensor:
    """Apply RoPE to x [B, heads, T, head_dim], rotating halves."""
    return x * cos_sin[0] + x.roll(x.shape[-1] // 2, dims=-1) * cos_sin[1]


@dataclass(frozen=True, slots=True)
class Places:
    """Where T new positions of B sequences stand: what all layers of a pass need to know of it."""

    positions: Tensor  # [B, T]
    cos_sin: Tensor  # [2, B, 1, T, head_dim], for `rotate`
    mask: Tensor  # [B, 1, T, S], True where a position may look

    @classmethod
    def at(cls, positions: Tensor, span: int, c: TransformerConfig, dtype: torch.dtype) -> Places:
        """Return those of `positions` [B, T], all below `span`, each looking back at all others."""
        return cls(
            positions=positions,
            cos_sin=rope(positions, c.head_dim, c.rope_theta, dtype),
            mask=(torch.arange(span, device=positions.device) <= positions[..., None])[:, None],
        )

    def part(self, begin: int, end: int) -> Places:
        """Return some of T positions that stand at 0 to T - 1."""
        return Places(
            self.positions[:, begin:end],
            self.cos_sin[..., begin:end, :],
            self.mask[:, :, begin:end, :end],
        )


class Attention(nn.Module):
    """Grouped-query attention with a norm on each head's query and key before RoPE."""

    def __init__(
        self,
        hidden: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        eps: float,
        attend: Attend,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.attend = attend
        self.q_proj = nn.Linear(hidden, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(hidden, kv_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(hidden, kv_heads * head_dim, bias=False)
        self.o_proj = nn.Linear(heads * head_dim, hidden, bias=False)
        self.q_norm = RMSNorm(head_dim, eps)
        self.k_norm = RMSNorm(head_dim, eps)

    def forward(self, x: Tensor, places: Places, view: View, layer: int) -> Tensor:
        """Attend from x [B, T, H]; write its keys and values into the cache."""
        batch, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(batch, length, self.heads, self.head_dim))
        k = self.k_norm(self.k_proj(x).view(batch, length, self.kv_heads, self.head_dim))
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_dim)
        q = rotate(q.transpose(1, 2), places.cos_sin)
        k = rotate(k.transpose(1, 2), places.cos_sin)
        keys, values = view.update(layer, k.transpose(1, 2), v)
        return self.o_proj(self.attend(q, keys, values, places.positions, places.mask))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, hidden: int, intermediate: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., H] to [..., H]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    """Norm, attention, norm, MLP, each with its residual."""

    def __init__(
        self,
        hidden: int,
        intermediate: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        eps: float,
        attend: Attend,
    ) -> None:
        super().__init__()
        self.self_attn = Attention(hidden, heads, kv_heads, head_dim, eps, attend)
        self.mlp = MLP(hidden, intermediate)
        self.input_layernorm = RMSNorm(hidden, eps)
        self.post_attention_layernorm = RMSNorm(hidden, eps)

    def forward(self, x: Tensor, places: Places, view: View, layer: int) -> Tensor:
        """See `Attention.forward`."""
        x = x + self.self_attn(self.input_layernorm(x), places, view, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


def make_table(size: int, width: int) -> nn.Embedding:
    """Return a table of embeddings whose values are yet to be loaded.

    Its plain constructor draws some, for which torch imports its compiler: a second and 60 MB.
    """
    return nn.Embedding.from_pretrained(torch.empty(size, width))


class Layers(nn.ModuleList):
    """The layers of a transformer of these sizes; `attend` as in `attention.load`."""

    def __init__(self, c: TransformerConfig, attend: Attend) -> None:
        super().__init__(
            DecoderLayer(
                c.hidden_size,
                c.intermediate_size,
                c.num_attention_heads,
                c.num_key_value_heads,
                c.head_dim,
                c.rms_norm_eps,
                attend,
            )
            for _ in range(c.num_hidden_layers)
        )

    def new_cache(self, rows: int, pages: int) -> PagedCache:
        """Return an empty cache for so many sequences, which share so many pages."""
        a = self[0].self_attn
        return PagedCache(rows, len(self), pages, a.kv_heads, a.head_dim, like=a.k_norm.weight)

    def new_frame_cache(self, rows: int, length: int) -> FrameCache:
        """Return an empty cache for so many sequences of so many positions."""
        a = self[0].self_attn
        return FrameCache(rows, len(self), length, a.kv_heads, a.head_dim, like=a.k_norm.weight)

    def forward(self, x: Tensor, places: Places, view: View) -> Tensor:
        """Run x [B, T, H] at its places through all layers, writing into their cache."""
        for number, layer in enumerate(self):
            x = layer(x, places, view, number)
        return x
