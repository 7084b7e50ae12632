"""A text that is spoken while it is being written, through a real worker."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np

from speaking import speaking_checkpoint
from vivavoce.types import AudioChunk, Samples, SpeechRequest
from vivavoce.worker.handle import WorkerHandle, WorkerLimits
from workers import until, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT = "Hello there, said she, and so on."
OPTIONS = {
    "model": str(speaking_checkpoint("custom_voice", ends=False)),
    "need": "preset",
    "device": "cpu",
    "quantize": "none",
    "frame_budget": False,
    "runaway_guard": False,
}
REQUEST = SpeechRequest((), "vivian", 5, live=True, max_new_tokens=50)


def joined(chunks: list[AudioChunk]) -> Samples:
    return np.concatenate([chunk.samples for chunk in chunks])


async def at_once(handle: WorkerHandle) -> Samples:
    spoken = handle.speak(REQUEST)
    spoken.push(TEXT)
    spoken.finish()
    return joined([chunk async for chunk in spoken.chunks])


def test_words_that_come_one_by_one_are_spoken_as_if_they_had_been_there() -> None:
    asyncio.run(_words_that_come_one_by_one_are_spoken_as_if_they_had_been_there())


async def _words_that_come_one_by_one_are_spoken_as_if_they_had_been_there() -> None:
    async with worker("qwen3", options=OPTIONS) as handle:
        expected = await at_once(handle)
        spoken = handle.speak(REQUEST)
        words = TEXT.split(" ")
        spoken.push(" ".join(words[:2]))  # of which the second may become another yet
        heard = [await anext(spoken.chunks)]
        for word in words[2:]:
            spoken.push(f" {word}")
            await asyncio.sleep(0)
        spoken.finish()
        heard += [chunk async for chunk in spoken.chunks]
    np.testing.assert_allclose(joined(heard), expected, atol=1e-4)
    assert spoken.report.usage.output_tokens == 49


def test_who_waits_for_text_is_not_taken_for_a_stalled_engine() -> None:
    asyncio.run(_who_waits_for_text_is_not_taken_for_a_stalled_engine())


async def _who_waits_for_text_is_not_taken_for_a_stalled_engine() -> None:
    limits = WorkerLimits(stall_s=1.0)
    async with worker("qwen3", limits, OPTIONS) as handle:
        spoken = handle.speak(REQUEST)
        spoken.push("Hello there")
        first = await anext(spoken.chunks)
        began = time.monotonic()
        waiting = asyncio.ensure_future(_rest(spoken.chunks))
        await until(lambda: time.monotonic() - began > 3)
        assert handle.alive
        spoken.push(TEXT.removeprefix("Hello there"))
        spoken.finish()
        heard = joined([first, *await waiting])
        np.testing.assert_allclose(heard, await at_once(handle), atol=1e-4)


async def _rest(chunks: AsyncIterator[AudioChunk]) -> list[AudioChunk]:
    return [chunk async for chunk in chunks]


def test_a_live_request_that_is_given_up_leaves_room_for_others() -> None:
    asyncio.run(_a_live_request_that_is_given_up_leaves_room_for_others())


async def _a_live_request_that_is_given_up_leaves_room_for_others() -> None:
    async with worker("qwen3", options=OPTIONS) as handle:
        spoken = handle.speak(REQUEST)
        spoken.push("Hello there")
        await anext(spoken.chunks)
        await spoken.chunks.aclose()
        assert handle.active == 0
        assert len(await at_once(handle))
        await until(lambda: handle.engine_active == 0)


def test_an_empty_live_text_is_no_speech() -> None:
    asyncio.run(_an_empty_live_text_is_no_speech())


async def _an_empty_live_text_is_no_speech() -> None:
    async with worker("qwen3", options=OPTIONS) as handle:
        spoken = handle.speak(REQUEST)
        spoken.finish()
        assert [chunk async for chunk in spoken.chunks] == []
