"""The talker's attention: one position of each row to all before, whose keys lie in pages.

A program is a row's keys of one head within a split of 256 positions, with all the queries that
share them. Splits begin at the same positions whatever the batch and the span, and are put together
in order, so a row's result depends on nothing but the row. With a span of one split that is all;
with more a second kernel puts them together.
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

_SPLIT = tl.constexpr(256)
_BLOCK = tl.constexpr(64)


@triton.jit(do_not_specialize=["table_stride", "span"])
def _attend_split(
    qkv,
    q_norm,
    k_norm,
    cos_sin,
    keys,
    values,
    table,
    positions,
    y,
    sums,
    sin_offset,
    qkv_stride,
    table_stride,
    span,
    eps,
    scale,
    SHARING: tl.constexpr,
    KV_HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
    PAGE: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Write y [M, heads, WIDTH]; of several parts, unfinished [M, heads, PARTS, WIDTH] fp32.

    `sums` [M, heads, PARTS, 2] are each part's highest score and its sum of odds.
    """
    row, head, part = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    position = tl.load(positions + row)
    lives = (position >= 0) & (position < span)
    begin = part * _SPLIT
    heads: tl.constexpr = SHARING * KV_HEADS
    like: tl.constexpr = keys.dtype.element_ty
    d = tl.arange(0, WIDTH)[None, :]
    sharer = head * SHARING + tl.arange(0, SHARING)[:, None]
    result = y + ((row * heads + sharer) * PARTS + part) * WIDTH + d
    if lives & (begin <= position):
        own = qkv + row * qkv_stride
        q = turned(own + sharer * WIDTH, q_norm, cos_sin, position, sin_offset, eps, WIDTH)
        own += (heads + head) * WIDTH + tl.zeros((1, 1), tl.int32)
        new_k = turned(own, k_norm, cos_sin, position, sin_offset, eps, WIDTH)
        new_v = tl.load(own + KV_HEADS * WIDTH + d).to(tl.float32)
        highest = tl.full((SHARING,), float("-inf"), tl.float32)
        total = tl.zeros((SHARING,), tl.float32)
        mixed = tl.zeros((SHARING, WIDTH), tl.float32)
        for start in range(begin, tl.minimum(begin + _SPLIT, position + 1), _BLOCK):
            page = tl.load(table + row * table_stride + start // PAGE).to(tl.int64)
            place = start + tl.arange(0, _BLOCK)
            cached = ((page * PAGE + place % PAGE) * KV_HEADS + head)[:, None] * WIDTH + d
            before, here = (place < position)[:, None], (place == position)[:, None]
            k = tl.where(here, new_k, tl.load(keys + cached, before, 0).to(tl.float32))
            v = tl.where(here, new_v, tl.load(values + cached, before, 0).to(tl.float32))
            tl.store(keys + cached, k.to(like), here)
            tl.store(values + cached, v.to(like), here)
            scores = tl.sum(q[:, None, :] * k[None, :, :], axis=2) * scale
            scores = tl.where((place <= position)[None, :], scores, float("-inf"))
            higher = tl.maximum(highest, tl.max(scores, axis=1))
            odds = tl.exp(scores - higher[:, None])
            fade = tl.exp(highest - higher)
            total = total * fade + tl.sum(odds, axis=1)
            mixed = mixed * fade[:, None] + tl.sum(odds[:, :, None] * v[None, :, :], axis=1)
            highest = higher
        if PARTS == 1:
            tl.store(result, (mixed / total[:, None]).to(like))
        else:
            tl.store(result, mixed)
            own_sums = sums + ((row * heads + head * SHARING) * PARTS + part) * 2
            own_sums += tl.arange(0, SHARING) * (PARTS * 2)
            tl.store(own_sums, highest)
            tl.store(own_sums + 1, total)
    elif PARTS == 1:
        tl.store(result, tl.zeros((SHARING, WIDTH), like))


@triton.jit(do_not_specialize=["span"])
def _combine(
    parts, sums, positions, y, span, WIDTH: tl.constexpr, PARTS: tl.constexpr, BLOCK: tl.constexpr
):
    """Put a head's parts together; those that were not needed hold nothing meaningful."""
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    position = tl.load(positions + row)
    lives = (position >= 0) & (position < span)
    count = tl.where(lives, position // _SPLIT + 1, 0).to(tl.int32)
    line = row * tl.num_programs(1) + head
    d = tl.arange(0, WIDTH)
    part = tl.arange(0, BLOCK)
    scores = tl.load(sums + (line * PARTS + part) * 2, part < count, float("-inf"))
    highest = tl.max(scores)
    total = 0.0
    mixed = tl.zeros((WIDTH,), tl.float32)
    for number in range(count):  # one after the other: the order is the same in any span
        own = line * PARTS + number
        weight = tl.exp(tl.load(sums + own * 2) - highest)
        total += tl.load(sums + own * 2 + 1) * weight
        mixed += tl.load(parts + own * WIDTH + d) * weight
    result = mixed / tl.where(lives, total, 1)
    tl.store(y + line * WIDTH + d, result.to(y.dtype.element_ty))


def attend_paged(
    qkv: Tensor,
    norms: HeadNorms,
    cos_sin: Tensor,
    keys: Tensor,
    values: Tensor,
    table: Tensor,
    positions: Tensor,
    span: int,
) -> Tensor:
    """See `Operations.attend_paged`."""
    _, page, kv_heads, width = keys.shape
    rows = len(qkv)
    heads = qkv.shape[1] // width - 2 * kv_heads
    parts = triton.cdiv(span, _SPLIT.value)
    y = torch.empty((rows, heads * width), dtype=qkv.dtype, device=qkv.device)
    several = parts > 1
    unfinished = _floats(qkv, rows, heads, parts, width) if several else y
    sums = _floats(qkv, rows, heads, parts, 2) if several else y
    _attend_split[(rows, kv_heads, parts)](
        qkv,
        norms.q,
        norms.k,
        cos_sin,
        keys,
        values,
        table,
        positions,
        unfinished,
        sums,
        cos_sin.stride(0),
        qkv.stride(0),
        table.stride(0),
        span,
        norms.eps,
        width**-0.5,
        heads // kv_heads,
        kv_heads,
        width,
        page,
        parts,
        **FUSED,
        num_warps=8,
    )
    if several:
        block = triton.next_power_of_2(parts)
        _combine[(rows, heads)](
            unfinished, sums, positions, y, span, width, parts, block, **FUSED, num_warps=1
        )
    return y


def _floats(like: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=like.device)
