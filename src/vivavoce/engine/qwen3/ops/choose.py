"""Which operations a device computes with."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.ops import plain

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.ops.base import Operations

PLAIN = "plain"
TRITON = "triton"


def choose(device: torch.device, dtype: torch.dtype) -> str:
    """Return triton where it is installed and can compile for the device, else plain."""
    usable = device.type == "cuda" and dtype in (torch.bfloat16, torch.float32)
    return TRITON if usable and find_spec("triton") is not None else PLAIN


def load(name: str) -> Operations:
    """Return the operations of that name."""
    if name == PLAIN:
        return plain
    from vivavoce.engine.qwen3.ops import kernels

    return kernels
