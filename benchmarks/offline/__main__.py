"""`python -m benchmarks.offline`: vivavoce's Qwen3-TTS beside the official package, in one run.

Needs both environments: `make test` and `make parity` (or `make goldens`) install them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.offline import checkpoint, report
from benchmarks.offline.figures import Figures
from benchmarks.offline.plan import full, quick
from benchmarks.offline.process import PYTHONS, measure
from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress

_RESULTS = Path(__file__).parents[1] / "results"
_CACHE = Path(tempfile.gettempdir(), "vivavoce-offline")
_WIDTH = 150


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offline", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames: does it all work?")
    parser.add_argument("--only", action="append", metavar="CASE", help="such as fp32.b1.greedy")
    parser.add_argument("--repeats", type=int, help="how often each case is measured")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--folder", type=Path, default=_CACHE, help="keeps a checkpoint of 2.5 GB")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()

    plan = quick() if given.quick else full()
    cases = [case for case in plan.cases if not given.only or case.name in given.only]
    if not cases:
        parser.error(f"--only is one of {', '.join(case.name for case in plan.cases)}")
    for side, python in PYTHONS.items():
        if not python.exists():
            parser.error(f"{python} ({side}) is missing: run make test and make goldens")
    repeats = given.repeats or plan.repeats
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    progress = Progress(console)
    began, now = time.monotonic(), datetime.now(UTC)
    progress.say(f"the checkpoint is in {given.folder}, or is written there now")
    folder = checkpoint.make(given.folder)
    about: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    del about["packages"]  # the server's
    about |= {"quick": given.quick, "device": given.device}
    about["frames"] = {case.name: case.frames for case in cases}
    path = given.json or _RESULTS / f"offline-{now:%Y-%m-%d}.json"
    figures = Figures()
    for case in cases:
        with progress.stage(case.name, repeats * len(PYTHONS)) as step:
            for _ in range(repeats):
                told = {}
                for side in PYTHONS:  # in turn, so that a busy minute falls on both
                    told[side] = measure(side, case, folder, given.device)
                    step()
                figures.add(case, told)
                about.setdefault("threads", told["ours"]["threads"])  # but of `.1thread` cases
                about["versions"] = {side: told[side]["versions"] for side in told}
        about["run_s"] = round(time.monotonic() - began, 1)
        report.write(path, about, figures)  # so that who ends it early keeps what there is
    console.print(report.table(figures, reasons=console.width >= _WIDTH))
    progress.say(f"written to {path}")


if __name__ == "__main__":
    main()
