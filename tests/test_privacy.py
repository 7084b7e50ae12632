"""Nothing leaves the machine: no connection to another one, no telemetry files.

onnxruntime's reporter writes its files as it is imported and looks for its server some ten seconds
later, so in a short test the files are what gives it away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import running_server
from decoding import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parent / "assets" / "connections.c"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and sockets of Linux are used"),
    pytest.mark.skipif(COMPILER is None, reason="no C compiler here to build the observer"),
]

DELIBERATE = {
    "connect 192.0.2.1": "socket(AF_INET, SOCK_DGRAM).connect(('192.0.2.1', 9))",
    "connect 192.0.2.2": "socket(AF_INET, SOCK_STREAM).connect(('192.0.2.2', 9))",
    "connect 2001:db8::1": "socket(AF_INET6, SOCK_DGRAM).connect(('2001:db8::1', 9))",
    "sendto 192.0.2.3": "socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('192.0.2.3', 9))",
    "sendmsg 192.0.2.4": "socket(AF_INET, SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.4', 9))",
    "getaddrinfo host.invalid": "getaddrinfo('host.invalid', 443)",
}
LOCAL = (
    "server = create_server(('127.0.0.1', 0))\n"
    "create_connection(server.getsockname()).close()\n"
    "server.close()\n"
    "getaddrinfo('localhost', 80)\n"
    "one, other = socketpair()\n"
    "one.sendmsg([b'x'])\n"
)
"""Uses of the network that stay here."""


@dataclass
class Observed:
    """A process's surroundings: empty folders, and a record of whom it tried to reach."""

    folder: Path
    shim: Path

    def __post_init__(self) -> None:
        for folder in (self.home, self.cache, self.temporary):
            folder.mkdir()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.shim),
            "CONNECTIONS_LOG": str(self.folder / "connections"),
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.cache),
            "TMPDIR": str(self.temporary),
        }

    @property
    def attempts(self) -> list[str]:
        """Every attempt to reach another machine, as `call whom`."""
        log = self.folder / "connections"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split(" (process")[0] for line in lines]

    @property
    def files(self) -> list[str]:
        """Everything that was written to the folders."""
        roots = (self.home, self.cache, self.temporary)
        return [str(path) for root in roots for path in root.rglob("*") if not path.is_dir()]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("shim") / "connections.so"
    flags = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
    subprocess.run([COMPILER, *flags, "-o", built, SOURCE, "-ldl"], check=True)
    return built


@pytest.fixture
def observed(shim: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observed]:
    # These would lead elsewhere than the folders that are watched, or hide the danger.
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(prefix="t") as folder:  # short: sockets go below it
        yield Observed(Path(folder), shim)


def run_python(code: str, observed: Observed) -> None:
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **observed.env}, check=True, timeout=60
    )


def test_a_server_that_speaks_reaches_nobody_and_leaves_no_files(
    observed: Observed, tmp_path: Path
) -> None:
    with running_server(tmp_path, ENGINE="embedded", **observed.env) as server:
        with server.client() as client:
            for answer_format in ("mp3", "wav"):
                body = {"input": "Nobody else hears this.", "response_format": answer_format}
                answer = client.post("/v1/audio/speech", json=body)
                assert answer.status_code == 200
                assert len(decode(answer.content, answer_format)) > 12000
        maps = Path(f"/proc/{server.worker()['pid']}/maps").read_text()
        assert str(observed.shim) in maps  # the worker was watched too
    assert observed.attempts == []
    assert observed.files == []


def test_the_command_line_reaches_nobody_and_leaves_no_files(
    observed: Observed, tmp_path: Path
) -> None:
    for command in (("say", "Nobody else hears this.", "-o", "x.mp3"), ("voices",), ("doctor",)):
        subprocess.run(
            [sys.executable, "-m", "vivavoce", *command],
            cwd=tmp_path,
            env={**os.environ, "ENGINE": "embedded", **observed.env},
            capture_output=True,
            check=True,
            timeout=60,
        )
    assert len(decode((tmp_path / "x.mp3").read_bytes(), "mp3")) > 12000
    assert observed.attempts == []
    assert observed.files == []


# The observer observes


@pytest.mark.parametrize(("attempt", "code"), DELIBERATE.items(), ids=DELIBERATE)
def test_a_deliberate_attempt_is_seen_and_refused(
    attempt: str, code: str, observed: Observed
) -> None:
    refused = f"from socket import *\ntry:\n    {code}\nexcept OSError:\n    pass\n"
    run_python(refused + "else:\n    raise SystemExit('it was let through')", observed)
    assert observed.attempts == [attempt]


def test_an_attempt_of_a_child_is_seen(observed: Observed) -> None:
    code = DELIBERATE["connect 192.0.2.1"]
    inner = f"import contextlib\nfrom socket import *\nwith contextlib.suppress(OSError): {code}"
    run_python(
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {inner!r}])", observed
    )
    assert observed.attempts == ["connect 192.0.2.1"]


def test_what_stays_on_this_machine_is_let_through(observed: Observed) -> None:
    run_python("from socket import *\n" + LOCAL, observed)
    assert observed.attempts == []


def test_the_danger_is_real(observed: Observed) -> None:
    """Loaded as it comes, onnxruntime gives this machine an id and prepares a report."""
    run_python("import onnxruntime", observed)
    if not observed.files:
        pytest.skip("the onnxruntime installed here has no telemetry")
    assert any("deviceid" in name for name in observed.files)
