"""API keys: who may do what, and how often. Of a key itself only its SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from vivavoce.errors import LimitReached, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MIN_KEY_CHARS = 8
_SENDABLE = re.compile(r"[!-~]+")
_MINUTE_S = 60.0
_ROUNDING_S = 0.001
_NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes a good one."


class Scope(StrEnum):
    """What a key may be good for, besides the lists that every key may read."""

    SPEAK = "speak"
    VOICES = "voices"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What is known of a key, which is not the key itself. A limit of None is none."""

    name: str
    scopes: frozenset[Scope]
    requests_per_minute: int | None = None
    concurrent: int | None = None


class KeyRing:
    """The keys of one server, by their digests."""

    def __init__(self, keys: Sequence[_Key]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def load(cls, api_keys: Sequence[str], api_keys_file: str) -> KeyRing | None:
        """Return the keys of both settings, those of API_KEYS as key1, key2, …; None without any.

        Raises:
            SettingsError: a key is weak, or there twice, or the file is unreadable, wrong or
                without keys. The message names the setting and the entry, and shows no key.
        """
        keys = [_plain(number, key) for number, key in enumerate(api_keys, start=1)]
        if api_keys_file:
            keys += _read(Path(api_keys_file))
        _check_unique(keys)
        return cls(keys) if keys else None

    def find(self, presented: str) -> KeyInfo | None:
        """Return whose key this is, if anybody's; it takes as long whichever it is."""
        digest = _sha256(presented)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key.info
        return found


class KeyLimits:
    """Counts what each key uses. Belongs to one event loop: nothing is locked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used: dict[str, _Used] = {}

    @contextmanager
    def admit(self, key: KeyInfo) -> Iterator[None]:
        """Count one request of a key; it runs for as long as the context lasts.

        Raises:
            LimitReached: the key has had its requests. What is refused counts for nothing.
        """
        used = self._used.setdefault(key.name, _Used())
        if key.concurrent is not None and used.running >= key.concurrent:
            raise LimitReached(
                f"The key {key.name} may have {key.concurrent} requests running at once, and has. "
                "Try again when one has ended.",
                retry_after_s=1.0,
            )
        if key.requests_per_minute is not None:
            self._take(used, key.name, key.requests_per_minute)
        used.running += 1
        try:
            yield
        finally:
            used.running -= 1

    def _take(self, used: _Used, name: str, per_minute: int) -> None:
        """Take a request from the bucket, which holds a minute's and is filled all the time."""
        now_s = self._clock()
        full_at_s = max(used.full_at_s, now_s) + _MINUTE_S / per_minute
        wait_s = full_at_s - now_s - _MINUTE_S
        # Else the last of seven sevenths of a minute might be one too many.
        if wait_s > _ROUNDING_S:
            raise LimitReached(
                f"The key {name} may make {per_minute} requests a minute, and has made them. "
                f"Try again in {math.ceil(wait_s)} s.",
                retry_after_s=wait_s,
            )
        used.full_at_s = full_at_s


@dataclass(slots=True)
class _Used:
    """What runs for a key, and when its bucket of requests will be full again."""

    running: int = 0
    full_at_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class _Key:
    info: KeyInfo
    digest: bytes = field(repr=False)
    source: str
    """The setting and the entry, as messages name them."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as the file has it."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._@-]{1,64}\Z")]
    key: str | None = None
    key_sha256: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{64}\Z")] | None = None
    scopes: Annotated[frozenset[Scope], Meta(min_length=1)] = frozenset({Scope.SPEAK})
    requests_per_minute: Annotated[int, Meta(ge=1)] | None = None
    concurrent: Annotated[int, Meta(ge=1)] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: Annotated[list[_Entry], Meta(min_length=1)]


def _plain(number: int, key: str) -> _Key:
    source = f"API_KEYS: key {number}"
    return _Key(KeyInfo(f"key{number}", frozenset(Scope)), _digest(key, source), source)


def _read(path: Path) -> list[_Key]:
    setting = f"API_KEYS_FILE={path}"
    try:
        listed = msgspec.json.decode(path.read_bytes(), type=_File).keys
    except OSError as exc:
        raise SettingsError(
            f"{setting} cannot be read: {exc.strerror}. Name a file that can, or unset it."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SettingsError(
            f'{setting} is not a list of keys: {exc}. Write {{"keys": [{{"name": …, "key": …}}]}}; '
            "an entry may also have key_sha256 (in place of key), scopes "
            f"({', '.join(Scope)}), requests_per_minute and concurrent."
        ) from None
    return [
        _listed(entry, f"{setting}: keys[{index}] ({entry.name})")
        for index, entry in enumerate(listed)
    ]


def _listed(entry: _Entry, source: str) -> _Key:
    info = KeyInfo(entry.name, entry.scopes, entry.requests_per_minute, entry.concurrent)
    if entry.key is not None and entry.key_sha256 is None:
        return _Key(info, _digest(entry.key, source), source)
    if entry.key_sha256 is not None and entry.key is None:
        digest = bytes.fromhex(entry.key_sha256)
        # What a script writes when its variable is not set; it would let everybody in.
        if digest == _sha256(""):
            raise SettingsError(f"{source}: key_sha256 is that of an empty key. {_NEW_KEY}")
        return _Key(info, digest, source)
    raise SettingsError(f"{source} must have either key or key_sha256. Write one of them.")


def _digest(key: str, source: str) -> bytes:
    if not key:
        raise SettingsError(f"{source} is empty. {_NEW_KEY}")
    if len(key) < _MIN_KEY_CHARS:
        raise SettingsError(f"{source} is shorter than {_MIN_KEY_CHARS} characters. {_NEW_KEY}")
    if not _SENDABLE.fullmatch(key):
        raise SettingsError(
            f"{source} has a space or a character that is not ASCII, which clients cannot send. "
            f"{_NEW_KEY}"
        )
    return _sha256(key)


def _check_unique(keys: Sequence[_Key]) -> None:
    names: dict[str, _Key] = {}
    digests: dict[bytes, _Key] = {}
    for key in keys:
        if (other := names.setdefault(key.info.name, key)) is not key:
            raise SettingsError(f"{key.source} has the name of {other.source}. Rename one.")
        if (other := digests.setdefault(key.digest, key)) is not key:
            raise SettingsError(f"{key.source} is the same key as {other.source}. Remove one.")


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
