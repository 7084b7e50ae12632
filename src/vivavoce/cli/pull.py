"""`vivavoce pull`: checkpoints of Qwen3-TTS, downloaded and verified before they are needed."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from vivavoce.engine.qwen3.checkpoint import clone_model
from vivavoce.engine.qwen3.checkpoint import pull as pull_checkpoint
from vivavoce.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from vivavoce.engine.qwen3.checkpoint import Damaged, Transfer

_INTERRUPTED = 130  # what a shell calls the end by Ctrl-C


def run(models: list[str]) -> None:
    """Pull each of `models`: a hub id, a folder, or preset, clone or design; none means preset."""
    settings = load_settings()
    meant = {
        "preset": settings.model_id,
        "clone": clone_model(settings.model_id, settings.clone_model_id),
        "design": settings.design_model_id,
    }
    for model in dict.fromkeys(meant.get(name, name) for name in models or ["preset"]):
        try:
            folder = _pull(model, settings.offline)
        except KeyboardInterrupt:
            typer.echo(
                f"Stopped. Whole files are kept; to go on, run: vivavoce pull {model}", err=True
            )
            sys.stderr.flush()
            os._exit(_INTERRUPTED)  # a normal end would wait for the download's threads
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        typer.echo(f"{model} is complete and verified: {folder} ({_size(size)})")


def _pull(model: str, offline: bool) -> Path:
    with _Meter(model) as meter:
        return pull_checkpoint(
            model,
            offline=offline,
            on_progress=partial(meter.show, "downloading"),
            on_check=partial(meter.show, "verifying"),
            on_damage=meter.damaged,
        )


class _Meter:
    """How many bytes are downloaded or verified: a bar on a terminal, lines elsewhere."""

    def __init__(self, model: str) -> None:
        console = Console(stderr=True)
        self._model = model
        self._console = console
        self._doing = ""
        self._tenths = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> _Meter:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, doing: str, transfer: Transfer) -> None:
        """Show how far it is; another thing done begins anew."""
        done, total = transfer.done_bytes, transfer.total_bytes
        if doing != self._doing:
            self._doing, self._tenths = doing, 0
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._bar.add_task(doing, total=total, completed=done)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        tenths = 10 * done // max(total, 1)
        if not self._console.is_terminal and tenths > self._tenths:
            self._tenths = tenths
            self._note(f"{doing} {self._model}: {10 * tenths} % of {_size(total)}")

    def damaged(self, damage: Damaged) -> None:
        """Tell of a file that is downloaded again."""
        self._doing = ""
        self._note(f"{damage.file} was damaged or missing; it is downloaded again.")

    def _note(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
