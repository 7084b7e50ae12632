"""Memory of the system's own: given where it is written, and given back whole."""

from __future__ import annotations

import contextlib
import math
import mmap
import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def anonymous(size: int) -> mmap.mmap:
    """Return so many bytes, all 0, that are about to be written; more than none.

    In pages of megabytes where the system has them: it gives them five times as fast.
    """
    memory = _lazy(size)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a kernel without such pages
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return zeros on the device and in the dtype of a tensor.

    On a processor they take memory page by page, only where they are written.
    """
    count = math.prod(shape)
    if like.device.type != "cpu" or not count:
        return like.new_zeros(shape)
    return torch.frombuffer(_lazy(count * like.element_size()), dtype=like.dtype).view(shape)


def _lazy(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
