"""Modules that take the places of the eager ones, and are called in the same way.

What a graph has taken over of the eager module is given up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vivavoce.engine.qwen3.kv import FrameCache, FrameView
from vivavoce.engine.qwen3.layers import rope
from vivavoce.engine.qwen3.onnx import graph
from vivavoce.engine.qwen3.onnx.pairs import rows_in_pairs
from vivavoce.engine.qwen3.onnx.rows import RowCache, RowView
from vivavoce.engine.qwen3.onnx.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vivavoce.engine.qwen3.config import TransformerConfig
    from vivavoce.engine.qwen3.layers import DecoderLayer, Places, RMSNorm


_FRAME_ROWS = 2
"""The predictor's first pass has two positions, all others of a frame have one."""


class OnnxLinear(nn.Module):
    """One matrix, in so many bits."""

    def __init__(self, eager: nn.Linear, bits: int) -> None:
        super().__init__()
        self._columns, self._rows = eager.in_features, eager.out_features
        self._session = Session(graph.linear(eager, bits))
        self._pairs = rows_in_pairs(bits)
        self._x = self._y = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., K] to [..., N]."""
        used = math.prod(x.shape[:-1])
        count = _even(used) if self._pairs else used
        if len(self._x) != count:
            self._x, self._y = _empty(count, self._columns), _empty(count, self._rows)
            self._session.bind_input("x", self._x)
            self._session.bind_output("y", self._y)
        self._x[:used].view(x.shape).copy_(x)
        self._session.run()
        return self._y[:used].view(*x.shape[:-1], self._rows).clone()


class _Buffers:
    """What goes into a graph of layers and comes out, for one shape: bound once."""

    def __init__(self, like: Tensor) -> None:
        self.x, self.y = _empty(*like.shape), _empty(*like.shape)
        self.last = torch.zeros(len(like), dtype=torch.int32)
        self.span = torch.zeros(1, dtype=torch.int32)
        # To write a few numbers through numpy takes a fraction of the time.
        self._last, self._span = self.last.numpy(), self.span.numpy()

    def fill(self, x: Tensor, last: list[int]) -> None:
        self.x.copy_(x)
        self._last[:] = last
        self._span[0] = max(last) + 1


class OnnxLayers(nn.Module):
    """All layers of a transformer and the norm after them."""

    def __init__(
        self, c: TransformerConfig, layers: Iterable[DecoderLayer], norm: RMSNorm, bits: int
    ) -> None:
        super().__init__()
        self._config = c
        self._session = Session(graph.transformer(layers, norm, bits))
        self._pairs = rows_in_pairs(bits)
        self._angles: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self._bound: list[tuple[int, torch.Size]] = []  # no tensors: they may be gigabytes
        self._kept_buffers: dict[torch.Size, _Buffers] = {}

    def new_cache(self, rows: int, pages: int) -> RowCache:
        """Return an empty cache for so many sequences, which share so many pages."""
        c = self._config
        return RowCache(_even(rows), c.num_hidden_layers, c.num_key_value_heads, c.head_dim)

    def new_frame_cache(self, rows: int, length: int) -> FrameCache:
        """Return an empty cache for so many sequences of so many positions."""
        c = self._config
        return FrameCache(
            _even(rows),
            c.num_hidden_layers,
            length,
            c.num_key_value_heads,
            c.head_dim,
            torch.empty(0),
        )

    def forward(self, x: Tensor, places: Places, view: FrameView | RowView) -> Tensor:
        """Run x [B, T, H] at its places through all layers, writing into their cache."""
        if isinstance(view, FrameView):
            return self._part_of_frame(x, view)
        if x.shape[1] == 1:
            return self._step(x, view)
        y = torch.zeros_like(x)
        for index, (row, begin, count) in enumerate(
            zip(view.rows, view.begins, view.counts, strict=True)
        ):
            keys, values = view.cache.of(row, row + 1)
            # What stands one place too far is written over by what comes next.
            length = _even(count) if self._pairs else count
            own = x.new_zeros(1, length, x.shape[2])
            own[0, :count] = x[index, :count]
            y[index, :count] = self._run(own, keys, values, [begin + length - 1])[0, :count]
        return y

    def _part_of_frame(self, x: Tensor, view: FrameView) -> Tensor:
        used, length, width = x.shape
        rows = _even(used) if self._pairs and length % 2 else used
        if rows > used:
            x = torch.cat((x, x.new_zeros(1, length, width)))
        keys, values = view.cache.keys[:, :rows], view.cache.values[:, :rows]
        return self._run(x, keys, values, [view.end - 1] * rows)[:used]

    def _step(self, x: Tensor, view: RowView) -> Tensor:
        """Run one position of some rows: of all from the first of them to the last, side by side.

        What lies between makes no difference to anybody. To run those in use one after the other
        would read all weights for each.
        """
        first, end = min(view.rows), max(view.rows) + 1
        if self._pairs and (end - first) % 2:
            first, end = (first, end + 1) if end < view.cache.rows else (first - 1, end)
        index = torch.tensor(view.rows) - first
        every = x.new_zeros(end - first, *x.shape[1:])
        every[index] = x
        last = view.cache.next_places(first, end)
        for row, begin in zip(view.rows, view.begins, strict=True):
            last[row - first] = begin
        return self._run(every, *view.cache.of(first, end), last)[index]

    def _run(self, x: Tensor, keys: Tensor, values: Tensor, last: list[int]) -> Tensor:
        """Run x [B, T, H], whose last positions stand at `last`; caches [layers, B, ...]."""
        session = self._session
        self._bind(keys, values)
        buffers = self._buffers_for(x)
        buffers.fill(x, last)
        for name in ("x", "last", "span"):
            session.bind_input(name, getattr(buffers, name))
        session.bind_output("y", buffers.y)
        session.run()
        return buffers.y.clone()

    def _buffers_for(self, x: Tensor) -> _Buffers:
        """Return those of a shape; kept for frames, of which there are few shapes, made thousands
        of times.
        """
        kept = self._kept_buffers.get(x.shape)
        if kept is None:
            kept = _Buffers(x)
            if x.shape[1] <= _FRAME_ROWS:
                self._kept_buffers[x.shape] = kept
        return kept

    def _bind(self, keys: Tensor, values: Tensor) -> None:
        bound = [(kept.data_ptr(), kept.shape) for kept in (keys, values)]
        if bound == self._bound:
            return
        capacity = keys.shape[3]
        if capacity > len(self._angles[0]):
            positions = torch.arange(capacity)[None]
            c = self._config
            cos, sin = rope(positions, c.head_dim, c.rope_theta, torch.float32)[:, 0, 0]
            half = c.head_dim // 2  # the other half of cosines is the same, of sines with minus
            self._angles = (cos[:, half:].contiguous(), sin[:, half:].contiguous())
        for name, table in zip(("cos", "sin"), self._angles, strict=True):
            self._session.bind_input(name, table)
        for name, cache in zip(("keys", "values"), (keys, values), strict=True):
            for number, layer in enumerate(cache):
                self._session.bind_input(f"{name}_{number}", layer)
                self._session.bind_output(f"new_{name}_{number}", layer)
        self._bound = bound


def _even(count: int) -> int:
    """Return the next even number, from this one on."""
    return count + count % 2


def _empty(*shape: int) -> Tensor:
    """Return memory that may be written in inference mode and outside of it."""
    with torch.inference_mode(False):
        return torch.empty(shape)
