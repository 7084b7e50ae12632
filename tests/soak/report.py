"""What a run showed: what went wrong, a table for people, JSON for everything else."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from soak import memory
from soak.plan import AUDIO_CACHE_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soak.rest import Rest
    from soak.run import Soak

_MOST_SAMPLES = 200
_THREADS_SLACK = 6
"""Pools have fewer threads than they may until enough was asked of them at once."""


def troubles(soak: Soak) -> list[str]:
    """Return everything that went wrong with a server, one line each."""
    found = [*soak.ledger.wrongs, *_leaks(soak.rests), *memory.troubles(soak)]
    found += soak.server.troubles
    if soak.ledger.kills_at and not soak.ledger.recoveries_s:
        found.append("no speech after any kill")
    return [f"{soak.server.engine}: {line}" for line in found]


def _leaks(rests: Sequence[Rest]) -> list[str]:
    """Compare each rest with the first."""
    if not rests:
        return ["it never came to rest"]
    first, *later = rests
    found = [
        f"at the first rest there are still {left}" for left in (*first.children, *first.files)
    ]
    for index, rest in enumerate(later, 2):
        for name in ("tasks", "open_files", "sockets", "children", "files"):
            was, now = getattr(first, name), getattr(rest, name)
            if now != was:
                found.append(f"leak: {name} at rest {index} are {now}; at the first, {was}")
        if rest.threads > first.threads + _THREADS_SLACK:
            found.append(f"leak: {rest.threads} threads at rest {index}; before, {first.threads}")
    return found


def result(soak: Soak) -> dict[str, Any]:
    """Return the figures of a server's run."""
    ledger, metrics = soak.ledger, soak.server.metrics()
    step = max(1, len(soak.watch.samples) // _MOST_SAMPLES)
    return {
        "outcomes": dict(ledger.outcomes.most_common()),
        "kinds": {kind: dict(counts) for kind, counts in sorted(ledger.counts.items())},
        "cache": {
            result: metrics.get(f'vivavoce_audio_cache_total{{result="{result}"}}', 0.0)
            for result in ("hit", "joined", "miss", "off")
        }
        | {"max_entries": AUDIO_CACHE_MAX},
        "kills": len(ledger.kills_at),
        "recovered_after_s": [round(took_s, 2) for took_s in ledger.recoveries_s],
        "health_ms": soak.watch.health_figures(),
        "rests": [rest.as_json() for rest in soak.rests],
        "mib_per_hour": {
            "at rest": memory.mib_per_hour(memory.at_rest(soak)),
            "at its highest": memory.mib_per_hour(memory.peaks(soak)),
            "last worker": memory.mib_per_hour(memory.last_life(soak)),
        },
        "highest_mib": [mib for _, mib in memory.peaks(soak)],
        "samples": [asdict(sample) for sample in soak.watch.samples[::step]],
    }


def table(results: dict[str, dict[str, Any]]) -> Table:
    """Return what matters most, one column for each engine."""
    rows = Table(title="vivavoce soak", title_justify="left", pad_edge=False)
    rows.add_column("", no_wrap=True)
    for engine in results:
        rows.add_column(engine, overflow="fold")
    for name, show in _ROWS.items():
        rows.add_row(name, *(str(show(result)) for result in results.values()))
    return rows


def _counts(counts: dict[str, float]) -> str:
    return ", ".join(f"{name} {count:g}" for name, count in counts.items())


_ROWS = {
    "requests": lambda result: _counts(result["outcomes"]),
    "cache": lambda result: _counts(result["cache"]),
    "workers killed": lambda result: result["kills"],
    "speech again after, s": lambda result: result["recovered_after_s"],
    "/health, ms": lambda result: _counts(result["health_ms"]),
    "at rest: tasks": lambda result: [rest["tasks"] for rest in result["rests"]],
    "at rest: threads": lambda result: [rest["threads"] for rest in result["rests"]],
    "at rest: files open": lambda result: [
        sum(rest["open_files"].values()) for rest in result["rests"]
    ],
    "at rest: server, MiB": lambda result: [rest["memory_mib"] for rest in result["rests"]],
    "in a round: server at most, MiB": lambda result: result["highest_mib"],
    "growth, MiB an hour": lambda result: "; ".join(
        f"{name}: {slope}" for name, slope in result["mib_per_hour"].items()
    ),
}
