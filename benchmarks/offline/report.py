"""What was measured as ratios, a table for people and JSON for everything else."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.offline.predictions import PREDICTIONS

if TYPE_CHECKING:
    from benchmarks.offline.plan import Case

Results = dict[str, list[dict[str, Any]]]
"""What the processes of either side, ours and official, told of one case."""


def figures(case: Case, results: Results, frames: int) -> dict[str, dict[str, Any]]:
    """Return a case's figures by name: each side's values, and the ratio of their medians.

    Seconds are for one frame of every sequence, memory is in MiB, a load is in seconds.
    """
    keys = {
        f"{case.name}.generate": lambda r: r["generate_s"] / frames,
        f"{case.name}.decode": lambda r: r["decode_s"] / frames,
        f"{case.name}.both": lambda r: r["both_s"] / frames,
        f"{case.name}.cpu": lambda r: r["cpu_s"] / frames,
        f"{case.loading}.load.time": lambda r: r["load_s"],
        f"{case.loading}.load.peak": lambda r: r["load_peak_mib"].get("peak"),
        f"{case.loading}.load.anon": lambda r: r["load_peak_mib"].get("anon"),
        f"{case.name}.peak": lambda r: r["peak_mib"].get("peak"),
        f"{case.name}.anon": lambda r: r["peak_mib"].get("anon"),
        f"{case.name}.cuda": lambda r: r["peak_mib"].get("cuda"),
    }
    found = {}
    for name, value in keys.items():
        sides = {side: [value(one) for one in told] for side, told in results.items()}
        if any(None in values for values in sides.values()):
            continue
        ratio = median(sides["ours"]) / median(sides["official"])
        expected = PREDICTIONS.get(name)
        found[name] = {
            **sides,
            "ratio": ratio,
            "predicted": expected.ratio if expected else None,
        }
    return found


def table(found: dict[str, dict[str, Any]]) -> Table:
    """Return one row a figure."""
    rows = Table(title="vivavoce beside qwen-tts", title_justify="left", pad_edge=False)
    rows.add_column("figure", no_wrap=True)
    for heading in ("ours", "official", "ratio", "predicted"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for name, figure in found.items():
        expected = figure["predicted"]
        rows.add_row(
            name,
            _spread(figure["ours"]),
            _spread(figure["official"]),
            f"{figure['ratio']:.2f}",
            "" if expected is None else f"{expected:.2f}",
        )
    return rows


def _spread(values: list[float]) -> str:
    """Return the median, and least and most of several."""
    shown = [f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in sorted(values)]
    middle = median(values)
    text = f"{middle:.0f}" if middle >= 100 else f"{middle:.3g}"
    return text if len(values) == 1 else f"{text} ({shown[0]}..{shown[-1]})"
