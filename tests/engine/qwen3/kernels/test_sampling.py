"""Draws: the integers and the noise behind them, and the codes that come of the whole chain."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl

from engine.qwen3.kernels.near import DEVICE, Numbers, both
from vivavoce.engine.qwen3 import sampling
from vivavoce.engine.qwen3.ops import kernels, plain
from vivavoce.engine.qwen3.ops.base import Controls, Embedding, FirstBook
from vivavoce.engine.qwen3.ops.kernels.sampling import _gumbel, _words

SEEDS = torch.tensor([0, 1, -1, 2**63 - 1, -(2**63), 0x123456789ABCDEF0], device=DEVICE)
FRAMES = torch.tensor([0, 1, 2, 8191, 655, 2**31 - 1], device=DEVICE)


@triton.jit
def write_noise(seeds, frames, book, words, noise, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    place = row * BLOCK + tl.arange(0, BLOCK)
    drawn = _words(tl.load(seeds + row), tl.load(frames + row), book, BLOCK)
    tl.store(words + place, drawn.to(tl.int64))
    tl.store(noise + place, _gumbel(drawn))


@triton.jit
def write_gumbel(words, noise, BLOCK: tl.constexpr):
    place = tl.arange(0, BLOCK)
    tl.store(noise + place, _gumbel(tl.load(words + place).to(tl.uint32)))


@pytest.mark.parametrize("book", [0, 15])
def test_the_integers_are_the_same_bit_for_bit(book) -> None:
    block = 256
    words, noise = torch.empty(len(SEEDS), block, dtype=torch.long), torch.empty(len(SEEDS), block)
    write_noise[(len(SEEDS),)](SEEDS, FRAMES, book, words, noise, block)
    counter = [torch.arange(block // 4)[None], torch.tensor(book), FRAMES[:, None], torch.tensor(0)]
    expected = torch.stack(sampling._philox(counter, SEEDS[:, None]), dim=-1).flatten(1)
    assert torch.equal(words, expected)
    theirs = sampling.gumbel(SEEDS, FRAMES, range(book, book + 1), block)[:, 0]
    torch.testing.assert_close(noise, theirs, rtol=0, atol=1e-6)


def test_noise_is_exact_at_its_ends() -> None:
    near = torch.arange(64)
    words = torch.cat((near, 2**31 - 32 + near, 2**32 - 64 + near, torch.full((64,), 2**30)))
    noise = torch.empty(len(words))
    write_gumbel[(1,)](words, noise, len(words))
    uniform = (words.double() + 0.5) / 2**32
    exact = -torch.log(-torch.log(uniform))
    assert noise.isfinite().all()
    torch.testing.assert_close(noise.double(), exact, rtol=3e-7, atol=3e-7)


class Rows:
    """Rows of all kinds at once, in a vocabulary of an odd size."""

    def __init__(self, dtype, vocab=100) -> None:
        n = Numbers(dtype)
        self.logits = n(6, vocab, scale=4)
        self.controls = Controls(
            samples=torch.tensor([True, True, True, False, True, True]),
            temperature=torch.tensor([0.9, 1.7, 0.2, 1.0, 0.9, 1e-3]),
            top_k=torch.tensor([50, 0, 3, 5, 1, 1000]),
            top_p=torch.tensor([1.0, 0.8, 0.3, 0.5, 0.9, 0.0], dtype=torch.float64),
        )
        seen = n(6, vocab) > 0.5
        self.seen = seen
        self.penalty = torch.tensor([1.05, 1.0, 2.0, 1.3, 1.05, 1.05])

    def first(self):
        return FirstBook(self.seen.clone(), self.penalty, codes=64, eos=70, min_frames=2)

    def choose(self, ops, book, *, nucleus, first=None, embedding=None, rows=slice(None)):
        """Return the codes [6], written into a column of others."""
        codes = torch.full((len(self.logits), 3), -7)
        controls = Controls(*(one[rows] for one in self.controls))
        ops.sample(
            self.logits[rows],
            SEEDS[rows],
            FRAMES[rows],
            book,
            controls,
            codes[rows, 1],
            nucleus=nucleus,
            first=first,
            embedding=embedding,
        )
        assert (codes[:, ::2] == -7).all()
        return codes[rows, 1]


@both
@pytest.mark.parametrize("nucleus", [False, True])
@pytest.mark.parametrize("book", [0, 15])
def test_the_codes_are_those_of_plain_torch(book, nucleus, dtype) -> None:
    rows = Rows(dtype)
    firsts = [rows.first() if book == 0 else None for _ in "ab"]
    ours = rows.choose(kernels, book, nucleus=nucleus, first=firsts[0])
    theirs = rows.choose(plain, book, nucleus=nucleus, first=firsts[1])
    assert ours.tolist() == theirs.tolist()
    if book == 0:
        assert torch.equal(firsts[0].seen, firsts[1].seen)
        assert firsts[0].seen.gather(1, ours[:, None]).all()


@both
def test_a_row_draws_the_same_alone(dtype) -> None:
    rows = Rows(dtype)
    together = rows.choose(kernels, 3, nucleus=True)
    alone = [rows.choose(kernels, 3, nucleus=True, rows=slice(i, i + 1)) for i in range(6)]
    assert torch.equal(torch.cat(alone), together)


@both
@pytest.mark.parametrize(("top_k", "top_p"), [(1, 1.0), (3, 1.0), (0, 0.5), (0, 0.0), (2, 0.9)])
def test_of_equal_scores_as_many_stay_as_officially(top_k, top_p, dtype) -> None:
    # Both zeros, equal scores at every bound: what is drawn over many seeds shows what has stayed.
    scores = torch.tensor([2.0, -0.0, 0.0, 2.0, 1.0, 2.0, -3.0, 0.0, -0.0], dtype=dtype)
    many = 8
    controls = Controls(
        torch.ones(many, dtype=torch.bool),
        torch.full((many,), 50.0),
        torch.full((many,), top_k),
        torch.full((many,), top_p, dtype=torch.float64),
    )
    chosen = []
    for ops in (kernels, plain):
        codes = torch.empty(many, dtype=torch.long)
        ops.sample(
            scores.expand(many, -1),
            torch.arange(many),
            torch.zeros(many, dtype=torch.long),
            4,
            controls,
            codes,
            nucleus=top_p < 1,
        )
        chosen.append(codes.tolist())
    assert chosen[0] == chosen[1]


@both
def test_the_end_is_chosen_from_its_frame_on_and_nothing_else_that_is_no_code(dtype) -> None:
    rows = Rows(dtype)
    rows.logits[:, 70], rows.logits[:, 71] = 60, 90
    codes = rows.choose(kernels, 0, nucleus=False, first=rows.first())
    assert (codes[:2] < 64).all()
    assert (codes[2:] == 70).all()


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
def test_the_code_s_embedding_is_written_beside_others(stored) -> None:
    rows = Rows(torch.float32)
    table = Numbers(stored)(100, 24)
    out = torch.zeros(6, 2, 24)
    codes = rows.choose(kernels, 2, nucleus=False, embedding=Embedding(table, out[:, 1]))
    assert torch.equal(out[:, 1], table[codes].float())
    assert not out[:, 0].any()


@both
@pytest.mark.parametrize("with_text", [False, True])
def test_the_sum_of_a_frame_s_embeddings(with_text, dtype) -> None:
    n = Numbers(dtype)
    codes = torch.arange(48).view(3, 16) * 7 % 20
    args = codes, n(30, 70), n(15, 20, 70), n(3, 2, 70)[:, 1] if with_text else None
    ours, theirs = kernels.embed_sum(*args), plain.embed_sum(*args)
    torch.testing.assert_close(
        ours, theirs, rtol=1e-6 if dtype == torch.float32 else 2**-7, atol=1e-5
    )


def test_tables_stored_shorter_are_converted() -> None:
    n = Numbers(torch.bfloat16)
    codes = torch.zeros(2, 4, dtype=torch.long)
    args = codes, n(3, 40), n(3, 5, 40), torch.rand(2, 40)
    torch.testing.assert_close(kernels.embed_sum(*args), plain.embed_sum(*args))
