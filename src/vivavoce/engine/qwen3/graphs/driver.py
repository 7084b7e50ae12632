"""What graphs ask of a device: streams, events, pinned memory, capture.

`cuda` has it for real. Tests have one that puts work off and changes the order of streams as far as
events allow, so that an order that nobody asked for shows as wrong codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from torch import Tensor

    Work = Callable[[], None]


class Event(Protocol):
    """A moment of a stream: when it has done all that it was given before."""

    def synchronize(self) -> None:
        """Wait for it. What the stream wrote into pinned memory by then may be read."""


class Stream(Protocol):
    """A queue of a device's work, done in order; two streams know nothing of each other.

    As a context: what is launched inside comes after all that the stream was given.
    """

    def run(self, work: Work) -> None:
        """Have `work` done after what was given before. Returns before it is done.

        What `work` launches may touch memory of the host only if it is pinned, and the host leaves
        that alone until an event after it.
        """

    def record(self) -> Event:
        """Return the moment when all that it was given by now is done."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class GraphDriver(Protocol):
    """A device. Of the thread that owns the model alone."""

    def stream(self, *, urgent: bool) -> Stream:
        """Return a new stream; the device prefers an urgent one's work."""

    def pinned(self, size: int) -> Tensor:
        """Return so many bytes of the host's memory that the device reads and writes by itself."""

    def capture(self, stream: Stream, work: Work) -> Work:
        """Return what replays all that `work` launches, on the memory that it was launched with.

        `work` is done twice: once as it is, so that everything is compiled and loaded, and once to
        be noted. The graphs of a stream share memory for what lives only while they run, so two of
        them never run at once. To be replayed on that stream alone.
        """

    def synchronize(self) -> None:
        """Wait until all streams have done all that they were given."""

    def held_bytes(self) -> int:
        """Return how much of the device's memory is taken, in use or not."""

    def empty_cache(self) -> None:
        """Give back what is taken and not in use."""


def next_size(count: int, most: int) -> int:
    """Return the number of rows that graphs for `count` have: a power of two, or `most`."""
    return min(1 << (count - 1).bit_length(), most)
