"""Telling whoever waits how far the run is: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


class Progress:
    """Stages, one after the other, each of a known number of steps."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()

    @contextmanager
    def stage(self, name: str, steps: int) -> Iterator[Callable[[], None]]:
        """Announce a stage; yields what to call after each step."""
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description:<44}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            with Bars(*columns, console=self._console) as bars:
                task = bars.add_task(name, total=steps)
                yield lambda: bars.advance(task)
            return
        self.say(f"{name}: {steps} to go")
        yield lambda: None

    def say(self, line: str) -> None:
        """Print a line with the time since the beginning."""
        self._console.print(f"{time.monotonic() - self._begun:6.1f} s  {line}", highlight=False)
