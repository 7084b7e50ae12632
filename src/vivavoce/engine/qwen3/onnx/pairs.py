"""Rows that must come in pairs, so that what one gives does not depend on those beside it.

onnxruntime's kernels for AVX-512 sum two rows at a time and, in another order, what is left: a lone
row, or the last of an odd number. The sums are some 5e-7 apart, which rounding to 8 bits now and
then makes another code of. Where that is so, an odd number of rows gets one more. It costs a single
stream 10 % with int8 and 30 % with int4; elsewhere it would be twice the work for nothing.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from vivavoce.engine.qwen3.onnx import graph
from vivavoce.engine.qwen3.onnx.session import Session

_WIDTH, _ROWS = 256, 128


@cache
@torch.no_grad()
def rows_in_pairs(bits: int) -> bool:
    """Tell whether matrices of so many bits must be given an even number of rows here."""
    if bits == graph.FULL_BITS:  # for comparison only; what it gives is equal to rounding
        return False
    draw = torch.Generator().manual_seed(0)
    matrix = nn.Linear(_WIDTH, _ROWS, bias=False)
    matrix.weight.data.normal_(generator=draw)
    session = Session(graph.linear(matrix, bits))
    x = torch.randn(2, _WIDTH, generator=draw)
    together, apart = torch.empty(2, _ROWS), torch.empty(2, _ROWS)
    for inputs, outputs in ((x, together), (x[:1], apart[:1]), (x[1:], apart[1:])):
        session.bind_input("x", inputs)
        session.bind_output("y", outputs)
        session.run()
    return not torch.equal(together, apart)
