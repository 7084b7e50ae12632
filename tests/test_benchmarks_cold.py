"""The benchmark of cold starts at toy size, with real servers that load and unload."""

from __future__ import annotations

import io

import pytest
from benchmarks.cold.__main__ import measure
from benchmarks.cold.loads import slug
from benchmarks.cold.plan import Plan, qwen3
from benchmarks.cold.predictions import PREDICTIONS
from benchmarks.online.figures import Figures
from benchmarks.online.progress import Progress
from rich.console import Console

from speaking import speaking_checkpoint


def test_every_figure_is_taken_and_the_stages_are_the_whole() -> None:
    figures = Figures()
    case = qwen3("tiny", str(speaking_checkpoint("custom_voice", ends=False)))
    quiet = Progress(Console(file=io.StringIO()))
    measure(case, Plan(repeats=1, first=0), quiet, figures)

    taken = {figure.name: figure.median for figure in figures}
    assert set(taken) == {figure for figure in PREDICTIONS if figure.startswith("tiny.")}
    for prefix in ("tiny", "tiny.standby"):
        first_ms = taken[f"{prefix}.first_audio"]
        stages = [
            value
            for figure, value in taken.items()
            if figure.rpartition(".")[0] == prefix and figure != f"{prefix}.first_audio"
        ]
        assert sum(stages) == pytest.approx(first_ms, abs=5)  # the log rounds each to a millisecond
        assert all(0 <= stage <= first_ms for stage in stages)
    # A process that waits has been started already.
    assert taken["tiny.standby.starting"] < 20 < taken["tiny.starting"]
    assert taken["tiny.bare.imports"] > 20


def test_a_stages_name_does_not_depend_on_bits() -> None:
    assert slug("reading talker as int8") == slug("reading talker") == "reading_talker"
