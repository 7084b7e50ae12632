"""Memory that is free goes back to the system, where glibc's allocator keeps it otherwise."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
import psutil
from vivavoce import allocator

if sys.argv[1] == "ours":
    allocator.use_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def work():
    blocks = [libc.malloc(50_000) for _ in range(400)]
    for block in blocks:
        libc.memset(block, 1, 50_000)
    for block in blocks[:-1]:  # the last one keeps those before it from going by themselves
        libc.free(block)


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if sys.argv[1] == "ours":
    allocator.give_back()
print(psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone is told")
def test_free_memory_goes_back() -> None:
    usual, ours = (
        int(subprocess.check_output([sys.executable, "-c", PROGRAM, whose], text=True))
        for whose in ("usual", "ours")
    )
    assert usual - ours > 40_000_000
