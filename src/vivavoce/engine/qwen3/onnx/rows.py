"""Keys and values as onnxruntime's attention reads and writes them: each row's in one piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.memory import zeros
from vivavoce.engine.qwen3.prefix import KeysValues

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK = 256
"""Positions by which room is made."""


class RowCache:
    """[layers, rows, kv_heads, capacity, head_dim], keys and values.

    The counterpart of `kv.PagedCache`. All rows have room for the longest of them; the system gives
    memory only where something was written, and gets all of it back once no row is in use.
    """

    def __init__(self, rows: int, layers: int, kv_heads: int, head_dim: int) -> None:
        self._shape = (layers, rows, kv_heads, head_dim)
        self._next: dict[int, int] = {}
        self.keys = self.values = self._empty(0)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._shape[1]

    @property
    def capacity(self) -> int:
        """How many positions a row has room for."""
        return self.keys.shape[3]

    def take(self, row: int, positions: int) -> None:
        """Make room for so many positions in a row, which nobody has."""
        assert row not in self._next
        if positions >= self.capacity:  # one place is to be left after them
            capacity = -(-(positions + 1) // _BLOCK) * _BLOCK
            grown = [self._empty(capacity) for _ in range(2)]
            for new, old in zip(grown, (self.keys, self.values), strict=True):
                for used, end in self._next.items():
                    new[:, used, :, :end] = old[:, used, :, :end]
            self.keys, self.values = grown
        self._next[row] = 0

    def give_back(self, row: int) -> None:
        """Take a row back."""
        del self._next[row]
        if not self._next:
            self.keys = self.values = self._empty(0)

    def read(self, row: int, count: int) -> KeysValues:
        """Return a copy of a row's first so many positions."""
        kept = (cache[:, row, :, :count].transpose(1, 2) for cache in (self.keys, self.values))
        return KeysValues(*(one.clone(memory_format=torch.contiguous_format) for one in kept))

    def write(self, row: int, kept: KeysValues) -> None:
        """Give a row, which has room for them, its first positions."""
        for cache, of in ((self.keys, kept.keys), (self.values, kept.values)):
            cache[:, row, :, : len(kept)] = of.transpose(1, 2)
        self._next[row] = len(kept)

    def of(self, first: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values of some rows."""
        return self.keys[:, first:end], self.values[:, first:end]

    def next_places(self, first: int, end: int) -> list[int]:
        """Return of some rows where something may be written that nobody will look at."""
        return [min(self._next.get(row, 0), self.capacity - 1) for row in range(first, end)]

    def view(self, rows: Sequence[int], begins: Sequence[int], counts: Sequence[int]) -> RowView:
        """Return the view of a pass: of each row, so many positions from the one given on."""
        for row, begin, count in zip(rows, begins, counts, strict=True):
            self._next[row] = begin + count
        return RowView(self, rows, begins, counts)

    def _empty(self, capacity: int) -> torch.Tensor:
        layers, rows, kv_heads, head_dim = self._shape
        return zeros((layers, rows, kv_heads, capacity, head_dim), torch.empty(0))


@dataclass(frozen=True, slots=True)
class RowView:
    """One pass: T is the largest of `counts`."""

    cache: RowCache
    rows: Sequence[int]
    begins: Sequence[int]
    counts: Sequence[int]
