"""Matrices in few bits, as onnxruntime's MatMulNBits reads them.

Each row is cut into blocks that have a scale each. Inputs are rounded to 8 bits while it computes,
block by block too, so that what a sequence gives does not depend on those beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.threads import share
from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_BLOCKS = (128, 64, 32, 16)
"""Longer blocks are faster; shorter ones follow the weights more closely, by little."""

_ROWS = 256
"""So many are rounded at a time: what that needs stays in the processor's caches."""


def block_size(width: int) -> int:
    """Return the longest block that divides rows of `width` weights.

    Raises:
        EngineUnavailable: none does.
    """
    for size in _BLOCKS:
        if width % size == 0:
            return size
    raise EngineUnavailable(
        f"The checkpoint has matrices of {width} columns, which no block of {_BLOCKS[-1]} or more "
        "divides: it cannot be quantized. Use QUANTIZE=none."
    )


def quantize(parts: Sequence[Tensor], bits: int, values: Tensor, scales: Tensor) -> None:
    """Write the rows of matrices [n, K] in 4 or 8 bits, N rows in all.

    `values` is uint8 [N, blocks, bytes of a block] (of two in a byte the first is the low half),
    `scales` is fp32 [N, blocks].
    """
    pieces, done = [], 0
    for part in (part for whole in parts for part in whole.split(_ROWS)):
        pieces.append((part, slice(done, done := done + len(part))))

    def write(piece: tuple[Tensor, slice]) -> None:
        part, here = piece
        blocks = part.float().unflatten(-1, (scales.shape[-1], -1))
        values[here], scales[here] = _round(blocks, bits)

    share(pieces, lambda: write, torch.get_num_threads())


def _round(blocks: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    # There is one more number below zero than above: it is for what is furthest from zero.
    lowest = -(2 ** (bits - 1))
    least, most = blocks.amin(dim=-1, keepdim=True), blocks.amax(dim=-1, keepdim=True)
    scales = torch.where(-least > most, least, most) / lowest
    scales[scales == 0] = 1.0
    steps = (blocks / scales).round_().clamp_(max=-lowest - 1)
    values = steps.sub_(lowest).to(torch.uint8)
    if bits == 4:
        values = values[..., 0::2] | values[..., 1::2] << 4
    return values, scales[..., 0]
