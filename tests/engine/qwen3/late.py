"""A device that is late: work is done when somebody waits for it, streams in any order.

Captured work is noted operation by operation, and replayed on the same tensors: values that the
host put in when it was captured stay as they were, and what it would read is refused. What a graph
leaves in memory of its own is spoilt after each replay, as another graph would.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], None]


class HostWasAsked(AssertionError):
    """A program that is being captured reads a value, or brings one from the host."""


class Tape(TorchDispatchMode):
    """Notes the operations inside."""

    refused = ("_local_scalar_dense", "nonzero", "is_nonzero", "item", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[torch.Tensor]]] = []
        self.own: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        # A single number becomes a kernel's argument.
        if name in self.refused or (name == "lift_fresh" and args[0].dim()):
            raise HostWasAsked(name)
        made = func(*args, **(kwargs or {}))
        given = {_memory(one) for one in _tensors((args, kwargs))}
        new = [one for one in _tensors(made) if _memory(one) not in given]
        writes = any(one.alias_info and one.alias_info.is_write for one in func._schema.arguments)
        if not new and not writes:
            return made  # a view of what is there
        self.steps.append((func, args, kwargs or {}, new))
        self.own += new
        return made

    @torch.inference_mode()
    def replay(self) -> None:
        for func, args, kwargs, new in self.steps:
            made = func(*args, **kwargs)
            for mine, its in zip(new, _tensors(made) if new else (), strict=True):
                mine.copy_(its)
        for one in self.own:
            one.fill_(float("nan") if one.is_floating_point() else 1)


def _tensors(tree: object) -> list[torch.Tensor]:
    return [one for one in tree_leaves(tree) if isinstance(one, torch.Tensor)]


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class LateEvent:
    def __init__(self, stream: LateStream) -> None:
        self._stream, self._at = stream, stream.given

    def synchronize(self) -> None:
        self._stream.driver.wander()
        self._stream.go_on(self._at)
        self._stream.driver.wander()

    @property
    def done(self) -> bool:
        return self._stream.done >= self._at


class LateStream:
    """See `Stream`."""

    def __init__(self, driver: LateDriver) -> None:
        self.driver = driver
        self.given = self.done = 0
        self._queue: list[Work] = []

    def run(self, work: Work) -> None:
        self._queue.append(work)
        self.given += 1
        if self.driver.at_once:
            self.go_on(self.given)
        self.driver.wander()

    def record(self) -> LateEvent:
        return LateEvent(self)

    def go_on(self, until: int) -> None:
        while self.done < min(until, self.given):
            self.done += 1
            self._queue.pop(0)()

    def __enter__(self) -> None:
        self.go_on(self.given)

    def __exit__(self, *_: object) -> None:
        pass


class LateDriver:
    """See `GraphDriver`. With `hurry` 0 nothing is done before it must, with 1 nearly all.

    `at_once`: what fails, fails where it is launched.
    """

    def __init__(self, seed: int = 0, hurry: float = 0.2) -> None:
        self.streams: list[LateStream] = []
        self.captures = 0
        self.replays = 0
        self.fails: Exception | None = None
        self.graph_bytes = 1
        self.at_once = False
        self._random = random.Random(seed)
        self._hurry = hurry

    def stream(self, *, urgent: bool) -> LateStream:
        self.streams.append(LateStream(self))
        return self.streams[-1]

    def pinned(self, size: int) -> torch.Tensor:
        return torch.zeros(size, dtype=torch.uint8)

    def capture(self, stream: LateStream, work: Work) -> Work:
        stream.go_on(stream.given)
        work()
        if self.fails is not None:
            raise self.fails
        with Tape() as tape:
            work()
        self.captures += 1

        def replay() -> None:
            self.replays += 1
            tape.replay()

        return replay

    def synchronize(self) -> None:
        for stream in self.streams:
            stream.go_on(stream.given)

    def held_bytes(self) -> int:
        return self.captures * self.graph_bytes

    def empty_cache(self) -> None:
        pass

    def wander(self) -> None:
        """Let streams go on by themselves, some of the way."""
        for stream in self._random.sample(self.streams, len(self.streams)):
            if self._random.random() < self._hurry:
                stream.go_on(stream.done + self._random.randint(0, 2))
