"""A result as a table for people and as JSON for everything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.online.predictions import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.online.figures import Figures
    from benchmarks.online.predictions import Prediction

    Predictions = Mapping[str, Prediction]


def table(
    figures: Figures,
    *,
    reasons: bool,
    predictions: Predictions = PREDICTIONS,
    title: str = "vivavoce online benchmark",
) -> Table:
    """Return one row a figure: what was predicted, what was measured; `reasons`: and why that."""
    rows = Table(title=title, title_justify="left", pad_edge=False)
    rows.add_column("figure", no_wrap=True)
    for heading in ("unit", "predicted", "median", "p95", "min", "max", "n"):
        rows.add_column(heading, justify="right", no_wrap=True)
    if reasons:
        rows.add_column("why that was predicted", style="dim", overflow="fold")
    section = None
    for figure in figures:
        if section not in (None, figure.section):
            rows.add_section()
        section = figure.section
        expected = predictions.get(figure.name)
        cells = [
            figure.name,
            figure.unit,
            "" if expected is None else _number(expected.value),
            *map(_number, (figure.median, figure.p95, min(figure.values), max(figure.values))),
            str(len(figure.values)),
            "" if expected is None else expected.reason,
        ]
        rows.add_row(*cells[: len(rows.columns)])
    return rows


def write(
    path: Path, facts: dict[str, Any], figures: Figures, predictions: Predictions = PREDICTIONS
) -> None:
    """Write the whole result."""
    result = dict(facts)
    result["figures"] = {}
    for figure in figures:
        expected = predictions.get(figure.name)
        predicted = None if expected is None else expected.value
        result["figures"][figure.name] = {**figure.as_json(), "predicted": predicted}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
