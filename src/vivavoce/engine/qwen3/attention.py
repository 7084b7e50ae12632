"""Which implementation of attention the transformers use: chosen once, when a model is loaded.

Shapes: queries [B, heads, T, D]; keys and values [B, kv_heads, S or more, D], containing those of
the T queries; positions [B, T], where the queries stand; mask [B, 1, T, S], True where a query may
look. The result is [B, T, heads * D].
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    Attend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]

FLASH = "flash-attn"
SDPA = "sdpa"


def choose(device: torch.device, dtype: torch.dtype) -> str:
    """Return flash-attn where it is installed and can be used, else torch's own attention."""
    usable = device.type == "cuda" and dtype in (torch.bfloat16, torch.float16)
    return FLASH if usable and find_spec("flash_attn") is not None else SDPA


def load(name: str) -> Attend:
    """Return the implementation of that name."""
    return _flash() if name == FLASH else sdpa


def sdpa(q: Tensor, keys: Tensor, values: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
    """Attend with torch's scaled dot product attention.

    Heads that share their keys go in as more queries of one head, so that keys are read once.
    """
    batch, heads, length, width = q.shape
    kv_heads, span = keys.shape[1], mask.shape[-1]
    sharing = heads // kv_heads
    y = F.scaled_dot_product_attention(
        q.reshape(batch, kv_heads, sharing * length, width),
        keys[:, :, :span],
        values[:, :, :span],
        attn_mask=mask if length == 1 else mask.repeat(1, 1, sharing, 1),
    )
    return y.reshape(batch, heads, length, width).transpose(1, 2).flatten(2)


def _flash() -> Attend:
    from flash_attn import flash_attn_with_kvcache

    def flash(q: Tensor, keys: Tensor, values: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        # Its causal mask is aligned to the end: the last query sees all of the cache's first
        # `cache_seqlens` positions, the one before it one less.
        y = flash_attn_with_kvcache(
            q.transpose(1, 2),
            keys.transpose(1, 2),
            values.transpose(1, 2),
            cache_seqlens=(positions[:, -1] + 1).to(torch.int32),
            causal=True,
        )
        return y.flatten(2)

    return flash
