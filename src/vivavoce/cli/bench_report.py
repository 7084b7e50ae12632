"""What `vivavoce bench` measured: on the terminal, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vivavoce import __version__, machine
from vivavoce.cli.output import half_a_file
from vivavoce.errors import InvalidRequest

_BAR = 40
_LIBRARIES = {
    "qwen3": ("torch", "onnxruntime"),
    "embedded": ("hibari-tts", "onnxruntime"),
    "fake": (),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: whose, seconds to its first bytes and to its last, and how long it is."""

    voice: str
    first_audio_s: float
    total_s: float
    audio_s: float

    @property
    def real_time_factor(self) -> float:
        """Seconds that a second of speech took; under 1 is faster than it is heard."""
        return self.total_s / self.audio_s


@dataclass(frozen=True, slots=True)
class Row:
    """Rounds in which so many listened at the same time, and what each of them heard."""

    listeners: int
    rounds: tuple[tuple[Heard, ...], ...]

    @property
    def heard(self) -> list[Heard]:
        """All answers."""
        return [heard for one in self.rounds for heard in one]

    @property
    def speech_per_s(self) -> float:
        """Seconds of speech that were made per second, for all listeners together."""
        speech_s = sum(heard.audio_s for heard in self.heard)
        return speech_s / sum(max(heard.total_s for heard in one) for one in self.rounds)


def facts_of(engine: str, busy: float) -> dict[str, Any]:
    """Return what the figures depend on; `busy` is the machine's load before."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(memory_bytes / 2**30, 1),
            "gpus": list(machine.nvidia_gpus()),
            "system": f"{platform.system()} {platform.release()}",
            "load_before": round(busy, 2),
        },
        "versions": {
            "vivavoce": __version__,
            "python": platform.python_version(),
            **{name: found for name in _LIBRARIES[engine] if (found := _version(name))},
        },
        "engine": engine,
    }


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def show(facts: dict[str, Any]) -> None:
    """Print all of it."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    first: Heard = facts["first"]
    rows: list[Row] = facts["rows"]
    has = facts["machine"]
    gpus = "; ".join(has["gpus"]) or "no NVIDIA GPU"
    console.print(
        f"{has['processor']}, {has['cores']} cores, {has['memory_gib']} GiB; {gpus}; "
        f"{has['system']}; load before: {has['load_before']}"
    )
    console.print(", ".join(f"{name} {found}" for name, found in facts["versions"].items()))
    console.print(
        f"engine: {facts['engine']}, voice: {first.voice}, {first.audio_s:.1f} s of speech"
    )
    console.print(
        f"\nload: {facts['load_s']:.2f} s; first answer after it: first audio "
        f"{first.first_audio_s * 1000:.0f} ms, real-time factor {first.real_time_factor:.3f}\n"
    )
    if rows:
        console.print(_table(rows))
        _plot(rows, console)
    console.print("\nNot measured:")
    for what in facts["not_measured"]:
        console.print(f"- {what}")


def _table(rows: list[Row]) -> Table:
    table = Table(caption="Real-time factor: seconds that a second of speech takes to be made.")
    for title in ("listeners", "first audio", "worst", "real-time factor", "worst"):
        table.add_column(title, justify="right")
    for row in rows:
        firsts = [heard.first_audio_s * 1000 for heard in row.heard]
        factors = [heard.real_time_factor for heard in row.heard]
        table.add_row(
            str(row.listeners),
            f"{statistics.median(firsts):.0f} ms",
            f"{max(firsts):.0f} ms",
            f"{statistics.median(factors):.3f}",
            f"{max(factors):.3f}",
        )
    return table


def _plot(rows: list[Row], console: Console) -> None:
    console.print("\nSeconds of speech made in a second, for all listeners together:\n")
    most = max(row.speech_per_s for row in rows)
    for row in rows:
        bar = "█" * max(1, round(_BAR * row.speech_per_s / most))
        console.print(f"{in_words(row.listeners):>11} {bar} {row.speech_per_s:.2f}")


def write(facts: dict[str, Any], path: Path) -> None:
    """Write all of it to a file, as JSON."""
    rows: list[Row] = facts["rows"]
    measured = [
        {
            "listeners": row.listeners,
            "rounds": len(row.rounds),
            "first_audio_s": [round(heard.first_audio_s, 4) for heard in row.heard],
            "real_time_factor": [round(heard.real_time_factor, 4) for heard in row.heard],
            "speech_per_s": round(row.speech_per_s, 3),
        }
        for row in rows
    ]
    first: Heard = facts["first"]
    told = {"load_s": round(facts["load_s"], 3), "rows": measured}
    told["first"] = {
        "first_audio_s": round(first.first_audio_s, 4),
        "real_time_factor": round(first.real_time_factor, 4),
        "audio_s": round(first.audio_s, 3),
    }
    try:
        with half_a_file(path) as file:
            file.write(json.dumps(facts | told, indent=2, ensure_ascii=False).encode() + b"\n")
    except OSError as exc:
        raise InvalidRequest(f"Cannot write {path}: {exc.strerror or exc}.") from None


def in_words(number: int) -> str:
    """Return so many listeners in words."""
    return "1 listener" if number == 1 else f"{number} listeners"
