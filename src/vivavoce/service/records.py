"""Records on disk, each in a folder of its own: what is known of it in `meta.json`, files beside.

A folder is complete when it appears: it is written under a temporary name, forced onto the disk
and renamed. What is known of a record changes by renaming one file over another. So whoever looks,
at any moment and after any crash, sees the old or the new and never half. Several servers may
share the folder; the time of its last change tells each of them when to look again.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec
import structlog

from vivavoce.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Record(Protocol):
    """What is known of a record."""

    @property
    def id(self) -> str:
        """Its id, which is the name of its folder."""


R = TypeVar("R", bound=Record)

log = structlog.get_logger("vivavoce.records")

META = "meta.json"
_TEMPORARY = ".temporary-"
_REMOVED = ".removed-"
_TRIES = 3


class Records(Generic[R]):
    """The records of one kind, `of`, whose ids are `prefix` and 32 hexadecimal digits.

    Files are read and written where they are called for; safe to call from several threads.
    """

    def __init__(self, folder: Path, of: type[R], prefix: str) -> None:
        """Sweep away what servers that were killed have left; make nothing."""
        self._folder = folder
        self._prefix = prefix
        self._id = re.compile(re.escape(prefix) + r"[0-9a-f]{32}")
        self._decode = msgspec.json.Decoder(of).decode
        self._known: dict[str, tuple[tuple[int, ...], R]] = {}
        self._seen_ns = -1
        self._told: set[tuple[str, str]] = set()
        with suppress(OSError):
            self._sweep()

    def new_id(self) -> str:
        """Return an id that nothing has."""
        return self._prefix + secrets.token_hex(16)

    def all(self) -> tuple[R, ...]:
        """Return all records, the oldest first.

        Raises:
            StorageFailed: the folder cannot be read.
        """
        with self._failures("read"):
            self._look()
        return tuple(record for _, record in self._known.values())

    def get(self, id: str) -> R | None:
        """Return a record, as it is on the disk now.

        Raises:
            StorageFailed: the folder cannot be read.
        """
        if not self._id.fullmatch(id):
            return None
        with self._failures("read"):
            return self._read(id)

    def create(self, record: R, files: Mapping[str, bytes]) -> None:
        """Write a new record and the files that belong to it.

        Raises:
            StorageFailed: it could not be written; nothing of it is left.
        """
        assert self._id.fullmatch(record.id)
        with self._failures("written"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for attempt in range(_TRIES):
                try:
                    self._write(record, files)
                    break
                except (FileNotFoundError, BlockingIOError):
                    # Another server that has just started swept it away before it was locked.
                    if attempt == _TRIES - 1:
                        raise
            self._mark_changed()

    def update(self, record: R) -> None:
        """Replace what is known of a record; its files stay.

        Raises:
            FileNotFoundError: it was removed.
            StorageFailed: it could not be written; what was known before is still there.
        """
        with self._failures("written"):
            self._put(record.id, META, msgspec.json.format(msgspec.json.encode(record)))
            self._mark_changed()

    def remove(self, id: str) -> bool:
        """Remove a record and its files; tell whether it was there.

        Raises:
            StorageFailed: it cannot be removed.
        """
        if not self._id.fullmatch(id):
            return False
        removed = self._folder / f"{_REMOVED}{secrets.token_hex(8)}"
        with self._failures("written"):
            try:
                os.rename(self._folder / id, removed)
            except FileNotFoundError:
                return False
            _force(self._folder)
            self._mark_changed()
            shutil.rmtree(removed, ignore_errors=True)  # what is left goes at the next start
        return True

    def read_file(self, id: str, name: str) -> bytes | None:
        """Return a file of a record; None if there is none.

        Raises:
            StorageFailed: it cannot be read.
        """
        with self._failures("read"):
            try:
                return (self._folder / id / name).read_bytes()
            except FileNotFoundError:
                return None

    def put_file(self, id: str, name: str, content: bytes) -> None:
        """Write a file of a record, in place of one of that name.

        Raises:
            FileNotFoundError: the record was removed.
            StorageFailed: it could not be written.
        """
        with self._failures("written"):
            self._put(id, name, content)

    def _look(self) -> None:
        """Read what has changed since the last look."""
        try:
            changed_ns = self._folder.stat().st_mtime_ns
            if changed_ns == self._seen_ns:
                return
            names = os.listdir(self._folder)
        except (FileNotFoundError, NotADirectoryError, PermissionError) as exc:
            self._known, self._seen_ns = {}, -1
            if not isinstance(exc, FileNotFoundError):  # those who save nothing are not to mind
                self._warn("records not readable", self._folder, exc)
            return
        before, known = self._known, {}
        for id in filter(self._id.fullmatch, names):
            with suppress(FileNotFoundError):  # it has just been removed
                stamp = self._stamp(id)
                if id in before and before[id][0] == stamp:
                    known[id] = before[id]
                elif (record := self._parse(id)) is not None:
                    known[id] = (stamp, record)
        order = sorted(known, key=lambda id: (self._born(known[id][1]), id))
        self._known = {id: known[id] for id in order}
        self._seen_ns = changed_ns

    @staticmethod
    def _born(record: R) -> int:
        return getattr(record, "created_ns", 0)

    def _read(self, id: str) -> R | None:
        try:
            stamp = self._stamp(id)
            found = self._known.get(id)
            return found[1] if found is not None and found[0] == stamp else self._parse(id)
        except FileNotFoundError:
            return None

    def _stamp(self, id: str) -> tuple[int, ...]:
        """Return what differs as soon as what is known of a record does."""
        status = os.stat(self._folder / id / META)
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def _parse(self, id: str) -> R | None:
        """Read what is known of a record. One that somebody has edited badly is passed over."""
        try:
            record = self._decode((self._folder / id / META).read_bytes())
            if record.id != id:
                raise msgspec.ValidationError(f"it says that its id is {record.id}")
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            self._warn("record damaged", self._folder / id, exc)
            return None
        return record

    def _warn(self, what: str, where: Path, exc: Exception) -> None:
        """Say it in the log, once."""
        if (what, str(where)) not in self._told:
            self._told.add((what, str(where)))
            log.warning(what, folder=str(where), reason=str(exc))

    def _write(self, record: R, files: Mapping[str, bytes]) -> None:
        """Write a folder, and let it appear."""
        temporary = self._folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
        temporary.mkdir(mode=0o700)
        held = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Whoever sweeps leaves alone what is locked; the lock ends with its process.
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            meta = msgspec.json.format(msgspec.json.encode(record))
            for name, content in {**files, META: meta}.items():
                _write_new(temporary / name, content)
            os.fsync(held)
            os.rename(temporary, self._folder / record.id)
            _force(self._folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            os.close(held)

    def _put(self, id: str, name: str, content: bytes) -> None:
        folder = self._folder / id
        temporary = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            _write_new(temporary, content)
            os.rename(temporary, folder / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _force(folder)

    def _mark_changed(self) -> None:
        """Note the time of a change, more finely than the system does by itself."""
        now_ns = time.time_ns()
        os.utime(self._folder, ns=(now_ns, now_ns))

    def _sweep(self) -> None:
        """Remove what nobody is writing any more, and what was not quite removed."""
        for entry in list(os.scandir(self._folder)):
            if not entry.is_dir(follow_symlinks=False):
                continue
            if entry.name.startswith((_TEMPORARY, _REMOVED)):
                if _nobody_writes(entry.path):
                    shutil.rmtree(entry.path, ignore_errors=True)
            elif self._id.fullmatch(entry.name):
                self._sweep_files(entry.path)

    @staticmethod
    def _sweep_files(folder: str) -> None:
        """Remove files that were not finished, unless they may still be in the making."""
        for entry in os.scandir(folder):
            if entry.name.startswith(_TEMPORARY):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime > 60:
                        os.unlink(entry.path)

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        """Tell of the system's refusals in our words. That a record is gone is none."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as exc:
            raise StorageFailed(
                f"{self._folder} cannot be {done}: {exc.strerror}. It is under DATA_DIR: let this "
                "server's user read and write there, see to it that there is room, or name "
                "another folder."
            ) from exc


def _write_new(path: Path, content: bytes) -> None:
    """Write a file of that name, which is not there yet, onto the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _force(folder: Path) -> None:
    """Force the names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _nobody_writes(folder: str) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
