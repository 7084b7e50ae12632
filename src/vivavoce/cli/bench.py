"""`vivavoce bench`: what this machine does with the voice that `serve` would use, in a minute."""

from __future__ import annotations

import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from vivavoce import log
from vivavoce.cli.bench_report import Heard, Row, facts_of, in_words, show, write
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
_NEVER_MEASURED = (
    "the way over HTTP and a network: all is heard in this process",
    "cloned and described voices, other languages, long texts",
    f"more than {LISTENERS[-1]} listeners",
    "memory and energy",
)


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
        facts = facts_of(engine, busy)
        facts |= _measure(speaker, progress)
    show(facts)
    if json_path is not None:
        write(facts, json_path)


def _measure(speaker: Speaker, progress: _Progress) -> dict[str, Any]:
    progress.tell("loading the model")
    began = time.monotonic()
    speaker.load()
    load_s = time.monotonic() - began
    progress.tell("first answer after the load")
    first = _listen(speaker, 0)
    rows, skipped = _measure_rows(speaker, progress, first.total_s)
    return {
        "text": TEXT,
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
    rounds: dict[int, list[tuple[Heard, ...]]] = {listeners: [] for listeners in LISTENERS}
    # One round of each before the second of any: a slow machine has time for no more.
    for number, listeners in itertools.product(range(1, _REPEATS + 1), LISTENERS):
        if len(rounds[listeners]) == number - 1 and time.monotonic() + guess_s * listeners < until:
            progress.tell(f"{in_words(listeners)}, round {number} of {_REPEATS}")
            rounds[listeners].append(_listen_together(speaker, listeners))
            # For each one more, if the machine has no more to give.
            guess_s = max(heard.total_s for heard in rounds[listeners][-1]) / listeners
    rows = [Row(listeners, tuple(done)) for listeners, done in rounds.items() if done]
    skipped = [
        f"{in_words(listeners)}: {len(done)} of {_REPEATS} rounds, the next would end too late"
        for listeners, done in rounds.items()
        if len(done) < _REPEATS
    ]
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
