"""Products of few rows with a weight that is read once: all that limits them is reading it.

The weight is the left operand, so its rows fill the tensor cores' 16 however few rows x has; x is
padded to 16 or 32. Each program makes OUT_ROWS of the outputs, such that there are about as many
programs as multiprocessors. The sum over K is split among the warps, in blocks that alternate (a
single chain of multiplications would take longer than the bytes), and put together in a fixed
order. No program shares a sum with another. So a row's result does not depend on the other rows,
nor on how many there are.

An RMSNorm before the product is made anew by every program: x is small, a launch is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from vivavoce.engine.qwen3.ops.kernels.norm import FUSED, rounded

if TYPE_CHECKING:
    from torch import Tensor

    from vivavoce.engine.qwen3.ops.base import Norm

_PROGRAMS = 128
"""Of 132 multiprocessors (H100, H200)."""
_MOST_OUT_ROWS = 32
_SPLIT = tl.constexpr(8)
_WARPS = 8
_STEP_BYTES = 64
"""Of a row of the weights, that one warp reads in one step."""


@triton.jit
def _x_block(x, x_stride, row, rows, k, WIDTH: tl.constexpr):
    """Return x at k [SPLIT, K, 1] of all rows, [SPLIT, K, M]."""
    places = x + row[None, None, :].to(tl.int64) * x_stride + k
    return tl.load(places, (row < rows)[None, None, :] & (k < WIDTH), 0)


@triton.jit
def _block(step, BLOCK_K: tl.constexpr):
    """Return the places in K of a block of each warp, [SPLIT, K]."""
    part = tl.arange(0, _SPLIT)[:, None] * BLOCK_K
    return part + tl.arange(0, BLOCK_K)[None, :] + step * (_SPLIT * BLOCK_K)


@triton.jit
def _inverse_rms(
    x, x_stride, row, rows, eps, WIDTH: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_K: tl.constexpr
):
    """Return one over the root mean square of each row of x, [M].

    The squares are summed as a product with ones: there the order does not depend on BLOCK_M. In
    bf16 a square is the sum of two such numbers, exactly.
    """
    like: tl.constexpr = x.dtype.element_ty
    ones = tl.full((_SPLIT, 16, BLOCK_K), 1, tl.float32).to(like)
    total = tl.zeros((_SPLIT, 16, BLOCK_M), tl.float32)
    for step in range(tl.cdiv(WIDTH, _SPLIT * BLOCK_K)):
        k = _block(step, BLOCK_K)[:, :, None]
        part = _x_block(x, x_stride, row, rows, k, WIDTH).to(tl.float32)
        square = part * part
        high = square.to(like)
        total = tl.dot(ones, high, total, input_precision="ieee")
        if like != tl.float32:
            low = (square - high.to(tl.float32)).to(like)
            total = tl.dot(ones, low, total, input_precision="ieee")
    mean = tl.sum(tl.max(total, axis=1), axis=0) / WIDTH  # all 16 are the same
    return tl.rsqrt(mean + eps)


@triton.jit
def _normed(part, scale, norm, k, WIDTH: tl.constexpr):
    like: tl.constexpr = part.dtype
    gains = tl.load(norm + k, k < WIDTH, 0).to(tl.float32)
    return (rounded(part.to(tl.float32) * scale[None, None, :], like) * gains).to(like)


@triton.jit
def _weight_block(weight, out, last, k, WIDTH: tl.constexpr):
    """Return weights [SPLIT, OUT, K] of outputs `out` [OUT], those before `last`."""
    places = weight + out[None, :, None].to(tl.int64) * WIDTH + k[:, None, :]
    inside = (out < last)[None, :, None] & (k < WIDTH)[:, None, :]
    return tl.load(places, inside, 0, eviction_policy="evict_first")


@triton.jit(do_not_specialize=["rows"])
def _linear(
    x,
    weight,
    bias,
    norm,
    residual,
    y,
    rows,
    x_stride,
    residual_stride,
    eps,
    WIDTH: tl.constexpr,
    OUT: tl.constexpr,
    OUT_ROWS: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    like: tl.constexpr = y.dtype.element_ty
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    first = tl.program_id(0) * OUT_ROWS
    out = first + tl.arange(0, BLOCK_N)
    last = tl.minimum(first + OUT_ROWS, OUT)
    if norm is not None:
        scale = _inverse_rms(x, x_stride, row, rows, eps, WIDTH, BLOCK_M, BLOCK_K)
    total = tl.zeros((_SPLIT, BLOCK_N, BLOCK_M), tl.float32)
    for step in range(tl.cdiv(WIDTH, _SPLIT * BLOCK_K)):
        k = _block(step, BLOCK_K)
        weights = _weight_block(weight, out, last, k, WIDTH)
        part = _x_block(x, x_stride, row, rows, k[:, :, None], WIDTH)
        if norm is not None:
            part = _normed(part, scale, norm, k[:, :, None], WIDTH)
        total = tl.dot(weights, part, total, input_precision="ieee")
    result = tl.sum(total, axis=0)
    if bias is not None:
        result += tl.load(bias + out, out < last, 0).to(tl.float32)[:, None]
    inside = (out < last)[:, None] & (row < rows)[None, :]
    if residual is not None:
        beside = residual + row[None, :].to(tl.int64) * residual_stride + out[:, None]
        result = rounded(result, like) + tl.load(beside, inside, 0).to(tl.float32)
    tl.store(y + row[None, :].to(tl.int64) * OUT + out[:, None], result.to(like), inside)


@triton.jit(do_not_specialize=["rows"])
def _gate_up(
    x,
    weight,
    norm,
    y,
    rows,
    x_stride,
    eps,
    WIDTH: tl.constexpr,
    OUT: tl.constexpr,
    OUT_ROWS: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    like: tl.constexpr = y.dtype.element_ty
    row = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    first = tl.program_id(0) * OUT_ROWS
    out = first + tl.arange(0, BLOCK_N)
    last = tl.minimum(first + OUT_ROWS, OUT)
    scale = _inverse_rms(x, x_stride, row, rows, eps, WIDTH, BLOCK_M, BLOCK_K)
    gate = tl.zeros((_SPLIT, BLOCK_N, BLOCK_M), tl.float32)
    up = tl.zeros((_SPLIT, BLOCK_N, BLOCK_M), tl.float32)
    for step in range(tl.cdiv(WIDTH, _SPLIT * BLOCK_K)):
        k = _block(step, BLOCK_K)
        gates = _weight_block(weight, out, last, k, WIDTH)
        ups = _weight_block(weight + OUT * WIDTH, out, last, k, WIDTH)
        part = _x_block(x, x_stride, row, rows, k[:, :, None], WIDTH)
        part = _normed(part, scale, norm, k[:, :, None], WIDTH)
        gate = tl.dot(gates, part, gate, input_precision="ieee")
        up = tl.dot(ups, part, up, input_precision="ieee")
    opening = rounded(tl.sum(gate, axis=0), like)
    opening = rounded(opening / (1 + tl.exp(-opening)), like)  # SiLU
    result = opening * rounded(tl.sum(up, axis=0), like)
    inside = (out < last)[:, None] & (row < rows)[None, :]
    tl.store(y + row[None, :].to(tl.int64) * OUT + out[:, None], result.to(like), inside)


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    norm: Norm | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """See `Operations.linear`."""
    rows, outs = len(x), len(weight)
    y = torch.empty((rows, outs), dtype=x.dtype, device=x.device)
    blocks = _blocks(x, outs)
    _linear[_grid(rows, outs, blocks)](
        x,
        weight,
        bias,
        None if norm is None else norm.weight,
        residual,
        y,
        rows,
        x.stride(0),
        0 if residual is None else residual.stride(0),
        0.0 if norm is None else norm.eps,
        x.shape[1],
        outs,
        **blocks,
        **FUSED,
        num_warps=_WARPS,
        num_stages=_stages(blocks),
    )
    return y


def gate_up(x: Tensor, weight: Tensor, norm: Norm) -> Tensor:
    """See `Operations.gate_up`."""
    rows, outs = len(x), len(weight) // 2
    y = torch.empty((rows, outs), dtype=x.dtype, device=x.device)
    blocks = _blocks(x, outs)
    _gate_up[_grid(rows, outs, blocks)](
        x,
        weight,
        norm.weight,
        y,
        rows,
        x.stride(0),
        norm.eps,
        x.shape[1],
        outs,
        **blocks,
        **FUSED,
        num_warps=_WARPS,
        num_stages=_stages(blocks),
    )
    return y


def _blocks(x: Tensor, outs: int) -> dict[str, int]:
    """Return how such a product is cut; nothing that orders a row's sum depends on other rows."""
    waves = triton.cdiv(outs, _PROGRAMS * _MOST_OUT_ROWS)
    out_rows = triton.cdiv(outs, _PROGRAMS * waves)
    return {
        "OUT_ROWS": out_rows,
        "BLOCK_N": max(16, triton.next_power_of_2(out_rows)),
        # fp32 has no tensor cores that keep all of it, and without them the order is only certain
        # to be the same where the program is.
        "BLOCK_M": 16 if len(x) <= 16 or x.dtype == torch.float32 else 32,
        "BLOCK_K": _STEP_BYTES // x.element_size(),
    }


def _stages(blocks: dict[str, int]) -> int:
    """Return how many steps are in hand at once, the one being multiplied included.

    Narrow steps have few bytes, so more of them must be on their way to keep the memory busy: about
    20 KB for each multiprocessor. What all take together must fit into 99 KB.
    """
    if blocks["BLOCK_N"] > 16:
        return 3
    return 6 if blocks["BLOCK_M"] == 16 else 4


def _grid(rows: int, outs: int, blocks: dict[str, int]) -> tuple[int, int]:
    return triton.cdiv(outs, blocks["OUT_ROWS"]), triton.cdiv(rows, blocks["BLOCK_M"])
