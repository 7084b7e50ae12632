"""What is compared on a card: ways to make a frame, how many listeners, and the peer."""

from __future__ import annotations

from dataclasses import dataclass

WAYS = ("eager", "launched", "graph.plain", "graph.triton")
"""The loop of modules; the frame's program launched directly; as a graph of torch's operations, and
of the Triton kernels.
"""

PEER = "faster-qwen3-tts"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which ways, how many at once; how many frames are timed after those that are not."""

    ways: tuple[str, ...] = WAYS
    rows: tuple[int, ...] = (1, 2, 4, 8, 16)
    frames: int = 100
    warm_frames: int = 10


def full() -> Plan:
    """Return the plan of every figure."""
    return Plan()


def quick(device: str) -> Plan:
    """Return the plan of a smoke run; without a card, of what runs there."""
    ways = WAYS if device.startswith("cuda") else ("eager",)
    return Plan(ways, rows=(1, 2), frames=3, warm_frames=1)
