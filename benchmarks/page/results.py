"""The newest result of each benchmark."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "results"
KINDS = ("online", "streams", "cold", "offline")
ON_A_CARD = "gpu"
"""Of it there may be no result: not every machine has a card."""


@dataclass(frozen=True, slots=True)
class Result:
    """A file of `benchmarks/results`: its name, what it says of the run, its figures by name."""

    file: str
    about: dict[str, Any]
    figures: dict[str, dict[str, Any]]

    def value(self, figure: str, of: str = "median") -> float | None:
        """Return a figure's median, p95, min or max; None if it was not taken."""
        return self.figures.get(figure, {}).get(of)


def newest(kind: str, folder: Path = FOLDER) -> Result:
    """Return the newest result of a kind; its date is in its name.

    Raises:
        FileNotFoundError: there is none.
    """
    found = newest_file(kind, folder)
    about = json.loads(found.read_text())
    return Result(found.name, about, about.pop("figures"))


def newest_file(kind: str, folder: Path = FOLDER) -> Path:
    """Return the file of the newest result of a kind.

    Raises:
        FileNotFoundError: there is none.
    """
    found = sorted(folder.glob(f"{kind}-*.json"))
    if not found:
        raise FileNotFoundError(f"There is no {kind}-*.json in {folder}: run that benchmark first.")
    return found[-1]


def taken(folder: Path = FOLDER) -> dict[str, Result]:
    """Return the newest result of every kind of which there is one; only a card's may be missing.

    Raises:
        FileNotFoundError: another one is.
    """
    kinds = (*KINDS, ON_A_CARD) if any(folder.glob(f"{ON_A_CARD}-*.json")) else KINDS
    return {kind: newest(kind, folder) for kind in kinds}
