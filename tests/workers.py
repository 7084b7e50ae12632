"""Workers as tests have them: real processes, what they are asked, and whether they are gone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil

from vivavoce.engine.fake import SAMPLE_RATE_HZ
from vivavoce.types import AudioChunk, Segment, SpeechRequest
from vivavoce.worker.handle import WorkerHandle, WorkerLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from vivavoce.engine.base import Options

TEXTS = ("Good morning.", "The train leaves at noon.", "Do not be late!")


def ask(*texts: str, seed: int = 7, switches: str = "", voice: str = "sine") -> SpeechRequest:
    segments = tuple(Segment(text) for text in texts or TEXTS)
    return SpeechRequest(segments, voice, seed, instructions=switches)


@asynccontextmanager
async def worker(
    engine: str = "fake", limits: WorkerLimits | None = None, options: Options | None = None
) -> AsyncIterator[WorkerHandle]:
    handle = WorkerHandle(engine, limits or WorkerLimits())
    await handle.load(options or {}, SAMPLE_RATE_HZ)
    try:
        yield handle
    finally:
        await handle.stop()


async def spoken(handle: WorkerHandle, request: SpeechRequest) -> list[AudioChunk]:
    return [chunk async for chunk in handle.speak(request).chunks]


async def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - processes set no events here
            await asyncio.sleep(0.01)


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}
