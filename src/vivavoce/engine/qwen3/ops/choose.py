"""Which operations a device computes with."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.faults import first_line, is_fatal, is_out_of_memory
from vivavoce.engine.qwen3.ops import plain
from vivavoce.engine.qwen3.ops.base import Norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.qwen3.ops.base import Operations

AUTO = "auto"
PLAIN = "plain"
TRITON = "triton"
_LEAST_CAPABILITY = (8, 0)
_LEAST_TRITON = (3, 3)
"""Torch 2.7's. The compiler of 3.2 ends the process over a product of three dimensions."""


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def choose(
    device: torch.device,
    dtype: torch.dtype,
    wanted: str = AUTO,
    tell: Callable[[str], None] = _tell,
) -> str:
    """Return triton where its kernels can be compiled and run, else plain; `wanted` may be plain.

    If a CUDA device must do without them, `tell` is told why, in a line.

    Raises:
        Exception: the device is lost or has no memory. See `faults`.
    """
    if wanted == PLAIN or device.type != "cuda":
        return PLAIN
    missing = _missing(device, dtype)
    if missing is None:
        return TRITON
    tell(f"{device} computes without Triton kernels, several times slower: {missing}")
    return PLAIN


def load(name: str) -> Operations:
    """Return the operations of that name."""
    if name == PLAIN:
        return plain
    from vivavoce.engine.qwen3.ops import kernels

    return kernels


def _missing(device: torch.device, dtype: torch.dtype) -> str | None:
    """Return what the kernels lack on a device; None if nothing."""
    if dtype not in (torch.bfloat16, torch.float32):
        return f"they compute in bf16 and fp32, not in {str(dtype).removeprefix('torch.')}"
    try:
        installed = version("triton")
    except PackageNotFoundError:
        return "Triton is not installed. Install it: pip install triton"
    if tuple(map(int, installed.split(".")[:2])) < _LEAST_TRITON:
        return f"Triton is {installed}, and they need 3.3. Install torch 2.7 or newer"
    capability = torch.cuda.get_device_capability(device)
    if capability < _LEAST_CAPABILITY:
        return "its compute capability is {}.{}, and they need 8.0".format(*capability)
    try:
        _try_out(load(TRITON), device, dtype)
    except Exception as exc:  # of any kind: a compiler that is missing, a driver that is too old
        if is_fatal(exc) or is_out_of_memory(exc):
            raise
        return f"{first_line(exc)} (Triton needs a C compiler: apt install gcc)"
    return None


def _try_out(ops: Operations, device: torch.device, dtype: torch.dtype) -> None:
    """Compile and run the smallest kernel: on what it needs, all depend."""
    x = torch.ones(1, 16, device=device, dtype=dtype)
    y = ops.rms_norm(x, Norm(x[0], 1e-6))
    if not torch.allclose(y, x, atol=0.01):
        raise RuntimeError("a kernel's result was wrong")
