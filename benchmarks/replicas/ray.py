"""What Ray Serve adds to a plain server, and what the death of a replica costs."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from benchmarks.online.load import at_once, connected
from benchmarks.online.texts import SHORT
from clients import speak, until
from conftest import running_server
from ray_cluster import Cluster, running_cluster

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.online.figures import Figures
    from benchmarks.online.load import Body

_VOICES = {"fake": "sine", "embedded": "heart"}
_CONNECTIONS = 16
_ASKERS = 8
_ASKED_S = 12.0
_REPLICA_PORTS = range(30000, 31001)


def measure(folder: Path, figures: Figures, *, quick: bool) -> None:
    """Start a plain server and a cluster of two replicas, of each engine; ask both in turn."""
    requests = 20 if quick else 100
    for engine in _VOICES:
        places = folder / f"{engine}-plain", folder / f"{engine}-ray"
        for place in places:
            place.mkdir()
        with ExitStack() as stack:
            began = time.monotonic()
            cluster = stack.enter_context(
                running_cluster(places[1], "--replicas=2", ENGINE=engine, PRELOAD="true")
            )
            figures.add(f"ray.{engine}.start", "s", time.monotonic() - began)
            plain = stack.enter_context(running_server(places[0], ENGINE=engine, PRELOAD="true"))
            for url in (plain.url, cluster.url):
                with connected(url) as client:
                    for _ in range(10):
                        client.speak(_body(engine))
            _one_by_one(figures, engine, plain.url, cluster.url, requests)
            _many(figures, engine, plain.url, cluster.url, requests)
            if engine == "fake":
                figures.add("ray.memory", "MB", _memory_mb(cluster))
                for _ in range(1 if quick else 3):
                    _killed(figures, cluster)


def _body(engine: str) -> Body:
    return {"input": SHORT, "response_format": "pcm", "seed": 7, "voice": _VOICES[engine]}


def _one_by_one(figures: Figures, engine: str, plain_url: str, ray_url: str, requests: int) -> None:
    with connected(plain_url) as plain, connected(ray_url) as ray:
        for _ in range(requests):
            ours, theirs = plain.speak(_body(engine)), ray.speak(_body(engine))
            if ours.audio != theirs.audio:
                raise RuntimeError("Ray's replicas answer otherwise than the plain server")
            name = f"ray.{engine}"
            for kind in ("first_byte", "total"):
                a, b = (getattr(answer, f"{kind}_s") * 1000 for answer in (ours, theirs))
                figures.add(f"{name}.{kind}.plain", "ms", a)
                figures.add(f"{name}.{kind}.ray", "ms", b)
                figures.add(f"{name}.{kind}.added", "ms", b - a)


def _many(figures: Figures, engine: str, plain_url: str, ray_url: str, requests: int) -> None:
    for _ in range(3):
        for name, url in (("plain", plain_url), ("ray", ray_url)):
            answers, took_s = at_once(url, [_body(engine)] * requests, _CONNECTIONS)
            figures.add(f"ray.{engine}.c{_CONNECTIONS}.{name}", "1/s", requests / took_s)
            first = [answer.first_byte_s * 1000 for answer in answers]
            figures.add(f"ray.{engine}.c{_CONNECTIONS}.first_byte.{name}", "ms", *first)


def _memory_mb(cluster: Cluster) -> float:
    root = psutil.Process(cluster.process.pid)
    family = [root, *root.children(recursive=True)]
    return sum(process.memory_full_info().pss for process in family) / 1e6


@dataclass
class _Asked:
    """Requests, when each ended and whether it was answered."""

    ended: list[tuple[float, bool]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self, cluster: Cluster, number: int) -> None:
        while not self.stopped.is_set():
            try:
                ok = speak(cluster, seed=number).status_code == 200
            except Exception:
                ok = False
            self.ended.append((time.monotonic(), ok))


def _killed(figures: Figures, cluster: Cluster) -> None:
    """End a replica while eight clients ask without a pause."""
    before = cluster.replicas()
    asked = _Asked()
    askers = [threading.Thread(target=asked.ask, args=(cluster, n)) for n in range(_ASKERS)]
    for asker in askers:
        asker.start()
    time.sleep(2)
    killed_at = time.monotonic()
    next(iter(before.values())).kill()
    until(
        lambda: any(_listens(p) for pid, p in cluster.replicas().items() if pid not in before), 60
    )
    figures.add("ray.killed.replaced", "s", time.monotonic() - killed_at)
    time.sleep(max(0.0, killed_at + _ASKED_S - time.monotonic()))
    asked.stopped.set()
    for asker in askers:
        asker.join()
    failed_at = [ended - killed_at for ended, ok in asked.ended if not ok]
    figures.add("ray.killed.asked", "requests", len(asked.ended))
    figures.add("ray.killed.failed", "requests", len(failed_at))
    figures.add("ray.killed.failing", "s", max(failed_at, default=0.0))


def _listens(process: psutil.Process) -> bool:
    try:
        sockets = process.net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(s.status == psutil.CONN_LISTEN and s.laddr.port in _REPLICA_PORTS for s in sockets)
