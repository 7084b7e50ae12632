"""The tables of docs/capacity.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.capacity.need import price_of_a_million
from benchmarks.page.tables import markdown

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = {
    "first_audio": ("first audio, median", "ms", 1000),
    "took": ("whole answer, median", "ms", 1000),
    "audio": ("speech made each second", "s", 1),
}


def all_tables(file: Path) -> dict[str, str]:
    """Return every table of the page by the name of its place there."""
    result = json.loads(file.read_text())
    return {"run": run(file.name, result), "check": check(result), "needs": needs(result)}


def run(name: str, result: dict[str, Any]) -> str:
    """Return where and when it was taken, and whether it may be believed."""
    machine = result["machine"]
    where = f"{machine['cores']} x {machine['cpu']}, {machine['memory_gib']:.0f} GiB"
    says = "within 15 %" if result["holds"] else "**not within 15 %: believe nothing below**"
    link = f"[{name}](../benchmarks/results/{name})"
    row = (link, result["taken_at"][:10], f"`{(result['commit'] or '?')[:9]}`", where, says)
    return markdown(("result", "taken", "commit", "machine", "foretold and measured"), [row])


def check(result: dict[str, Any]) -> str:
    """Return what was foretold beside what was measured."""
    rows = []
    for rate, figures in result["check"].items():
        for figure, it in figures.items():
            label, unit, scale = _NAMES[figure]
            cells = (f"{scale * it[side]:.3g} {unit}" for side in ("foretold", "measured"))
            rows.append((rate, label, *cells, f"{it['ratio']:.2f}"))
    return markdown(("requests a second", "", "foretold", "measured", "ratio"), rows)


def needs(result: dict[str, Any]) -> str:
    """Return how many servers so many listeners need."""
    rows = []
    for row in result["needs"]:
        found = "replicas" in row
        made = row["millions_of_characters_per_hour"] if found else 0.0
        cells = (
            str(row["replicas"]),
            f"{1000 * row['first_audio_p95_s']:.0f} ms",
            f"{made:.2g}",
            f"{price_of_a_million(1.0, made * 1e6 / 3600):.2g}",
        )
        of = (row["server"], str(row["listeners"]))
        rows.append((*of, *(cells if found else ("no number is enough", "", "", ""))))
    heads = ("server", "listeners", "servers", "first audio, p95")
    more = ("million characters an hour, each", "price of a million, in prices of its hour")
    return markdown((*heads, *more), rows)
