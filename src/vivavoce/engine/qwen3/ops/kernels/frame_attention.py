"""The predictor's attention: at most a few positions, so all of it is one kernel.

A program is a row's keys of one head, with all the queries that share them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from vivavoce.engine.qwen3.ops.kernels.heads import turned
from vivavoce.engine.qwen3.ops.kernels.norm import FUSED

if TYPE_CHECKING:
    from torch import Tensor

    from vivavoce.engine.qwen3.ops.base import HeadNorms


@triton.jit(do_not_specialize=["position"])
def _attend_frame(
    qkv,
    q_norm,
    k_norm,
    cos_sin,
    keys,
    values,
    y,
    position,
    sin_offset,
    qkv_stride,
    eps,
    scale,
    SHARING: tl.constexpr,
    KV_HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
    SPAN: tl.constexpr,
    BLOCK: tl.constexpr,
    LENGTH: tl.constexpr,
):
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    heads: tl.constexpr = SHARING * KV_HEADS
    like: tl.constexpr = keys.dtype.element_ty
    d = tl.arange(0, WIDTH)[None, :]
    place = tl.arange(0, BLOCK)
    cached = ((row * KV_HEADS + head) * SPAN + place)[:, None] * WIDTH + d
    before = (place < position)[:, None]
    k = tl.load(keys + cached, before, 0).to(tl.float32)
    v = tl.load(values + cached, before, 0).to(tl.float32)
    one = tl.zeros((1, 1), tl.int32)
    for t in tl.static_range(LENGTH):
        own = qkv + (row * LENGTH + t) * qkv_stride + (heads + head) * WIDTH + one
        here = (place == position + t)[:, None]
        new = turned(own, k_norm, cos_sin, position + t, sin_offset, eps, WIDTH)
        k = tl.where(here, new, k)
        v = tl.where(here, tl.load(own + KV_HEADS * WIDTH + d).to(tl.float32), v)
        tl.store(keys + cached, k.to(like), here)
        tl.store(values + cached, v.to(like), here)
    sharer = head * SHARING + tl.arange(0, SHARING)[:, None]
    for t in tl.static_range(LENGTH):
        line = row * LENGTH + t
        own = qkv + line * qkv_stride + sharer * WIDTH
        q = turned(own, q_norm, cos_sin, position + t, sin_offset, eps, WIDTH)
        scores = tl.sum(q[:, None, :] * k[None, :, :], axis=2) * scale
        scores = tl.where((place <= position + t)[None, :], scores, float("-inf"))
        odds = tl.exp(scores - tl.max(scores, axis=1)[:, None])
        mixed = tl.sum(odds[:, :, None] * v[None, :, :], axis=1) / tl.sum(odds, axis=1)[:, None]
        tl.store(y + (line * heads + sharer) * WIDTH + d, mixed.to(like))


def attend_frame(
    qkv: Tensor,
    norms: HeadNorms,
    cos_sin: Tensor,
    keys: Tensor,
    values: Tensor,
    position: int,
    length: int = 1,
) -> Tensor:
    """See `Operations.attend_frame`."""
    _, kv_heads, span, width = keys.shape
    lines = len(qkv)
    heads = qkv.shape[1] // width - 2 * kv_heads
    y = torch.empty((lines, heads * width), dtype=qkv.dtype, device=qkv.device)
    _attend_frame[(lines // length, kv_heads)](
        qkv,
        norms.q,
        norms.k,
        cos_sin,
        keys,
        values,
        y,
        position,
        cos_sin.stride(0),
        qkv.stride(0),
        norms.eps,
        width**-0.5,
        heads // kv_heads,
        kv_heads,
        width,
        span,
        triton.next_power_of_2(span),
        length,
        **FUSED,
        num_warps=2,
    )
    return y
