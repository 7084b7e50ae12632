"""`driver.GraphDriver` on a CUDA device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from types import TracebackType

    from vivavoce.engine.qwen3.graphs.driver import Work

_PRIORITY = {True: -1, False: 0}
"""The lower, the sooner its work begins."""


class CudaStream:
    """See `driver.Stream`. `pool` is what its graphs share."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        self.pool = torch.cuda.graph_pool_handle()
        self._entered: list[torch.cuda.StreamContext] = []

    def run(self, work: Work) -> None:
        """See `Stream.run`."""
        with torch.cuda.stream(self.stream):
            work()

    def record(self) -> torch.cuda.Event:
        """See `Stream.record`."""
        event = torch.cuda.Event()
        event.record(self.stream)
        return event

    def __enter__(self) -> None:
        context = torch.cuda.stream(self.stream)
        context.__enter__()
        self._entered.append(context)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._entered.pop().__exit__(kind, exc, trace)


class CudaDriver:
    """See `driver.GraphDriver`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def stream(self, *, urgent: bool) -> CudaStream:
        """See `GraphDriver.stream`."""
        return CudaStream(torch.cuda.Stream(self._device, priority=_PRIORITY[urgent]))

    def pinned(self, size: int) -> Tensor:
        """See `GraphDriver.pinned`."""
        return torch.zeros(size, dtype=torch.uint8, pin_memory=True)

    def capture(self, stream: CudaStream, work: Work) -> Work:
        """See `GraphDriver.capture`."""
        stream.run(work)  # compiles kernels, makes libraries' handles and workspaces
        graph = torch.cuda.CUDAGraph()
        # What other threads do with the device, such as pinning memory, does not disturb it.
        with torch.cuda.graph(
            graph, pool=stream.pool, stream=stream.stream, capture_error_mode="thread_local"
        ):
            work()
        return graph.replay

    def synchronize(self) -> None:
        """See `GraphDriver.synchronize`."""
        torch.cuda.synchronize(self._device)

    def held_bytes(self) -> int:
        """See `GraphDriver.held_bytes`."""
        return torch.cuda.memory_reserved(self._device)

    def empty_cache(self) -> None:
        """See `GraphDriver.empty_cache`."""
        torch.cuda.empty_cache()
