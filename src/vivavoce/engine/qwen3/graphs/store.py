"""Which variants of a program are captured, which are wanted, and when no more are made.

A variant that is not captured is launched as it is, or a larger one that is captured serves. What
was missed is wanted, and captured when nobody would notice: it takes tenths of a second.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.qwen3.graphs.driver import Stream, Work
    from vivavoce.engine.qwen3.graphs.graphed import GraphOptions


class Key(Protocol):
    """Which variant; the smaller serves fewer."""

    def serves(self, other: Self) -> bool:
        """Tell whether this variant does for what the other is for."""

    def __lt__(self, other: Self) -> bool: ...


K = TypeVar("K", bound=Key)


class GraphStore(Generic[K]):
    """The graphs of a program on one stream, by variant.

    `program` launches a variant; `empty` makes it harmless to do so: its rows are nobody's. Why no
    more are captured is told once.
    """

    def __init__(
        self,
        options: GraphOptions,
        stream: Stream,
        program: Callable[[K], None],
        empty: Work,
    ) -> None:
        self.captured: dict[K, Work] = {}
        self.bytes = 0
        self.took_s = 0.0
        self._driver, self._stream = options.driver, stream
        self._program, self._empty = program, empty
        self._most_bytes = options.most_bytes
        self._tell = options.tell
        self._wanted: dict[K, None] = {}
        self._open = self._most_bytes > 0

    @property
    def wants(self) -> bool:
        """Whether something is to be captured."""
        return bool(self._wanted)

    def work(self, key: K) -> Work:
        """Return what does a variant's work, to be run on the stream."""
        exact = self.captured.get(key)
        if exact is not None:
            return exact
        self.want(key)
        larger = min((one for one in self.captured if one.serves(key)), default=None)
        if larger is not None:
            return self.captured[larger]
        return lambda: self._program(key)

    def want(self, key: K) -> None:
        """Have a variant captured, if there is still room."""
        if self._open and key not in self.captured:
            self._wanted[key] = None

    def capture(self) -> None:
        """Capture the smallest variant that is wanted. Nothing is lost where that fails."""
        key = min(self._wanted)
        del self._wanted[key]
        began_s, before = time.monotonic(), self._driver.held_bytes()
        self._stream.run(self._empty)
        try:
            work = self._driver.capture(self._stream, lambda: self._program(key))
        except Exception as exc:  # whatever it was, frames are still made; if not, they will tell
            self._close(f"{key} could not be captured: {str(exc).partition(chr(10))[0]}")
            self._driver.empty_cache()
            return
        self.captured[key] = work
        self.took_s += time.monotonic() - began_s
        self.bytes += max(self._driver.held_bytes() - before, 0)
        if self.bytes >= self._most_bytes:
            self._close(f"{len(self.captured)} of them have taken {self.bytes / 2**20:.0f} MiB")

    def _close(self, reason: str) -> None:
        self._open = False
        self._wanted.clear()
        self._tell(f"No more CUDA graphs are made, the rest is launched directly: {reason}")
