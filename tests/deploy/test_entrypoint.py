"""What the images start, beside a stand-in for NVIDIA's tool that records its calls."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from clients import Listener, get, order, until
from conftest import running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

ENTRYPOINT = str(Path(__file__).parent.parent.parent / "deploy/docker/entrypoint.sh")
UNTOUCHED = ("env", "--default-signal=HUP")
"""Under nohup a shell could not trap it."""
NEEDED = ("sh", "id", "timeout", "setsid", "setpriv", "nproc", "env", "true")
SMI = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
    *--query-gpu=*) printf 'GPU-a, Disabled, 1980\\nGPU-b, Enabled, 2100\\n' ;;
    *) {answer} ;;
esac
"""
LOCKED = ["-i GPU-a -pm 1", "-i GPU-a -lgc 1980,1980", "-i GPU-b -lgc 2100,2100"]
PUT_BACK = ["-i GPU-a -rgc", "-i GPU-b -rgc", "-i GPU-a -pm 0"]
WAITING = """#!{python}
import signal, sys
signals = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("waits", flush=True)
print(signal.sigwait(signals).name, flush=True)
sys.exit(3)
"""


class Machine:
    """A folder of programs, the only ones that the entrypoint finds, and what was asked of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._calls = folder / "calls"
        for name in NEEDED:
            (folder / name).symlink_to(shutil.which(name))
        self.program("vivavoce", f'#!/bin/sh\nexec {sys.executable} -m vivavoce "$@"\n')
        self.program("id", "#!/bin/sh\necho 1000\n")  # nobody gives up rights

    def program(self, name: str, script: str) -> None:
        file = self.folder / name
        file.unlink(missing_ok=True)
        file.write_text(script)
        file.chmod(0o755)

    def gpus(self, answer: str = "true") -> None:
        """Install the stand-in; `answer` is what it does when it is to change something."""
        self.program("nvidia-smi", SMI.format(answer=answer))

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": str(self.folder), "CALLS": str(self._calls)}

    @property
    def calls(self) -> list[str]:
        """What was asked of the tool, but for the list of GPUs."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line for line in lines if "--query-gpu" not in line]

    def start(
        self, *command: str, before: tuple[str, ...] = (), **env: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*UNTOUCHED, *before, ENTRYPOINT, *command],
            env={**os.environ, **self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **env: str) -> tuple[int, str, str]:
        """Return the status of a command, what it printed and what it said besides."""
        with self.start(*command, **env) as process:
            printed, said = process.communicate(timeout=30)
        return process.returncode, printed, said


def takes_no_more(server: Server) -> bool:
    try:
        return get(server, "/ready").status_code == 503
    except httpx.TransportError:  # it does not listen any more
        return True


@pytest.fixture
def machine() -> Iterator[Machine]:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


def test_clocks_are_raised_while_the_server_runs_and_its_answers_end(
    machine: Machine, tmp_path: Path
) -> None:
    machine.gpus()
    gate = tmp_path / "gate"
    command = (ENTRYPOINT, "vivavoce", "serve")
    with running_server(tmp_path, *command, ENGINE="fake", **machine.env) as server:
        assert machine.calls == LOCKED
        with Listener(server, order(f"gate={gate} after=1")) as listener:
            listener.answer()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: takes_no_more(server))
            assert machine.calls == LOCKED  # speech that is still made is made at full speed
            gate.touch()
            assert listener.rest() == fake_pcm()
        assert server.process.wait(20) == 0
    assert machine.calls == LOCKED + PUT_BACK
    assert "GPU-a: clock locked to 1980 MHz" in server.log


def test_what_may_not_be_done_is_said_and_the_server_runs(machine: Machine) -> None:
    machine.gpus("echo 'Insufficient Permissions'; exit 4")
    machine.program("vivavoce", "#!/bin/sh\necho served\n")
    status, printed, said = machine.run("vivavoce", "serve")
    assert (status, printed) == (0, "served\n")
    assert machine.calls == LOCKED
    assert "GPU-a: persistence mode stays off: Insufficient Permissions" in said
    assert "GPU-b: clocks stay as they are: Insufficient Permissions" in said


def test_a_tool_that_finds_no_driver_is_no_reason_not_to_serve(machine: Machine) -> None:
    machine.program("nvidia-smi", "#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    machine.program("vivavoce", "#!/bin/sh\necho served\n")
    status, printed, said = machine.run("vivavoce", "serve")
    assert (status, printed) == (0, "served\n")
    assert "GPUs are left as they are: No devices were found" in said


@pytest.mark.parametrize("wish", ["leave", "absent", "other"])
def test_where_nothing_is_to_be_put_back_the_server_takes_its_place(
    machine: Machine, wish: str
) -> None:
    command = ("vivavoce", "serve")
    if wish != "absent":
        machine.gpus()
    machine.program("vivavoce", WAITING.format(python=sys.executable))
    if wish == "other":
        command = ("vivavoce", "doctor")
    with machine.start(*command, GPU_CLOCKS="leave" if wish == "leave" else "max") as process:
        assert process.stdout.readline() == "waits\n"
        assert psutil.Process(process.pid).cmdline()[0] == sys.executable
        process.send_signal(signal.SIGTERM)
        printed, said = process.communicate(timeout=30)
    assert (process.returncode, printed, said) == (3, "SIGTERM\n", "")
    assert machine.calls == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"])
def test_signals_are_passed_on_and_the_status_is_the_servers(machine: Machine, name: str) -> None:
    machine.gpus()
    machine.program("vivavoce", WAITING.format(python=sys.executable))
    with machine.start("vivavoce", "serve") as process:
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.Signals[name])
        printed, _ = process.communicate(timeout=30)
    assert (process.returncode, printed) == (3, f"{name}\n")
    assert machine.calls == LOCKED + PUT_BACK


def test_clocks_are_put_back_after_a_crash(machine: Machine) -> None:
    machine.gpus()
    machine.program("vivavoce", "#!/bin/sh\nkill -9 $$\n")
    status, _, _ = machine.run("vivavoce", "serve")
    assert status == 128 + signal.SIGKILL
    assert machine.calls == LOCKED + PUT_BACK


def test_clocks_that_cannot_be_put_back_are_told_of(machine: Machine) -> None:
    machine.gpus('case "$*" in *-rgc) echo "GPU is lost"; exit 15 ;; esac')
    machine.program("vivavoce", "#!/bin/sh\nexit 0\n")
    status, _, said = machine.run("vivavoce", "serve")
    assert status == 0
    assert "GPU-b: its clock stays locked: GPU is lost" in said


def test_an_unknown_wish_is_refused(machine: Machine) -> None:
    machine.gpus()
    status, _, said = machine.run("vivavoce", "serve", GPU_CLOCKS="fast")
    assert status == 1
    assert "GPU_CLOCKS=fast is not possible. Use max or leave." in said
    assert machine.calls == []


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({"cpu.max": "350000 100000"}, "4 4"),
        ({"cpu.max": "max 100000"}, "none none"),
        ({"cpu.max": "9900000 100000"}, "none none"),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, "1 1"),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "none none"),
        ({}, "none none"),
    ],
)
def test_a_limit_on_processor_time_limits_threads(
    machine: Machine, tmp_path: Path, files: dict[str, str], threads: str
) -> None:
    machine.program("nproc", "#!/bin/sh\necho 64\n")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n")
    told = ("sh", "-c", 'echo "${PYTHON_CPU_COUNT:-none} ${OMP_NUM_THREADS:-none}"')
    unset = {"PYTHON_CPU_COUNT": "", "OMP_NUM_THREADS": "", "CGROUP": str(tmp_path)}
    assert machine.run(*told, **unset)[1] == f"{threads}\n"
    chosen = unset | {"OMP_NUM_THREADS": "7"}
    assert machine.run(*told, **chosen)[1].split()[1] == "7"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")
@pytest.mark.parametrize("rights", ["+sys_admin,+setuid,+setgid,+kill", "+sys_admin"])
def test_started_as_root_it_serves_as_another_or_not_at_all(machine: Machine, rights: str) -> None:
    """With the rights that compose.yaml names all is well; with too few, nothing runs as root."""
    machine.program("id", f'#!/bin/sh\nexec {shutil.which("id")} "$@"\n')
    machine.gpus()
    machine.program(
        "vivavoce",
        "#!/bin/sh\ntrap 'echo SIGTERM; kill $!; exit 3' TERM\n"
        "/bin/sleep 60 >/dev/null 2>&1 & id -u; wait\n",
    )
    limit = ("setpriv", f"--bounding-set=-all,{rights}", "--inh-caps=-all", "--")
    with machine.start("vivavoce", "serve", before=limit) as process:
        if "setuid" in rights:
            assert process.stdout.readline() == "10001\n"
            process.send_signal(signal.SIGTERM)
        printed, said = process.communicate(timeout=30)
    if "setuid" in rights:
        assert (process.returncode, printed) == (3, "SIGTERM\n")
    else:
        assert (process.returncode, printed) == (1, "")
        assert "Add the capabilities SETUID, SETGID and KILL" in said
    assert machine.calls == LOCKED + PUT_BACK
