"""What the server itself costs, with an engine that costs next to nothing (ENGINE=fake).

Three answer the same request in turn, with the same bytes: the engine and encoder as a plain
function (`bare`), the server, and a plain FastAPI application (`plain`). The fake engine makes a
chunk per 80 ms of audio, so an answer crosses the server in 22 pieces; a real engine's sentence
crosses it in one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.online import server
from benchmarks.online.bare import Bare
from benchmarks.online.fresh import note_memory
from benchmarks.online.load import at_once, connected
from benchmarks.online.texts import SHORT

if TYPE_CHECKING:
    from benchmarks.online.figures import Figures
    from benchmarks.online.load import Body
    from benchmarks.online.plan import Plan
    from benchmarks.online.progress import Progress

_FORMATS = ("pcm", "mp3")
_SEED = 7
_CONCURRENCY = 16


def measure(plan: Plan, progress: Progress, figures: Figures) -> None:
    """Start both servers and ask them in turn."""
    bare = Bare("fake")
    parts = {name: bare.speak(SHORT, name, _SEED).parts for name in _FORMATS}
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        parts_file = Path(folder, "parts")
        parts_file.write_bytes(msgspec.msgpack.encode(parts))
        with server.vivavoce("fake") as served, server.plain(parts_file) as peer:
            note_memory(figures, "memory.plain", peer.pid)
            _same_bytes(parts, served.url, peer.url)
            _one_by_one(plan, progress, figures, bare, served.url, peer.url)
            _many(plan, progress, figures, served.url, peer.url)


def _body(format_name: str) -> Body:
    return {"input": SHORT, "response_format": format_name, "seed": _SEED}


def _same_bytes(parts: dict[str, list[bytes]], *urls: str) -> None:
    """Make sure that all three do the same; it warms them up as well."""
    for url in urls:
        with connected(url) as client:
            for name in _FORMATS:
                if client.speak(_body(name)).audio != b"".join(parts[name]):
                    raise RuntimeError(f"{url} answers with other {name} than the bare engine")


def _one_by_one(
    plan: Plan, progress: Progress, figures: Figures, bare: Bare, url: str, plain_url: str
) -> None:
    with (
        progress.stage("overhead, one request at a time", plan.overhead_requests) as step,
        connected(url) as client,
        connected(plain_url) as plain_client,
    ):
        for _ in plan.rounds(plan.overhead_requests):
            for name in _FORMATS:
                made = bare.speak(SHORT, name, _SEED)
                ours = client.speak(_body(name))
                plain = plain_client.speak(_body(name))
                figure = f"overhead.{name}"
                figures.add(f"{figure}.bare", "ms", made.total_s * 1000)
                figures.add(f"{figure}.server", "ms", ours.total_s * 1000)
                figures.add(f"{figure}.added", "ms", (ours.total_s - made.total_s) * 1000)
                added_s = ours.first_byte_s - made.first_byte_s
                figures.add(f"{figure}.first_byte_added", "ms", added_s * 1000)
                figures.add(f"{figure}.plain", "ms", plain.total_s * 1000)
                figures.add(f"{figure}.ratio", "x", ours.total_s / plain.total_s)
                if name == "pcm":
                    figures.add("client.cpu", "ms", plain.client_cpu_s * 1000)
            step()


def _many(plan: Plan, progress: Progress, figures: Figures, url: str, plain_url: str) -> None:
    steps = plan.throughput_rounds * len(_FORMATS)
    with progress.stage(f"throughput, {_CONCURRENCY} connections", steps) as step:
        for _ in plan.rounds(plan.throughput_rounds):
            for name in _FORMATS:
                bodies = [_body(name)] * plan.throughput_requests
                _, ours_s = at_once(url, bodies, _CONCURRENCY)
                _, plain_s = at_once(plain_url, bodies, _CONCURRENCY)
                figure = f"throughput.{name}"
                figures.add(f"{figure}.server", "1/s", len(bodies) / ours_s)
                figures.add(f"{figure}.plain", "1/s", len(bodies) / plain_s)
                figures.add(f"{figure}.ratio", "x", plain_s / ours_s)
                step()
