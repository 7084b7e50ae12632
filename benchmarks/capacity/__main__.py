"""`python -m benchmarks.capacity`: measure, check the simulation, then ask it what more would need.

See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.capacity import check, need, parts
from benchmarks.capacity.assumed import ASSUMED
from benchmarks.online import server
from benchmarks.online.machine import facts
from benchmarks.online.progress import Progress
from benchmarks.streams import arrivals
from benchmarks.streams.__main__ import SETTINGS
from benchmarks.streams.plan import Plan
from benchmarks.streams.target import TEXT, Target
from vivavoce.engine.qwen3.pace import FRAME_S

if TYPE_CHECKING:
    from benchmarks.capacity.times import Times
    from benchmarks.streams.listener import Heard

_RESULTS = Path(__file__).parents[1] / "results"
_PAUSE_S = 0.2
_APART = 0.3
"""Of an answer's length: by then a server that is to serve several has made it."""
LARGEST_MISS = 0.15
"""So far what was foretold may be from what was measured, for a word about anything else."""


_STREAMS = Plan(rates=(0.5, 1, 2), arrivals_s=20.0, fewest=20)


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is measured and asked. The rates of `streams` are foretold and measured.

    All is measured `tries` times, in turn, so that nothing is known from quieter minutes than those
    that are foretold. In each, so many ask `alone`, and in so many `rounds` several at once.
    """

    counts: tuple[int, ...] = (1, 2, 4, 8, 16)
    repeats: int = 30
    alone: int = 5
    rounds: int = 2
    at_once: int = 4
    streams: Plan = _STREAMS
    tries: int = 3
    crowds: tuple[int, ...] = (1, 4, 10, 100, 1000)
    most_replicas: int = 4000


QUICK = Scope(
    counts=(1, 2),
    repeats=2,
    alone=3,
    rounds=1,
    at_once=2,
    streams=Plan(frames=20, rates=(2,), arrivals_s=1.0, fewest=4, arrival_frames=10),
    tries=1,
    crowds=(1, 2),
    most_replicas=2,
)


def main() -> None:
    """Run."""
    given = _parser().parse_args()
    console = Console()
    progress = Progress(console)
    scope = QUICK if given.quick else Scope()
    began, now = time.monotonic(), datetime.now(UTC)
    result: dict[str, Any] = {"taken_at": now.isoformat(timespec="seconds"), **facts()}
    result |= {"quick": given.quick, "scope": asdict(scope), "checkpoint": given.model or "tiny"}
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        model = Path(given.model) if given.model else _tiny(Path(folder))
        times, measured = measure(model, scope, progress)
    result["times"] = times.as_json()
    result["check"] = compared(times, measured, scope)
    result["holds"] = holds(result["check"])
    result["needs"] = ask({"measured": times, **ASSUMED}, scope, progress)
    result["run_s"] = round(time.monotonic() - began, 1)
    path = given.json or _RESULTS / f"capacity-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    for table in _tables(result):
        console.print(table)
    if not result["holds"]:
        progress.say(f"foretold and measured are more than {LARGEST_MISS:.0%} apart: see above")
    progress.say(f"written to {path}")


def measure(
    model: Path, scope: Scope, progress: Progress
) -> tuple[Times, dict[float, list[list[Heard]]]]:
    """Return the times of a checkpoint as they are in a server, and what it did at each rate."""
    with progress.stage("what each operation takes", 1) as step:
        times = parts.measure(model, text=TEXT, counts=scope.counts, repeats=scope.repeats)
        step()
    plan = scope.streams
    alone: list[Heard] = []
    rounds: list[list[Heard]] = []
    heard: dict[float, list[list[Heard]]] = {rate: [] for rate in plan.rates}
    with server.vivavoce("qwen3", MODEL_ID=str(model), **SETTINGS, **parts.ONE_THREAD) as served:
        target = Target(served.url, ours=True)
        asyncio.run(arrivals.come_at(target, plan, [0.0], plan.frames))  # has the model loaded
        with progress.stage("a server's listeners", scope.tries * (1 + len(plan.rates))) as step:
            for _ in range(scope.tries):
                asyncio.run(_known(target, scope, alone, rounds))
                step()
                for rate in plan.rates:
                    heard[rate].append(asyncio.run(arrivals.come(target, plan, rate)))
                    step()
    return check.adjusted(times, alone, rounds, plan.frames), heard


def compared(
    times: Times, measured: dict[float, list[list[Heard]]], scope: Scope
) -> dict[str, dict[str, dict[str, float]]]:
    """Return, for each rate and figure, what was foretold, what was measured, and the ratio."""
    plan, found = scope.streams, {}
    for rate, tries in measured.items():
        moments_s = arrivals.moments_s(len(tries[0]), rate, plan.seed)
        told = check.figures_of(check.foretold(times, moments_s, plan.arrival_frames))
        each = [check.figures_of(heard) for heard in tries]
        real = {name: statistics.median(one[name] for one in each) for name in told}
        found[f"{rate:g}"] = {
            name: {"foretold": told[name], "measured": real[name], "ratio": told[name] / real[name]}
            for name in real
        }
    return found


def holds(found: dict[str, dict[str, dict[str, float]]]) -> bool:
    """Tell whether all that was foretold is near enough."""
    ratios = [figure["ratio"] for rate in found.values() for figure in rate.values()]
    return all(abs(ratio - 1) <= LARGEST_MISS for ratio in ratios)


def ask(kinds: dict[str, Times], scope: Scope, progress: Progress) -> list[dict[str, Any]]:
    """Return what each crowd needs of each kind of server."""
    rows = []
    with progress.stage("how many servers", len(kinds) * len(scope.crowds)) as step:
        for name, times in kinds.items():
            for crowd in scope.crowds:
                demand = need.Demand(crowd, scope.streams.arrival_frames)
                fleet = need.fewest(demand, times, scope.most_replicas)
                row: dict[str, Any] = {"server": name, "listeners": crowd}
                if fleet is not None:
                    spoken = need.characters_per_s(demand, fleet.replicas)
                    row |= asdict(fleet)
                    row["millions_of_characters_per_hour"] = spoken * 3600 / 1e6
                rows.append(row)
                step()
    return rows


async def _known(
    target: Target, scope: Scope, alone: list[Heard], rounds: list[list[Heard]]
) -> None:
    """Add those who ask one after the other, and rounds of those who ask at once.

    All by the same client as those who are foretold, of a server that had nothing to do.
    """
    plan = scope.streams
    apart_s = _APART * plan.frames * FRAME_S
    moments = [apart_s * number for number in range(scope.alone)]
    alone += await arrivals.come_at(target, plan, moments, plan.frames)
    for _ in range(scope.rounds):
        at_once = [_PAUSE_S] * scope.at_once
        rounds.append(await arrivals.come_at(target, plan, at_once, plan.frames))


def _tiny(folder: Path) -> Path:
    from benchmarks.offline.checkpoint import tiny

    return tiny(folder)


def _tables(result: dict[str, Any]) -> list[Table]:
    told = Table("requests/s", "figure", "foretold", "measured", "ratio", title="Is it right?")
    for rate, figures in result["check"].items():
        for name, it in figures.items():
            told.add_row(
                rate, name, *(f"{it[key]:.3g}" for key in ("foretold", "measured", "ratio"))
            )
    needs = Table("server", "listeners", "servers", "first audio p95, ms", title="What is needed")
    for row in result["needs"]:
        found = "replicas" in row
        servers = str(row["replicas"]) if found else "-"
        first = f"{1000 * row['first_audio_p95_s']:.0f}" if found else "-"
        needs.add_row(row["server"], str(row["listeners"]), servers, first)
    return [told, needs]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="does it all work?")
    parser.add_argument("--model", metavar="FOLDER", help="checkpoint; else a tiny random one")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the result")
    return parser


if __name__ == "__main__":
    main()
