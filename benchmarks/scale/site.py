"""Two servers and the proxy before them, under load, while one of the servers ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.request import urlopen

from benchmarks.online import server
from benchmarks.online.load import connected
from benchmarks.online.texts import SHORT
from benchmarks.scale.haproxy import haproxy

if TYPE_CHECKING:
    from benchmarks.online.figures import Figures
    from benchmarks.online.load import Body
    from benchmarks.online.progress import Progress
    from benchmarks.scale.haproxy import Proxy
    from benchmarks.scale.plan import Plan

_CHUNK_S = 0.08
_ENDS_AFTER_S = 1.5
_BACK_LIMIT_S = 20.0


def active(url: str) -> int:
    """Return how many answers a server is making."""
    with urlopen(f"{url}/health", timeout=10) as answer:
        return int(json.load(answer)["running"])


@dataclass
class Load:
    """What clients met, with the moments: answers, failures, streams."""

    stop: threading.Event = field(default_factory=threading.Event)
    answered: list[tuple[float, float]] = field(default_factory=list)
    failed: list[tuple[float, str]] = field(default_factory=list)
    whole: int = 0
    cut: int = 0

    def ask(self, url: str, number: int) -> None:
        """Ask one request after the other."""
        seed = number * 1_000_000
        while not self.stop.is_set():
            seed += 1
            began = time.monotonic()
            body: Body = {"input": SHORT, "response_format": "pcm", "seed": seed}
            body["instructions"] = "interval_s=0.005"
            try:
                with connected(url) as client:
                    client.speak(body)
            except (OSError, RuntimeError, ValueError) as exc:
                self.failed.append((time.monotonic(), str(exc)))
                time.sleep(0.05)
            else:
                ended = time.monotonic()
                self.answered.append((ended, ended - began))

    def listen(self, url: str, number: int, seconds: float) -> None:
        """Hear a stream that is made in real time."""
        chunks = round(seconds / _CHUNK_S)
        body: Body = {"input": "A stream.", "response_format": "pcm", "seed": number}
        body["instructions"] = f"interval_s={_CHUNK_S} chunks={chunks}"
        try:
            with connected(url) as client:
                heard = len(client.speak(body).audio)
        except (OSError, RuntimeError, ValueError):
            heard = 0
        if heard == chunks * 1920 * 2:
            self.whole += 1
        else:
            self.cut += 1


def measure(plan: Plan, progress: Progress, figures: Figures) -> None:
    """End one of two servers, by SIGKILL and by SIGTERM, again and again."""
    for name, number in (("killed", signal.SIGKILL), ("left", signal.SIGTERM)):
        with progress.stage(f"one of two servers is {name}", plan.ends) as step:
            for _ in range(plan.ends):
                _end(name, number, plan, figures)
                step()


def _end(name: str, number: signal.Signals, plan: Plan, figures: Figures) -> None:
    ports = [_free_port(), _free_port()]
    load = Load()
    with ExitStack() as stack:
        settings = {"SHUTDOWN_DELAY": "3"}
        one, two = (
            stack.enter_context(server.vivavoce("fake", PORT=str(port), **settings))
            for port in ports
        )
        proxy = stack.enter_context(haproxy(one.url, two.url))
        pool = stack.enter_context(ThreadPoolExecutor(plan.clients + plan.streams))
        for client in range(plan.streams):
            pool.submit(load.listen, proxy.url, client, plan.stream_s)
        while active(one.url) + active(two.url) < plan.streams:
            time.sleep(0.01)
        for client in range(plan.clients):
            pool.submit(load.ask, proxy.url, client + 1)
        began = time.monotonic()
        time.sleep(_ENDS_AFTER_S)
        os.kill(one.pid, number)
        ended = time.monotonic()
        if number is signal.SIGKILL:
            figures.add(f"{name}.back_after", "ms", _come_back(stack, ports[0], proxy, ended))
        time.sleep(max(0.0, began + plan.load_s - time.monotonic()))
        load.stop.set()
        pool.shutdown()
    _note(name, load, ended, figures)


def _come_back(stack: ExitStack, port: int, proxy: Proxy, ended: float) -> float:
    """Start another server in its place; return the ms from the end until it gets requests."""
    other = stack.enter_context(server.vivavoce("fake", PORT=str(port)))
    while time.monotonic() < ended + _BACK_LIMIT_S:
        if proxy.states()["replica-1"] == "UP" and active(other.url):
            return (time.monotonic() - ended) * 1000
        time.sleep(0.02)
    raise RuntimeError("The server that was started again got no requests.")


def _note(name: str, load: Load, ended: float, figures: Figures) -> None:
    figures.add(f"{name}.answered", "requests", len(load.answered))
    figures.add(f"{name}.failed", "requests", len(load.failed))
    if load.failed:
        last = max(at for at, _ in load.failed)
        figures.add(f"{name}.failing_for", "ms", (last - ended) * 1000)
    figures.add(f"{name}.slowest", "ms", max(took for _, took in load.answered) * 1000)
    figures.add(f"{name}.streams.cut", "streams", load.cut)
    figures.add(f"{name}.streams.whole", "streams", load.whole)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])
