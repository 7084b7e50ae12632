"""What the operations of a model take, and what the rest of a server adds to them. Seconds."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Times:
    """One model on one machine.

    `enter_s`: to let somebody in. `prompt_s` and `row_s`: to read prompts, a call and each row.
    `step_s`: a frame for n sequences, (n, seconds), n rising. `decode_s`: the sound of (n, frames)
    side by side: (n, frames, seconds). `door_s`: what a request and its answer take on their way,
    half of it each. `factor`: by so much all of it is slower beside a server and its clients.
    """

    enter_s: float
    prompt_s: float
    row_s: float
    prompt_rows: int
    step_s: tuple[tuple[int, float], ...]
    decode_s: tuple[tuple[int, int, float], ...]
    door_s: float = 0.0
    factor: float = 1.0

    def enter(self) -> float:
        """Return what it takes to let one in."""
        return self.factor * self.enter_s

    def prefill(self, rows: int) -> float:
        """Return what it takes to read so many rows, of however many."""
        return self.factor * (self.prompt_s + self.row_s * rows)

    def step(self, count: int) -> float:
        """Return what a frame of so many takes."""
        return self.factor * _between(self.step_s, count)

    def decode(self, count: int, frames: int) -> float:
        """Return what the sound of so many frames each takes, for so many side by side."""
        counts = sorted({n for n, _, _ in self.decode_s})
        sizes = [
            (n, _between([(f, s) for m, f, s in self.decode_s if m == n], frames)) for n in counts
        ]
        return self.factor * _between(sizes, count)

    def beside(self, *, factor: float, door_s: float) -> Times:
        """Return them as they are beside a server and clients."""
        return replace(self, factor=factor, door_s=door_s)

    def as_json(self) -> dict[str, Any]:
        """Return what `read` takes."""
        return asdict(self)


def read(source: Path | Mapping[str, Any]) -> Times:
    """Return what a file of `parts` says.

    Raises:
        OSError, ValueError, KeyError: there is no such file, or it says something else.
    """
    said = source if not hasattr(source, "read_text") else json.loads(source.read_text())["times"]
    step_s = tuple((int(n), float(s)) for n, s in said["step_s"])
    decode_s = tuple((int(n), int(frames), float(s)) for n, frames, s in said["decode_s"])
    return Times(**{**said, "step_s": step_s, "decode_s": decode_s})


def _between(known: Sequence[tuple[int, float]], at: int) -> float:
    """Return a value on the line through the two nearest; beyond the last, on the last line."""
    if len(known) == 1:
        return known[0][1]
    lines = list(pairwise(known))
    index = min(max(bisect_right([n for n, _ in known], at) - 1, 0), len(lines) - 1)
    (left, low), (right, high) = lines[index]
    return low + (high - low) * (at - left) / (right - left)
