"""The thread that owns a model. What comes from other threads comes in by its door.

Nothing else touches the model, so nothing needs a lock but the door.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from vivavoce.engine.base import EngineBroken
from vivavoce.engine.qwen3 import faults
from vivavoce.engine.qwen3.turn import Turn
from vivavoce.errors import SynthesisFailed
from vivavoce.types import SpeechReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from vivavoce.engine.qwen3.loop import Loop
    from vivavoce.engine.qwen3.stream import QwenStream

T = TypeVar("T")


class Runner:
    """Runs a loop in a thread of its own. All methods may be called from any thread.

    All that the thread does it does in the `context`, a stream of a device.
    """

    def __init__(self, loop: Loop, context: AbstractContextManager[object] | None = None) -> None:
        self.steps = 0
        self._context = context or nullcontext()
        self._loop = loop
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._closing = False
        self._broken: EngineBroken | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="qwen3", daemon=True)
        self._thread.start()

    def submit(self, stream: QwenStream) -> None:
        """Speak a request, after those that wait already."""
        with self._changed:
            if self._broken is not None:
                stream.fail(self._broken)
            elif self._closing:
                stream.end(SpeechReport())
            else:
                self._loop.add(Turn(stream, time.monotonic()))
                self._changed.notify()

    def wake(self) -> None:
        """Look again: somebody left, took what was made, or wrote more."""
        with self._changed:
            self._changed.notify()

    @property
    def broken(self) -> str | None:
        """See `Engine.broken`."""
        return None if self._broken is None else str(self._broken)

    def tick(self) -> None:
        """Count a step of work; by the owning thread."""
        self.steps += 1

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done by the owning thread between two frames.

        It may be done twice, where memory does not suffice the first time.

        Raises:
            SynthesisFailed: the engine is closed.
            OutOfMemory, EngineBroken: as `faults.attempt`.
        """
        result: Future[T] = Future()
        with self._changed:
            if self._broken is not None:
                raise self._broken
            if self._closing:
                raise _shutting_down()
            self._calls.append((work, result))
            self._changed.notify()
        return result.result()

    def close(self) -> None:
        """End the thread; open streams end where they are, without an error."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._context:
                self._work()
        except EngineBroken as exc:
            self._leave(exc)
        except Exception as exc:  # whatever was being made, nobody could tell its state
            broken = EngineBroken(f"{type(exc).__name__}: {faults.first_line(exc)}")
            broken.__cause__ = exc
            self._leave(broken)
        else:
            self._leave(None)

    def _work(self) -> None:
        loop = self._loop
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._closing:
                    return
            self._answer_calls()
            loop.once()
            self.tick()

    def _has_work(self) -> bool:
        return bool(self._closing or self._calls or self._loop.has_work)

    def _answer_calls(self) -> None:
        while self._calls:
            work, result = self._calls[0]  # it stays until it is answered, whatever happens
            try:
                result.set_result(faults.attempt_twice(work))
            except EngineBroken:
                raise
            except Exception as exc:
                self._loop.note(exc)
                result.set_exception(exc)
            with self._changed:
                self._calls.pop(0)

    def _leave(self, broken: EngineBroken | None) -> None:
        """End what is open: without an error, unless everything is broken."""
        with self._changed:
            self._closing, self._broken = True, broken
            turns = self._loop.turns
            calls, self._calls = self._calls, []
        for turn in turns:
            if broken is None:
                turn.stream.end(turn.report())
            else:
                turn.fail(broken)
        for _, result in calls:
            result.set_exception(broken or _shutting_down())


def _shutting_down() -> SynthesisFailed:
    return SynthesisFailed("The engine is shutting down.")
