"""Many clients that listen at the same time, on one event loop: the least that can time each part.

What the server sends as one part of a chunked answer is one arrival. Nothing of the audio is kept.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.online.load import request_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.online.load import Body

_SHOWN_BYTES = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: when each part of it came, on the clock of `time.perf_counter`; its bytes."""

    arrivals_s: tuple[float, ...]
    audio_bytes: int


def listen(
    url: str, bodies: Sequence[Body], *, spread_s: float, limit_s: float
) -> tuple[list[Heard], float]:
    """Ask for every body over a connection of its own; the requests leave within `spread_s`.

    Return what was heard, in the order of the bodies, and the seconds of CPU it took to listen.

    Raises:
        RuntimeError: an answer is not a 200, or was cut.
        TimeoutError: they took longer than `limit_s` all together.
    """
    cpu_began = time.thread_time()
    heard = asyncio.run(_listen(url, bodies, spread_s, limit_s))
    return heard, time.thread_time() - cpu_began


async def _listen(url: str, bodies: Sequence[Body], spread_s: float, limit_s: float) -> list[Heard]:
    async def one(index: int, body: Body) -> Heard:
        await asyncio.sleep(index * spread_s / len(bodies))
        loop = asyncio.get_running_loop()
        split = urlsplit(url)
        transport, listener = await loop.create_connection(
            lambda: _Listener(body, loop.create_future()), split.hostname, split.port
        )
        try:
            return await listener.heard
        finally:
            transport.close()

    async with asyncio.timeout(limit_s):
        return await asyncio.gather(*(one(index, body) for index, body in enumerate(bodies)))


class _Listener(asyncio.Protocol):
    """Sends one request, reads one chunked answer, notes when its parts were complete."""

    def __init__(self, body: Body, heard: asyncio.Future[Heard]) -> None:
        self.heard = heard
        self._body = body
        self._buffer = bytearray()
        self._head_read = False
        self._arrivals_s: list[float] = []
        self._audio_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.write(request_bytes(self._body))

    def data_received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        self._buffer += data
        if not self._head_read and not self._read_head():
            return
        while (line_end := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:line_end], 16)
            end = line_end + 2 + size + 2
            if len(self._buffer) < end:
                return
            del self._buffer[:end]
            if size == 0:
                self._end(None)
                return
            self._arrivals_s.append(now_s)
            self._audio_bytes += size

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(RuntimeError(f"cut after {self._audio_bytes} bytes of audio: {exc}"))

    def _read_head(self) -> bool:
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return False
        if b" 200 " not in head[:16] or b"transfer-encoding: chunked" not in head.lower():
            shown = bytes(self._buffer[:_SHOWN_BYTES])
            self._end(RuntimeError(f"not a stream of audio: {shown!r}"))
            return False
        self._buffer = rest
        self._head_read = True
        return True

    def _end(self, error: RuntimeError | None) -> None:
        if self.heard.done():
            return
        if error is None:
            self.heard.set_result(Heard(tuple(self._arrivals_s), self._audio_bytes))
        else:
            self.heard.set_exception(error)
