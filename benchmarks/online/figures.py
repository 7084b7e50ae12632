"""A figure: all values that were taken of one thing, and what is said of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEWEST_FOR_P95 = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """Name, unit and values, in the order they were taken; at least one.

    Names are those of `predictions.PREDICTIONS`.
    """

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def section(self) -> str:
        """The first part of its name."""
        return self.name.split(".")[0]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def p95(self) -> float | None:
        """What 19 of 20 stay below; None of fewer than 20 values, where it would be a guess."""
        if len(self.values) < _FEWEST_FOR_P95:
            return None
        return statistics.quantiles(self.values, n=20, method="inclusive")[-1]

    def as_json(self) -> dict[str, Any]:
        """Return it with its values left out."""
        return {
            "unit": self.unit,
            "n": len(self.values),
            "median": _rounded(self.median),
            "p95": None if self.p95 is None else _rounded(self.p95),
            "min": _rounded(min(self.values)),
            "max": _rounded(max(self.values)),
        }


class Figures:
    """Values as they come, and the figures they make: sections in the order of first mention."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = {}

    def add(self, name: str, unit: str, *values: float) -> None:
        """Note values of a figure."""
        self._values.setdefault((name, unit), []).extend(values)

    def __iter__(self) -> Iterator[Figure]:
        all_of_them = [Figure(name, unit, tuple(v)) for (name, unit), v in self._values.items()]
        sections = list(dict.fromkeys(figure.section for figure in all_of_them))
        return iter(sorted(all_of_them, key=lambda figure: sections.index(figure.section)))


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
