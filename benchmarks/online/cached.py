"""The same sentence of the embedded voice again: found in the cache, or made anew.

`.server` is the server's own time, from its `Server-Timing` header.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import httpx

from benchmarks.online import server
from benchmarks.online.texts import SHORT

if TYPE_CHECKING:
    from benchmarks.online.figures import Figures
    from benchmarks.online.plan import Plan
    from benchmarks.online.progress import Progress


def measure(plan: Plan, progress: Progress, figures: Figures) -> None:
    """Take hits and misses in turn, from one warm server."""
    with (
        server.vivavoce("embedded") as served,
        httpx.Client(base_url=served.url, timeout=60) as client,
        progress.stage("cached answers", plan.warm_requests) as step,
    ):
        _ask(client, cache=True)
        for _ in plan.rounds(plan.warm_requests):
            for name, cache in (("miss", False), ("hit", True)):
                began = time.perf_counter()
                answer = _ask(client, cache=cache)
                figures.add(f"cached.{name}", "ms", (time.perf_counter() - began) * 1000)
                assert answer.headers["x-cache"] == ("hit" if cache else "off")
                figures.add(f"cached.{name}.server", "ms", _server_ms(answer))
            step()


def _ask(client: httpx.Client, *, cache: bool) -> httpx.Response:
    """Return a whole answer, so that its header tells the time of all of it."""
    body = {"input": SHORT, "seed": 0, "cache": cache, "stream": False}
    return client.post("/v1/audio/speech", json=body).raise_for_status()


def _server_ms(answer: httpx.Response) -> float:
    found = re.search(r"total;dur=([\d.]+)", answer.headers["server-timing"])
    assert found is not None
    return float(found[1])
