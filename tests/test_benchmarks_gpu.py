"""The benchmark for cards: what it measures here, what it tells of what failed, its table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from benchmarks.gpu.__main__ import measure
from benchmarks.gpu.engine import Job, Measured
from benchmarks.gpu.plan import PEER, WAYS
from benchmarks.page.results import Result
from benchmarks.page.tables import gpu

from speaking import speaking_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


def test_what_can_be_measured_without_a_card_is() -> None:
    folder = str(speaking_checkpoint("custom_voice", ends=False))
    figures = Measured(Job(folder, "cpu", "fp32", "eager", [1, 2], 2, 1)).figures()
    names = ("first_audio", "frame", "sound1", "sound12")
    assert set(figures) == {f"b{rows}.{name}" for rows in (1, 2) for name in names}
    assert all(value > 0 for value in figures.values())


def test_a_process_that_fails_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such card"):
        measure([sys.executable, "-c", "raise SystemExit('no such card')"], {})
    with pytest.raises(OSError, match="nothing"):
        measure([str(tmp_path / "nothing")], {})


def test_the_table_tells_what_was_taken_and_what_was_not() -> None:
    assert gpu(None).count("not taken") == 5 * (len(WAYS) + 1)
    figures = {
        "graph.triton.b1.frame": {"median": 2.4},
        "graph.triton.reserved_mib": {"median": 2048},
        f"{PEER}.b1.both": {"median": 19.0},
    }
    table = gpu(Result("gpu.json", {"card": "a card", "dtype": "bf16"}, figures))
    assert "| graph.triton | 2.4 ms | not taken | not taken | not taken | 2 GiB |" in table
    assert f"| {PEER} | 19 ms | not taken |" in table
    assert "On a card, in bf16." in table
