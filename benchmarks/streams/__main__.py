"""`python -m benchmarks.streams`: take every figure, print a table, write a JSON file.

See benchmarks/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.online import report, server
from benchmarks.online.figures import Figures
from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress
from benchmarks.streams import arrivals, counters, peers, together
from benchmarks.streams.plan import Plan, quick
from benchmarks.streams.predictions import PREDICTIONS
from benchmarks.streams.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESULTS = Path(__file__).parents[1] / "results"
_WIDTH = 150
SETTINGS = {"FRAME_BUDGET": "false", "RUNAWAY_GUARD": "false", "IDLE_TIMEOUT": "0"}
"""Of a server with random weights, whose speech has no end and no sense."""


def main() -> None:
    """Run."""
    parser = _parser()
    given = parser.parse_args()
    plan = quick() if given.quick else Plan()
    plan = replace(
        plan,
        count=given.count or plan.count,
        rates=tuple(given.rate) if given.rate else plan.rates,
        limit_ms=given.limit_ms or plan.limit_ms,
    )
    if plan.count < 2:
        parser.error("--count is 2 or more: who would be at once?")
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    progress = Progress(console)
    began, now = time.monotonic(), datetime.now(UTC)
    about: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    about |= {"quick": given.quick, "plan": asdict(plan), "peers": peers.not_taken()}
    path = given.json or _RESULTS / f"streams-{now:%Y-%m-%d}.json"
    figures = Figures()
    with _target(given) as (target, what):
        about["server"] = what
        predictions = PREDICTIONS if what["checkpoint"] == "tiny" else {}
        for _ in measure(target, plan, progress, figures):
            about["run_s"] = round(time.monotonic() - began, 1)
            report.write(path, about, figures, predictions)  # who ends it early keeps what there is
    title = f"Listeners of {what['checkpoint']}"
    reasons = console.width >= _WIDTH and bool(predictions)
    console.print(report.table(figures, reasons=reasons, predictions=predictions, title=title))
    progress.say(f"written to {path}")


def measure(target: Target, plan: Plan, progress: Progress, figures: Figures) -> Iterator[None]:
    """Take both parts, and of a server of ours what it counted meanwhile; yields after each."""
    for name, part in (("underruns", together), ("arrivals.underruns", arrivals)):
        before = counters.underruns(target.url) if target.ours else 0.0
        part.measure(target, plan, progress, figures)
        if target.ours:
            figures.add(name, "chunks", counters.underruns(target.url) - before)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few values of each")
    parser.add_argument("--count", type=int, help="how many listen at once")
    parser.add_argument("--rate", type=float, action="append", help="requests a second; again")
    parser.add_argument("--limit-ms", type=float, help="the longest wait for the first audio")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="ID", help="checkpoint: hub id or folder")
    which.add_argument("--url", help="an OpenAI-compatible server that runs already, without /v1")
    parser.add_argument("--ours", action="store_true", help="what --url names is a vivavoce")
    parser.add_argument("--voice", default="vivian", help="the voice to ask for")
    parser.add_argument("--name", default="tts-1", help="the model to ask for")
    parser.add_argument("--key", default="none", help="the API key to send")
    parser.add_argument("--sample-rate", type=int, default=24000, help="of its pcm, in Hz")
    return parser


@contextlib.contextmanager
def _target(given: argparse.Namespace) -> Iterator[tuple[Target, dict[str, Any]]]:
    """Yield whom to ask, and what the result says of it."""
    wanted = {
        "voice": given.voice,
        "model": given.name,
        "key": given.key,
        "sample_rate_hz": given.sample_rate,
    }
    if given.url:
        what: dict[str, Any] = {"checkpoint": given.url, "settings": None}
        yield Target(given.url.rstrip("/").removesuffix("/v1"), given.ours, **wanted), what
        return
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        model = given.model
        if model is None:
            from benchmarks.offline.checkpoint import tiny

            model = str(tiny(Path(folder)))
        with server.vivavoce("qwen3", MODEL_ID=model, **SETTINGS) as served:
            what = {"checkpoint": given.model or "tiny", "settings": SETTINGS}
            yield Target(served.url, ours=True, **wanted), what


if __name__ == "__main__":
    main()
