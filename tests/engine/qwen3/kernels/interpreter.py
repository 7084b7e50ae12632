"""What Triton's interpreter does to bf16, made right.

It keeps such numbers as their bits, in uint16. Made of fp32 they are cut off, where a device rounds
to the nearest; and products multiply the bits as if they were integers.
"""

from __future__ import annotations

import os

import numpy as np

WANTED = os.environ.get("TRITON_INTERPRET") == "1"


def repair() -> None:
    """Have the interpreter round and multiply as devices do."""
    import triton.language as tl
    from triton.runtime import interpreter

    builder = interpreter.InterpreterBuilder
    handle = interpreter.TensorHandle
    cast, dot = builder.cast_impl, builder.create_dot

    def rounding_cast(self, source, to):
        pair = (source.dtype.scalar, to.scalar)
        if pair == (tl.float32, tl.bfloat16):
            return handle(_rounded(source.data), tl.bfloat16)
        if pair == (tl.bfloat16, tl.float32):
            return handle(_widened(source.data), tl.float32)
        return cast(self, source, to)

    def widening_dot(self, a, b, total, *options):
        wide = [
            handle(_widened(one.data), tl.float32) if one.dtype.scalar == tl.bfloat16 else one
            for one in (a, b)
        ]
        return dot(self, *wide, total, *options)

    builder.cast_impl, builder.create_dot = rounding_cast, widening_dot


def _widened(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _rounded(numbers: np.ndarray) -> np.ndarray:
    bits = numbers.view(np.uint32)
    nearest = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(numbers), np.uint16(0x7FC0), nearest)
