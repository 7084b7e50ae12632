"""A voice's loudness: measured once, whoever asks and however many; of each voice its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from scripted import model_named
from vivavoce.errors import SynthesisFailed
from vivavoce.service.levels import Levels
from vivavoce.service.models import Models
from vivavoce.service.order import SpeechOrder
from vivavoce.service.plan import CacheRules, Plan, make_plan
from vivavoce.service.room import Room
from vivavoce.service.voices import Voices
from vivavoce.types import AudioChunk
from vivavoce.worker.conversation import Spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from vivavoce.types import SpeechRequest

MODEL = model_named("m", Room(1))
MODELS = Models(MODEL, design=MODEL)


class Worker:
    """Speaks noise, the quieter the longer the voice's name, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[SpeechRequest] = []
        self.fails = 0

    def speak(self, request: SpeechRequest) -> Spoken:
        self.asked.append(request)
        return Spoken(self._chunks(request))

    async def _chunks(self, request: SpeechRequest) -> AsyncGenerator[AudioChunk]:
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise SynthesisFailed("It was told to.")
        noise = np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
        yield AudioChunk(noise * np.float32(10 ** (-len(request.voice) / 20)) / 10, 0)


def plan(**wishes: object) -> Plan:
    return make_plan(SpeechOrder("Hello.", **wishes), MODELS, Voices({}), CacheRules())


def gain_db(levels: Levels, worker: Worker, lufs: float, **wishes: object) -> object:
    planned = plan(**wishes)
    return levels.gain_db(lufs, planned, planned.request, worker)


def test_many_at_once_measure_once() -> None:
    async def main() -> None:
        levels, worker = Levels(), Worker()
        gains = await asyncio.gather(
            *[gain_db(levels, worker, -20, voice="sine", seed=n) for n in range(9)]
        )
        assert len(worker.asked) == 1
        assert len(set(gains)) == 1
        louder = await gain_db(levels, worker, -17, voice="sine", instructions="Shout!")
        assert louder == pytest.approx(gains[0] + 3)
        assert len(worker.asked) == 1  # how it is told to speak is no matter of its level
        other = await gain_db(levels, worker, -20, voice="square")
        assert other == pytest.approx(gains[0] + 2)  # two letters more, 2 dB quieter
        assert len(worker.asked) == 2

    asyncio.run(main())


def test_described_voices_are_measured_as_they_are_described() -> None:
    async def main() -> None:
        levels, worker = Levels(), Worker()
        for description in ("a giant", "a mouse", "a giant"):
            await gain_db(levels, worker, -20, description=description)
        assert [request.instructions for request in worker.asked] == ["a giant", "a mouse"]

    asyncio.run(main())


def test_a_failure_is_not_remembered_and_no_gain_is_endless() -> None:
    async def main() -> None:
        levels, worker = Levels(), Worker()
        worker.fails = 1
        with pytest.raises(SynthesisFailed):
            await gain_db(levels, worker, -20, voice="sine")
        assert await gain_db(levels, worker, 90, voice="sine") == 24
        assert await gain_db(levels, worker, -190, voice="sine") == -24
        assert len(worker.asked) == 2

    asyncio.run(main())
