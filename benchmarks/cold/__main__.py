"""`python -m benchmarks.cold`: load each case again and again, print a table, write a JSON file.

See benchmarks/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.cold import bare, loads
from benchmarks.cold.plan import Case, Plan, embedded, qwen3
from benchmarks.cold.predictions import PREDICTIONS
from benchmarks.offline import checkpoint
from benchmarks.online import report
from benchmarks.online.figures import Figures
from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress

_RESULTS = Path(__file__).parents[1] / "results"
_CACHE = Path(tempfile.gettempdir(), "vivavoce-offline")
_WIDTH = 150


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two loads of each")
    parser.add_argument(
        "--true-shape",
        action="store_true",
        help="also random weights in the shape of 0.6B: 2.5 GB on disk, made once",
    )
    parser.add_argument("--model", metavar="ID", help="also this checkpoint: hub id or folder")
    parser.add_argument("--folder", type=Path, default=_CACHE, help="keeps the 2.5 GB")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()

    plan = Plan(repeats=2) if given.quick else Plan()
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    progress = Progress(console)
    began, now = time.monotonic(), datetime.now(UTC)
    about: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    about |= {"quick": given.quick}
    figures = Figures()
    path = given.json or _RESULTS / f"cold-{now:%Y-%m-%d}.json"
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        cases = [embedded(), qwen3("tiny", str(checkpoint.tiny(Path(folder))))]
        if given.true_shape:
            progress.say(f"the checkpoint is in {given.folder}, or is written there now")
            cases.append(qwen3("0.6b", str(checkpoint.make(given.folder))))
        if given.model:
            cases.append(qwen3("model", given.model))
            about["model"] = given.model
        for case in cases:
            measure(case, plan, progress, figures)
            about["run_s"] = round(time.monotonic() - began, 1)
            report.write(path, about, figures, PREDICTIONS)  # so an early end keeps what there is
    reasons = console.width >= _WIDTH
    title = "From a request to its first sound, with nothing loaded"
    console.print(report.table(figures, reasons=reasons, predictions=PREDICTIONS, title=title))
    progress.say(f"written to {path}")


def measure(case: Case, plan: Plan, progress: Progress, figures: Figures) -> None:
    """Take a case: its loads, and what they would take at least."""
    loads.measure(case, plan, progress, figures)
    bare.measure(case, plan, figures)


if __name__ == "__main__":
    main()
