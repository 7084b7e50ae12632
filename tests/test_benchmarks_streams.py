"""The benchmark of streams at toy size: a real server, real clocks; and the client's arithmetic."""

from __future__ import annotations

import io
import json
import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from benchmarks.online import report, server
from benchmarks.online.figures import Figures
from benchmarks.online.progress import Progress
from benchmarks.streams import __main__ as streams
from benchmarks.streams import arrivals, peers
from benchmarks.streams.listener import Heard
from benchmarks.streams.plan import Plan
from benchmarks.streams.predictions import PREDICTIONS
from benchmarks.streams.target import Target
from rich.console import Console

from speaking import speaking_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

TOY = Plan(
    count=3, rounds=1, alone=1, frames=40, rates=(4, 40), arrivals_s=0.1, fewest=4, arrival_frames=5
)


def quiet() -> Progress:
    return Progress(Console(file=io.StringIO()))


def test_every_figure_is_taken(tmp_path: Path) -> None:
    model = str(speaking_checkpoint("custom_voice", ends=False))
    figures = Figures()
    with server.vivavoce("qwen3", MODEL_ID=model, **streams.SETTINGS) as served:
        for _ in streams.measure(Target(served.url, ours=True), TOY, quiet(), figures):
            pass
    report.write(tmp_path / "it.json", {"peers": peers.not_taken()}, figures, PREDICTIONS)
    result = json.loads((tmp_path / "it.json").read_text())
    taken = result["figures"]

    fixed = {name for name in PREDICTIONS if not name.startswith("arrivals.")}
    assert fixed | {"arrivals.held", "arrivals.underruns"} <= set(taken)
    assert taken["alone.first_audio"]["n"] == taken["newcomer.first_audio"]["n"] == 1
    assert taken["at_once.first_audio"]["n"] == 3
    assert taken["at_once.first_audio"]["min"] > 1
    assert taken["others.late"]["n"] == 2
    assert 0 < taken["alone.realtime"]["median"] < 20
    for rate in ("4", "40"):
        assert taken[f"arrivals.{rate}.first_audio"]["n"] == 4
        assert taken[f"arrivals.{rate}.refused"]["median"] == 0
        assert 0 <= taken[f"arrivals.{rate}.dry"]["median"] <= 4
    assert taken["arrivals.held"]["median"] in (0, 4, 40)
    assert all(not peer["taken"] and peer["reason"] for peer in result["peers"].values())


def test_it_can_be_pointed_at_any_openai_compatible_server(fake_server: Server) -> None:
    figures = Figures()
    target = Target(fake_server.url, ours=False, voice="sine")
    plan = Plan(count=2, rounds=1, alone=1, rates=(10,), arrivals_s=0.1, fewest=2)
    with pytest.raises(RuntimeError, match="somebody had ended"):
        # Its tones are made in no time: nobody is in the middle of them when the newcomer comes.
        for _ in streams.measure(target, plan, quiet(), figures):
            pass
    arrivals.measure(target, plan, quiet(), figures)
    taken = {figure.name: figure for figure in figures}
    assert taken["arrivals.10.first_audio"].median > 0
    assert taken["arrivals.held"].median == 10


def test_an_error_says_what_the_server_said(fake_server: Server) -> None:
    target = Target(fake_server.url, ours=False, voice="nobody")
    with pytest.raises(RuntimeError, match=r"answered 4\d\d: .*nobody"):
        arrivals.measure(target, Plan(rates=(10,), fewest=1), quiet(), Figures())


def test_a_chunk_is_late_once_all_before_it_has_been_played() -> None:
    in_time = Heard(0.0, ((1.0, 0.5), (1.4, 0.5), (1.99, 0.5)))
    assert in_time.late == 0
    assert in_time.leads_s == pytest.approx([0.1, 0.01])
    # After the gap of 0.2 s playing goes on from there: what comes then is in time.
    late = Heard(0.0, ((1.0, 0.5), (1.7, 0.5), (2.1, 0.5)))
    assert late.late == 1
    assert late.leads_s == pytest.approx([-0.2, 0.1])


def test_arrivals_are_random_but_the_same_for_a_seed() -> None:
    moments = arrivals.moments_s(4000, 5.0, seed=3)
    assert moments == arrivals.moments_s(4000, 5.0, seed=3)
    assert moments != arrivals.moments_s(4000, 5.0, seed=4)
    assert moments == sorted(moments)
    gaps = [b - a for a, b in pairwise(moments)]
    assert statistics.mean(gaps) == pytest.approx(0.2, rel=0.1)
    assert statistics.stdev(gaps) == pytest.approx(0.2, rel=0.1)  # as of an exponential one
