"""`python -m benchmarks.scale`: take every figure, print a table, write a JSON file.

See benchmarks/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.online import report
from benchmarks.online.figures import Figures
from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress
from benchmarks.scale import added, site
from benchmarks.scale.haproxy import program
from benchmarks.scale.plan import Plan, quick
from benchmarks.scale.predictions import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESULTS = Path(__file__).parents[1] / "results"
_WIDTH = 150


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few values of each")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()
    plan = quick() if given.quick else Plan()
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    progress = Progress(console)
    began, now = time.monotonic(), datetime.now(UTC)
    told = subprocess.run([program(), "-v"], capture_output=True, text=True, check=True)
    about: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    about |= {"quick": given.quick, "haproxy": told.stdout.splitlines()[0]}
    path = given.json or _RESULTS / f"scale-{now:%Y-%m-%d}.json"
    figures = Figures()
    for _ in measure(plan, progress, figures):
        about["run_s"] = round(time.monotonic() - began, 1)
        report.write(path, about, figures, PREDICTIONS)  # who ends it early keeps what there is
    title = "Servers behind HAProxy"
    reasons = console.width >= _WIDTH
    console.print(report.table(figures, reasons=reasons, predictions=PREDICTIONS, title=title))
    progress.say(f"written to {path}")


def measure(plan: Plan, progress: Progress, figures: Figures) -> Iterator[None]:
    """Take both parts; yields after each."""
    for part in (added, site):
        part.measure(plan, progress, figures)
        yield


if __name__ == "__main__":
    main()
