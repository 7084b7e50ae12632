"""One making, many listeners: each hears all of it in order, and the last one out ends it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtual import in_virtual_time
from vivavoce.errors import SynthesisFailed
from vivavoce.service.broadcast import AHEAD_BYTES, Broadcast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Self

    from vivavoce.service.broadcast import Emit

KEEP = 10 * AHEAD_BYTES


class Maker:
    """Work that emits parts, each when it is told to; and what became of it."""

    def __init__(self) -> None:
        self.made: list[bytes] = []
        self.ended = False
        self._parts: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    async def work(self, emit: Emit) -> None:
        try:
            while (part := await self._parts.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                self.made.append(part)
                await emit(part)
        finally:
            await asyncio.sleep(1)  # to tidy up takes its time
            self.ended = True

    def make(self, *parts: bytes | Exception | None) -> None:
        for part in parts:
            self._parts.put_nowait(part)


class Part(bytes):
    """A part of an answer; the class knows how many bytes of them are and were in memory."""

    bytes_now = 0
    bytes_most = 0

    def __new__(cls, data: bytes) -> Self:
        cls.bytes_now += len(data)
        cls.bytes_most = max(cls.bytes_most, cls.bytes_now)
        return super().__new__(cls, data)

    def __del__(self) -> None:
        Part.bytes_now -= len(self)


@dataclass(frozen=True)
class Listener:
    joins_after_s: float
    pause_s: float
    leaves_after_parts: int

    async def join(self, broadcast: Broadcast) -> list[bytes] | None:
        """Return what was heard; None if it was too late to join."""
        await asyncio.sleep(self.joins_after_s)
        return await self.hear(broadcast.listen()) if broadcast.joinable else None

    async def hear(self, stream: AsyncGenerator[bytes]) -> list[bytes]:
        heard = []
        async with aclosing(stream) as parts:
            async for part in parts:
                heard.append(part)
                if len(heard) == self.leaves_after_parts:
                    break
                await asyncio.sleep(self.pause_s)
        return heard


async def all_of(stream: AsyncGenerator[bytes]) -> list[bytes]:
    async with aclosing(stream) as parts:
        return [part async for part in parts]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


# Hearing all of it


def test_all_hear_all_whenever_they_join() -> None:
    async def main() -> None:
        maker = Maker()
        broadcast = Broadcast(maker.work, KEEP)
        listening = [asyncio.create_task(all_of(broadcast.listen()))]
        for part in (b"a", b"bc", b"def"):
            maker.make(part)
            await settle()
            assert broadcast.joinable
            listening.append(asyncio.create_task(all_of(broadcast.listen())))
        await settle()
        assert broadcast.listeners == 4
        maker.make(None)
        for heard in await asyncio.gather(*listening):
            assert heard == [b"a", b"bc", b"def"]
        assert await all_of(broadcast.listen()) == [b"a", b"bc", b"def"]  # after its end as well
        assert broadcast.listeners == 0

    in_virtual_time(main())


SECONDS = st.sampled_from((0.0, 1.0, 2.0, 5.0))
STAYS = 1000


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, AHEAD_BYTES), max_size=20),
    keep_bytes=st.sampled_from((0, 3 * AHEAD_BYTES, 100 * AHEAD_BYTES)),
    step_s=SECONDS,
    first_leaves=st.integers(1, STAYS),
    others=st.lists(st.builds(Listener, SECONDS, SECONDS, st.just(STAYS) | st.integers(1, 10))),
)
def test_each_hears_it_from_its_beginning_in_order_and_whole(
    sizes: list[int], keep_bytes: int, step_s: float, first_leaves: int, others: list[Listener]
) -> None:
    whole = [bytes([n]) * size for n, size in enumerate(sizes)]

    async def work(emit: Emit) -> None:
        for part in whole:
            await asyncio.sleep(step_s)
            await emit(part)

    async def main() -> None:
        broadcast = Broadcast(work, keep_bytes)
        first = Listener(0, 1, first_leaves)
        hearing = first.hear(broadcast.listen())
        joining = (listener.join(broadcast) for listener in others)
        all_heard = await asyncio.gather(hearing, *joining)
        for listener, heard in zip((first, *others), all_heard, strict=True):
            if heard is not None:
                assert heard == whole[: listener.leaves_after_parts]
        assert broadcast.listeners == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(main())


# How fast, and how much is kept


def test_what_nobody_may_ever_hear_is_not_made() -> None:
    async def main() -> None:
        maker = Maker()
        stream = Broadcast(maker.work, KEEP).listen()
        maker.make(*[bytes(1024)] * 1000, None)
        for _ in range(20):
            heard_before = len(maker.made)
            await anext(stream)
            await settle()
            assert len(maker.made) * 1024 <= AHEAD_BYTES + 20 * 1024 + 1024
        assert len(maker.made) > heard_before > 0
        await stream.aclose()

    in_virtual_time(main())


def test_until_no_more_is_kept_the_quickest_sets_the_pace() -> None:
    async def main() -> None:
        maker = Maker()
        broadcast = Broadcast(maker.work, KEEP)
        slow = broadcast.listen()
        maker.make(*[bytes(1024)] * (KEEP // 1024), None)
        await anext(slow)
        assert len(await all_of(broadcast.listen())) == KEEP // 1024
        assert len(await all_of(slow)) == KEEP // 1024 - 1

    in_virtual_time(main())


def test_after_that_nobody_can_join_and_the_slowest_sets_it() -> None:
    async def main() -> None:
        maker = Maker()
        broadcast = Broadcast(maker.work, KEEP)
        slow, quick = broadcast.listen(), broadcast.listen()
        await_quick = asyncio.create_task(all_of(quick))
        maker.make(*[bytes(1024)] * (2 * KEEP // 1024), None)
        await anext(slow)
        await settle()
        while broadcast.joinable:
            await settle()
        await asyncio.sleep(100)
        assert len(maker.made) == KEEP // 1024 + 1
        await slow.aclose()  # nobody waits for who has left
        assert len(await await_quick) == 2 * KEEP // 1024

    in_virtual_time(main())


def test_however_long_it_is_and_slow_they_are_little_is_kept() -> None:
    part_bytes, n_parts, listeners = 4096, 2000, 3
    # One is in the maker's hands, one in each listener's and one in its reader's.
    allowed_bytes = KEEP + AHEAD_BYTES + part_bytes + (1 + 2 * listeners) * part_bytes

    async def work(emit: Emit) -> None:
        for n in range(n_parts):
            await emit(Part(bytes([n % 256]) * part_bytes))

    async def hear(stream: AsyncGenerator[bytes], pause_s: float) -> None:
        number = 0
        async with aclosing(stream) as parts:
            async for part in parts:
                assert part[0] == number % 256
                number += 1
                await asyncio.sleep(pause_s)
        assert number == n_parts

    async def main() -> None:
        broadcast = Broadcast(work, KEEP)
        async with asyncio.TaskGroup() as tasks:
            for n in range(listeners):
                tasks.create_task(hear(broadcast.listen(), float(n)))
        assert Part.bytes_most <= allowed_bytes < n_parts * part_bytes / 5

    in_virtual_time(main())
    assert Part.bytes_now == 0


# Leaving


@pytest.mark.parametrize("how", ["closes", "is cancelled"])
def test_the_last_who_leaves_ends_the_work_and_waits_for_its_end(how: str) -> None:
    async def main() -> None:
        maker = Maker()
        stream = Broadcast(maker.work, KEEP).listen()
        maker.make(b"a")
        assert await anext(stream) == b"a"
        if how == "closes":
            await stream.aclose()
        else:
            asking = asyncio.create_task(anext(stream))
            await settle()
            asking.cancel()
            await asyncio.wait({asking})
            assert asking.cancelled()
        assert maker.ended
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(main())


def test_the_first_may_leave_and_the_others_hear_on() -> None:
    async def main() -> None:
        maker = Maker()
        broadcast = Broadcast(maker.work, KEEP)
        first = broadcast.listen()
        maker.make(b"a")
        await anext(first)
        second = asyncio.create_task(all_of(broadcast.listen()))
        await settle()
        await first.aclose()
        assert not maker.ended
        maker.make(b"b", None)
        assert await second == [b"a", b"b"]

    in_virtual_time(main())


def test_nobody_can_join_what_is_being_abandoned() -> None:
    async def main() -> None:
        maker = Maker()
        broadcast = Broadcast(maker.work, KEEP)
        stream = broadcast.listen()
        maker.make(b"a")
        await anext(stream)
        leaving = asyncio.create_task(stream.aclose())
        await settle()
        assert not leaving.done()
        assert not broadcast.joinable
        await leaving
        assert not broadcast.joinable

    in_virtual_time(main())


def test_who_leaves_before_it_was_begun_ends_it_as_well() -> None:
    async def main() -> None:
        maker = Maker()
        ended = asyncio.Event()
        stream = Broadcast(maker.work, KEEP)
        stream.on_end(ended.set)
        asking = asyncio.create_task(anext(stream.listen()))
        asyncio.get_running_loop().call_soon(asking.cancel)
        await asyncio.wait({asking})
        await settle()
        assert ended.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(main())


# Its end


def test_an_error_reaches_all_after_what_was_made() -> None:
    async def main() -> None:
        maker = Maker()
        broadcast = Broadcast(maker.work, KEEP)
        streams = [broadcast.listen() for _ in range(3)]
        maker.make(b"a", SynthesisFailed("It ran away."))
        assert [await anext(stream) for stream in streams] == [b"a"] * 3
        for stream in streams:
            with pytest.raises(SynthesisFailed, match="ran away"):
                await anext(stream)
        assert not broadcast.joinable
        assert broadcast.listeners == 0

    in_virtual_time(main())


@pytest.mark.parametrize("end", ["all made", "error", "abandoned"])
def test_its_end_is_told_however_it_ends(end: str) -> None:
    async def main() -> None:
        maker = Maker()
        broadcast = Broadcast(maker.work, KEEP)
        ended = asyncio.Event()
        broadcast.on_end(ended.set)
        stream = broadcast.listen()
        maker.make(b"a")
        await anext(stream)
        await settle()
        assert not ended.is_set()
        if end == "abandoned":
            await stream.aclose()
        else:
            maker.make(None if end == "all made" else SynthesisFailed("It ran away."))
            await asyncio.wait({asyncio.create_task(all_of(stream))})
        await asyncio.wait_for(ended.wait(), 5)

    in_virtual_time(main())
