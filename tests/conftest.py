"""Fixtures: real server processes on free ports of this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from scripted import Script

if TYPE_CHECKING:
    from collections.abc import Iterator

# Small models make threads wait for each other, and several tests run at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

START_TIMEOUT_S = 30
_DEFAULTS = {
    "PORT": "0",
    "LOG_FORMAT": "json",
    "PYTHONUNBUFFERED": "1",
    "AUDIO_CACHE_MAX": "0",
    "DATA_DIR": "data",
}


@dataclass
class Server:
    """A running `vivavoce serve`: where it listens, what it logs."""

    process: subprocess.Popen[str]
    url: str
    log_lines: list[str] = field(default_factory=list)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)

    def health(self) -> dict:
        return httpx.get(f"{self.url}/health", timeout=10).json()

    def worker(self) -> dict | None:
        """The default model's worker as /health shows it; None without one."""
        return self.health()["models"][0]["worker"]

    @property
    def log(self) -> str:
        return "".join(self.log_lines)


@contextmanager
def running_server(cwd: Path, *command: str, **env: str) -> Iterator[Server]:
    """Start a server with these settings in an empty folder; stop it with SIGTERM.

    It remembers no audio unless told to, so that what is asked for twice is made twice. Another
    `command` may start it.
    """
    process = subprocess.Popen(
        command or [sys.executable, "-m", "vivavoce", "serve"],
        cwd=cwd,
        env={**os.environ, **_DEFAULTS, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    server = Server(process, "")
    listening = threading.Event()

    def read_output() -> None:
        for line in process.stdout:
            if found := re.search(r"listening on (\S+)", line):
                server.url = found[1]
                listening.set()
        listening.set()

    def read_log() -> None:
        server.log_lines.extend(process.stderr)

    readers = [threading.Thread(target=read_output), threading.Thread(target=read_log)]
    for reader in readers:
        reader.start()
    try:
        assert listening.wait(START_TIMEOUT_S), "the server did not start in time"
        assert server.url, f"the server ended: {server.log}"
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()


@pytest.fixture(scope="session")
def fake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the fake engine, shared by all tests that do not break it."""
    with running_server(tmp_path_factory.mktemp("fake"), ENGINE="fake") as server:
        yield server


@pytest.fixture(scope="session")
def voice_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the embedded voice, shared by all tests that do not break it."""
    with running_server(tmp_path_factory.mktemp("voice"), ENGINE="embedded") as server:
        yield server


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Have all workers of this test be of a script; as it is, all goes well."""
    script = Script()
    script.install(monkeypatch)
    return script
