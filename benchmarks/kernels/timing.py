"""How long a call takes on a card, and how fast the card reads."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_CALLS = 20
"""Calls of one graph, each after the cache was flushed."""
_READ_BYTES = 2**30


class Card:
    """The current CUDA device. Calls are timed in graphs, as frames are: no host between kernels.

    A graph of calls, each after a flush, is compared with a graph of as many flushes. The flush
    reads twice what the L2 cache holds, so that nothing of a call is found there.
    """

    def __init__(self, repeats: int) -> None:
        self._repeats = repeats
        size = 2 * torch.cuda.get_device_properties(0).L2_cache_size
        self._flushed = torch.zeros(size // 4, device="cuda")
        self._flush_us = self._replayed_us(self._flush)

    def time_us(self, call: Callable[[], Any]) -> float:
        """Return the microseconds of a call whose inputs are in memory, not in a cache."""

        def flushed() -> None:
            self._flush()
            call()

        return max(self._replayed_us(flushed) - self._flush_us, 0.0)

    def read_gb_per_s(self) -> float:
        """Return how fast it reads a GiB: what the figures are shares of."""
        block = torch.zeros(_READ_BYTES // 4, device="cuda")
        return _READ_BYTES / 1e3 / self._replayed_us(lambda: block.sum())

    def _flush(self) -> Tensor:
        return self._flushed.sum()

    def _replayed_us(self, call: Callable[[], Any]) -> float:
        call()  # compiles, before anything is captured
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(_CALLS):
                call()
        return statistics.median(_replay_ms(graph) for _ in range(self._repeats)) * 1000 / _CALLS


def _replay_ms(graph: torch.cuda.CUDAGraph) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    graph.replay()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)
