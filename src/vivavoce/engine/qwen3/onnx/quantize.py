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
    from collections.abc import Callable, Sequence

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
    blocks = scales.shape[-1]

    def begin() -> Callable[[tuple[Tensor, slice]], None]:
        space = torch.empty(_ROWS, blocks, parts[0].shape[-1] // blocks)

        def write(piece: tuple[Tensor, slice]) -> None:
            part, here = piece
            whole = space[: len(part)].copy_(part.unflatten(-1, (blocks, -1)))
            _round(whole, bits, values[here], scales[here])

        return write

    share(pieces, begin, min(len(pieces), torch.get_num_threads()))


def _round(blocks: Tensor, bits: int, values: Tensor, scales: Tensor) -> None:
    """Write what becomes of fp32 weights [rows, blocks, weights of a block], which it overwrites.

    In place, for it takes longer to get memory than to compute.
    """
    # There is one more number below zero than above: it is for what is furthest from zero.
    lowest = -(2 ** (bits - 1))
    least, most = blocks.amin(dim=-1), blocks.amax(dim=-1)
    torch.where(-least > most, least, most, out=scales).div_(lowest)
    scales[scales == 0] = 1.0
    blocks.div_(scales[..., None]).round_().clamp_(max=-lowest - 1).sub_(lowest)
    if bits == 4:
        blocks = blocks[..., 0::2].add_(blocks[..., 1::2], alpha=16)
    values.copy_(blocks)
