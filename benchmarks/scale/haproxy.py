"""HAProxy, as `deploy/proxy` ships it, before servers of a benchmark or a test."""

from __future__ import annotations

import csv
import io
import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = Path(__file__).parents[2] / "deploy/proxy/haproxy.cfg"


@dataclass
class Proxy:
    """A running HAProxy: where clients come, and where its own state is told."""

    process: subprocess.Popen[str]
    url: str
    stats_url: str
    log_lines: list[str] = field(default_factory=list)

    def states(self) -> dict[str, str]:
        """Return what it thinks of each server, by name: UP, DOWN or something in between."""
        table = httpx.get(f"{self.stats_url}/stats;csv", timeout=10).text.removeprefix("# ")
        rows = csv.DictReader(io.StringIO(table))
        return {
            row["svname"]: row["status"] for row in rows if row["svname"].startswith("replica-")
        }


def program() -> str:
    """Return the path of HAProxy. Without it there is nothing to test."""
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "HAProxy is not installed: apt install haproxy"
    return found


@contextmanager
def haproxy(*servers: str, **env: str) -> Iterator[Proxy]:
    """Run the shipped file before these servers (their URLs).

    It is as shipped: ports come by its environment, as do other values that `env` gives.
    """
    with _door() as front, _door() as metrics:
        replicas = {
            f"VIVAVOCE_REPLICA_{number}": url.removeprefix("http://")
            for number, url in enumerate(servers, 1)
        }
        process = subprocess.Popen(
            [program(), "-db", "-f", str(CONFIGURATION)],
            env={
                "VIVAVOCE_BIND": f"fd@{front.fileno()}",
                "VIVAVOCE_METRICS_BIND": f"fd@{metrics.fileno()}",
                **replicas,
                **env,
            },
            pass_fds=(front.fileno(), metrics.fileno()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        proxy = Proxy(process, _url(front), _url(metrics))
    reader = threading.Thread(target=lambda: proxy.log_lines.extend(process.stdout))
    reader.start()
    try:
        yield proxy
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def _door() -> socket.socket:
    """Return a socket that listens on a free port; handed over, nobody else can take it."""
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


def _url(door: socket.socket) -> str:
    return f"http://127.0.0.1:{door.getsockname()[1]}"
