"""What real-time streams cost and how evenly they come: many listeners at once (ENGINE=fake).

The fake engine makes a chunk of 80 ms each 80 ms, as a GPU that keeps up would. The peer is the
plain application, which sends the same bytes on the same schedule.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from benchmarks.online import server
from benchmarks.online.bare import Bare
from benchmarks.online.listeners import listen
from benchmarks.online.load import connected
from vivavoce.engine.fake import CHUNK_SAMPLES, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.online.figures import Figures
    from benchmarks.online.listeners import Heard
    from benchmarks.online.load import Body
    from benchmarks.online.plan import Plan
    from benchmarks.online.progress import Progress

_FORMATS = ("pcm", "mp3")
_INTERVAL_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
_TEXT = "One tone."
_SEED = 7
_SPREAD = 0.1  # of a stream's length, in which the listeners come one after the other
_LIMIT_FACTOR = 5.0  # times a stream's length, for a machine that cannot keep up ...
_LIMIT_MORE_S = 30.0  # ... and for its beginning


def measure(plan: Plan, progress: Progress, figures: Figures) -> None:
    """Start both servers; in each format, let all listen to the one and then to the other."""
    chunks = round(plan.stream_s / _INTERVAL_S)
    bare = Bare("fake")
    parts = {
        name: bare.speak(_TEXT, name, _SEED, instructions=f"chunks={chunks}").parts
        for name in _FORMATS
    }
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        parts_file = Path(folder, "parts")
        parts_file.write_bytes(msgspec.msgpack.encode(parts))
        with server.vivavoce("fake") as served, server.plain(parts_file) as peer:
            _warm_up(served.url, peer.url)
            steps = 2 * len(_FORMATS)
            with progress.stage(f"{plan.stream_listeners} real-time streams", steps) as step:
                for name, made in parts.items():
                    listeners = _Listeners(plan, name, chunks, len(b"".join(made)))
                    server_s = _ours(listeners, figures, served)
                    step()
                    plain_s = _plain(listeners, figures, peer)
                    step()
                    if plain_s:  # 0: less than a tick of the system's clock
                        ratio = server_s / plain_s
                        figures.add(f"streams.{name}.cpu_ms_per_s.ratio", "x", ratio)


def _warm_up(*urls: str) -> None:
    """Have the worker started, and every encoder opened once."""
    for url in urls:
        with connected(url) as client:
            for name in _FORMATS:
                client.speak({"input": _TEXT, "response_format": name})


@dataclass(frozen=True, slots=True)
class _Listeners:
    """Those who listen to one format. `audio_bytes` is what each must get."""

    plan: Plan
    format_name: str
    chunks: int
    audio_bytes: int

    @property
    def audio_s(self) -> float:
        """Seconds of audio of all together."""
        return self.plan.stream_listeners * self.chunks * _INTERVAL_S

    def listen(
        self, url: str, wish: Body, pids: Sequence[int]
    ) -> tuple[list[Heard], float, list[float]]:
        """Ask in the way that server understands.

        Return what was heard, the CPU seconds of the client, and those of each process.
        """
        body: Body = {"input": _TEXT, "response_format": self.format_name, **wish}
        bodies = [body] * self.plan.stream_listeners
        stream_s = self.plan.stream_s
        before = [_cpu_s(pid) for pid in pids]
        heard, client_s = listen(
            url,
            bodies,
            spread_s=_SPREAD * stream_s,
            limit_s=_LIMIT_FACTOR * stream_s + _LIMIT_MORE_S,
        )
        used = [_cpu_s(pid) - began for pid, began in zip(pids, before, strict=True)]
        for answer in heard:
            if answer.audio_bytes != self.audio_bytes:
                raise RuntimeError(
                    f"{url} sent {answer.audio_bytes} bytes of {self.format_name}, "
                    f"the bare engine makes {self.audio_bytes}"
                )
        return heard, client_s, used


def _ours(listeners: _Listeners, figures: Figures, served: server.Server) -> float:
    """Listen to the server; return its CPU seconds, the worker's left out."""
    worker_pid = served.worker_pid()
    assert worker_pid is not None, "it has been warmed up"
    told = f"interval_s={_INTERVAL_S} chunks={listeners.chunks}"
    heard, client_s, (server_s, worker_s) = listeners.listen(
        served.url, {"instructions": told, "seed": _SEED}, (served.pid, worker_pid)
    )
    figure = f"streams.{listeners.format_name}"
    for name, cpu_s in (
        ("cpu_ms_per_s", server_s + worker_s),
        ("cpu_ms_per_s.server", server_s),
        ("cpu_ms_per_s.worker", worker_s),
        ("cpu_ms_per_s.client", client_s),
    ):
        figures.add(f"{figure}.{name}", "ms/s", cpu_s * 1000 / listeners.audio_s)
    _note_jitter(figures, f"{figure}.jitter_ms", heard)
    return server_s


def _plain(listeners: _Listeners, figures: Figures, peer: server.Server) -> float:
    """Listen to the plain application; return its CPU seconds."""
    heard, _, (plain_s,) = listeners.listen(peer.url, {"interval_s": _INTERVAL_S}, (peer.pid,))
    figure = f"streams.{listeners.format_name}"
    figures.add(f"{figure}.cpu_ms_per_s.plain", "ms/s", plain_s * 1000 / listeners.audio_s)
    _note_jitter(figures, f"{figure}.jitter_ms.plain", heard)
    return plain_s


def _note_jitter(figures: Figures, name: str, heard: Sequence[Heard]) -> None:
    """Add how much longer than a chunk lasts each part was waited for.

    The last part is left out: it is what the encoder still held, and follows at once.
    """
    late_ms = [
        (later - earlier - _INTERVAL_S) * 1000
        for answer in heard
        for earlier, later in pairwise(answer.arrivals_s[:-1])
    ]
    figures.add(name, "ms", *late_ms)
    figures.add(f"{name}.p99", "ms", statistics.quantiles(late_ms, n=100, method="inclusive")[-1])


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
