"""The benchmark of servers behind a proxy, at toy size."""

from __future__ import annotations

import io

import pytest
from benchmarks.online.figures import Figures
from benchmarks.online.progress import Progress
from benchmarks.scale.__main__ import measure
from benchmarks.scale.plan import Plan
from benchmarks.scale.predictions import PREDICTIONS
from rich.console import Console

pytestmark = pytest.mark.scale

TOY = Plan(
    pairs=2, many_rounds=1, many=16, leavers=1, refusals=1, ends=1, clients=2, stream_s=3, load_s=6
)


def test_every_figure_is_taken_and_has_its_prediction() -> None:
    figures = Figures()
    for _ in measure(TOY, Progress(Console(file=io.StringIO())), figures):
        pass
    taken = {figure.name: figure.median for figure in figures}
    assert (
        set(PREDICTIONS) - {"killed.failing_for"}
        <= set(taken)
        <= set(PREDICTIONS) | {"left.failing_for"}
    )
    assert taken["killed.streams.cut"] + taken["killed.streams.whole"] == TOY.streams
    assert taken["left.failed"] == taken["left.streams.cut"] == 0
    assert taken["full.refused_after"] > 200
