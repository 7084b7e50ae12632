"""A machine that runs out of files, stands still, sets its clock, or lets nobody read the log."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from clients import (
    Listener,
    at_rest,
    clone,
    error,
    get,
    logged,
    order,
    post,
    speak,
    until,
    worker_of,
)
from conftest import Server, running_server
from expected import fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parent.parent / "assets" / "clock.c"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
DAY_S = 86_400

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit and LD_PRELOAD are Linux")


# Open files


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("files"), ENGINE="fake") as server:
        yield server
        assert not logged(server, "unforeseen error")


def may_open(server: Server, more: int) -> None:
    """Let a server have that many more files than it has now."""
    files = psutil.Process(server.process.pid).num_fds()
    _, most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files + more, most))


@pytest.mark.direct
def test_without_files_for_more_connections_those_there_are_go_on(
    server: Server, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    speak(server)
    host, port = server.url.removeprefix("http://").split(":")
    with Listener(server, order(f"gate={gate} after=1")) as listener:
        assert listener.answer().status == 200
        may_open(server, 10)
        with ExitStack() as stack:
            for _ in range(40):
                flood = socket.create_connection((host, int(port)), timeout=10)
                stack.enter_context(flood)
            with pytest.raises(httpx.TransportError):
                speak(server)
            gate.touch()
            assert listener.rest() == fake_pcm()
        until(lambda: answers(server))
        assert speak(server).content == fake_pcm()
        until(lambda: at_rest(server))


def answers(server: Server) -> bool:
    try:
        return get(server, "/health").status_code == 200
    except httpx.TransportError:
        return False


def test_without_files_for_a_process_it_is_said_so(server: Server) -> None:
    speak(server)
    may_open(server, 6)  # for connections, and half of what a process needs
    refused = clone(server)
    assert refused.status_code == 503
    assert error(refused)["code"] == "engine_unavailable"
    assert "could not be started" in error(refused)["message"]
    may_open(server, 1000)
    assert clone(server).status_code == 200
    until(lambda: post(server, "/v1/models/fake/unload").status_code == 200)
    may_open(server, 6)
    refused = speak(server)
    assert refused.status_code == 503
    assert "could not be started: [Errno 24] Too many open files." in error(refused)["message"]
    assert refused.headers["x-should-retry"] == "true"
    may_open(server, 1000)
    assert speak(server).content == fake_pcm()


# The clock


class Clock:
    """The time of day as a server sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shift_s = 0

    @property
    def shift_s(self) -> int:
        return struct.unpack("q", self._path.read_bytes())[0]

    @shift_s.setter
    def shift_s(self, shift_s: int) -> None:
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(struct.pack("q", shift_s))


@pytest.mark.skipif(COMPILER is None, reason="no C compiler here to build what shifts the clock")
def test_a_clock_that_jumps_ends_nothing_and_hangs_nothing(tmp_path: Path) -> None:
    shim = tmp_path / "clock.so"
    flags = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
    subprocess.run([COMPILER, *flags, "-o", shim, SOURCE, "-ldl"], check=True)
    clock = Clock(tmp_path / "offset")
    with running_server(
        tmp_path, ENGINE="fake", LD_PRELOAD=str(shim), CLOCK_OFFSET=str(tmp_path / "offset")
    ) as server:
        speak(server)
        pid = worker_of(server)["pid"]
        gate = tmp_path / "gate"
        with Listener(server, order(f"gate={gate} after=1")) as listener:
            assert listener.answer().status == 200
            days = []
            for shift_s in (DAY_S, -DAY_S, 0, 400 * DAY_S, 0):
                clock.shift_s = shift_s
                answer = speak(server, seed=shift_s + DAY_S)
                assert answer.status_code == 200
                about = {"request_id": answer.headers["x-request-id"]}
                until(lambda about=about: logged(server, "speech", **about))
                (line,) = logged(server, "speech", **about)
                assert 0 <= line["total_ms"] < 60_000
                days.append(datetime.fromisoformat(line["timestamp"]))
            gate.touch()
            assert listener.rest() == fake_pcm()
        # It did jump.
        assert days[0] - days[1] > timedelta(days=1.9)
        assert days[3] - days[4] > timedelta(days=399)
        # Nor while it is idle: heartbeats later the model is there, and no idle time is over.
        for shift_s in (DAY_S, -DAY_S):
            clock.shift_s = shift_s
            time.sleep(1.1)  # that time passes is what is tried
        assert worker_of(server)["pid"] == pid
        assert speak(server).content == fake_pcm()
        assert not logged(server, "worker died")
        assert not logged(server, "model unloaded")


def test_a_server_that_stands_still_is_seen_and_goes_on(server: Server, tmp_path: Path) -> None:
    """Its loop answers for its health. Nobody is blamed for the time that was lost."""
    speak(server)
    pid, gate = worker_of(server)["pid"], tmp_path / "gate"
    with Listener(server, order(f"gate={gate} after=1")) as listener:
        assert listener.answer().status == 200
        server.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{server.url}/health", timeout=0.5, verify=False)
        finally:
            server.process.send_signal(signal.SIGCONT)
        gate.touch()
        assert listener.rest() == fake_pcm()
    assert worker_of(server)["pid"] == pid


# The log


def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    unread, log = os.pipe()
    fcntl.fcntl(log, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [sys.executable, "-m", "vivavoce", "serve"],
        cwd=tmp_path,
        env={**os.environ, "PORT": "0", "ENGINE": "fake", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    os.close(log)
    try:
        found = None
        while not found:
            found = re.search(r"listening on (http://\S+)", process.stdout.readline())
        server = Server(process, found[1])
        for seed in range(100):  # each leaves more than 300 bytes
            body = order(seed=seed)
            answer = httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=3, verify=False)
            assert answer.content == fake_pcm(seed=seed)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(unread)
