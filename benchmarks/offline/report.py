"""A result as a table for people and as JSON for everything else."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.offline.predictions import PREDICTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.offline.figures import Figures


def table(figures: Figures, *, reasons: bool) -> Table:
    """Return one row a figure; `reasons`: and why its ratio was predicted.

    Times of speech are for one frame of every sequence in the batch.
    """
    rows = Table(title="vivavoce beside qwen-tts 0.1.1", title_justify="left", pad_edge=False)
    rows.add_column("figure", no_wrap=True)
    for heading in ("unit", "vivavoce", "official", "ratio", "predicted"):
        rows.add_column(heading, justify="right", no_wrap=True)
    if reasons:
        rows.add_column("why that was predicted", style="dim", overflow="fold")
    section = None
    for figure in sorted(figures, key=lambda figure: ".load." in figure.name):
        this = figure.name.rpartition(".")[0]
        if section not in (None, this):
            rows.add_section()
        section = this
        expected = PREDICTIONS.get(figure.name)
        cells = [
            figure.name,
            figure.unit,
            *map(_spread, (figure.ours, figure.official, figure.ratios)),
            "" if expected is None else _number(expected.ratio),
            "" if expected is None else expected.reason,
        ]
        rows.add_row(*cells[: len(rows.columns)])
    return rows


def write(path: Path, facts: dict[str, Any], figures: Figures) -> None:
    """Write the whole result."""
    result = dict(facts)
    result["figures"] = {
        figure.name: {**figure.as_json(), "predicted": _predicted(figure.name)}
        for figure in figures
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def _predicted(name: str) -> float | None:
    return PREDICTIONS[name].ratio if name in PREDICTIONS else None


def _spread(values: list[float]) -> str:
    middle = _number(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({_number(min(values))}..{_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
