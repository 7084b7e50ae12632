"""All that is made as graphs for one model: frames on one stream, sound on another."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vivavoce.engine.qwen3.graphs.frames import AHEAD, FrameMaker
from vivavoce.engine.qwen3.graphs.sound import SoundMaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.qwen3.codec.arena import CodecArena
    from vivavoce.engine.qwen3.generation import Generation
    from vivavoce.engine.qwen3.graphs.driver import GraphDriver, Stream
    from vivavoce.engine.qwen3.ops.base import Operations
    from vivavoce.engine.qwen3.talker import Talker


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """How graphs are made. Those of frames take at most `most_bytes` of memory, so do the others.

    `tell` is told in a line what an operator should know.
    """

    driver: GraphDriver
    ops: Operations
    most_bytes: int
    tell: Callable[[str], None] = _tell


class Graphed:
    """Makers of frames and of sound. `ahead`: see `Batch.ahead`."""

    ahead = AHEAD

    def __init__(
        self,
        talker: Talker,
        generation: Generation,
        arena: CodecArena,
        stream: Stream,
        options: GraphOptions,
    ) -> None:
        self.frames = FrameMaker(talker, generation, stream, options)
        self.sound = SoundMaker(arena, options)
        options.driver.synchronize()  # what was laid out here, two streams are about to use

    @property
    def wants(self) -> bool:
        """Whether something was missed that may be captured."""
        return self.frames.graphs.wants or self.sound.graphs.wants

    def capture(self) -> None:
        """Capture one graph that was missed, of frames first."""
        store = self.frames.graphs if self.frames.graphs.wants else self.sound.graphs
        store.capture()

    def want_first(self) -> None:
        """Have captured what the first listeners need: one or two of them, the first chunks."""
        self.frames.want_first()
        self.sound.want_first()
