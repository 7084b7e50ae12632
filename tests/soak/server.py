"""A server under load: its process, its log, and what it and the system tell of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import psutil

from soak.plan import SETTINGS
from vivavoce.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 30.0
_PROBE_LIMIT_S = 30.0
_SHOWN_CHARS = 3000  # of the end of a line: there a traceback says what it was
_OURS = {str(field.alias) for field in Settings.model_fields.values()}
_NOT_TO_BE_LOGGED = (
    *("Traceback", "unforeseen", "ResourceWarning", "RuntimeWarning", "never retrieved"),
    *("was never awaited", "was destroyed but it is pending", "Exception ignored"),
)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `folder` holds its temporary files, `cwd` is the one it runs in.

    `troubles`, known when it has ended: what is in its log that no request accounts for, and how it
    ended if that was not as it should.
    """

    engine: str
    url: str
    process: psutil.Process
    folder: Path
    cwd: Path
    troubles: list[str] = field(default_factory=list)

    def health(self) -> dict[str, Any]:
        """Return what /health tells, over a connection of its own that is closed at once."""
        return dict(json.loads(self._get("/health")))

    def metrics(self) -> dict[str, float]:
        """Return what /metrics tells: series as they are written, and their values."""
        lines = self._get("/metrics").decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {series: float(value) for series, value in pairs}

    def worker_pid(self) -> int | None:
        """Return the id of the worker's process; None without one."""
        worker = self.health()["models"][0]["worker"]
        return None if worker is None else int(worker["pid"])

    def _get(self, path: str) -> bytes:
        with urlopen(self.url + path, timeout=_PROBE_LIMIT_S) as answer:
            return bytes(answer.read())


@contextmanager
def running(engine: str) -> Iterator[Server]:
    """Run `vivavoce serve` with an engine and the plan's settings, in folders of its own.

    Raises:
        RuntimeError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix=f"vivavoce-soak-{engine}-") as name:
        folder = Path(name)
        temporary, cwd, log = folder / "tmp", folder / "cwd", folder / "log"
        temporary.mkdir()
        cwd.mkdir()
        kept = {name: value for name, value in os.environ.items() if name not in _OURS}
        # What was forgotten to be closed or awaited is told on its standard error.
        told = {"ENGINE": engine, "TMPDIR": str(temporary), "PYTHONWARNINGS": "default"}
        with log.open("wb") as log_file:
            process = subprocess.Popen(
                [sys.executable, "-m", "vivavoce", "serve"],
                cwd=cwd,
                env={**kept, **SETTINGS, **told},
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
            )
        try:
            url = _url(process)
            if url is None:
                raise RuntimeError(f"the {engine} server did not start: {log.read_text()[-2000:]}")
            server = Server(engine, url, psutil.Process(process.pid), temporary, cwd)
            yield server
            server.troubles.extend([*_stop(process), *_troubles_in(log)])
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _url(process: subprocess.Popen[str]) -> str | None:
    assert process.stdout is not None
    giving_up = threading.Timer(_START_LIMIT_S, process.kill)
    giving_up.start()
    try:
        for line in process.stdout:
            if found := re.search(r"listening on (http://\S+)", line):
                return found[1]
        return None
    finally:
        giving_up.cancel()


def _stop(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        return [f"it did not end within {_STOP_LIMIT_S:g} s of SIGTERM"]
    return [f"it ended with status {status}"] if status else []


def _troubles_in(log: Path) -> list[str]:
    with log.open(errors="replace") as lines:
        return [
            f"logged: {line.strip()[-_SHOWN_CHARS:]}"
            for line in lines
            if any(word in line for word in _NOT_TO_BE_LOGGED)
        ]
