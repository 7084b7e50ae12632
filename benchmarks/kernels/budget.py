"""What a kernel may take of a multiprocessor, on every card it is compiled for."""

from __future__ import annotations

from dataclasses import dataclass

ARCHITECTURES = (80, 90, 120)
"""Compute capabilities: A100, H100 and H200, RTX 50."""
SHARED = 99 * 1024
"""Bytes that a block can have at most on cards of every one of these, and on 86 and 89."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Registers of a thread, spilled bytes of a thread, shared bytes of a block."""

    registers: int
    spilled: int
    shared: int


BUDGETS = {
    "_linear": Budget(registers=208, spilled=0, shared=SHARED),
    "_gate_up": Budget(registers=255, spilled=0, shared=SHARED),
    "_attend_frame": Budget(registers=240, spilled=0, shared=4096),
    "_attend_split": Budget(registers=255, spilled=0, shared=16384),
    "_combine": Budget(registers=64, spilled=0, shared=1024),
    "_sample": Budget(registers=192, spilled=0, shared=16384),
    "_embed_sum": Budget(registers=96, spilled=0, shared=1024),
    "_rms_norm": Budget(registers=64, spilled=0, shared=1024),
    # The sine of a large number keeps a product in memory.
    "_extend": Budget(registers=64, spilled=32, shared=1024),
    "_convolve": Budget(registers=192, spilled=0, shared=49152),
}
