"""The cache of finished audio: memory first, then what is slower and lasts longer."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from vivavoce.service.cache.entry import CachedAudio, Tier
    from vivavoce.service.cache.memory import MemoryCache

_LARGEST_PART = 8
"""One answer may take this part of the memory: else a single long one would push out all others."""


class AudioCache:
    """Finished answers by key. Belongs to one event loop; nothing here ever fails a request."""

    def __init__(self, memory: MemoryCache, tiers: tuple[Tier, ...] = ()) -> None:
        self.memory = memory
        self.hits = 0
        self._tiers = tiers if memory.max_entries else ()
        self._writing: set[asyncio.Task[None]] = set()

    @property
    def largest_bytes(self) -> int:
        """The longest answer that is kept; 0 if none is."""
        return self.memory.max_bytes // _LARGEST_PART if self.memory.max_entries else 0

    def get(self, key: str) -> CachedAudio | None:
        """Return an answer that is in memory, at once."""
        entry = self.memory.get(key)
        if entry is not None:
            self.hits += 1
        return entry

    async def find(self, key: str) -> CachedAudio | None:
        """Return an answer that is in a slower tier; from now on it is in the quicker ones too."""
        for index, tier in enumerate(self._tiers):
            entry = await tier.get(key)
            if entry is None:
                continue
            self.hits += 1
            self._remember(key, entry, self._tiers[:index])
            return entry
        return None

    def put(self, key: str, entry: CachedAudio) -> None:
        """Keep an answer. Nobody waits for the slower tiers to have it."""
        self._remember(key, entry, self._tiers)

    async def clear(self) -> int:
        """Forget everything everywhere; return how many answers that were."""
        await self._written()
        counts = [self.memory.clear(), *[await tier.clear() for tier in self._tiers]]
        return max(counts)  # the same answer may be in several

    async def close(self) -> None:
        """Finish writing and let go of the tiers."""
        await self._written()
        for tier in self._tiers:
            await tier.close()

    def _remember(self, key: str, entry: CachedAudio, tiers: tuple[Tier, ...]) -> None:
        if len(entry.data) > self.largest_bytes:
            return
        self.memory.put(key, entry)
        for tier in tiers:
            self._in_background(tier.put(key, entry))

    def _in_background(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name="cache write", context=contextvars.Context())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _written(self) -> None:
        await asyncio.gather(*self._writing, return_exceptions=True)
