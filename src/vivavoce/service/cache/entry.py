"""A finished answer as it is kept, its form in a file or a server, and what every place to keep it
in can do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import msgspec

from vivavoce.types import TimedSegment

FORMAT_VERSION = 2
"""Counted up with every change of `CachedAudio` or its packed form."""

_HEADER = b"VVAUDIO" + bytes([FORMAT_VERSION])
_BODY_START = len(_HEADER) + hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class CachedAudio:
    """A finished answer: its bytes with exact sizes, what its headers tell, its times if asked."""

    data: bytes
    seed: int
    duration_s: float
    input_tokens: int
    output_tokens: int
    timed: tuple[TimedSegment, ...] = ()


class Tier(Protocol):
    """A place for answers, slower than memory.

    Keys are SHA-256 in hexadecimal: 64 lower-case characters. Nothing here raises: a failure is a
    miss, and is logged once and not for each request.
    """

    async def get(self, key: str) -> CachedAudio | None:
        """Return the answer of that key; None if there is none, or none can be had."""
        ...

    async def put(self, key: str, entry: CachedAudio) -> None:
        """Keep an answer, if that is possible."""
        ...

    async def clear(self) -> int:
        """Forget all answers; return how many went."""
        ...

    async def close(self) -> None:
        """Let go of connections. Answers stay."""
        ...


def pack(entry: CachedAudio) -> bytes:
    """Return an answer as bytes: a header with the version, a SHA-256, the fields in msgpack."""
    body = msgspec.msgpack.encode(entry)
    return b"".join((_HEADER, hashlib.sha256(body).digest(), body))


_decoder = msgspec.msgpack.Decoder(CachedAudio)


def unpack(packed: bytes) -> CachedAudio:
    """Return the answer that `pack` was given.

    Raises:
        ValueError: the bytes are truncated, altered or of another version.
    """
    if packed[: len(_HEADER)] != _HEADER:
        raise ValueError(f"The bytes do not begin as version {FORMAT_VERSION} does.")
    body = memoryview(packed)[_BODY_START:]
    if hashlib.sha256(body).digest() != packed[len(_HEADER) : _BODY_START]:
        raise ValueError("The checksum is wrong: the bytes are truncated or altered.")
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as exc:  # packed by a program that is not this one
        raise ValueError(f"The fields are not those of version {FORMAT_VERSION}: {exc}") from None
