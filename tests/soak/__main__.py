"""`make soak`: put servers under load for a while; status 1 and a list if anything went wrong.

`PYTHONPATH=tests python -m soak`, in the repository's root, takes the options.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress
from rich.console import Console

from soak import report
from soak.plan import ENGINES, REST_S, Plan, make_plan
from soak.run import Soak
from soak.server import running

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
_WIDTH = 150


def main() -> None:
    """Run."""
    now = datetime.now(UTC)
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="how long; 20 if left out")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other visitors")
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=ENGINES, help="all if left out"
    )
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=_RESULTS / f"soak-{now:%Y-%m-%d}.json",
        metavar="PATH",
        help="write the figures too, to benchmarks/results unless told otherwise",
    )
    given = parser.parse_args()

    # By an exception, so that the servers end as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    progress = Progress(console)
    about = {"taken_at": now.isoformat(timespec="seconds"), "minutes": given.minutes, **facts()}
    results, troubles = asyncio.run(
        _soak(make_plan(given.minutes, given.seed), given.engines, progress)
    )
    console.print(report.table(results))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        whole = {**about, "seed": given.seed, "troubles": troubles, "engines": results}
        given.json.write_text(json.dumps(whole, indent=1) + "\n")
        progress.say(f"written to {given.json}")
    for trouble in troubles:
        progress.say(f"WRONG: {trouble}")
    progress.say(f"{len(troubles)} things went wrong" if troubles else "nothing went wrong")
    sys.exit(bool(troubles))


async def _soak(
    plan: Plan, engines: Sequence[str], progress: Progress
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Run all engines' servers side by side; return the figures, and what went wrong."""
    with ExitStack() as stack:
        soaks = [Soak(stack.enter_context(running(engine)), plan) for engine in engines]
        for index, round_ in enumerate(plan.rounds):
            name = f"round {index + 1} of {len(plan.rounds)}"
            with progress.stage(name, round(round_.load_s + REST_S)) as step:
                ticking = asyncio.create_task(_tick(step))
                await asyncio.gather(*(soak.do(index) for soak in soaks))
                ticking.cancel()
            for soak in soaks:
                progress.say(f"  {soak.server.engine}: {soak.summary()}")
        results = {soak.server.engine: report.result(soak) for soak in soaks}
    # Only now: how the servers ended counts too.
    return results, [trouble for soak in soaks for trouble in report.troubles(soak)]


async def _tick(step: Any) -> None:
    """Move the bar on, second by second."""
    while True:
        await asyncio.sleep(1)
        step()


if __name__ == "__main__":
    main()
