"""The products of few rows: equal to plain torch's, and a row's result its own."""

from __future__ import annotations

import pytest
import torch

from engine.qwen3.kernels.near import Numbers, assert_near, both
from vivavoce.engine.qwen3.ops import kernels, plain
from vivavoce.engine.qwen3.ops.kernels import products


@pytest.fixture(autouse=True)
def few_programs(monkeypatch):
    """Have each make several outputs, as with true shapes; the interpreter takes long for each."""
    monkeypatch.setattr(products, "_PROGRAMS", 3)


def floats(*tensors):
    return [
        None
        if one is None
        else type(one)(one.weight.float(), one.eps)
        if hasattr(one, "eps")
        else one.float()
        for one in tensors
    ]


@both
@pytest.mark.parametrize("rows", [1, 17])
@pytest.mark.parametrize("kind", ["bare", "norm", "residual", "all"])
def test_a_product_is_that_of_plain_torch(rows, kind, dtype) -> None:
    n = Numbers(dtype)
    x, weight = n(rows, 300), n(150, 300, scale=0.1)
    bias = n(150) if kind == "all" else None
    norm = n.norm(300) if kind in ("norm", "all") else None
    residual = n(rows, 150) if kind in ("residual", "all") else None
    args = (x, weight, bias, norm, residual)
    exact = plain.linear(*floats(*args))
    assert_near(kernels.linear(*args), plain.linear(*args), exact)


@both
@pytest.mark.parametrize("rows", [1, 33])
def test_gate_and_up_are_those_of_plain_torch(rows, dtype) -> None:
    n = Numbers(dtype)
    args = n(rows, 96), n(2 * 140, 96, scale=0.2), n.norm(96)
    assert_near(kernels.gate_up(*args), plain.gate_up(*args), plain.gate_up(*floats(*args)))


@both
def test_a_norm_is_that_of_plain_torch(dtype) -> None:
    n = Numbers(dtype)
    args = n(3, 2, 70)[:, 1], n.norm(70)
    assert_near(kernels.rms_norm(*args), plain.rms_norm(*args))


@both
def test_rows_that_lie_apart_are_read_where_they_lie(dtype) -> None:
    n = Numbers(dtype)
    x, weight = n(3, 2, 64), n(24, 64)
    apart = kernels.linear(x[:, 1], weight, residual=x[:, 0, :24])
    together = kernels.linear(x[:, 1].contiguous(), weight, residual=x[:, 0, :24].contiguous())
    assert torch.equal(apart, together)


@both
@pytest.mark.parametrize("rows", [2, 40])
def test_a_row_is_the_same_alone_and_among_others(rows, dtype) -> None:
    n = Numbers(dtype)
    x, weight, norm, residual = n(rows, 272), n(40, 272), n.norm(272), n(rows, 40)
    product = kernels.linear(x, weight, norm=norm, residual=residual)
    gated = kernels.gate_up(x, weight, norm)
    for row in (0, rows - 1):
        one = slice(row, row + 1)
        alone = kernels.linear(x[one], weight, norm=norm, residual=residual[one])
        assert torch.equal(product[one], alone)
        assert torch.equal(gated[one], kernels.gate_up(x[one], weight, norm))
