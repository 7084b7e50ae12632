"""Finished answers in a folder, a file for each: they survive restarts.

A file is written under a temporary name and renamed, so that no reader sees half of one. It is not
forced onto the disk: what a power cut garbles, the checksum finds. How long a file was not used is
its time of modification, which servers that share the folder see as well.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from vivavoce.errors import SettingsError
from vivavoce.service.cache.entry import pack, unpack
from vivavoce.service.cache.trouble import OnFailure, Trouble, uncounted

if TYPE_CHECKING:
    from pathlib import Path

    from vivavoce.service.cache.entry import CachedAudio

_ENTRY = re.compile(r"[0-9a-f]{64}\.audio")
_TEMPORARY = re.compile(r"[0-9a-f]{64}\.\w+\.part")

_SPARE_SHARE = 0.1
"""Of the bytes allowed: what is free after files had to go, and what is written before the folder
is looked through again. That is a look at every file, so it must not be done for each new one."""


class DiskTier:
    """A `Tier` in a folder, which may take `max_bytes`; the files unused for longest make room.

    Servers may share the folder: it may then be over the limit by a tenth for each but the first.
    Files that are not of this cache, and links, are left alone.
    """

    def __init__(self, folder: Path, max_bytes: int, on_failure: OnFailure = uncounted) -> None:
        """Make the folder if it is missing, and look through it.

        Raises:
            SettingsError: nothing can be written there.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._room_bytes = 0  # to write before the folder is looked through again
        self._room = threading.Lock()
        self._trouble = Trouble("disk", on_failure)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, _ = self._new_file("0" * 64)
            os.close(descriptor)
            for _, _, path in self._files(_TEMPORARY):  # that one, and what killed servers left
                self._remove(path)
            self._make_room(0)
        except OSError as exc:
            raise SettingsError(
                f"AUDIO_CACHE_DIR={folder} cannot be used: {exc.strerror}. Name a folder that this "
                "user may write to, or leave AUDIO_CACHE_DIR empty."
            ) from None

    async def get(self, key: str) -> CachedAudio | None:
        """Return the answer of that key, and count it as used now."""
        try:
            entry = await asyncio.to_thread(self._read, key)
        except Exception as exc:  # whatever it is, the answer can be made anew
            self._trouble.tell("get", exc)
            return None
        self._trouble.over("get")
        return entry

    async def put(self, key: str, entry: CachedAudio) -> None:
        """Write an answer, unless it alone is over the limit."""
        try:
            await asyncio.to_thread(self._write, key, entry)
        except Exception as exc:
            self._trouble.tell("put", exc)
        else:
            self._trouble.over("put")

    async def clear(self) -> int:
        """Remove all answers; return how many there were."""
        try:
            return await asyncio.to_thread(self._clear)
        except Exception as exc:
            self._trouble.tell("clear", exc)
            return 0

    async def close(self) -> None:
        """Nothing is open between calls."""

    def _read(self, key: str) -> CachedAudio | None:
        path = self._path(key)
        try:
            file = open(path, "rb", opener=_open_no_link)  # noqa: SIM115 - closed below
        except FileNotFoundError:  # never written, or gone to make room
            return None
        with file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            try:
                entry = unpack(file.read(self._max_bytes))
            except ValueError:
                self._trouble.tell("read", "a file was truncated or altered; it is removed")
                self._remove(path)
                return None
            with suppress(OSError):  # on a disk that has become read-only it is no less right
                _mark_used(file.fileno())
        return entry

    def _write(self, key: str, entry: CachedAudio) -> None:
        packed = pack(entry)
        if len(packed) > self._max_bytes:
            return
        with self._room:
            if len(packed) > self._room_bytes:
                self._make_room(len(packed))
            self._room_bytes -= len(packed)
        descriptor, temporary = self._new_file(key)
        try:
            with open(descriptor, "wb") as file:
                file.write(packed)
                file.flush()
                _mark_used(descriptor)
            os.replace(temporary, self._path(key))
        except BaseException:
            os.unlink(temporary)
            raise

    def _clear(self) -> int:
        with self._room:
            return sum(self._remove(path) for _, _, path in self._files(_ENTRY))

    def _make_room(self, new_bytes: int) -> None:
        """Look what our files take; if `new_bytes` more are too many, remove the oldest.

        Raises:
            OSError: they cannot be removed.
        """
        spare_bytes = int(_SPARE_SHARE * self._max_bytes)
        files = sorted(self._files(_ENTRY))
        used_bytes = sum(size for _, size, _ in files)
        if used_bytes + new_bytes > self._max_bytes:
            for _, size, path in files:
                if used_bytes + new_bytes <= self._max_bytes - spare_bytes:
                    break
                if self._remove(path):
                    used_bytes -= size
            if used_bytes + new_bytes > self._max_bytes:
                raise OSError(errno.ENOSPC, "files that must make room cannot be removed")
        self._room_bytes = min(self._max_bytes - used_bytes, spare_bytes)

    def _files(self, names: re.Pattern[str]) -> list[tuple[int, int, str]]:
        """Return the files of such names: time of last use in ns, size in bytes, path."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if names.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # another server has just removed it
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime_ns, status.st_size, entry.path))
        return found

    def _remove(self, path: str) -> bool:
        """Remove a file; tell whether it is gone."""
        try:
            with suppress(FileNotFoundError):
                os.unlink(path)
        except OSError as exc:
            self._trouble.tell("remove", exc)
            return False
        self._trouble.over("remove")
        return True

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, f"{key}.audio")

    def _new_file(self, key: str) -> tuple[int, str]:
        """Make an empty file that only this user may read: its descriptor, its temporary name."""
        return tempfile.mkstemp(prefix=f"{key}.", suffix=".part", dir=self._folder)


def _open_no_link(path: str, flags: int) -> int:
    # Without O_NONBLOCK a named pipe that somebody put here would hold the thread for ever.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _mark_used(descriptor: int) -> None:
    """Set a file's time of modification to now, more finely than the system does by itself."""
    now_ns = time.time_ns()
    os.utime(descriptor, ns=(now_ns, now_ns))
