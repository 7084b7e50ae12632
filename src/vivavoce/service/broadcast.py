"""One stream of bytes, made once, heard from its beginning by everybody who wants the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

AHEAD_BYTES = 64 * 1024
"""How far the making may be ahead of the listeners: what nobody may ever hear is not made."""

Emit = Callable[[bytes], Awaitable[None]]


class _Listener:
    """How far one listener is: parts taken since the beginning, and their bytes."""

    __slots__ = ("bytes", "parts")

    def __init__(self) -> None:
        self.parts = 0
        self.bytes = 0


class Broadcast:
    """Runs `work`, which emits parts, for as long as somebody listens.

    Until `keep_bytes` are made everything is kept, so that others can still join, and the quickest
    listener sets the pace. After that nobody can join, parts that all have taken are dropped, and
    the slowest sets it: memory stays bounded. Belongs to one event loop.
    """

    def __init__(self, work: Callable[[Emit], Coroutine[object, object, None]], keep_bytes: int):
        self._keep_bytes = keep_bytes
        self._parts: list[bytes] = []
        self._dropped = 0
        self._made_bytes = 0
        self._error: BaseException | None = None
        self._ended = False
        self._abandoned = False
        self._listeners: set[_Listener] = set()
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._task = asyncio.create_task(self._run(work), name="speech")

    @property
    def joinable(self) -> bool:
        """Whether who comes now would hear it from its beginning."""
        if self._abandoned or self._error is not None:
            return False
        return self._made_bytes <= self._keep_bytes

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def listen(self) -> AsyncGenerator[bytes]:
        """Join; return the parts from the first one on. The last who leaves ends the work.

        To leave is to close them, which tells nobody before the first was asked for: ask at once.

        Raises (while iterated):
            BaseException: whatever the work raised. What came so far is not the whole.
        """
        listener = _Listener()
        self._listeners.add(listener)
        return self._hear(listener)

    def on_end(self, call: Callable[[], None]) -> None:
        """Have `call` called when the work has ended, however."""
        self._task.add_done_callback(lambda task: call())

    async def _hear(self, listener: _Listener) -> AsyncGenerator[bytes]:
        try:
            while True:
                while listener.parts - self._dropped < len(self._parts):
                    part = self._parts[listener.parts - self._dropped]
                    listener.parts += 1
                    listener.bytes += len(part)
                    self._trim()
                    self._taken.set()
                    yield part
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return
                self._news.clear()
                await self._news.wait()
        finally:
            self._listeners.discard(listener)
            await self._end_if_alone()

    async def _run(self, work: Callable[[Emit], Coroutine[object, object, None]]) -> None:
        try:
            await work(self._emit)
        except BaseException as exc:
            self._error = exc
            if not isinstance(exc, Exception):
                raise
        finally:
            self._ended = True
            self._news.set()

    async def _emit(self, part: bytes) -> None:
        """Hand out a part; return when the listeners are near enough for the next."""
        self._parts.append(part)
        self._made_bytes += len(part)
        self._trim()
        self._news.set()
        while self._made_bytes - self._pace() > AHEAD_BYTES:
            self._taken.clear()
            await self._taken.wait()

    def _pace(self) -> int:
        taken = [listener.bytes for listener in self._listeners]
        if not taken:
            return self._made_bytes
        return max(taken) if self.joinable else min(taken)

    def _trim(self) -> None:
        """Drop what nobody will ask for any more."""
        if self.joinable or not self._listeners:
            return
        heard = min(listener.parts for listener in self._listeners) - self._dropped
        if heard > 0:
            del self._parts[:heard]
            self._dropped += heard

    async def _end_if_alone(self) -> None:
        self._trim()
        self._taken.set()
        if self._listeners or self._ended:
            return
        self._abandoned = True
        self._task.cancel()
        await asyncio.wait({self._task})
