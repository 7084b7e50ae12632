"""`python -m benchmarks.offline`: vivavoce's Qwen3-TTS beside the official package, in one run.

Needs both environments: `make test` and `make parity` (or `make goldens`) install them.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.offline import checkpoint, report
from benchmarks.offline.plan import full, quick
from benchmarks.offline.process import measure
from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress

_RESULTS = Path(__file__).parents[1] / "results"
_SIDES = ("ours", "official")


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offline", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames: does it all work?")
    parser.add_argument("--only", action="append", metavar="CASE", help="such as fp32.b1.greedy")
    parser.add_argument("--repeats", type=int, help="how often each case is measured")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/vivavoce-offline"))
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()

    console = Console()
    progress = Progress(console)
    plan = quick() if given.quick else full()
    cases = [case for case in plan.cases if not given.only or case.name in given.only]
    repeats = given.repeats or plan.repeats
    began = time.monotonic()
    progress.say("making the checkpoint")
    folder = checkpoint.make(given.folder)
    now = datetime.now(UTC)
    about: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    about |= {"device": given.device, "frames": plan.frames, "repeats": repeats, "figures": {}}
    for case in cases:
        told: report.Results = {side: [] for side in _SIDES}
        for turn in range(repeats):
            for side in _SIDES:
                progress.say(f"{case.name}, {turn + 1} of {repeats}: {side}")
                told[side].append(measure(side, case, plan, folder, given.device))
        about.setdefault("versions", {side: told[side][0]["versions"] for side in _SIDES})
        about.setdefault("threads", told["ours"][0]["threads"])
        for name, figure in report.figures(case, told, plan.frames).items():
            about["figures"].setdefault(name, figure)
    about["run_s"] = round(time.monotonic() - began, 1)
    console.print(report.table(about["figures"]))
    path = given.json or _RESULTS / f"offline-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(about, indent=1) + "\n")
    progress.say(f"written to {path}")


if __name__ == "__main__":
    main()
