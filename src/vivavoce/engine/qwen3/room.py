"""How much memory keys and values may take, and graphs: decided once, when a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.pages import PAGE, pages_for
from vivavoce.errors import OutOfMemory

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.model import Qwen3TTS

USUAL_POSITIONS = 768
"""Of each listener: a prompt, and the most that the speech of 400 characters may become.

As a rule it becomes a third of that.
"""
LEAST_POSITIONS = 2560
"""So that the longest piece of text can be spoken: 2,048 frames and its prompt."""

_GRAPHS_SHARE = 0.1
_MOST_GRAPHS_BYTES = 2**30
"""Of what is left after keys and values, and at most so much, for the graphs of frames; as much for
those of sound. What they need grows with the largest of them, not with their number.
"""

_MEMINFO = Path("/proc/meminfo")
_SHARE = 0.5
"""Of the memory that is free now. What is left is for activations, and for others on the card."""


def pages(model: Qwen3TTS, rows: int, *, wanted: int) -> int:
    """Return how many pages to take: for `wanted` positions, or as many as serve `rows` listeners.

    Raises:
        OutOfMemory: there is no memory for them, or not for one long text.
    """
    size = position_bytes(model)
    affordable = int(_free_bytes(model.device) * (1.0 if wanted else _SHARE)) // size
    positions = min(wanted or rows * USUAL_POSITIONS, affordable)
    needed = wanted or LEAST_POSITIONS
    if positions < needed:
        raise OutOfMemory(
            f"The KV cache needs {needed * size / 2**30:.1f} GiB for {needed} positions, which are "
            "not free. Unload other models or end other programs, or choose a smaller model."
        )
    return pages_for(positions)


def graph_bytes(model: Qwen3TTS, pages: int) -> int:
    """Return how much the graphs of a kind may take beside so many pages, not yet taken."""
    left = _free_bytes(model.device) - pages * PAGE * position_bytes(model)
    return max(0, min(int(left * _GRAPHS_SHARE), _MOST_GRAPHS_BYTES))


def position_bytes(model: Qwen3TTS) -> int:
    """Return what one position of one listener takes."""
    c = model.config.talker
    numbers = 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_dim
    return numbers * model.talker.dtype.itemsize


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if not _MEMINFO.exists():  # only Linux tells; the pages are given when they are written
        return 2**62
    told = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) * 1024
