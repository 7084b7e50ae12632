"""How far a command is that speaks: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LOG_EVERY_SEGMENTS = 25


class Steps:
    """How many of the text's pieces are spoken: a bar on a terminal, lines elsewhere."""

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self._total = total
        self._console = console
        self._logged = 0
        self._bar = Progress(
            TextColumn("speaking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def note(self, line: str) -> None:
        """Say something beside the bar."""
        self._console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def note_ignored(self, model: str, wishes: tuple[str, ...]) -> None:
        """Say which wishes a model cannot heed."""
        for wish in wishes:
            self.note(f"{model} knows no {wish}: they are ignored.")

    def reached(self, segments: int) -> None:
        """Note that so many have begun."""
        self._bar.update(self._task, completed=segments)
        if not self._console.is_terminal and segments >= self._logged + _LOG_EVERY_SEGMENTS:
            self._logged = segments
            self.note(f"spoken: {segments} of {self._total} pieces")
