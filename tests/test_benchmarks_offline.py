"""The offline benchmark's plan, predictions and report fit together; nothing is measured."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from benchmarks.offline import report
from benchmarks.offline.figures import Figures
from benchmarks.offline.plan import full
from benchmarks.offline.predictions import PREDICTIONS
from rich.console import Console

if TYPE_CHECKING:
    from pathlib import Path


def told(factor: float) -> dict:
    times = {"generate_s": 2.4, "decode_s": 1.0, "both_s": 3.0, "cpu_s": 6.0, "load_s": 4.0}
    memory = {"peak": 3000.0 * factor, "anon": 2000.0 * factor}
    measured = {name: value * factor for name, value in times.items()}
    return {**measured, "load_peak_mib": memory, "peak_mib": memory}


def test_every_figure_was_predicted_and_is_reported(tmp_path: Path) -> None:
    figures = Figures()
    for factor in (0.5, 0.7, 0.6):
        for case in full().cases:
            figures.add(case, {"ours": told(factor), "official": told(1.0)})
    assert {figure.name for figure in figures} == set(PREDICTIONS)

    console = Console(width=200, file=io.StringIO())
    console.print(report.table(figures, reasons=True))
    text = console.file.getvalue()
    assert all(name in text for name in PREDICTIONS)
    assert "120 (100..140)" in text  # ms a frame

    report.write(tmp_path / "result.json", {"device": "cpu"}, figures)
    result = json.loads((tmp_path / "result.json").read_text())
    figure = result["figures"]["fp32.b1.greedy.generate"]
    assert figure["ratio"] == {"median": 0.6, "min": 0.5, "max": 0.7}
    assert figure["official"]["median"] == 200
    assert (figure["unit"], figure["n"]) == ("ms", 3)
