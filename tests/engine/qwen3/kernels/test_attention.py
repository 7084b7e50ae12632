"""Attention within a frame and over pages: results, and what is written into caches."""

from __future__ import annotations

import pytest
import torch

from engine.qwen3.kernels.near import EPS, Numbers, assert_near, both
from vivavoce.engine.qwen3.layers import rope
from vivavoce.engine.qwen3.ops import kernels, plain
from vivavoce.engine.qwen3.ops.base import HeadNorms
from vivavoce.engine.qwen3.pages import PAGE, pages_for

HEADS, KV_HEADS, WIDTH = 4, 2, 16
QKV = (HEADS + 2 * KV_HEADS) * WIDTH


def cos_sin(length, dtype):
    return rope(torch.arange(length)[None], WIDTH, 1e6, dtype)[:, 0, 0]


def floats(norms):
    return HeadNorms(norms.q.float(), norms.k.float(), EPS)


@both
@pytest.mark.parametrize(("position", "length"), [(0, 2), (2, 1), (15, 1), (3, 2)])
def test_within_a_frame(position, length, dtype) -> None:
    n = Numbers(dtype)
    rows, span = 3, 16
    qkv, norms, turns = n(rows * length, QKV), n.head_norms(WIDTH), cos_sin(span, dtype)
    keys, values = n(rows + 1, KV_HEADS, span, WIDTH), n(rows + 1, KV_HEADS, span, WIDTH)
    caches = [(keys.clone(), values.clone()) for _ in "ab"]
    ours = kernels.attend_frame(qkv, norms, turns, *caches[0], position, length)
    theirs = plain.attend_frame(qkv, norms, turns, *caches[1], position, length)
    pasts = [one.to(torch.float32, copy=True) for one in (keys, values)]
    exact = plain.attend_frame(qkv.float(), floats(norms), turns.float(), *pasts, position, length)
    assert_near(ours, theirs, exact)
    for own, other, before in zip(*caches, (keys, values), strict=True):
        assert_near(own, other)
        changed = (own != before).any(-1).any(1)
        assert changed[:rows, position : position + length].all()
        assert changed.sum() == rows * length


class Paged:
    """Rows at these positions, -1 for none, whose pages lie scattered in a pool."""

    def __init__(self, positions, span, dtype) -> None:
        n = Numbers(dtype)
        self.span, rows, each = span, len(positions), pages_for(span)
        self.pages = rows * each + 1
        order = torch.arange(self.pages - 1).roll(rows).flip(0)
        self.table = order.view(rows, each).to(torch.int32)
        self.positions = torch.tensor(positions)
        self.table[self.positions < 0] = self.pages - 1
        self.qkv, self.norms, self.turns = n(rows, QKV), n.head_norms(WIDTH), cos_sin(span, dtype)
        self.keys, self.values = (n(self.pages, PAGE, KV_HEADS, WIDTH) for _ in "kv")

    def attend(self, ops, span=None, rows=slice(None)):
        """Return the result and both pools afterwards."""
        keys, values = self.keys.clone(), self.values.clone()
        y = ops.attend_paged(
            self.qkv[rows],
            self.norms,
            self.turns,
            keys,
            values,
            self.table[rows],
            self.positions[rows],
            span or self.span,
        )
        return y, keys, values


@both
@pytest.mark.parametrize(
    ("positions", "span"),
    [
        ([0], PAGE),
        ([PAGE - 1, PAGE, 31, 32], 2 * PAGE),
        ([-1, 255, 3 * PAGE], 256),
        ([255, 256, -1, 600, 1], 640),
    ],
)
def test_over_pages(positions, span, dtype) -> None:
    paged = Paged(positions, span, dtype)
    ours, theirs = paged.attend(kernels), paged.attend(plain)
    exact, *_ = paged_in_fp32(positions, span, paged).attend(plain)
    assert_near(ours[0], theirs[0], exact)
    assert not ours[0][paged.positions < 0].any()
    for own, other, before in zip(ours[1:], theirs[1:], (paged.keys, paged.values), strict=True):
        assert_near(own[:-1], other[:-1])
        lives = paged.positions >= 0
        # Only the rows' own places have changed, in their own pages.
        changed = (own[:-1] != before[:-1]).any(-1).any(-1).nonzero().tolist()
        own_pages = paged.table.long().gather(1, (paged.positions // PAGE).clamp(min=0)[:, None])
        expected = zip(
            own_pages[lives, 0].tolist(), (paged.positions % PAGE)[lives].tolist(), strict=True
        )
        assert sorted(map(tuple, changed)) == sorted(expected)


def paged_in_fp32(positions, span, paged):
    exact = Paged(positions, span, torch.float32)
    exact.qkv, exact.norms, exact.turns = (
        paged.qkv.float(),
        floats(paged.norms),
        paged.turns.float(),
    )
    exact.keys, exact.values = paged.keys.float(), paged.values.float()
    return exact


@both
def test_a_row_is_the_same_alone_and_in_any_span(dtype) -> None:
    paged = Paged([40, 200, 255, 300, 5], 576, dtype)
    together, *_ = paged.attend(kernels)
    for row, position in enumerate(paged.positions.tolist()):
        one = slice(row, row + 1)
        assert torch.equal(paged.attend(kernels, rows=one)[0], together[one])
        least = pages_for(position + 1) * PAGE
        assert torch.equal(paged.attend(kernels, span=least, rows=one)[0], together[one])


def test_a_row_beyond_its_span_is_none() -> None:
    paged = Paged([PAGE + 3], 2 * PAGE, torch.float32)
    for ops in (kernels, plain):
        y, keys, values = paged.attend(ops, span=PAGE)
        assert not y.any()
        assert torch.equal(keys[:-1], paged.keys[:-1])
        assert torch.equal(values[:-1], paged.values[:-1])
