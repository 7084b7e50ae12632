"""What both kinds of attention do to a query or key first: its norm and RoPE."""

from __future__ import annotations

import triton
import triton.language as tl

from vivavoce.engine.qwen3.ops.kernels.norm import rounded


@triton.jit
def turned(head, weight, cos_sin, position, sin_offset, eps, WIDTH: tl.constexpr):
    """Return normed and rotated heads, [N, WIDTH] fp32, that start at the pointers `head` [N, 1].

    Rounded after each step as `RMSNorm` and `rotate` round. A number's partner, half a head away,
    is loaded a second time: nothing has to move between threads.
    """
    like: tl.constexpr = head.dtype.element_ty
    d = tl.arange(0, WIDTH)[None, :]
    partner = (d + WIDTH // 2) % WIDTH
    x = tl.load(head + d).to(tl.float32)
    scale = tl.rsqrt(tl.sum(x * x, axis=1) / WIDTH + eps)[:, None]
    x = _normed(x, scale, weight, d, like)
    y = _normed(tl.load(head + partner).to(tl.float32), scale, weight, partner, like)
    place = cos_sin + position * WIDTH + d
    cos = tl.load(place).to(tl.float32)
    sin = tl.load(place + sin_offset).to(tl.float32)
    return rounded(rounded(x * cos, like) + rounded(y * sin, like), like)


@triton.jit
def _normed(x, scale, weight, d, like: tl.constexpr):
    return rounded(rounded(x * scale, like) * tl.load(weight + d).to(tl.float32), like)
