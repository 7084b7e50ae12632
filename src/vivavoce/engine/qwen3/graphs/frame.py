"""One frame for many rows as a program: from their last frames to their next, [M, 16] codes.

It is made of the operations of `ops/` alone, on memory that stays where it is, and no value goes
to the host: so it can be captured as a graph. Launched as it is, it computes the same; on a CUDA
device it is the way in which a frame is made, captured or not. `Generation.step` is the other: for
the processor, and what this is compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from vivavoce.engine.qwen3.ops.base import Embedding, FirstBook

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.generation import Generation
    from vivavoce.engine.qwen3.graphs.inputs import Inputs
    from vivavoce.engine.qwen3.graphs.packed import PackedTalker
    from vivavoce.engine.qwen3.ops.base import Operations

BOOKS = 16


class FrameKey(NamedTuple):
    """Which variant of the program: for `rows` rows at positions below `span`.

    `nucleus`: some row's top_p is below 1.
    """

    rows: int
    span: int
    nucleus: bool

    def serves(self, other: FrameKey) -> bool:
        """Tell whether this one does for what the other is for."""
        return all(mine >= its for mine, its in zip(self, other, strict=True))


class FrameProgram:
    """The program, over the state of a generation.

    Reads `inputs` and `text` [rows, H], the next row of text of each; writes `codes` [rows, 16] and
    the state: keys and values, the frame's embedding, the codes seen. What it needs memory for
    comes first, so that where that fails it may be run again.
    """

    def __init__(
        self,
        generation: Generation,
        packed: PackedTalker,
        ops: Operations,
        inputs: Inputs,
        codes_limit: int,
        min_frames: int,
    ) -> None:
        self._state = generation
        self._packed = packed
        self._ops = ops
        self._inputs = inputs
        self._codes_limit, self._min_frames = codes_limit, min_frames
        rows = len(inputs.rows)
        embedded = generation.embedded
        self.text = embedded.new_zeros(rows, embedded.shape[1])
        self.codes = torch.zeros(rows, BOOKS, dtype=torch.long, device=embedded.device)
        self._no_text = torch.zeros_like(self.text)

    @torch.inference_mode()
    def run(self, key: FrameKey) -> None:
        """Make a frame of the first rows of the inputs."""
        count = key.rows
        inputs, state, ops = self._inputs, self._state, self._ops
        rows, codes = inputs.rows[:count], self.codes[:count]
        x = state.embedded.index_select(0, rows) + self.text[:count]
        hidden = ops.rms_norm(self._talk(x, key), self._packed.talker.norm)
        seen = state.seen.index_select(0, rows)
        pair = torch.stack((hidden, hidden), dim=1)  # hidden state, then the first code's embedding
        self._choose_first(hidden, seen, pair[:, 1], key)
        self._predict(pair, key)
        none = self._no_text[:count]
        embedded = ops.embed_sum(codes, self._packed.first, self._packed.others, none)
        # Nothing below needs memory; what is above may be done again.
        state.embedded.index_copy_(0, rows, embedded)
        state.seen.index_copy_(0, rows, seen)

    def _talk(self, x: Tensor, key: FrameKey) -> Tensor:
        """Return the talker's hidden states [M, H], before its last norm."""
        cache, inputs, ops = self._state.cache, self._inputs, self._ops
        transformer = self._packed.talker
        for number, layer in enumerate(transformer.layers):
            y = ops.attend_paged(
                ops.linear(x, layer.qkv, norm=layer.before),
                layer.heads,
                transformer.cos_sin,
                cache.keys[number],
                cache.values[number],
                inputs.table[: key.rows],
                inputs.positions[: key.rows],
                key.span,
            )
            x = ops.linear(y, layer.out, residual=x)
            y = ops.gate_up(x, layer.gate_up, layer.between)
            x = ops.linear(y, layer.down, residual=x)
        return x

    def _choose_first(self, hidden: Tensor, seen: Tensor, embedding: Tensor, key: FrameKey) -> None:
        inputs, count = self._inputs, key.rows
        self._ops.sample(
            self._ops.linear(hidden, self._packed.head),
            inputs.seeds[:count],
            inputs.frames[:count],
            0,
            inputs.controls(0, count),
            self.codes[:count, 0],
            nucleus=key.nucleus,
            first=FirstBook(
                seen,
                inputs.penalty[:count],
                self._codes_limit,
                self._state.eos,
                self._min_frames,
            ),
            embedding=Embedding(self._packed.first, embedding),
        )

    def _predict(self, pair: Tensor, key: FrameKey) -> None:
        """Choose the books 1 to 15 from `pair` [M, 2, H]: two positions first, then one by one."""
        inputs, ops, packed = self._inputs, self._ops, self._packed
        count = key.rows
        controls = inputs.controls(1, count)
        x, position, length = pair.flatten(0, 1), 0, 2
        for book in range(1, BOOKS):
            y = self._predictor_layers(self._projected(x), position, length)
            embedding = torch.empty_like(pair[:, 0])
            ops.sample(
                ops.linear(
                    y.view(count, length, -1)[:, -1],
                    packed.heads[book - 1],
                    norm=packed.predictor.norm,
                ),
                inputs.seeds[:count],
                inputs.frames[:count],
                book,
                controls,
                self.codes[:count, book],
                nucleus=key.nucleus,
                embedding=Embedding(packed.others[book - 1], embedding),
            )
            x, position, length = embedding, position + length, 1

    def _projected(self, x: Tensor) -> Tensor:
        if self._packed.projection is None:
            return x
        weight, bias = self._packed.projection
        return self._ops.linear(x, weight, bias)

    def _predictor_layers(self, x: Tensor, position: int, length: int) -> Tensor:
        cache, ops = self._state.frame_cache, self._ops
        transformer = self._packed.predictor
        for number, layer in enumerate(transformer.layers):
            y = ops.attend_frame(
                ops.linear(x, layer.qkv, norm=layer.before),
                layer.heads,
                transformer.cos_sin,
                cache.keys[number],
                cache.values[number],
                position,
                length,
            )
            x = ops.linear(y, layer.out, residual=x)
            y = ops.gate_up(x, layer.gate_up, layer.between)
            x = ops.linear(y, layer.down, residual=x)
        return x
