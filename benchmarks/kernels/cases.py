"""Each kernel at work: with the tensors it has in a frame, and the bytes it cannot do without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vivavoce.engine.qwen3.ops.base import (
    Controls,
    Embedding,
    FirstBook,
    HeadNorms,
    Norm,
    Snake,
)

if TYPE_CHECKING:
    from benchmarks.kernels.sizes import Convolution, Model, Transformer
    from vivavoce.engine.qwen3.ops.base import Operations

EPS = 1e-6


@dataclass(frozen=True, slots=True)
class Case:
    """`call` computes with some operations and returns a result to compare.

    `moved` are the bytes that are read and written once; `calls` how often a frame needs it.
    """

    name: str
    call: Callable[[Operations], Any]
    moved: int
    calls: int


class Tensors:
    """Random tensors of one kind of numbers on one device, "meta" included."""

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype

    def __call__(self, *shape: int, scale: float = 1) -> Tensor:
        return torch.randn(shape, device=self.device).mul_(scale).to(self.dtype)

    def norm(self, width: int) -> Norm:
        return Norm(1 + self(width, scale=0.1), EPS)

    def head_norms(self, width: int) -> HeadNorms:
        return HeadNorms(1 + self(width, scale=0.1), 1 + self(width, scale=0.1), EPS)

    def full(self, value: float, *shape: int, dtype: torch.dtype = torch.long) -> Tensor:
        return torch.full(shape, value, dtype=dtype, device=self.device)

    def controls(self, rows: int, top_p: float) -> Controls:
        return Controls(
            self.full(1, rows, dtype=torch.bool),
            self.full(0.9, rows, dtype=torch.float32),
            self.full(50, rows),
            self.full(top_p, rows, dtype=torch.float64),
        )


def cases(model: Model, rows: int, new: Tensors) -> Iterator[Case]:
    """Yield all of a model's cases, for so many rows."""
    talker, predictor, passes = model.talker, model.predictor, model.books - 1
    yield from _products("talker", talker, rows, new, talker.layers, heads=1)
    yield from _products("predictor", predictor, rows, new, predictor.layers * passes, heads=passes)
    if talker.hidden != predictor.hidden:
        weight, bias = new(predictor.hidden, talker.hidden, scale=0.02), new(predictor.hidden)
        x = new(rows, talker.hidden)
        yield _linear("predictor.projection", x, weight, model.books, bias=bias)
    yield _paged(model, rows, new)
    for length in (1, 2):
        yield _within_frame(model, rows, new, length)
    for nucleus in (False, True):
        yield _first_draw(model, rows, new, nucleus)
        later = 0 if nucleus else passes
        vocab = predictor.vocab
        yield _draw("predictor.sample", vocab, talker.hidden, rows, new, nucleus, later)
    yield _embeddings(model, rows, new)
    x, norm = new(rows, talker.hidden), new.norm(talker.hidden)
    yield Case("norm", lambda ops: ops.rms_norm(x, norm), 2 * _bytes(x) + _bytes(norm.weight), 1)
    for conv in model.convolutions:
        yield from _convolution(conv, rows, new)


def _products(
    part: str, c: Transformer, rows: int, new: Tensors, layers: int, heads: int
) -> Iterator[Case]:
    wide = c.heads * c.width
    x, attended = new(rows, c.hidden), new(rows, wide)
    inner, norm = new(rows, c.intermediate), new.norm(c.hidden)

    def weight(outs: int, ins: int) -> Tensor:
        return new(outs, ins, scale=0.02)

    yield _linear(f"{part}.qkv", x, weight(c.qkv, c.hidden), layers, norm=norm)
    yield _linear(f"{part}.o", attended, weight(c.hidden, wide), layers, residual=x)
    both = weight(2 * c.intermediate, c.hidden)
    moved = _bytes(x, both, inner)
    yield Case(f"{part}.gate_up", lambda ops: ops.gate_up(x, both, norm), moved, layers)
    yield _linear(f"{part}.down", inner, weight(c.hidden, c.intermediate), layers, residual=x)
    yield _linear(f"{part}.head", x, weight(c.vocab, c.hidden), heads, norm=norm)


def _linear(name: str, x: Tensor, weight: Tensor, calls: int, **others: Any) -> Case:
    out = len(x) * len(weight) * x.element_size()
    residual = others.get("residual")
    moved = _bytes(x, weight) + out + (0 if residual is None else _bytes(residual))
    return Case(name, lambda ops: ops.linear(x, weight, **others), moved, calls)


def _paged(model: Model, rows: int, new: Tensors) -> Case:
    c, each = model.talker, model.span // model.page
    pool = (rows * each + 1, model.page, c.kv_heads, c.width)
    keys, values = new(*pool), new(*pool)
    table = torch.arange(rows * each, dtype=torch.int32, device=new.device).view(rows, each)
    qkv, norms, turns = new(rows, c.qkv), new.head_norms(c.width), new(2, model.span, c.width)
    place = model.span * 5 // 8
    positions = new.full(place, rows)

    def call(ops: Operations) -> Tensor:
        return ops.attend_paged(qkv, norms, turns, keys, values, table, positions, model.span)

    seen = rows * place * 2 * c.kv_heads * c.width * keys.element_size()
    out = rows * c.heads * c.width * keys.element_size()
    return Case("talker.attend", call, _bytes(qkv) + seen + out, c.layers)


def _within_frame(model: Model, rows: int, new: Tensors, length: int) -> Case:
    c = model.predictor
    begin = 0 if length == 2 else model.books // 2
    cache = (rows, c.kv_heads, model.books, c.width)
    keys, values, turns = new(*cache), new(*cache), new(2, model.books, c.width)
    qkv, norms = new(rows * length, c.qkv), new.head_norms(c.width)

    def call(ops: Operations) -> Tensor:
        return ops.attend_frame(qkv, norms, turns, keys, values, begin, length)

    seen = rows * (begin + length) * 2 * c.kv_heads * c.width * keys.element_size()
    out = rows * length * c.heads * c.width * keys.element_size()
    name = "predictor.attend" if length == 1 else "predictor.attend_two"
    calls = c.layers * (model.books - 2 if length == 1 else 1)
    return Case(name, call, _bytes(qkv) + seen + out, calls)


def _first_draw(model: Model, rows: int, new: Tensors, nucleus: bool) -> Case:
    c, codes = model.talker, model.predictor.vocab
    # All codes are marked already, so a call changes nothing for the next.
    seen = new.full(1, rows, c.vocab, dtype=torch.bool)
    penalty = new.full(1.05, rows, dtype=torch.float32)
    first = FirstBook(seen, penalty, codes, codes + 2, 2)
    calls = 0 if nucleus else 1
    return _draw("talker.sample", c.vocab, c.hidden, rows, new, nucleus, calls, first)


def _draw(
    name: str,
    vocab: int,
    width: int,
    rows: int,
    new: Tensors,
    nucleus: bool,
    calls: int,
    first: FirstBook | None = None,
) -> Case:
    logits, table, out = new(rows, vocab, scale=4), new(vocab, width), new(rows, width)
    seeds, frames, codes = new.full(7, rows), new.full(40, rows), new.full(0, rows, 16)
    controls = new.controls(rows, 0.9 if nucleus else 1.0)
    book = 1 if first is None else 0

    def call(ops: Operations) -> Tensor:
        ops.sample(
            logits,
            seeds,
            frames,
            book,
            controls,
            codes[:, book],
            nucleus=nucleus,
            first=first,
            embedding=Embedding(table, out),
        )
        return codes[:, book]

    moved = _bytes(logits) + 2 * _bytes(out) + (0 if first is None else _bytes(first.seen))
    return Case(name + (".top_p" if nucleus else ""), call, moved, calls)


def _embeddings(model: Model, rows: int, new: Tensors) -> Case:
    c, vocab = model.talker, model.predictor.vocab
    first, others = new(c.vocab, c.hidden), new(model.books - 1, vocab, c.hidden)
    text, codes = new(rows, c.hidden), new.full(5, rows, model.books)
    moved = (model.books + 2) * _bytes(text)
    return Case("embed_sum", lambda ops: ops.embed_sum(codes, first, others, text), moved, 1)


def _convolution(c: Convolution, rows: int, new: Tensors) -> Iterator[Case]:
    past = (c.taps - 1) * c.dilation
    snake = Snake(new(c.c_in).abs(), new(c.c_in).abs()) if c.act else None
    x, state = new(rows, c.steps, c.c_in), new(rows, past, c.c_in)
    weight, bias = new(c.taps, c.c_in, c.c_out, scale=0.02), new(c.c_out)
    padded = new(rows, past + c.steps, c.c_in)
    out = rows * c.steps * c.c_out * x.element_size()
    extended = 2 * _bytes(x) + 3 * _bytes(state)
    yield Case(f"codec.{c.name}.extend", lambda ops: ops.extend(x, state, snake), extended, 0)
    convolved = _bytes(padded, weight) + out

    def convolve(ops: Operations) -> Tensor:
        return ops.convolve(padded, weight, bias, c.dilation)

    yield Case(f"codec.{c.name}.convolve", convolve, convolved, 0)


def _bytes(*tensors: Tensor) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)
