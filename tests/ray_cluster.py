"""`vivavoce ray` as a process of a test: what it logs, and which processes it has."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from conftest import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60
PYTHON = Path(__file__).parents[1] / ".venv-ray/bin/python"
"""Where `make ray` installs Ray: apart, for it brings 70 packages."""
_REPLICA_PORTS = range(30000, 31001)
_PREFIX = re.compile(r"^\(.*? pid=\d+(?:, ip=\S+)?\) ")  # of lines that Ray passes on


@dataclass
class Cluster(Server):
    """Replicas behind HAProxy, asked like a server."""

    def replicas(self) -> dict[int, psutil.Process]:
        """Return the replicas' own processes, without those of the engines."""
        found = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                command = process.cmdline()
            except psutil.NoSuchProcess:
                continue
            if command and command[0].startswith("ray::ServeReplica:vivavoce"):
                found[process.pid] = process
        return found

    def servers(self) -> list[Server]:
        """Return each replica that listens, to be asked past HAProxy, which asks the idlest."""
        sockets = [
            socket
            for process in self.replicas().values()
            for socket in process.net_connections(kind="tcp")
            if socket.status == psutil.CONN_LISTEN and socket.laddr.port in _REPLICA_PORTS
        ]
        return [Server(None, f"http://127.0.0.1:{socket.laddr.port}") for socket in sockets]

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def running_cluster(cwd: Path, *options: str, **env: str) -> Iterator[Cluster]:
    """Start Ray and replicas with these settings; stop it all with SIGTERM."""
    with ExitStack() as stack:  # ports that are free together
        doors = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        port, metrics, statistics = (door.getsockname()[1] for door in doors)
    usual = {
        "LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
        "AUDIO_CACHE_MAX": "0",
        "DATA_DIR": "data",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(statistics),
    }
    process = subprocess.Popen(
        [str(PYTHON), "-m", "vivavoce", "ray", "--port", str(port), *options],
        cwd=cwd,
        env={**os.environ, **usual, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    cluster = Cluster(process, f"http://127.0.0.1:{port}")
    listening, ended = threading.Event(), threading.Event()

    def read_output() -> None:
        for line in process.stdout:
            if "listening on" in line:
                listening.set()
        ended.set()
        listening.set()

    def read_log() -> None:
        for line in process.stderr:
            cluster.log_lines.append(_PREFIX.sub("", line))

    readers = [threading.Thread(target=read_output), threading.Thread(target=read_log)]
    for reader in readers:
        reader.start()
    try:
        assert listening.wait(START_TIMEOUT_S), f"it did not start in time: {cluster.log}"
        assert not ended.is_set(), f"it ended: {cluster.log}"
        yield cluster
    finally:
        _end(cluster)
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()


def _end(cluster: Cluster) -> None:
    process = cluster.process
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    cluster.ask_to_stop()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in family:  # nothing, unless it had to be killed
        if left.is_running():
            left.kill()
