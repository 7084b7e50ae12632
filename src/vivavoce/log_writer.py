"""Lines of the log on their way out, on a thread of their own: who logs waits for no reader."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading

import structlog

log = structlog.get_logger("vivavoce.log")

MAX_LINES = 10_000
"""Kept while nobody reads. Later ones are lost, and how many is told when there is room again."""

_LAST_LINES_S = 1.0


class LineWriter(logging.Handler):
    """Writes lines to a file descriptor. At the process's end the last ones get a second.

    A pipe that is full, or a disk that hangs, holds up its thread and nothing else.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        # Not sys.stderr: a thread that waits in it for ever would have its lock at the end.
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_LINES)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        atexit.register(self._write_the_last)

    def emit(self, record: logging.LogRecord) -> None:
        """Have a line written soon."""
        try:
            self._lines.put_nowait(self.format(record) + "\n")
        except queue.Full:
            self._lost += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            data = line.encode("utf-8", "backslashreplace")
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:  # nobody reads any more, and there is nobody to be told
                continue
            lost = self._lost
            if lost and self._lines.qsize() < MAX_LINES // 2:
                self._lost -= lost
                log.warning("lines of the log were lost", lines=lost)

    def _write_the_last(self) -> None:
        try:
            self._lines.put(None, timeout=_LAST_LINES_S)
        except queue.Full:
            return
        self._thread.join(_LAST_LINES_S)
