"""`vivavoce bench`: what this machine does with the voice that `serve` would use, in a minute."""

from __future__ import annotations

import json
import os
import platform
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from vivavoce import __version__, log, machine
from vivavoce.cli.output import half_a_file
from vivavoce.engine.qwen3.checkpoint import find
from vivavoce.errors import EngineUnavailable, InvalidRequest
from vivavoce.factory import choose_engine
from vivavoce.speaker import Speaker

TEXT = (
    "The ferry leaves at seven, and the last one back is at nine. Bring a coat, because it is "
    "always colder on the water than one thinks."
)
LISTENERS = (1, 2, 4)
BUDGET_S = 60.0
_REPEATS = 3
_BAR = 40
_NEVER_MEASURED = (
    "the way over HTTP and a network: all is heard in this process",
    "cloned and described voices, other languages, long texts",
    f"more than {LISTENERS[-1]} listeners",
    "memory and energy",
)


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


def run(json_path: Path | None) -> None:
    """Measure, print, and write the figures to `json_path` if there is one."""
    if json_path is not None and not json_path.resolve().parent.is_dir():
        raise InvalidRequest(f"There is no folder {json_path.parent}. Create it first.")
    log.configure("warning", "auto")
    busy = os.getloadavg()[0]
    with Speaker() as speaker, _Progress() as progress:
        engine = choose_engine(speaker.settings)
        if engine == "qwen3" and find(speaker.settings.model_id) is None:
            raise EngineUnavailable(
                f"{speaker.settings.model_id} is not on this machine. Get it first: vivavoce pull"
            )
        facts = _facts(engine, busy)
        facts |= _measure(speaker, progress)
    _show(facts)
    if json_path is not None:
        _write(facts, json_path)


def _measure(speaker: Speaker, progress: _Progress) -> dict[str, Any]:
    progress.tell("loading the model")
    began = time.monotonic()
    speaker.load()
    load_s = time.monotonic() - began
    progress.tell("first answer after the load")
    first = _listen(speaker, 0)
    rows, skipped = _measure_rows(speaker, progress, first.total_s)
    return {
        "voice": first.voice,
        "load_s": load_s,
        "first": first,
        "rows": rows,
        "not_measured": [*skipped, *_NEVER_MEASURED],
    }


def _measure_rows(
    speaker: Speaker, progress: _Progress, guess_s: float
) -> tuple[list[Row], list[str]]:
    """Return what was measured, and what there was no time for."""
    until = time.monotonic() + BUDGET_S
    rows: list[Row] = []
    skipped: list[str] = []
    for listeners in LISTENERS:
        rounds: list[tuple[Heard, ...]] = []
        while len(rounds) < _REPEATS and time.monotonic() + guess_s < until:
            progress.tell(f"{_listeners(listeners)}, round {len(rounds) + 1} of {_REPEATS}")
            rounds.append(_listen_together(speaker, listeners))
            guess_s = max(heard.total_s for heard in rounds[-1])
        if rounds:
            rows.append(Row(listeners, tuple(rounds)))
        if len(rounds) < _REPEATS:
            done = f"{len(rounds)} of {_REPEATS} rounds"
            skipped.append(f"{_listeners(listeners)}: {done}, the next would end too late")
        guess_s *= 2  # twice as many, on a machine that has no more to give
    return rows, skipped


def _listen(speaker: Speaker, seed: int) -> Heard:
    began = time.monotonic()
    with speaker.stream(TEXT, cache=False, seed=seed) as stream:
        first_audio_s = time.monotonic() - began
        audio_s = sum(map(len, stream)) / 2 / stream.sample_rate
        total_s = time.monotonic() - began
        return Heard(f"{stream.voice} ({stream.model})", first_audio_s, total_s, audio_s)


def _listen_together(speaker: Speaker, listeners: int) -> tuple[Heard, ...]:
    start = threading.Barrier(listeners)

    def listen(seed: int) -> Heard:
        start.wait()
        return _listen(speaker, seed)

    with ThreadPoolExecutor(listeners) as threads:
        return tuple(threads.map(listen, range(1, listeners + 1)))


def _facts(engine: str, busy: float) -> dict[str, Any]:
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
        "text": TEXT,
    }


_LIBRARIES = {"qwen3": ("torch", "onnxruntime"), "embedded": ("hibari-tts", "onnxruntime")}
_LIBRARIES["fake"] = ()


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


def _show(facts: dict[str, Any]) -> None:
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
    console.print(f"engine: {facts['engine']}, voice: {first.voice}, {first.audio_s:.1f} s of speech")
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
        console.print(f"{_listeners(row.listeners):>11} {bar} {row.speech_per_s:.2f}")


def _write(facts: dict[str, Any], path: Path) -> None:
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


def _listeners(number: int) -> str:
    return "1 listener" if number == 1 else f"{number} listeners"


class _Progress:
    """What is being done: a bar on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=2 + _REPEATS * len(LISTENERS), completed=-1)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, what: str) -> None:
        """Say what comes next: all before it is done."""
        self._bar.update(self._task, description=what, advance=1)
        if not self._console.is_terminal:
            self._console.print(what, highlight=False, markup=False, soft_wrap=True)
