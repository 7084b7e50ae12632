"""Wyoming's wire: events over TCP, each a line of JSON, its data and its payload after it.

https://github.com/OHF-Voice/wyoming describes it. It is read here and not by its own package, which
takes whatever length a client declares, and ends without a word at what is no event.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from vivavoce.errors import BodyTooLarge, BodyTooSlow, InvalidRequest

MAX_LINE_BYTES = 64 * 1024
_VERSION = "1.10.2"
"""Of the protocol, as its package counts."""


class Silent(Exception):
    """Raised when nothing has come for as long as a connection may be idle."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. What it says is in `data`; only audio has a `payload`."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class WyomingLimits:
    """What is taken from clients.

    Characters of a text, bytes of an event; seconds that a connection may be silent, that an event
    that has begun may take, that a client may take nothing of its answer.
    """

    max_input_chars: int
    max_event_bytes: int
    idle_s: float
    receive_timeout_s: float
    send_timeout_s: float


async def read_event(reader: asyncio.StreamReader, limits: WyomingLimits) -> Event | None:
    """Return the next event; None when the client has left.

    Raises:
        Silent: none has begun in `idle_s`. It may be asked for again.
        InvalidRequest: what came is no event, or larger than one may be, or too slow.
    """
    try:
        async with asyncio.timeout(limits.idle_s):
            line = await reader.readline()
    except TimeoutError:
        raise Silent from None
    except ValueError:
        raise BodyTooLarge(f"An event's line is longer than {MAX_LINE_BYTES} bytes.") from None
    if not line.endswith(b"\n"):
        return None
    try:
        async with asyncio.timeout(limits.receive_timeout_s):
            return await _rest(line, reader, limits)
    except TimeoutError:
        raise BodyTooSlow(
            f"The rest of an event did not come in {limits.receive_timeout_s:g} s. Send it at "
            "once, or have the operator raise RECEIVE_TIMEOUT."
        ) from None
    except asyncio.IncompleteReadError:
        return None


async def write_event(writer: asyncio.StreamWriter, event: Event, timeout_s: float) -> None:
    """Send an event.

    Raises:
        TimeoutError: the client took nothing for so long.
        ConnectionError: it has left.
    """
    head: dict[str, Any] = {"type": event.type, "version": _VERSION}
    data = _dump(event.data) if event.data else b""
    if data:
        head["data_length"] = len(data)
    if event.payload:
        head["payload_length"] = len(event.payload)
    writer.write(b"".join((_dump(head), b"\n", data, event.payload)))
    async with asyncio.timeout(timeout_s):
        await writer.drain()


async def _rest(line: bytes, reader: asyncio.StreamReader, limits: WyomingLimits) -> Event:
    head = _object(line)
    kind, data = head.get("type"), head.get("data") or {}
    lengths = [head.get(name) or 0 for name in ("data_length", "payload_length")]
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise InvalidRequest("An event is a JSON object with a type and data.")
    if not all(isinstance(length, int) and length >= 0 for length in lengths):
        raise InvalidRequest("An event's lengths are whole numbers of bytes.")
    if sum(lengths) > limits.max_event_bytes:
        raise BodyTooLarge(
            f"The event {kind[:40]!r} is larger than {limits.max_event_bytes} bytes. Send less at "
            "a time, or have the operator raise MAX_BODY_BYTES."
        )
    more = _object(await reader.readexactly(lengths[0])) if lengths[0] else {}
    return Event(kind, {**data, **more}, await reader.readexactly(lengths[1]))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested without an end
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest("What was sent is no Wyoming event: a JSON object on a line.")
    return value


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
