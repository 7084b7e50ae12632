"""Server processes: vivavoce's own and the plain peer, started and stopped as a user would.

Each says "listening on URL" on its standard output; the time until that line is its start. Both
log into a file, as under a service manager; a terminal would cost more.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from vivavoce.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[2]
_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 20.0
_LOG_SHOWN_CHARS = 2000
_NOT_PASSED_ON = {
    *(str(field.alias) for field in Settings.model_fields.values()),
    "PYTHONDONTWRITEBYTECODE",  # an installed package is compiled; else each start compiles it
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server process, how long it took to listen, and the file it logs to."""

    url: str
    pid: int
    start_s: float
    log: Path

    def worker_pid(self) -> int | None:
        """Return the id of the engine's process, as /health tells it; None without one."""
        worker = self._health()["models"][0]["worker"]
        return None if worker is None else int(worker["pid"])

    def _health(self) -> Any:
        with urlopen(f"{self.url}/health", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def vivavoce(engine: str, **settings: str) -> Iterator[Server]:
    """Run `vivavoce serve` with an engine and these settings, every other at its default."""
    env = {"ENGINE": engine, "PORT": "0", **settings}
    with _running("vivavoce", "serve", env=env) as server:
        yield server


@contextmanager
def plain(parts_file: Path) -> Iterator[Server]:
    """Run `plain_app`, which sends bytes from a file."""
    with _running("benchmarks.online.plain_app", str(parts_file), env={}) as server:
        yield server


@contextmanager
def _running(module: str, *args: str, env: dict[str, str]) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        log = Path(folder, "log")
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        path = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
        with log.open("wb") as log_file:
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", module, *args],
                cwd=folder,  # where no .env is
                env={**kept, "PYTHONPATH": path, **env},
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
            )
        try:
            url = _wait_until_listening(process)
            start_s = time.perf_counter() - began
            if url is None:
                raise RuntimeError(f"{module} did not start")
            yield Server(url, process.pid, start_s, log)
        except Exception as exc:
            exc.add_note(f"{module} logged: {log.read_text()[-_LOG_SHOWN_CHARS:]}")
            raise
        finally:
            _stop(process)


def _wait_until_listening(process: subprocess.Popen[str]) -> str | None:
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


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
