"""The online benchmark of real-time streams, at toy size, with real servers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from benchmarks.online import streams
from benchmarks.online.figures import Figures
from benchmarks.online.listeners import listen
from benchmarks.online.plan import Plan
from benchmarks.online.predictions import PREDICTIONS
from benchmarks.online.progress import Progress
from rich.console import Console

if TYPE_CHECKING:
    from conftest import Server


def test_every_figure_is_taken_and_was_predicted() -> None:
    figures = Figures()
    console = Console(width=200, file=io.StringIO())
    streams.measure(Plan(stream_listeners=3, stream_s=1.0), Progress(console), figures)

    taken = {figure.name: figure for figure in figures}
    predicted = {name for name in PREDICTIONS if name.startswith("streams.")}
    ratios = {name for name in predicted if name.endswith(".ratio")}  # not of too little CPU
    assert predicted - ratios <= set(taken) <= predicted
    for name in ("pcm", "mp3"):
        for jitter in (f"streams.{name}.jitter_ms", f"streams.{name}.jitter_ms.plain"):
            gaps = taken[jitter].values
            # Twelve chunks or a few parts more or less; at once instead of in time would be -80.
            assert 3 * 9 <= len(gaps) <= 3 * 12
            assert abs(taken[jitter].median) < 40
            assert taken[f"{jitter}.p99"].median >= taken[jitter].median
        assert taken[f"streams.{name}.cpu_ms_per_s.client"].median > 0


def test_listeners_say_what_came_instead_of_audio(fake_server: Server) -> None:
    bodies = [{"input": "Hello.", "voice": voice} for voice in ("sine", "nobody")]
    with pytest.raises(RuntimeError, match=r"not a stream of audio: .*HTTP/1\.1 4\d\d "):
        listen(fake_server.url, bodies, spread_s=0, limit_s=20)
