"""What the compiled kernels take of a card, and the order in which they sum: without a card.

These are some of all; `make kernels` compiles the others as well.
"""

from __future__ import annotations

import re
from dataclasses import astuple
from pathlib import Path

import pytest
import torch
from benchmarks.kernels.budget import ARCHITECTURES, BUDGETS, SHARED
from benchmarks.kernels.cases import Tensors, cases
from benchmarks.kernels.compiled import compile_case
from benchmarks.kernels.sizes import LARGE, SMALL

PAGE = Path(__file__).parents[3] / "docs" / "kernels.md"


def compiled(name, model=SMALL, rows=1, architecture=90, dtype=torch.bfloat16):
    """Return what a case's kernels take."""
    (case,) = (case for case in cases(model, rows, Tensors("meta", dtype)) if case.name == name)
    return compile_case(case, architecture)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "model", "rows", "architecture"),
    [
        ("predictor.qkv", SMALL, 1, 90),
        ("predictor.gate_up", SMALL, 32, 90),
        ("talker.gate_up", LARGE, 1, 120),
        ("talker.down", LARGE, 32, 80),
        ("predictor.attend_two", SMALL, 1, 90),
        ("talker.attend", SMALL, 1, 90),
        ("talker.sample.top_p", SMALL, 1, 90),
        ("predictor.sample", SMALL, 1, 120),
        ("embed_sum", SMALL, 1, 80),
        ("norm", SMALL, 1, 80),
        ("codec.wide.extend", SMALL, 1, 90),
        ("codec.wide.convolve", SMALL, 32, 90),
    ],
)
def test_a_kernel_keeps_to_its_budget(name, model, rows, architecture) -> None:
    for taken in compiled(name, model, rows, architecture):
        assert taken.within, (taken.kernel, taken.registers, taken.spilled, taken.shared)


def test_no_budget_is_more_than_the_smallest_of_these_cards_has() -> None:
    assert {80, 90, 120} == set(ARCHITECTURES)
    assert all(budget.shared <= SHARED for budget in BUDGETS.values())


@pytest.mark.timeout(300)
def test_a_row_is_summed_in_the_same_order_with_one_row_and_with_many() -> None:
    # Tensor cores in the same shape, one share of K for each warp; then the warps' shares, by
    # exchanges between threads 4, 2 and 1 apart.
    layouts, distances = set(), []
    for rows in (1, 32):
        (taken,) = compiled("predictor.o", rows=rows)
        layouts |= set(re.findall(r"#mma = #.*", taken.code["ttgir"]))
        found = re.findall(r"shfl\.sync\.bfly\.b32.*, (\d+), 31, -1", taken.code["ptx"])
        distances.append([found.count(distance) / len(found) for distance in "421"])
    assert len(layouts) == 1
    assert "warpsPerCTA = [8, 1, 1]" in layouts.pop()
    assert distances == [[1 / 3] * 3] * 2


def test_the_page_shows_the_budgets() -> None:
    rows = re.findall(r"^\| `(_\w+)` \| (\d+) \| (\d+) \| (\d+) \|", PAGE.read_text(), re.M)
    shown = {name: tuple(map(int, figures)) for name, *figures in rows}
    assert shown == {name: astuple(budget) for name, budget in BUDGETS.items()}


def test_the_page_shows_the_bytes_of_a_frame() -> None:
    groups = {
        "talker: products": r"talker\.(qkv|o|gate_up|down|head)$",
        "talker: attention": r"talker\.attend$",
        "predictor: products": r"predictor\.(qkv|o|gate_up|down|head|projection)$",
        "predictor: attention": r"predictor\.attend",
        "draws": r"\w+\.sample$",
        "sum of embeddings, last norm": r"embed_sum|norm$",
    }
    made = [list(cases(model, 1, Tensors("meta", torch.bfloat16))) for model in (SMALL, LARGE)]
    for name, pattern in groups.items():
        small, large = ([case for case in one if re.match(pattern, case.name)] for one in made)
        calls = sum(case.calls for case in small)
        figures = [sum(case.calls * case.moved for case in one) / 1e6 for one in (small, large)]
        assert f"| {name} | {calls} | {figures[0]:.1f} | {figures[1]:.1f} |" in PAGE.read_text()
