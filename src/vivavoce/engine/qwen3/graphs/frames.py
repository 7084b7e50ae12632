"""Frames made by the program, enqueued one ahead of what the host has read.

The host uploads what it knows of the rows, and reads codes when their event is done: by then the
next frame is on its way already, and the device never waits for the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vivavoce.engine.qwen3.generation import CODES, MIN_FRAMES
from vivavoce.engine.qwen3.graphs.driver import next_size
from vivavoce.engine.qwen3.graphs.frame import BOOKS, FrameKey, FrameProgram
from vivavoce.engine.qwen3.graphs.inputs import HostInputs, Inputs
from vivavoce.engine.qwen3.graphs.packed import PackedTalker
from vivavoce.engine.qwen3.graphs.store import GraphStore
from vivavoce.engine.qwen3.pages import PAGE, pages_for

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from torch import Tensor

    from vivavoce.engine.qwen3.generation import Generation, Sequence
    from vivavoce.engine.qwen3.graphs.driver import Event, Stream
    from vivavoce.engine.qwen3.graphs.graphed import GraphOptions
    from vivavoce.engine.qwen3.talker import Talker

SPANS = (256, 1024, 4096, 16384)
"""Graphs are for positions below one of these: attention reads as far, at most."""

AHEAD = 1
"""So many frames may be on their way when another one is enqueued."""


@dataclass(slots=True)
class _Slot:
    """Pinned memory of a frame on its way. `done`: the device no longer touches it."""

    inputs: HostInputs
    codes: Tensor
    done: Event | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """A frame on its way. It is to be read before as many others were enqueued as there are slots.

    What it means for a sequence that has ended by then is nothing.
    """

    slot: _Slot
    rows: int

    def read(self) -> list[list[int]]:
        """Wait for it, and return 16 codes of each sequence."""
        assert self.slot.done is not None
        self.slot.done.synchronize()
        codes: list[list[int]] = self.slot.codes[: self.rows].tolist()
        return codes


class FrameMaker:
    """Makes frames for the sequences of a generation, on a stream that is used for nothing else."""

    def __init__(
        self, talker: Talker, generation: Generation, stream: Stream, options: GraphOptions
    ) -> None:
        driver = options.driver
        self._generation = generation
        self._stream = stream
        self._most_rows = rows = generation.cache.rows
        self._span = min(SPANS[-1], PAGE * generation.cache.nobodys)
        pages = pages_for(self._span)
        size = Inputs.bytes_for(rows, pages)
        device = generation.embedded.device
        memory = torch.zeros(size, dtype=torch.uint8, device=device)
        self._inputs = Inputs(memory, rows, pages)
        self._program = FrameProgram(
            generation,
            PackedTalker.of(talker, self._span),
            options.ops,
            self._inputs,
            CODES,
            MIN_FRAMES,
        )
        self._empty = HostInputs(driver.pinned(size), rows, pages)
        self._empty.write([], generation.cache)
        self._slots = [
            _Slot(
                HostInputs(driver.pinned(size), rows, pages),
                driver.pinned(rows * BOOKS * 8).view(torch.long).view(rows, BOOKS),
            )
            for _ in range(AHEAD + 1)
        ]
        self._next = 0
        self.graphs: GraphStore[FrameKey] = GraphStore(
            options, stream, self._program.run, lambda: self._upload(self._empty)
        )

    def try_out(self) -> None:
        """Run the program once, for nobody: what cannot be compiled here shows itself now."""
        self._stream.run(lambda: self._upload(self._empty))
        self._stream.run(lambda: self._program.run(self._smallest))
        self._stream.record().synchronize()

    def first(self) -> GraphStore[FrameKey]:
        """Want the variants that make the first frames of one listener, or two."""
        for rows in {1, min(2, self._most_rows)}:
            self.graphs.want(self._smallest._replace(rows=rows))
        return self.graphs

    @property
    def _smallest(self) -> FrameKey:
        return FrameKey(1, min(SPANS[0], self._span), False)

    def serves(self, sequences: Several[Sequence]) -> bool:
        """Tell whether the program reaches as far as they have come."""
        return max(one.position for one in sequences) < self._span

    def step(self, sequences: Several[Sequence]) -> Flight:
        """Enqueue the next frame of each, all of which `can_step`."""
        slot = self._slots[self._next]
        if slot.done is not None:
            slot.done.synchronize()
        slot.inputs.write(sequences, self._generation.cache)
        text = [self._generation.next_text(one) for one in sequences]
        work = self.graphs.work(self.key(sequences))
        program, count = self._program, len(sequences)

        @torch.inference_mode()
        def launch() -> None:
            self._upload(slot.inputs)
            torch.stack(text, out=program.text[:count])
            work()
            slot.codes.copy_(program.codes, non_blocking=True)

        try:
            self._stream.run(launch)
        finally:  # if that failed: who tries again waits for what was launched of it
            slot.done = self._stream.record()
        self._next = (self._next + 1) % len(self._slots)
        for one in sequences:
            one.frames += 1
        return Flight(slot, count)

    def key(self, sequences: Several[Sequence]) -> FrameKey:
        """Return the variant of the program that makes their next frame."""
        last = max(one.position for one in sequences)
        span = next((span for span in SPANS if last < span), SPANS[-1])
        nucleus = any(
            sampling.do_sample and sampling.top_p < 1
            for one in sequences
            for sampling in (one.controls.talker, one.controls.predictor)
        )
        rows = next_size(len(sequences), self._most_rows)
        return FrameKey(rows, min(span, self._span), nucleus)

    @torch.inference_mode()
    def _upload(self, inputs: HostInputs) -> None:
        self._inputs.memory.copy_(inputs.memory, non_blocking=True)
