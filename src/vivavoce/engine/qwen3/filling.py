"""Reading tensors of a file into memory of one's own, on any device, by several threads.

They read it block by block and copy each block to where its numbers belong, converted on the way.
So nothing is in memory twice but those blocks. A CUDA device fetches them by itself: `Staging`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vivavoce.engine.qwen3.memory import anonymous
from vivavoce.engine.qwen3.threads import share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from vivavoce.engine.qwen3.tensors import Stored, TensorFile

_THREADS = 4
"""Each has blocks of its own. More would hardly read faster."""

_BLOCK_BYTES = {"cpu": 2**20, "cuda": 2**23}
"""A processor reads and converts within its caches. A CUDA device is to be asked seldom, but to pin
memory for it takes time as well.
"""

_ALIGNMENT = 256
"""Of each tensor, in bytes: as torch's own have on a CUDA device."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tensor of the file, the numbers it is to have, and perhaps what is to be made of it then.

    What `lay` makes is memory of its own.
    """

    stored: Stored
    dtype: torch.dtype
    lay: Callable[[Tensor], Tensor] | None = None


def fill(file: TensorFile, wanted: Sequence[Wanted], device: torch.device) -> list[Tensor]:
    """Return what is wanted, in that order.

    What is not laid anew lies side by side in one memory, given back with the last of it.

    Raises:
        EngineUnavailable: the file has become shorter, or its device failed.
    """
    plain = [number for number, one in enumerate(wanted) if one.lay is None]
    memory = _side_by_side([wanted[number] for number in plain], device)
    made = dict(zip(plain, memory, strict=True))
    jobs: list[_Laid | _Block] = [
        _Laid(number, one, made) for number, one in enumerate(wanted) if one.lay is not None
    ]
    jobs += _cut([(wanted[number].stored, made[number]) for number in plain], device)
    if not jobs:
        return []
    stream = _stream(device)

    def begin() -> Callable[[_Laid | _Block], None]:
        staging = Staging(device, stream)
        return lambda job: job.fetch(file, staging)

    threads = _THREADS if stream is not None else min(_THREADS, torch.get_num_threads())
    share(jobs, begin, min(threads, len(jobs)))
    if stream is not None:
        stream.synchronize()  # from now on any stream may use what was copied
    return [made[number] for number in range(len(wanted))]


class Staging:
    """A thread's memory between a file and a device: blocks that take turns.

    For a CUDA device they are pinned, and it copies by itself, in the order of the stream given,
    while the thread reads the next block. So whatever else that stream does with the same memory
    is in order, and no block is lent again before the device is done with it.
    """

    def __init__(self, device: torch.device, stream: torch.cuda.Stream | None) -> None:
        self.device = device
        self._stream = stream
        if stream is not None:
            torch.cuda.set_stream(stream)  # of this thread
        pinned = stream is not None
        turns = [torch.cuda.Event(), torch.cuda.Event()] if pinned else [None]
        size = _BLOCK_BYTES[device.type]
        self._turns = cycle([(_block(size, pinned=pinned), copied) for copied in turns])

    @contextmanager
    def block(self) -> Iterator[Tensor]:
        """Lend a block of bytes, for what is read and copied inside of the context."""
        memory, copied = next(self._turns)
        if copied is not None:
            copied.synchronize()
        yield memory
        if copied is not None:
            copied.record(self._stream)

    def copy(self, numbers: Tensor, target: Tensor) -> None:
        """Copy from the block to the device, converting if need be."""
        if self._stream is not None and numbers.dtype != target.dtype:
            # As it is, to be converted there. Left to itself, torch would do it here, and wait.
            numbers = numbers.to(self.device, non_blocking=True)
        target.copy_(numbers, non_blocking=True)


def _stream(device: torch.device) -> torch.cuda.Stream | None:
    return torch.cuda.current_stream(device) if device.type == "cuda" else None


def _block(size: int, *, pinned: bool) -> Tensor:
    return torch.empty(size, dtype=torch.uint8, pin_memory=pinned)


@dataclass(slots=True)
class _Block:
    """Bytes of the file from `begin` to `end`, and whose they are.

    `parts`: how far from `begin` they begin, their numbers in the file, and where they belong.
    """

    begin: int
    end: int
    parts: list[tuple[int, torch.dtype, Tensor]] = field(default_factory=list)

    def fetch(self, file: TensorFile, staging: Staging) -> None:
        with staging.block() as memory:
            file.read(self.begin, memory[: self.end - self.begin].numpy().data)
            for offset, dtype, target in self.parts:
                part = memory[offset : offset + target.numel() * dtype.itemsize]
                staging.copy(part.view(dtype), target)


@dataclass(frozen=True, slots=True)
class _Laid:
    """A tensor to be laid anew, once it is there as it was."""

    number: int
    wanted: Wanted
    made: dict[int, Tensor]

    def fetch(self, file: TensorFile, staging: Staging) -> None:
        assert self.wanted.lay is not None
        (before,) = _side_by_side([self.wanted], staging.device)
        for block in _cut([(self.wanted.stored, before)], staging.device):
            block.fetch(file, staging)
        self.made[self.number] = self.wanted.lay(before)


def _side_by_side(wanted: Sequence[Wanted], device: torch.device) -> list[Tensor]:
    """Return memory for them, as yet without their values."""
    begins, end = [], 0
    for one in wanted:
        begins.append(end)
        size = one.stored.count * one.dtype.itemsize
        end += -(-size // _ALIGNMENT) * _ALIGNMENT
    if not end:
        return [torch.empty(one.stored.shape, dtype=one.dtype, device=device) for one in wanted]
    if device.type == "cpu":
        memory = torch.frombuffer(anonymous(end), dtype=torch.uint8)
    else:
        memory = torch.empty(end, dtype=torch.uint8, device=device)
    return [
        memory[begin : begin + one.stored.count * one.dtype.itemsize]
        .view(one.dtype)
        .view(one.stored.shape)
        for one, begin in zip(wanted, begins, strict=True)
    ]


def _cut(places: Iterable[tuple[Stored, Tensor]], device: torch.device) -> list[_Block]:
    """Return the blocks to read for tensors and where they belong: what is adjacent, in one."""
    most = _BLOCK_BYTES[device.type]
    blocks = [_Block(0, 0)]
    for stored, tensor in sorted(places, key=lambda place: place[0].begin):
        size = stored.dtype.itemsize
        begin = stored.begin
        for part in tensor.view(-1).split(most // size) if stored.count else ():
            end = begin + part.numel() * size
            last = blocks[-1]
            offset = begin - last.begin
            if begin != last.end or end - last.begin > most or offset % size:
                last, offset = _Block(begin, end), 0
                blocks.append(last)
            last.end = end
            last.parts.append((offset, stored.dtype, part))
            begin = end
    return blocks[1:]
