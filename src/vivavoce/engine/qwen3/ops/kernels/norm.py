"""RMSNorm by itself, and the rounding that all kernels share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

    from vivavoce.engine.qwen3.ops.base import Norm

FUSED = {"enable_fp_fusion": True}
"""What Triton's releases differ in unless one says it: a * b + c is rounded once, as in torch."""


@triton.jit
def rounded(x, like: tl.constexpr):
    """Return fp32 numbers as they are after having been stored as `like`."""
    return x.to(like).to(tl.float32)


@triton.jit
def _rms_norm(x, weight, y, x_stride, eps, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    like: tl.constexpr = y.dtype.element_ty
    values = tl.load(x + row * x_stride + column, inside, 0).to(tl.float32)
    gains = tl.load(weight + column, inside, 0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values) / WIDTH + eps)
    normed = rounded(values * scale, like) * gains
    tl.store(y + row * WIDTH + column, normed.to(like), inside)


def rms_norm(x: Tensor, norm: Norm) -> Tensor:
    """See `Operations.rms_norm`."""
    rows, width = x.shape
    y = torch.empty((rows, width), dtype=x.dtype, device=x.device)
    block = triton.next_power_of_2(width)
    _rms_norm[(rows,)](x, norm.weight, y, x.stride(0), norm.eps, width, block, **FUSED)
    return y
