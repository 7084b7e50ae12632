"""Finished audio in the server's own memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vivavoce.service.cache.entry import CachedAudio


class MemoryCache:
    """At most `max_entries` answers of at most `max_bytes` together; those used last stay."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.bytes = 0
        self._entries: OrderedDict[str, CachedAudio] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> CachedAudio | None:
        """Return the answer of that key if it is here; counts as its use."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: CachedAudio) -> None:
        """Keep an answer; those unused for longest go."""
        self._forget(key)
        self._entries[key] = entry
        self.bytes += len(entry.data)
        while len(self._entries) > self.max_entries or self.bytes > self.max_bytes:
            self._forget(next(iter(self._entries)))

    def clear(self) -> int:
        """Forget all; return how many there were."""
        count = len(self)
        self._entries.clear()
        self.bytes = 0
        return count

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= len(entry.data)
