"""The cache of finished audio: what stays, what goes, and how it moves between its tiers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.service.cache.audio import AudioCache
from vivavoce.service.cache.entry import CachedAudio
from vivavoce.service.cache.memory import MemoryCache

LARGEST = 1000
MEMORY_BYTES = 8 * LARGEST


def entry(n_bytes: int = 10, mark: int = 0) -> CachedAudio:
    return CachedAudio(bytes(n_bytes), mark, 1.5, 12, 34)


class Drawer:
    """A tier as simple as can be; what it does waits while `open` is not set."""

    def __init__(self) -> None:
        self.entries: dict[str, CachedAudio] = {}
        self.asked = 0
        self.closed = False
        self.open = asyncio.Event()
        self.open.set()

    async def get(self, key: str) -> CachedAudio | None:
        self.asked += 1
        return self.entries.get(key)

    async def put(self, key: str, entry: CachedAudio) -> None:
        await self.open.wait()
        self.entries[key] = entry

    async def clear(self) -> int:
        count = len(self.entries)
        self.entries.clear()
        return count

    async def close(self) -> None:
        self.closed = True


def cache_of(*tiers: Drawer, max_entries: int = 100) -> AudioCache:
    return AudioCache(MemoryCache(max_entries, MEMORY_BYTES), tiers)


# Memory


def test_those_used_last_stay() -> None:
    memory = MemoryCache(3, 1000)
    for key in "abc":
        memory.put(key, entry())
    assert memory.get("a") is not None
    memory.put("d", entry())
    assert [memory.get(key) is not None for key in "abcd"] == [True, False, True, True]


def test_as_many_go_as_a_long_one_needs() -> None:
    memory = MemoryCache(100, 1000)
    for key in "abcde":
        memory.put(key, entry(200))
    memory.put("long", entry(500))
    assert [key for key in "abcde" if memory.get(key)] == ["d", "e"]
    assert memory.bytes == 900


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "get"]), st.sampled_from("abcdef"), st.integers(0, 120)),
    max_size=60,
)


@settings(deadline=None)
@given(OPERATIONS, st.integers(0, 5), st.integers(0, 300))
def test_it_keeps_what_it_may_and_counts_right(
    operations: list[tuple[str, str, int]], max_entries: int, max_bytes: int
) -> None:
    memory = MemoryCache(max_entries, max_bytes)
    kept: OrderedDict[str, CachedAudio] = OrderedDict()
    for number, (operation, key, n_bytes) in enumerate(operations):
        if operation == "put":
            kept.pop(key, None)
            kept[key] = entry(n_bytes, number)
            memory.put(key, kept[key])
            while len(kept) > max_entries or sum(len(e.data) for e in kept.values()) > max_bytes:
                kept.popitem(last=False)
        else:
            assert memory.get(key) is kept.get(key)
            if key in kept:
                kept.move_to_end(key)
        assert len(memory) == len(kept) <= max_entries
        assert memory.bytes == sum(len(e.data) for e in kept.values()) <= max_bytes
    assert memory.clear() == len(kept)
    assert (len(memory), memory.bytes) == (0, 0)


# Tiers


def test_what_is_put_is_everywhere_and_nobody_waits_for_it() -> None:
    async def main() -> None:
        slow, slower = Drawer(), Drawer()
        slower.open.clear()
        cache = cache_of(slow, slower)
        answer = entry()
        cache.put("k", answer)
        assert cache.get("k") is answer
        slower.open.set()
        await cache.close()
        assert slow.entries == slower.entries == {"k": answer}
        assert slow.closed
        assert slower.closed

    asyncio.run(main())


def test_closing_waits_for_what_is_being_written() -> None:
    async def main() -> None:
        slow = Drawer()
        slow.open.clear()
        cache = cache_of(slow)
        cache.put("k", entry())
        closing = asyncio.create_task(cache.close())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not slow.closed
        slow.open.set()
        await closing
        assert "k" in slow.entries

    asyncio.run(main())


def test_what_a_slow_tier_has_is_in_the_quicker_ones_from_then_on() -> None:
    async def main() -> None:
        first, second, third = Drawer(), Drawer(), Drawer()
        cache = cache_of(first, second, third)
        second.entries["k"] = answer = entry()
        assert cache.get("k") is None
        assert await cache.find("k") is answer
        assert cache.get("k") is answer
        await cache.close()
        assert first.entries == {"k": answer}
        assert not third.entries
        assert third.asked == 0
        assert cache.hits == 2

    asyncio.run(main())


def test_what_nobody_has_is_not_found() -> None:
    async def main() -> None:
        tiers = Drawer(), Drawer()
        cache = cache_of(*tiers)
        assert cache.get("k") is None
        assert await cache.find("k") is None
        assert [tier.asked for tier in tiers] == [1, 1]
        assert cache.hits == 0

    asyncio.run(main())


@pytest.mark.parametrize(("n_bytes", "kept"), [(LARGEST, True), (LARGEST + 1, False)])
def test_one_answer_may_take_an_eighth_of_the_memory(n_bytes: int, kept: bool) -> None:
    async def main() -> None:
        tier = Drawer()
        cache = cache_of(tier)
        assert cache.largest_bytes == LARGEST
        cache.put("k", entry(n_bytes))
        assert (cache.get("k") is not None) == kept
        await cache.close()
        assert ("k" in tier.entries) == kept

    asyncio.run(main())


def test_one_found_that_is_too_long_for_the_memory_is_given_all_the_same() -> None:
    async def main() -> None:
        tier = Drawer()
        cache = cache_of(tier)
        tier.entries["k"] = answer = entry(LARGEST + 1)
        assert await cache.find("k") is answer
        assert len(cache.memory) == 0

    asyncio.run(main())


def test_clearing_tells_how_many_answers_there_were() -> None:
    async def main() -> None:
        slow = Drawer()
        slow.entries = {"from before": entry(), "also": entry()}
        cache = cache_of(slow)
        for key in "abc":
            cache.put(key, entry())
        assert await cache.clear() == 5  # the three that are in both are counted once
        assert not slow.entries
        assert len(cache.memory) == 0
        assert await cache.clear() == 0

    asyncio.run(main())


def test_switched_off_it_keeps_nothing_and_asks_nobody() -> None:
    async def main() -> None:
        tier = Drawer()
        tier.entries["k"] = entry()
        cache = cache_of(tier, max_entries=0)
        assert cache.largest_bytes == 0
        cache.put("k", entry())
        assert cache.get("k") is None
        assert await cache.find("k") is None
        assert tier.asked == 0
        assert len(tier.entries) == 1

    asyncio.run(main())
