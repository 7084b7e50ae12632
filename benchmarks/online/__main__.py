"""`python -m benchmarks.online`: take every figure, print a table, write a JSON file.

See benchmarks/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.online import cached, fresh, overhead, report, streams, voice
from benchmarks.online.figures import Figures
from benchmarks.online.machine import facts
from benchmarks.online.plan import Plan, quick
from benchmarks.online.progress import Progress

_RESULTS = Path(__file__).parents[1] / "results"
_WIDTH = 150


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few values of each, in half a minute")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()

    plan = quick() if given.quick else Plan()
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    progress = Progress(console)
    now = datetime.now(UTC)
    about = {"taken_at": now.isoformat(timespec="seconds"), "quick": given.quick, **facts()}
    figures = Figures()
    for part in (fresh, voice, cached, overhead, streams):
        part.measure(plan, progress, figures)
    about["run_s"] = round(time.monotonic() - plan.begun, 1)
    console.print(report.table(figures, reasons=console.width >= _WIDTH))
    path = given.json or _RESULTS / f"online-{now:%Y-%m-%d}.json"
    report.write(path, about, figures)
    progress.say(f"written to {path}")


if __name__ == "__main__":
    main()
