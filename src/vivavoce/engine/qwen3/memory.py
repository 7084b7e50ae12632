"""Memory of the system's own: given page by page where it is written, and given back whole."""

from __future__ import annotations

import math
import mmap
import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def anonymous(size: int) -> mmap.mmap:
    """Return so many bytes, all 0; more than none."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return zeros on the device and in the dtype of a tensor; on a processor, of such memory."""
    count = math.prod(shape)
    if like.device.type != "cpu" or not count:
        return like.new_zeros(shape)
    return torch.frombuffer(anonymous(count * like.element_size()), dtype=like.dtype).view(shape)
