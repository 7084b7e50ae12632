"""The codec's convolutions: what one looks at in one kernel, all of its taps in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from vivavoce.engine.qwen3.ops.kernels.norm import FUSED, rounded

if TYPE_CHECKING:
    from torch import Tensor

    from vivavoce.engine.qwen3.ops.base import Snake

_BLOCK = 1024
_PROGRAMS = 128


@triton.jit(do_not_specialize=["length"])
def _extend(
    x,
    state,
    alpha,
    beta,
    padded,
    after,
    length,
    STATE: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    stream = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    step = place // CHANNELS
    inside = step < STATE + length
    past = step < STATE
    like: tl.constexpr = padded.dtype.element_ty
    own = stream * length * CHANNELS + place - STATE * CHANNELS
    value = tl.load(x + own, inside & ~past, 0).to(tl.float32)
    if alpha is not None:
        channel = place % CHANNELS
        swing = tl.sin(rounded(value * tl.load(alpha + channel).to(tl.float32), like))
        swing = rounded(rounded(swing, like) * rounded(swing, like), like)
        value += swing * tl.load(beta + channel).to(tl.float32)
    before = tl.load(state + stream * STATE * CHANNELS + place, past, 0).to(tl.float32)
    value = tl.where(past, before, value).to(like)
    tl.store(padded + stream * (STATE + length) * CHANNELS + place, value, inside)
    kept = inside & (step >= length)
    tl.store(after + stream * STATE * CHANNELS + place - length * CHANNELS, value, kept)


@triton.jit(do_not_specialize=["length", "dilation"])
def _convolve(
    x,
    weight,
    bias,
    residual,
    y,
    x_stride,
    length,
    dilation,
    TAPS: tl.constexpr,
    C_IN: tl.constexpr,
    C_OUT: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    stream = tl.program_id(2).to(tl.int64)
    step = tl.program_id(0) * BLOCK_T + tl.arange(0, BLOCK_T)
    out = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    lane = tl.arange(0, BLOCK_K)
    blocks: tl.constexpr = (C_IN + BLOCK_K - 1) // BLOCK_K
    total = tl.zeros((BLOCK_T, BLOCK_N), tl.float32)
    for number in range(TAPS * blocks):
        tap, k = number // blocks, (number % blocks) * BLOCK_K + lane
        here = x + stream * x_stride + (step + tap * dilation)[:, None] * C_IN + k[None, :]
        signal = tl.load(here, (step < length)[:, None] & (k < C_IN)[None, :], 0)
        rows = weight + (tap * C_IN + k)[:, None] * C_OUT + out[None, :]
        weights = tl.load(rows, (k < C_IN)[:, None] & (out < C_OUT)[None, :], 0)
        total = tl.dot(signal, weights, total, input_precision="ieee")
    like: tl.constexpr = y.dtype.element_ty
    inside = (step < length)[:, None] & (out < C_OUT)[None, :]
    total += tl.load(bias + out, out < C_OUT, 0).to(tl.float32)[None, :]
    place = stream * length * C_OUT + step[:, None] * C_OUT + out[None, :]
    if residual is not None:
        total = rounded(total, like) + tl.load(residual + place, inside, 0).to(tl.float32)
    tl.store(y + place, total.to(like), inside)


def extend(x: Tensor, state: Tensor, snake: Snake | None = None) -> tuple[Tensor, Tensor]:
    """See `Operations.extend`."""
    streams, length, channels = x.shape
    past = state.shape[1]
    padded = torch.empty((streams, past + length, channels), dtype=x.dtype, device=x.device)
    after = torch.empty_like(state)
    _extend[(triton.cdiv((past + length) * channels, _BLOCK), streams)](
        x.contiguous(),
        state.contiguous(),
        None if snake is None else snake.alpha,
        None if snake is None else snake.beta,
        padded,
        after,
        length,
        past,
        channels,
        _BLOCK,
        **FUSED,
        num_warps=4,
    )
    return padded, after


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor, dilation: int = 1, residual: Tensor | None = None
) -> Tensor:
    """See `Operations.convolve`."""
    streams = len(x)
    taps, c_in, c_out = weight.shape
    length = x.shape[1] - (taps - 1) * dilation
    y = torch.empty((streams, length, c_out), dtype=x.dtype, device=x.device)
    block_t = 16 if length <= 16 else 64
    steps = triton.cdiv(length, block_t) * streams
    block_n = 64
    while block_n > 16 and steps * triton.cdiv(c_out, block_n) < _PROGRAMS:
        block_n //= 2
    _convolve[(triton.cdiv(length, block_t), triton.cdiv(c_out, block_n), streams)](
        x,
        weight,
        bias,
        residual,
        y,
        x.stride(0),
        length,
        dilation,
        taps,
        c_in,
        c_out,
        block_t,
        block_n,
        32,
        **FUSED,
        num_warps=4,
        num_stages=3,
    )
    return y
