"""The life of a fresh server: its start, its first answer, its memory before, during and after.

Fresh means a new process. The files it reads are compiled and in the system's cache: a first server
is started and stopped before any is measured.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from benchmarks.online import server
from benchmarks.online.load import connected
from benchmarks.online.texts import SHORT
from vivavoce.audio.formats import FORMATS

if TYPE_CHECKING:
    from benchmarks.online.figures import Figures
    from benchmarks.online.plan import Plan
    from benchmarks.online.progress import Progress

_SETTLE_S = 0.3
_DEATH_LIMIT_S = 10.0


def measure(plan: Plan, progress: Progress, figures: Figures) -> None:
    """Start servers of the embedded voice, one after the other."""
    with server.vivavoce("embedded") as served, connected(served.url) as client:
        client.speak({"input": SHORT})
    with progress.stage("start, cold answer, memory", plan.fresh_servers) as step:
        for _ in plan.rounds(plan.fresh_servers):
            _live(figures)
            step()


def _live(figures: Figures) -> None:
    with server.vivavoce("embedded") as served:
        figures.add("start", "s", served.start_s)
        note_memory(figures, "memory.server.idle", served.pid)
        with connected(served.url) as client:
            cold = client.speak({"input": SHORT, "response_format": "mp3"})
            figures.add("first_byte.cold.mp3", "ms", cold.first_byte_s * 1000)
            for name in FORMATS:
                client.speak({"input": SHORT, "response_format": name})
        worker_pid = served.worker_pid()
        assert worker_pid is not None, "it has just answered"
        note_memory(figures, "memory.server.served", served.pid)
        note_memory(figures, "memory.worker", worker_pid)
        _unload(served, worker_pid)
        note_memory(figures, "memory.server.unloaded", served.pid)


def _unload(served: server.Server, worker_pid: int) -> None:
    """Kill the worker: what is left is what a server holds that has unloaded its model."""
    psutil.Process(worker_pid).kill()
    give_up = time.monotonic() + _DEATH_LIMIT_S
    while served.worker_pid() is not None:
        if time.monotonic() > give_up:
            raise RuntimeError(f"the server still counts on its killed worker {worker_pid}")
        time.sleep(0.02)


def note_memory(figures: Figures, name: str, pid: int) -> None:
    """Add the resident memory of an idle process, and its proportional share on Linux."""
    time.sleep(_SETTLE_S)
    process = psutil.Process(pid)
    figures.add(f"{name}.rss", "MiB", process.memory_info().rss / 2**20)
    share = getattr(process.memory_full_info(), "pss", None)
    if share:
        figures.add(f"{name}.pss", "MiB", share / 2**20)
