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
        self.rows = rows
        self._decoder = decoder
        self._states = decoder.start(rows)
        self._frames = [0] * rows

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self._states.frames.device

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
        self.note(rows, codes.shape[-1])
        return samples

    @torch.inference_mode()
    def decode_at(self, rows: Tensor, codes: Tensor) -> Tensor:
        """Do the same for streams whose rows [B] only the device knows; see `note`.

        Reads nothing back, so that it can be captured in a graph. One row may be there more than
        once if what becomes of it does not matter.
        """
        states = self._states
        before = CodecState(
            states.frames.index_select(0, rows),
            states.keys.index_select(1, rows),
            states.values.index_select(1, rows),
            [conv.index_select(0, rows) for conv in states.convs],
            self._decoder.config.sliding_window,  # as if all had come so far: the rest is masked
        )
        samples, after = self._decoder(codes, before)
        states.frames.index_copy_(0, rows, after.frames)
        states.keys.index_copy_(1, rows, after.keys)
        states.values.index_copy_(1, rows, after.values)
        for conv, new in zip(states.convs, after.convs, strict=True):
            conv.index_copy_(0, rows, new)
        return samples

    def note(self, rows: Sequence[int], frames: int) -> None:
        """Note that some streams have gone on by so many frames."""
        for row in rows:
            self._frames[row] += frames

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
