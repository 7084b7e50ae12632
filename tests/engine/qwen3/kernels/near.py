"""Numbers for the kernels, and how near theirs must be to those of plain torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from engine.qwen3.kernels import interpreter
from vivavoce.engine.qwen3.ops.base import HeadNorms, Norm

if TYPE_CHECKING:
    from torch import Tensor

EPS = 1e-6
DEVICE = "cpu" if interpreter.WANTED else "cuda"
both = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])


class Numbers:
    """Random tensors, the same in each run."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._generator = torch.Generator("cpu").manual_seed(0)

    def __call__(self, *shape: int, scale: float = 1) -> Tensor:
        drawn = torch.randn(shape, generator=self._generator, device="cpu")
        return (drawn * scale).to(DEVICE, self.dtype)

    def norm(self, width: int) -> Norm:
        return Norm(1 + self(width, scale=0.2), EPS)

    def head_norms(self, width: int) -> HeadNorms:
        return HeadNorms(*(1 + self(width, scale=0.2) for _ in "qk"), EPS)


def assert_near(ours: Tensor, plain: Tensor, exact: Tensor | None = None) -> None:
    """Compare a kernel's result with plain torch's; `exact` is that from the same in fp32.

    In bf16 the sums' order may differ, not what they are worth: seen from fp32 the kernel's may not
    be farther off than plain torch's.
    """
    assert ours.dtype == plain.dtype
    if ours.dtype == torch.float32:
        torch.testing.assert_close(ours, plain, rtol=2e-5, atol=2e-5)
        return
    torch.testing.assert_close(ours.float(), plain.float(), rtol=2**-6, atol=2**-6)
    if exact is not None:
        assert _error(ours, exact) <= 1.1 * _error(plain, exact) + 1e-6


def _error(x: Tensor, exact: Tensor) -> float:
    return (x.float() - exact).square().mean().sqrt().item()
