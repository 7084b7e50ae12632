"""Sound made by a program on a stream of its own, beside the frames that are being made.

It needs no event of the frames' stream: what it decodes are codes that the host has read, and the
host waits for the sound before it lets anybody else have a stream's row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from vivavoce.engine.qwen3.graphs.driver import next_size
from vivavoce.engine.qwen3.graphs.frame import BOOKS
from vivavoce.engine.qwen3.graphs.store import GraphStore
from vivavoce.engine.qwen3.piece import CHUNK_FRAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from vivavoce.engine.qwen3.codec.arena import CodecArena
    from vivavoce.engine.qwen3.graphs.driver import Event
    from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
    from vivavoce.types import Samples

FRAME_SAMPLES = 1920
_MOST_FRAMES = CHUNK_FRAMES[-1]
"""Of a stream at a time. More are due only where it was held up: that goes without the program."""


class SoundKey(NamedTuple):
    """Which variant of the program: for so many rows, and frames of each."""

    rows: int
    frames: int

    def serves(self, other: SoundKey) -> bool:
        """Tell whether this one does for what the other is for."""
        return self.frames == other.frames and self.rows >= other.rows


class SoundMaker:
    """Decodes frames of an arena's streams. Its last row is to be nobody's."""

    def __init__(self, arena: CodecArena, options: GraphOptions) -> None:
        driver = options.driver
        self._arena = arena
        self._most_rows = rows = arena.rows - 1
        self._stream = driver.stream(urgent=False)
        self._done: Event | None = None
        codes = rows * BOOKS * _MOST_FRAMES
        samples = rows * FRAME_SAMPLES * _MOST_FRAMES
        device = arena.device
        self._rows = torch.full((rows,), rows, dtype=torch.long, device=device)
        self._codes = torch.zeros(codes, dtype=torch.long, device=device)
        self._samples = torch.zeros(samples, dtype=torch.float32, device=device)
        self._host_rows = driver.pinned(8 * rows).view(torch.long)
        self._host_codes = driver.pinned(8 * codes).view(torch.long)
        self._host_samples = driver.pinned(4 * samples).view(torch.float32)
        self._nobodys = torch.full_like(self._rows, rows)
        self.graphs: GraphStore[SoundKey] = GraphStore(
            options, self._stream, self._run, self._make_empty
        )

    def first(self) -> GraphStore[SoundKey]:
        """Want the variants that make one listener's chunks."""
        for frames in CHUNK_FRAMES:
            self.graphs.want(SoundKey(1, frames))
        return self.graphs

    def decode(self, rows: Sequence[int], frames: Sequence[Sequence[list[int]]]) -> list[Samples]:
        """Return the sound of each row's next frames, as many of each: samples [T * 1920]."""
        count, length = len(rows), len(frames[0])
        codes = torch.tensor(frames).transpose(1, 2)
        if length > _MOST_FRAMES:
            with self._stream:
                samples = self._arena.decode(rows, codes.to(self._rows.device))
                return list(samples.float().cpu().numpy())
        key = SoundKey(next_size(count, self._most_rows), length)
        work = self.graphs.work(key)
        if self._done is not None:  # it was, unless what was launched last has failed
            self._done.synchronize()
        self._host_rows.fill_(self._most_rows)
        self._host_rows[:count] = torch.tensor(rows)
        self._host_codes[: codes.numel()] = codes.flatten()
        heard = count * length * FRAME_SAMPLES

        @torch.inference_mode()
        def launch() -> None:
            self._rows.copy_(self._host_rows, non_blocking=True)
            self._codes.copy_(self._host_codes, non_blocking=True)
            work()
            self._host_samples[:heard].copy_(self._samples[:heard], non_blocking=True)

        try:
            self._stream.run(launch)
        finally:
            self._done = self._stream.record()
        self._done.synchronize()
        self._arena.note(rows, length)
        return list(self._host_samples[:heard].view(count, -1).clone().numpy())

    @torch.inference_mode()
    def _run(self, key: SoundKey) -> None:
        codes = _part(self._codes, key.rows, BOOKS, key.frames)
        samples = self._arena.decode_at(self._rows[: key.rows], codes)
        _part(self._samples, key.rows, FRAME_SAMPLES * key.frames).copy_(samples)

    @torch.inference_mode()
    def _make_empty(self) -> None:
        self._rows.copy_(self._nobodys)


def _part(memory: Tensor, *shape: int) -> Tensor:
    return memory[: torch.Size(shape).numel()].view(shape)
