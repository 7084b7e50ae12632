"""The page's plots: SVG files whose words are text, the same for the same results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.page.tables import cold_cases, cold_stages, stage_label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.page.results import Result

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vivavoce",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_SIZE_INCHES = (7.5, 3.2)


def draw(results: Mapping[str, Result], folder: Path) -> None:
    """Write every plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        for name, (kind, plot) in PLOTS.items():
            figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
            plot(figure.add_subplot(), results[kind])
            source = f"benchmarks/results/{results[kind].file}"
            # A date would make another file of the same plot.
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Source": source})


def first_audio(axes: Axes, result: Result) -> None:
    """Draw first audio alone, at once, and as a newcomer: from least to most, and the median."""
    count = result.about["plan"]["count"]
    labels = {
        "alone": "alone",
        "at_once": f"{count} at once",
        "newcomer": f"newcomer beside {count - 1}",
    }
    for row, name in enumerate(labels):
        found = result.figures[f"{name}.first_audio"]
        axes.plot([found["min"], found["max"]], [row, row], color="tab:blue", lw=6, alpha=0.3)
        axes.plot(found["median"], row, "o", color="tab:blue")
    twice_ms = 2 * result.figures["alone.first_audio"]["median"]
    axes.axvline(twice_ms, color="tab:red", ls="--", lw=1)
    axes.annotate("twice as long as alone", (twice_ms, len(labels) - 0.6), color="tab:red")
    axes.set_yticks(range(len(labels)), labels.values())
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("ms to the first audio: median, least to most")


def arrivals(axes: Axes, result: Result) -> None:
    """Draw first audio over the rate at which requests come, and how many heard a gap."""
    rates = [r for r in result.about["plan"]["rates"] if f"arrivals.{r:g}.lead" in result.figures]
    for of, mark in (("median", "o"), ("p95", "^")):
        values = [result.value(f"arrivals.{rate:g}.first_audio", of) for rate in rates]
        axes.plot(rates, values, f"{mark}-", label=of)
    axes.axhline(result.about["plan"]["limit_ms"], color="tab:red", ls="--", lw=1, label="limit")
    for rate in rates:
        dry, of_all = (result.figures[f"arrivals.{rate:g}.{it}"] for it in ("dry", "first_audio"))
        axes.annotate(
            f"{dry['median']:g}/{of_all['n']}",
            (rate, of_all["p95"] or of_all["max"]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
        )
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.margins(y=0.15)
    axes.set_xlabel("requests a second, at random moments; numbers: how many of all heard a gap")
    axes.set_ylabel("ms to the first audio")
    axes.legend(frameon=False)


def cold(axes: Axes, result: Result) -> None:
    """Draw the stages of a load, one after the other."""
    cases = cold_cases(result)
    done = [0.0] * len(cases)
    for stage in cold_stages(result):
        took = [(result.value(f"{name}.{stage}") or 0.0) / 1000 for _, name in cases]
        axes.barh(range(len(cases)), took, left=done, label=stage_label(stage))
        done = [before + more for before, more in zip(done, took, strict=True)]
    axes.set_yticks(range(len(cases)), [label for label, _ in cases])
    axes.invert_yaxis()
    axes.set_xlabel("seconds from a request to its first audio, nothing loaded")
    axes.legend(frameon=False)


def offline(axes: Axes, result: Result) -> None:
    """Draw the time for a frame beside the official package's."""
    cases = [name.removesuffix(".both") for name in result.figures if name.endswith(".both")]
    sides = (("ours", "vivavoce", -0.2), ("official", "qwen-tts 0.1.1", 0.2))
    for side, label, shift in sides:
        values = [result.figures[f"{case}.both"][side]["median"] for case in cases]
        axes.barh([row + shift for row in range(len(cases))], values, height=0.38, label=label)
    axes.axvline(80, color="tab:red", ls="--", lw=1, label="real time, one listener")
    axes.set_yticks(range(len(cases)), cases)
    axes.invert_yaxis()
    axes.set_xlabel("ms for a frame (80 ms of speech) of every sequence, 0.6B, two cores")
    axes.legend(frameon=False)


PLOTS: dict[str, tuple[str, Callable[[Axes, Result], None]]] = {
    "first-audio": ("streams", first_audio),
    "arrivals": ("streams", arrivals),
    "cold": ("cold", cold),
    "offline": ("offline", offline),
}
"""Each plot's file name: the kind of result, and what draws it."""
