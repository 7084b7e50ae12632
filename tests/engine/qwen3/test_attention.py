"""The implementations of attention agree; which one is used is chosen by what there is."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import torch

from vivavoce.engine.qwen3 import attention

if TYPE_CHECKING:
    from torch import Tensor


def flash_attn_with_kvcache(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, *, cache_seqlens: Tensor, causal: bool
) -> Tensor:
    """What flash-attn documents, in plain words: [B, T, heads, D], mask aligned to the end."""
    assert causal
    assert cache_seqlens.dtype == torch.int32
    out = torch.empty_like(q)
    group = q.shape[2] // k_cache.shape[2]
    for b, length in enumerate(cache_seqlens.tolist()):
        for t in range(q.shape[1]):
            seen = length - q.shape[1] + t + 1
            for head in range(q.shape[2]):
                keys = k_cache[b, :seen, head // group]
                values = v_cache[b, :seen, head // group]
                weights = (keys @ q[b, t, head] / q.shape[-1] ** 0.5).softmax(0)
                out[b, t, head] = weights @ values
    return out


@pytest.fixture
def flash_attn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that computes what the real one promises, on any machine."""
    module = ModuleType("flash_attn")
    module.flash_attn_with_kvcache = flash_attn_with_kvcache
    monkeypatch.setitem(sys.modules, "flash_attn", module)


@pytest.mark.usefixtures("flash_attn")
@pytest.mark.parametrize(("begins", "new"), [([0, 0], 7), ([5, 9], 1), ([0, 30], 1)])
def test_flash_attention_is_called_for_the_same_result(begins: list[int], new: int) -> None:
    torch.manual_seed(1)
    q = torch.randn(2, 4, new, 16)
    keys, values = torch.randn(2, 2, 2, 40, 16)
    slots = torch.tensor(begins)[:, None] + torch.arange(new)
    span = int(slots.max()) + 1
    mask = (torch.arange(span) <= slots[..., None])[:, None]
    flash = attention.load(attention.FLASH)(q, keys, values, slots, mask)
    plain = attention.load(attention.SDPA)(q, keys, values, slots, mask)
    assert flash.shape == plain.shape == (2, new, 64)
    assert (flash - plain).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("device", "dtype", "installed", "chosen"),
    [
        ("cuda", torch.bfloat16, True, attention.FLASH),
        ("cuda", torch.bfloat16, False, attention.SDPA),
        ("cuda", torch.float32, True, attention.SDPA),
        ("cpu", torch.bfloat16, True, attention.SDPA),
    ],
)
def test_flash_attention_is_used_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, device: str, dtype: torch.dtype, installed: bool, chosen: str
) -> None:
    monkeypatch.setattr(attention, "find_spec", lambda name: object() if installed else None)
    assert attention.choose(torch.device(device), dtype) == chosen
