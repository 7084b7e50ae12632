"""The sum of a frame's 16 embeddings, and the next row of text with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from vivavoce.engine.qwen3.ops.kernels.norm import FUSED, rounded

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 256


@triton.jit(do_not_specialize=["codes_stride"])
def _embed_sum(
    codes,
    first,
    others,
    text,
    y,
    codes_stride,
    text_stride,
    BOOKS: tl.constexpr,
    VOCAB: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = d < WIDTH
    like: tl.constexpr = y.dtype.element_ty
    total = tl.zeros((BLOCK,), tl.float32)
    for book in tl.static_range(BOOKS):
        code = tl.load(codes + row * codes_stride + book)
        if book == 0:
            table = first + code * WIDTH
        else:
            table = others + ((book - 1) * VOCAB + code) * WIDTH
        total += rounded(tl.load(table + d, inside, 0).to(tl.float32), like)
    if text is not None:
        beside = tl.load(text + row * text_stride + d, inside, 0).to(tl.float32)
        total = rounded(total, like) + beside
    tl.store(y + row * WIDTH + d, total.to(like), inside)


def embed_sum(codes: Tensor, first: Tensor, others: Tensor, text: Tensor | None = None) -> Tensor:
    """See `Operations.embed_sum`."""
    rows, books = codes.shape
    _, vocab, width = others.shape
    dtype = first.dtype if text is None else text.dtype
    y = torch.empty((rows, width), dtype=dtype, device=codes.device)
    _embed_sum[(rows, triton.cdiv(width, _BLOCK))](
        codes,
        first,
        others,
        text,
        y,
        codes.stride(0),
        0 if text is None else text.stride(0),
        books,
        vocab,
        width,
        _BLOCK,
        **FUSED,
        num_warps=1,
    )
    return y
