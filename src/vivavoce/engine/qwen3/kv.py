"""Keys and values of past positions: where they are kept, and how a pass reaches them.

Shapes: B sequences of a pass, T new positions of each, S positions to look at, D per head. All
memory is taken once, when a cache is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from vivavoce.engine.qwen3.memory import zeros
from vivavoce.engine.qwen3.pages import PAGE, pages_for
from vivavoce.engine.qwen3.prefix import KeysValues

if TYPE_CHECKING:
    from collections.abc import Sequence


class View(Protocol):
    """The part of a cache that one pass is about."""

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write a layer's new keys and values, [B, T, kv_heads, D].

        Returns all of them, [B, kv_heads, at least S, D] each, the new ones included.
        """


class PagedCache:
    """A pool of pages, and who has which. [layers, pages, PAGE, kv_heads, D], keys and values.

    A row's pages lie anywhere: no row has to be moved when another one leaves or comes.
    `nobodys` is the page that nobody has: what is padding goes there.
    """

    def __init__(
        self, rows: int, layers: int, pages: int, kv_heads: int, head_dim: int, like: Tensor
    ) -> None:
        shape = (layers, pages + 1, PAGE, kv_heads, head_dim)
        self.keys, self.values = zeros(shape, like), zeros(shape, like)
        self.rows, self.nobodys = rows, pages
        self._free = list(range(pages))[::-1]
        self._pages: list[list[int]] = [[] for _ in range(rows)]

    def take(self, row: int, positions: int) -> None:
        """Give a row, which has none, the pages of so many positions; there are enough free."""
        count = pages_for(positions)
        assert not self._pages[row]
        assert count <= len(self._free)
        self._pages[row] = [self._free.pop() for _ in range(count)]

    def give_back(self, row: int) -> None:
        """Take all of a row's pages back."""
        self._free += reversed(self._pages[row])
        self._pages[row] = []

    def pages_of(self, row: int) -> list[int]:
        """Return a row's pages, in order."""
        return self._pages[row]

    def read(self, row: int, count: int) -> KeysValues:
        """Return a copy of a row's first so many positions."""
        pages, offsets = self._places(row, count)
        return KeysValues(self.keys[:, pages, offsets], self.values[:, pages, offsets])

    def write(self, row: int, kept: KeysValues) -> None:
        """Give a row, which has room for them, its first positions."""
        pages, offsets = self._places(row, len(kept))
        self.keys[:, pages, offsets] = kept.keys
        self.values[:, pages, offsets] = kept.values

    def _places(self, row: int, count: int) -> tuple[Tensor, Tensor]:
        device, own = self.keys.device, self._pages[row]
        pages = torch.tensor([own[place // PAGE] for place in range(count)], device=device)
        return pages, torch.arange(count, device=device) % PAGE

    def view(self, rows: Sequence[int], begins: Sequence[int], counts: Sequence[int]) -> PagedView:
        """Return the view of a pass: of each row, so many positions from the one given on.

        Where a row has fewer than others, what it is given beyond them is padding.
        """
        device, length = self.keys.device, max(counts)
        span = max(begins) + length
        table, pages, offsets = [], [], []
        for row, begin, count in zip(rows, begins, counts, strict=True):
            own = self._pages[row]
            places = range(begin, begin + count)
            padding = length - count
            pages.append([own[place // PAGE] for place in places] + [self.nobodys] * padding)
            offsets.append([place % PAGE for place in places] + [0] * padding)
            seen = own[: pages_for(span)]
            table.append(seen + [self.nobodys] * (pages_for(span) - len(seen)))
        return PagedView(
            self.keys,
            self.values,
            torch.tensor(table, device=device),
            torch.tensor(pages, device=device),
            torch.tensor(offsets, device=device),
        )


@dataclass(frozen=True, slots=True)
class PagedView:
    """See `View`. `table` [B, pages]; `pages` and `offsets` [B, T], where the new ones go."""

    keys: Tensor
    values: Tensor
    table: Tensor
    pages: Tensor
    offsets: Tensor

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See `View.update`."""
        return self._kept(self.keys[layer], keys), self._kept(self.values[layer], values)

    def _kept(self, pool: Tensor, new: Tensor) -> Tensor:
        pool[self.pages, self.offsets] = new
        return pool[self.table].flatten(1, 2).transpose(1, 2)


class FrameCache:
    """The predictor's: few positions, written anew in every frame; [layers, B, kv_heads, S, D]."""

    def __init__(
        self, rows: int, layers: int, length: int, kv_heads: int, head_dim: int, like: Tensor
    ) -> None:
        shape = (layers, rows, kv_heads, length, head_dim)
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)

    def view(self, batch: int, begin: int, end: int) -> FrameView:
        """Return the view of a pass: of the first rows, the positions from `begin` to `end`."""
        return FrameView(self, batch, begin, end)


@dataclass(frozen=True, slots=True)
class FrameView:
    """See `View`."""

    cache: FrameCache
    batch: int
    begin: int
    end: int

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See `View.update`."""
        return self._kept(self.cache.keys[layer], keys), self._kept(
            self.cache.values[layer], values
        )

    def _kept(self, cache: Tensor, new: Tensor) -> Tensor:
        own = cache[: self.batch]
        own[:, :, self.begin : self.end] = new.transpose(1, 2)
        return own[:, :, : self.end]
