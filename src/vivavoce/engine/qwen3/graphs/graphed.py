"""All that is made as graphs for one model: frames on one stream, sound on another."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vivavoce.engine.qwen3 import faults
from vivavoce.engine.qwen3.graphs.frames import AHEAD, FrameMaker
from vivavoce.engine.qwen3.graphs.sound import SoundMaker

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from vivavoce.engine.qwen3.codec.arena import CodecArena
    from vivavoce.engine.qwen3.generation import Generation
    from vivavoce.engine.qwen3.graphs.driver import GraphDriver, Stream
    from vivavoce.engine.qwen3.model import Qwen3TTS
    from vivavoce.engine.qwen3.ops.base import Operations


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


def choose(device: torch.device, dtype: torch.dtype, most_bytes: int) -> GraphOptions | None:
    """Return how graphs are made there; None where there are none."""
    if device.type != "cuda":
        return None
    from vivavoce.engine.qwen3.graphs.cuda import CudaDriver
    from vivavoce.engine.qwen3.ops import choose as operations

    chosen = operations.load(operations.choose(device, dtype))
    return GraphOptions(CudaDriver(device), chosen, most_bytes)


class Graphed:
    """Makers of frames and of sound. `ahead`: see `Batch.ahead`."""

    ahead = AHEAD

    def __init__(
        self,
        model: Qwen3TTS,
        generation: Generation,
        arena: CodecArena,
        stream: Stream,
        options: GraphOptions,
    ) -> None:
        self.frames = FrameMaker(model.talker, generation, stream, options)
        self.sound = SoundMaker(arena, options)
        self.frames.try_out()
        options.driver.synchronize()  # what was laid out here, two streams are about to use
        options.driver.empty_cache()  # the weights as they were read

    @classmethod
    def build(
        cls,
        model: Qwen3TTS,
        generation: Generation,
        arena: CodecArena,
        stream: Stream,
        options: GraphOptions,
    ) -> Graphed | None:
        """Return them, if the program runs on this device; else say why not.

        Raises:
            Exception: there is no memory for it, or the device is lost. See `faults`.
        """
        try:
            return cls(model, generation, arena, stream, options)
        except Exception as exc:
            if faults.is_out_of_memory(exc) or faults.is_fatal(exc):
                raise
            options.tell(f"Frames are made without CUDA graphs: {faults.first_line(exc)}")
            return None

    @property
    def wants(self) -> bool:
        """Whether something was missed that may be captured."""
        return self.frames.graphs.wants or self.sound.graphs.wants

    def capture(self) -> None:
        """Capture one graph that was missed, of frames first."""
        if self.frames.graphs.wants:
            self.frames.graphs.capture()
        else:
            self.sound.graphs.capture()

    def capture_first(self) -> None:
        """Capture what the first listeners need: a frame for one or two of them, first chunks."""
        for graphs in (self.frames.first(), self.sound.first()):
            while graphs.wants:
                graphs.capture()
