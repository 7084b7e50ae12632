"""`python -m benchmarks.gpu`: frames on a CUDA card, in every way they can be made, and a peer."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.gpu.plan import PEER, Plan, full, quick
from benchmarks.offline import checkpoint
from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress

_ROOT = Path(__file__).parents[2]
_RESULTS = _ROOT / "benchmarks/results"
_CACHE = Path(tempfile.gettempdir(), "vivavoce-offline")
_FASTER = _ROOT / ".venv-faster/bin/python"


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--engine", action="store_true", help="the engine alone, without the peer")
    parser.add_argument("--quick", action="store_true", help="few frames: does it all work?")
    parser.add_argument("--tiny", action="store_true", help="a checkpoint of 20 MB")
    parser.add_argument("--device", default="cuda:0", help="cuda:N; with --quick cpu too")
    parser.add_argument("--dtype", default="bf16", choices=("bf16", "fp32"))
    parser.add_argument("--folder", type=Path, default=_CACHE, help="keeps a checkpoint of 2.5 GB")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    given = parser.parse_args()
    progress, now = Progress(Console()), datetime.now(UTC)
    plan = quick(given.device) if given.quick else full()
    folder = (checkpoint.tiny if given.tiny else checkpoint.make)(given.folder)
    about: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    about |= {"device": given.device, "dtype": given.dtype, "quick": given.quick, "failed": {}}
    about["plan"] = asdict(plan)
    figures: dict[str, dict[str, Any]] = {}
    path = given.json or _RESULTS / f"gpu-{now:%Y-%m-%d}.json"
    for way in (*plan.ways, *(() if given.engine else (PEER,))):
        progress.say(way)
        command = [str(_FASTER), "-m", "benchmarks.gpu.faster"]
        if way != PEER:
            command = [sys.executable, "-m", "benchmarks.gpu.engine"]
        try:
            told = measure(command, _job(plan, way, folder, given))
        except (OSError, RuntimeError) as exc:  # the others are worth their time all the same
            about["failed"][way] = str(exc)
            progress.say(f"{way} failed: {str(exc).splitlines()[-1]}")
        else:
            about.setdefault("card", told.get("card"))
            about.setdefault("versions", {})[way] = told.get("version") or told.get("torch")
            for name, value in told["figures"].items():
                unit = "MiB" if name.endswith("_mib") else "ms"
                figures[f"{way}.{name}"] = {"unit": unit, "median": round(value, 3)}
        path.write_text(json.dumps({**about, "figures": figures}, indent=1) + "\n")
    progress.say(f"written to {path}; python -m benchmarks.page puts it into docs/performance.md")
    if about["failed"]:
        sys.exit(1)


def _job(plan: Plan, way: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    job: dict[str, Any] = {"folder": str(folder), "device": given.device, "dtype": given.dtype}
    job |= {"frames": plan.frames, "warm_frames": plan.warm_frames}
    return job if way == PEER else {**job, "way": way, "rows": list(plan.rows)}


def measure(command: list[str], job: dict[str, Any]) -> dict[str, Any]:
    """Return what a process found out.

    Raises:
        OSError: it cannot be started: its environment is not there.
        RuntimeError: it failed; the message has its last words.
    """
    done = subprocess.run(
        [*command, json.dumps(job)], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:] or f"it ended with {done.returncode}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    main()
