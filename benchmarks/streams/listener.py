"""A client that plays sound from its first byte on, and needs each next chunk before it runs dry.

No sound is buffered before playing begins: whoever waits a moment first hears fewer gaps than this.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmarks.streams.target import Target

_BYTES_PER_SAMPLE = 2
_REFUSED = (429, 503)


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: what came of it and when, in seconds after `began_s` of `time.perf_counter`.

    `chunks` are (when it came, seconds of audio in it); none if it was `refused` with 429 or 503.
    """

    began_s: float
    chunks: tuple[tuple[float, float], ...]
    refused: bool = False

    @property
    def first_audio_s(self) -> float:
        """From the moment at which the request was due to the first byte of audio."""
        return self.chunks[0][0]

    @property
    def total_s(self) -> float:
        """To its last byte."""
        return self.chunks[-1][0]

    @property
    def audio_s(self) -> float:
        """How long it sounds."""
        return sum(audio_s for _, audio_s in self.chunks)

    @property
    def leads_s(self) -> list[float]:
        """For how long there was still sound to play when each chunk after the first came.

        Less than nothing: so long was the gap. After it, playing goes on from there.
        """
        came_s, audio_s = self.chunks[0]
        runs_out_s = came_s + audio_s
        leads_s = []
        for came_s, audio_s in self.chunks[1:]:
            leads_s.append(runs_out_s - came_s)
            runs_out_s = max(runs_out_s, came_s) + audio_s
        return leads_s

    @property
    def late(self) -> int:
        """How many chunks came after their deadline."""
        return sum(lead_s < 0 for lead_s in self.leads_s)


def client(target: Target, limit_s: float) -> httpx.AsyncClient:
    """Return a client with as many connections as are asked for."""
    return httpx.AsyncClient(
        base_url=target.url,
        headers={"Authorization": f"Bearer {target.key}"},
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        timeout=limit_s,
    )


async def listen(
    http: httpx.AsyncClient,
    target: Target,
    *,
    seed: int,
    frames: int,
    due_s: float | None = None,
    on_audio: Callable[[float], None] = lambda audio_s: None,
) -> Heard:
    """Ask, and read as fast as it comes. `on_audio` is told how much there is after each chunk.

    A request that was due at `due_s` and left later, since this process was busy, began then.

    Raises:
        RuntimeError: an error that is no refusal, an answer that was cut or has no audio.
    """
    began_s = time.perf_counter() if due_s is None else due_s
    chunks = []
    heard_s = 0.0
    body = target.body(seed, frames)
    try:
        async with http.stream("POST", "/v1/audio/speech", json=body) as answer:
            if answer.status_code in _REFUSED:
                return Heard(began_s, (), refused=True)
            if answer.status_code != httpx.codes.OK:
                said = (await answer.aread())[:500]
                raise RuntimeError(f"{target.url} answered {answer.status_code}: {said!r}")
            async for size in _sizes(answer):
                audio_s = size / _BYTES_PER_SAMPLE / target.sample_rate_hz
                chunks.append((time.perf_counter() - began_s, audio_s))
                heard_s += audio_s
                on_audio(heard_s)
    except httpx.HTTPError as exc:
        raise RuntimeError(f"{target.url} failed after {heard_s:.2f} s of audio: {exc!r}") from exc
    if not chunks:
        raise RuntimeError(f"{target.url} answered without audio")
    return Heard(began_s, tuple(chunks))


async def _sizes(answer: httpx.Response) -> AsyncIterator[int]:
    async for part in answer.aiter_raw():
        if part:
            yield len(part)
