"""A figure: what both sides took for the same thing, pair by pair."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.offline.plan import Case

_MEMORY = ("peak", "anon", "cuda")


@dataclass(frozen=True, slots=True)
class Figure:
    """Name, unit and pairs (ours, official), in the order they were taken; at least one.

    Names are those of `predictions.PREDICTIONS`.
    """

    name: str
    unit: str
    pairs: tuple[tuple[float, float], ...]

    @property
    def ours(self) -> list[float]:
        """vivavoce's values."""
        return [pair[0] for pair in self.pairs]

    @property
    def official(self) -> list[float]:
        """The official package's values."""
        return [pair[1] for pair in self.pairs]

    @property
    def ratios(self) -> list[float]:
        """Ours over official, of each pair: its two were taken one right after the other."""
        return [ours / official for ours, official in self.pairs]

    def as_json(self) -> dict[str, Any]:
        """Return it with its values left out."""
        sides = {"ours": self.ours, "official": self.official, "ratio": self.ratios}
        return {
            "unit": self.unit,
            "n": len(self.pairs),
            **{name: _summary(values) for name, values in sides.items()},
        }


class Figures:
    """Pairs of results as they come, and the figures they make."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def add(self, case: Case, told: dict[str, dict[str, Any]]) -> None:
        """Note what a process of each side told of a case.

        How it loads does not depend on what is spoken: that is noted for all cases together.
        """
        ours, official = told["ours"], told["official"]
        self._note(f"{case.loading}.load.time", "s", ours["load_s"], official["load_s"])
        for name in ("generate", "decode", "both", "cpu"):
            values = (1000 * side[f"{name}_s"] / case.frames for side in (ours, official))
            self._note(f"{case.name}.{name}", "ms", *values)
        for prefix, key in ((f"{case.loading}.load", "load_peak_mib"), (case.name, "peak_mib")):
            for name in _MEMORY:
                if name in ours[key] and name in official[key]:
                    self._note(f"{prefix}.{name}", "MiB", ours[key][name], official[key][name])

    def _note(self, name: str, unit: str, ours: float, official: float) -> None:
        self._pairs.setdefault((name, unit), []).append((ours, official))

    def __iter__(self) -> Iterator[Figure]:
        for (name, unit), pairs in self._pairs.items():
            yield Figure(name, unit, tuple(pairs))


def _summary(values: list[float]) -> dict[str, float]:
    middle = statistics.median(values)
    found = {"median": middle, "min": min(values), "max": max(values)}
    return {name: float(f"{value:.4g}") for name, value in found.items()}
