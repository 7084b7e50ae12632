"""Finished answers that replicas share, in Valkey or Redis.

That server may be slow, gone, or lie. A request loses no more than `GET_TIMEOUT_S` to it, and
nothing at all while it is known to fail.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from vivavoce.errors import SettingsError
from vivavoce.service.cache.breaker import Breaker
from vivavoce.service.cache.entry import FORMAT_VERSION, pack, unpack
from vivavoce.service.cache.trouble import OnFailure, Trouble, uncounted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import ConnectionPool

    from vivavoce.service.cache.entry import CachedAudio

PREFIX = f"vivavoce:audio:{FORMAT_VERSION}:"
"""Of every key. Replicas of two versions do not remove each other's answers."""

GET_TIMEOUT_S = 0.05
"""A request waits for this: it must not cost what it is meant to save."""
PUT_TIMEOUT_S = 1.0
CLEAR_TIMEOUT_S = 5.0
MAX_VALUE_BYTES = 8 * 2**20

_CONNECTIONS = 32
_CLEARED_AT_ONCE = 500

_Answer = TypeVar("_Answer")


class SharedTier:
    """A `Tier` in the server that `url` names; it forgets an answer `ttl_s` seconds after its put.

    Answers of more than `MAX_VALUE_BYTES` are not sent. Belongs to one event loop.
    """

    def __init__(
        self,
        url: str,
        ttl_s: int,
        on_failure: OnFailure = uncounted,
        *,
        get_timeout_s: float = GET_TIMEOUT_S,
        put_timeout_s: float = PUT_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to nothing yet: a server that is not there is none of the caller's business.

        Raises:
            SettingsError: the redis package is missing, or `url` is none that it understands.
        """
        self._pool, self._redis = _client(url, put_timeout_s)
        self._ttl_s = ttl_s
        self._get_timeout_s = get_timeout_s
        self._put_timeout_s = put_timeout_s
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._breaker = Breaker(clock)
        self._trouble = Trouble("shared", on_failure, clock)

    async def get(self, key: str) -> CachedAudio | None:
        """Return the answer of that key, within `get_timeout_s`."""
        return await self._ask("get", self._get_timeout_s, partial(self._fetch, PREFIX + key))

    async def put(self, key: str, entry: CachedAudio) -> None:
        """Send an answer, within `put_timeout_s`."""
        if len(entry.data) <= MAX_VALUE_BYTES:
            await self._ask("put", self._put_timeout_s, partial(self._store, PREFIX + key, entry))

    async def clear(self) -> int:
        """Remove all answers, other replicas' too; return how many went in `CLEAR_TIMEOUT_S`.

        It tries although the server is known to fail: somebody asked for it.
        """
        cleared, cursor = 0, None
        try:
            async with asyncio.timeout(CLEAR_TIMEOUT_S):
                while cursor != 0:
                    cursor, names = await self._redis.scan(
                        cursor or 0, match=f"{PREFIX}*", count=_CLEARED_AT_ONCE
                    )
                    cleared += await self._redis.unlink(*names) if names else 0
        except Exception as exc:
            self._trouble.tell("clear", exc)
        else:
            self._trouble.over("clear")
        return cleared

    async def close(self) -> None:
        """Close all connections."""
        try:
            async with asyncio.timeout(self._put_timeout_s):
                await self._pool.disconnect()
        except Exception as exc:
            self._trouble.tell("close", exc)

    async def _ask(
        self, doing: str, timeout_s: float, ask: Callable[[], Awaitable[_Answer]]
    ) -> _Answer | None:
        """Return the answer; None if there is none in time, or the server is being left alone."""
        if not self._breaker.admits():
            return None
        try:
            async with asyncio.timeout(timeout_s), self._turns:
                answer = await ask()
        except Exception as exc:  # the client raises all kinds of them when a server talks nonsense
            self._breaker.failed()
            self._trouble.tell(doing, exc)
            return None
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        self._trouble.over(doing)
        return answer

    async def _fetch(self, name: str) -> CachedAudio | None:
        packed = await self._redis.get(name)
        if packed is None:
            return None
        try:
            # Not on a thread: the longest takes some 10 ms, and waiting for a thread would make
            # the server look slow.
            return unpack(packed)
        except ValueError:
            self._trouble.tell("read", "a value was truncated or altered; it is removed")
            await self._redis.delete(name)
            return None

    async def _store(self, name: str, entry: CachedAudio) -> None:
        packed = await asyncio.to_thread(pack, entry)
        await self._redis.set(name, packed, ex=self._ttl_s)


def _client(url: str, timeout_s: float) -> tuple[ConnectionPool, Any]:
    """Return a client, not connected, and its connections. No step of theirs takes `timeout_s`.

    No message here shows the URL or what the library says of it: both may hold the password.

    Raises:
        SettingsError: as `SharedTier`.
    """
    try:
        from redis.asyncio import ConnectionPool, Redis
        from redis.asyncio.connection import parse_url
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
    except ImportError:
        raise SettingsError(
            "AUDIO_CACHE_URL needs the redis package, and it is not installed. Install it with: "
            "pip install 'vivavoce[redis]', or leave AUDIO_CACHE_URL empty."
        ) from None
    if url.startswith("valkey"):  # the same protocol under a name that the library does not know
        url = "redis" + url.removeprefix("valkey")
    ours: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "encoding": "utf-8",
        "protocol": 2,  # the newer one costs each connection a round trip, and brings nothing here
    }
    try:
        _check_unescaped(url)
        pool = ConnectionPool(**{**parse_url(url), **ours})
        pool.connection_class(
            **pool.connection_kwargs
        )  # finds options that there are not; connects to nothing
    except (ValueError, TypeError, RedisError):
        raise SettingsError(
            "AUDIO_CACHE_URL is no address of a Valkey or Redis server. Write it as "
            "redis://USER:PASSWORD@HOST:6379/0, with / ? # and @ in the password as %2F %3F %23 "
            "%40; after a ? only options that the redis package has."
        ) from None
    return pool, Redis(connection_pool=pool)


def _check_unescaped(url: str) -> None:
    """Refuse a URL whose password ends it early: the library would connect to somewhere else.

    Raises:
        ValueError: so it is, or a database is no number.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return
    if "@" in parts.path + parts.query + parts.fragment or not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("The part after the address is not /NUMBER or an option.")
