"""What the host knows of the rows of a frame: one block of memory, uploaded as one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.ops.base import Controls

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from torch import Tensor

    from vivavoce.engine.qwen3.generation import Sequence
    from vivavoce.engine.qwen3.kv import PagedCache
    from vivavoce.engine.qwen3.sampling import Sampling

_NO_POSITION = -1


class Inputs:
    """Rows of a frame in a block of bytes, on the device or pinned on the host.

    [rows] each: `rows`, where a row's state is kept; `seeds`, `frames` and `positions`; `penalty`;
    `talker` and `predictor`, how they sample. `table` [rows, pages]: its pages.
    """

    def __init__(self, memory: Tensor, rows: int, pages: int) -> None:
        self.memory = memory
        parts = iter(memory.split(_sizes(rows, pages)))

        def numbers(dtype: torch.dtype, *shape: int) -> Tensor:
            return next(parts)[: math.prod(shape) * dtype.itemsize].view(dtype).view(shape)

        self.rows, self.seeds, self.frames, self.positions = numbers(torch.long, 4, rows)
        self.top_k = numbers(torch.long, 2, rows)
        self.top_p = numbers(torch.float64, 2, rows)
        self.temperature = numbers(torch.float32, 2, rows)
        self.penalty = numbers(torch.float32, rows)
        self.samples = numbers(torch.bool, 2, rows)
        self.table = numbers(torch.int32, rows, pages)

    @staticmethod
    def bytes_for(rows: int, pages: int) -> int:
        """Return how large the block is."""
        return sum(_sizes(rows, pages))

    def controls(self, sampler: int, rows: int) -> Controls:
        """Return how the first rows sample: the talker (0) or the predictor (1)."""
        return Controls(
            self.samples[sampler, :rows],
            self.temperature[sampler, :rows],
            self.top_k[sampler, :rows],
            self.top_p[sampler, :rows],
        )


class HostInputs(Inputs):
    """The same on the host, where it is written."""

    def __init__(self, memory: Tensor, rows: int, pages: int) -> None:
        super().__init__(memory, rows, pages)
        memory.zero_()
        self.temperature.fill_(1.0)
        self.top_p.fill_(1.0)
        self._rows, self._positions = self.rows.numpy(), self.positions.numpy()
        self._seeds, self._frames = self.seeds.numpy(), self.frames.numpy()
        self._penalty, self._table = self.penalty.numpy(), self.table.numpy()
        self._sampling = [
            tuple(part[sampler].numpy() for part in self._parts) for sampler in range(2)
        ]

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.samples, self.temperature, self.top_k, self.top_p

    def write(self, sequences: Several[Sequence], cache: PagedCache) -> None:
        """Write sequences about to make their next frame. The rows after theirs are none."""
        count = len(sequences)
        controls = [one.controls for one in sequences]
        self._rows[:] = cache.rows  # the place of nobody
        self._positions[:] = _NO_POSITION
        self._rows[:count] = [one.row for one in sequences]
        self._positions[:count] = [one.position for one in sequences]
        self._seeds[:count] = [c.seed for c in controls]
        self._frames[:count] = [one.frames for one in sequences]
        self._penalty[:count] = [c.repetition_penalty for c in controls]
        self._write_sampling(0, [c.talker for c in controls])
        self._write_sampling(1, [c.predictor for c in controls])
        self._table[:count] = cache.nobodys
        for row, one in zip(self._table, sequences, strict=False):
            pages = cache.pages_of(one.row)
            row[: len(pages)] = pages[: len(row)]

    def _write_sampling(self, sampler: int, wanted: list[Sampling]) -> None:
        samples, temperature, top_k, top_p = self._sampling[sampler]
        samples[: len(wanted)] = [one.do_sample for one in wanted]
        temperature[: len(wanted)] = [one.temperature for one in wanted]
        top_k[: len(wanted)] = [one.top_k for one in wanted]
        top_p[: len(wanted)] = [one.top_p for one in wanted]


def _sizes(rows: int, pages: int) -> list[int]:
    """Return the bytes of each part, each a multiple of 16."""
    parts = [4 * 8 * rows, 2 * 8 * rows, 2 * 8 * rows, 2 * 4 * rows, 4 * rows, 2 * rows]
    parts.append(4 * rows * pages)
    return [-(-size // 16) * 16 for size in parts]
