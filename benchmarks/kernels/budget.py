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
    shared: int
    spilled: int = 0


BUDGETS = {
    "_linear": Budget(registers=255, shared=SHARED),
}
