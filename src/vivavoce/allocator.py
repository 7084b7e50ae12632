"""What glibc's allocator is told, where there is one: few arenas, and to give back what is free.

By itself it keeps an arena for each thread that ever allocated, and in each what was once needed: a
server that encoded a busy hour holds that hour's memory for good.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_M_ARENA_MAX = -8


def use_one_arena() -> None:
    """Have all threads allocate from one arena. Call early: those there already stay."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return free memory to the system."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> Any:
    """Return the C library if it is glibc: others have no such functions."""
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
