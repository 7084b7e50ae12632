"""The codec's past of all streams in one place, so that any of them can be decoded side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vivavoce.engine.qwen3.codec.decoder import CodecDecoder, CodecState

if TYPE_CHECKING:
    from collections.abc import Sequence


class CodecArena:
    """The states of so many streams, addressed by row."""

    def __init__(self, decoder: CodecDecoder, rows: int) -> None:
        self._decoder = decoder
        self._states = decoder.start(rows)
        self._frames = [0] * rows

    @torch.inference_mode()
    def begin(self, row: int, before: CodecState) -> None:
        """Let a stream begin in a row, after what is past in the state of one stream."""
        self._write(slice(row, row + 1), before)
        self._frames[row] = before.longest

    @torch.inference_mode()
    def decode(self, rows: Sequence[int], codes: Tensor) -> Tensor:
        """Return samples [B, T * 1920] of the next codes [B, 16, T] of some streams.

        Raising, it has changed nothing.
        """
        states, index = self._states, _index(rows)
        before = CodecState(
            states.frames[index],
            states.keys[:, index],
            states.values[:, index],
            [conv[index] for conv in states.convs],
            max(self._frames[row] for row in rows),
        )
        samples, after = self._decoder(codes, before)
        self._write(index, after)
        for row in rows:
            self._frames[row] += codes.shape[-1]
        return samples

    def _write(self, rows: slice | list[int], state: CodecState) -> None:
        states = self._states
        states.frames[rows] = state.frames
        states.keys[:, rows] = state.keys
        states.values[:, rows] = state.values
        for conv, new in zip(states.convs, state.convs, strict=True):
            conv[rows] = new


def _index(rows: Sequence[int]) -> slice | list[int]:
    """Return what rows are found by: in place if they lie side by side in order, else copied."""
    first, count = rows[0], len(rows)
    if list(rows) == list(range(first, first + count)):
        return slice(first, first + count)
    return list(rows)
