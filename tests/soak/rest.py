"""A server at rest: what it still holds when nobody asks for anything."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil

from soak.ledger import Wrong
from soak.plan import IDLE_TIMEOUT_S, REST_LIMIT_S

if TYPE_CHECKING:
    from soak.server import Server

MIB = 2**20
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Rest:
    """What there is at rest. `at_s` counts from the run's beginning, `files` are temporary ones."""

    at_s: float
    tasks: int
    threads: int
    open_files: dict[str, int]
    sockets: tuple[str, ...]
    children: tuple[str, ...]
    files: tuple[str, ...]
    memory_mib: float

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


async def come_to_rest(server: Server, began_at: float) -> Rest:
    """Wait until the server has nothing to do and its model has gone; return what is left.

    Raises:
        Wrong: that does not happen in time.
    """
    until = time.monotonic() + IDLE_TIMEOUT_S + REST_LIMIT_S
    while (busy := await asyncio.to_thread(_busy, server)) is not None:
        if time.monotonic() > until:
            raise Wrong(f"the server does not come to rest: {busy}")
        await asyncio.sleep(_POLL_S)
    metrics = await asyncio.to_thread(server.metrics)
    while _open_connections(server):  # the one that was just used
        if time.monotonic() > until:
            raise Wrong(f"connections stay open: {_open_connections(server)}")
        await asyncio.sleep(_POLL_S)
    return _look(server, began_at, round(metrics["vivavoce_tasks"]))


def _busy(server: Server) -> str | None:
    health = server.health()
    model = health["models"][0]
    if health["running"] or health["queue_depth"]:
        return f"{health['running']} answers are made, {health['queue_depth']} requests wait"
    if model["state"] != "absent":
        return f"the model is {model['state']}"
    if children := _children(server):
        return f"processes run: {children}"
    return None


def _look(server: Server, began_at: float, tasks: int) -> Rest:
    left = [path for root in (server.folder, server.cwd) for path in sorted(root.rglob("*"))]
    return Rest(
        at_s=round(time.monotonic() - began_at, 1),
        tasks=tasks,
        threads=server.process.num_threads(),
        open_files=_open_files(server.process),
        sockets=_sockets(server),
        children=_children(server),
        files=tuple(path.name for path in left),
        memory_mib=round(server.process.memory_info().rss / MIB, 2),
    )


def _open_files(process: psutil.Process) -> dict[str, int]:
    """Return how many of each kind are open; only their number where there is no /proc."""
    folder = f"/proc/{process.pid}/fd"
    if not os.path.isdir(folder):
        return {"any": process.num_fds()}
    kinds: Counter[str] = Counter()
    for name in os.listdir(folder):
        try:
            kinds[os.readlink(f"{folder}/{name}").partition(":[")[0]] += 1
        except FileNotFoundError:  # closed since it was listed
            continue
    return dict(sorted(kinds.items()))


def _sockets(server: Server) -> tuple[str, ...]:
    connections = server.process.net_connections("all")
    return tuple(sorted(f"{one.family.name} {one.status}" for one in connections))


def _open_connections(server: Server) -> list[str]:
    connections = server.process.net_connections("inet")
    return [str(one.status) for one in connections if one.status != psutil.CONN_LISTEN]


def _children(server: Server) -> tuple[str, ...]:
    return tuple(f"{one.name()} {one.pid}" for one in server.process.children(recursive=True))
