"""What the proxy costs a request: the same server asked directly and through it, in turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.online import server
from benchmarks.online.load import Client, at_once, connected, request_bytes
from benchmarks.online.texts import SHORT
from benchmarks.scale.haproxy import haproxy
from benchmarks.scale.site import active

if TYPE_CHECKING:
    from benchmarks.online.figures import Figures
    from benchmarks.online.load import Body
    from benchmarks.online.progress import Progress
    from benchmarks.scale.plan import Plan

_BODY: Body = {"input": SHORT, "response_format": "pcm", "seed": 7}
_ENDLESS: Body = {**_BODY, "instructions": "interval_s=0.02 endless=1"}
_CONNECTIONS = 16


def measure(plan: Plan, progress: Progress, figures: Figures) -> None:
    """Take all that needs one server only."""
    with server.vivavoce("fake") as served, haproxy(served.url) as proxy:
        urls = {"direct": served.url, "proxy": proxy.url}
        _in_pairs(plan, progress, figures, urls)
        _many(plan, progress, figures, urls)
        for name, url in urls.items():
            for _ in range(plan.leavers):
                figures.add(f"gone.{name}", "ms", _leave(url, served.url))
    _full(plan, figures)


def _in_pairs(plan: Plan, progress: Progress, figures: Figures, urls: dict[str, str]) -> None:
    with (
        progress.stage("one request at a time, in pairs", plan.pairs) as step,
        connected(urls["direct"]) as direct,
        connected(urls["proxy"]) as proxied,
    ):
        clients = [("direct", direct), ("proxy", proxied)]
        for _, client in clients:
            client.speak(_BODY)
        for number in range(plan.pairs):
            # Who goes second finds the caches of the processor warm.
            in_turn = clients if number % 2 else clients[::-1]
            taken = {name: client.speak(_BODY) for name, client in in_turn}
            ours, theirs = taken["direct"], taken["proxy"]
            for name, answer in taken.items():
                figures.add(f"added.first_byte.{name}", "ms", answer.first_byte_s * 1000)
            added_s = theirs.first_byte_s - ours.first_byte_s
            figures.add("added.first_byte.added", "ms", added_s * 1000)
            figures.add("added.total.added", "ms", (theirs.total_s - ours.total_s) * 1000)
            step()


def _many(plan: Plan, progress: Progress, figures: Figures, urls: dict[str, str]) -> None:
    bodies = [_BODY] * plan.many
    with progress.stage(f"{_CONNECTIONS} connections", plan.many_rounds) as step:
        for _ in range(plan.many_rounds):
            rates = {
                name: len(bodies) / at_once(url, bodies, _CONNECTIONS)[1]
                for name, url in urls.items()
            }
            for name, rate in rates.items():
                figures.add(f"many.{name}", "1/s", rate)
            figures.add("many.ratio", "x", rates["proxy"] / rates["direct"])
            step()


def _leave(url: str, server_url: str) -> float:
    """Leave in the middle of an answer; return the ms until nothing is made for it any more."""
    client = Client(url)
    client.begin(request_bytes(_ENDLESS))
    while not active(server_url):
        time.sleep(0.002)
    began = time.perf_counter()
    client.close()
    while active(server_url):
        time.sleep(0.0005)
    return (time.perf_counter() - began) * 1000


def _full(plan: Plan, figures: Figures) -> None:
    with (
        server.vivavoce("fake", MAX_CONCURRENT_REQUESTS="1", MAX_QUEUE_DEPTH="0") as served,
        haproxy(served.url, VIVAVOCE_MAX_REQUESTS="1") as proxy,
    ):
        holding = Client(proxy.url)
        holding.begin(request_bytes(_ENDLESS))
        while not active(served.url):
            time.sleep(0.002)
        for _ in range(plan.refusals):
            began = time.perf_counter()
            with connected(proxy.url) as client:
                try:
                    client.speak(_BODY)
                except RuntimeError as exc:
                    if " 503 " not in str(exc):
                        raise
                    figures.add("full.refused_after", "ms", (time.perf_counter() - began) * 1000)
        holding.close()
