"""A long text, spoken part by part, so that whoever is interrupted goes on where they were."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.audio.encode import open_encoder
from vivavoce.cli.output import half_a_file, seal
from vivavoce.cli.parts import PartsFolder
from vivavoce.cli.steps import Steps
from vivavoce.service.order import MAX_SEED, choose_format

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vivavoce.cli.parts import TextPart
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.plan import Plan
    from vivavoce.service.speech import Speech, SpeechService
    from vivavoce.types import Samples, TimedSegment

_AT_ONCE = 4
"""An engine that serves several side by side makes more of them in the same time."""
_SLICE_BYTES = 48_000


@dataclass(frozen=True, slots=True)
class Done:
    """What is told of a text that was spoken."""

    duration_s: float
    total_s: float
    voice: str
    model: str
    timed: tuple[TimedSegment, ...] = ()

    @classmethod
    def of(cls, speech: Speech) -> Done:
        """Return what is told of a speech that has ended."""
        return cls(
            speech.made.duration_s,
            speech.total_s or 0.0,
            speech.plan.voice,
            speech.model.id,
            tuple(speech.made.timed),
        )


class Book:
    """Speaks parts into files of their own, then joins their samples and encodes them once."""

    def __init__(
        self, service: SpeechService, order: SpeechOrder, parts: list[TextPart], output: Path
    ) -> None:
        self._service = service
        self._order = order
        self._parts = parts
        self._output = output
        self._folder = PartsFolder(output)
        _, self._rate_hz = choose_format(order)
        drawn = self._folder.seed()
        if order.seed is not None:
            self._seed = order.seed
        else:
            self._seed = secrets.randbelow(MAX_SEED + 1) if drawn is None else drawn
        self._reached: dict[int, int] = {}

    async def speak(self) -> Done:
        """Speak what is not there yet, then write the output.

        Raises:
            InvalidRequest: a part cannot be spoken; nothing was begun.
            VivavoceError, OSError: it was interrupted; the finished parts are kept.
        """
        began_at = time.monotonic()
        plans = [self._service.check(self._part(part)) for part in self._parts]
        self._folder.open(self._seed)
        with Steps(sum(len(plan.request.segments) for plan in plans)) as steps:
            steps.note_ignored(plans[0].model.info.id, plans[0].ignored)
            there = [n for n, plan in enumerate(plans) if self._folder.part(plan.key).exists()]
            if there:
                steps.note(f"going on: {len(there)} of {len(plans)} parts are spoken already")
                self._reached = {n: len(plans[n].request.segments) for n in there}
            try:
                await self._make(plans, steps)
            except BaseException:
                kept = sum(self._folder.part(plan.key).exists() for plan in plans)
                steps.note(
                    f"{kept} of {len(plans)} parts are kept in {self._folder.path.name}: the same "
                    "command goes on from there."
                )
                raise
            steps.note(f"joining {len(plans)} parts into {self._output.name}")
        samples = await asyncio.to_thread(self._join, plans)
        self._folder.remove()
        plan = plans[0]
        total_s = time.monotonic() - began_at
        return Done(samples / self._rate_hz, total_s, plan.voice, plan.model.info.id)

    def _part(self, part: TextPart) -> SpeechOrder:
        return replace(
            self._order,
            text=part.text,
            seed=self._seed,
            format="pcm",
            sample_rate_hz=self._rate_hz,
            whole=True,
            cache=False,
        )

    async def _make(self, plans: list[Plan], steps: Steps) -> None:
        """Make the parts that are missing, a few at a time, in their order."""
        missing = (n for n in range(len(plans)) if n not in self._reached)

        async def make_parts() -> None:
            for n in missing:
                await self._make_part(n, plans[n], steps)

        makers = [asyncio.create_task(make_parts()) for _ in range(_AT_ONCE)]
        try:
            await asyncio.gather(*makers)
        finally:
            for maker in makers:
                maker.cancel()
            await asyncio.gather(*makers, return_exceptions=True)

    async def _make_part(self, n: int, plan: Plan, steps: Steps) -> None:
        samples = bytearray()
        speech = await self._service.begin(plan.order)
        async with aclosing(speech.parts()) as parts:
            async for part in parts:
                samples += part
                self._reached[n] = speech.made.segments_begun
                steps.reached(sum(self._reached.values()))
        await asyncio.to_thread(self._folder.keep, plan.key, bytes(samples))

    def _join(self, plans: list[Plan]) -> int:
        """Write all samples into the output, encoded in one go; return how many they are."""
        encoder = open_encoder(self._order.format, self._rate_hz)
        total = 0
        with half_a_file(self._output) as file:
            for samples in self._samples(plans):
                total += len(samples)
                file.write(encoder.feed(samples))
            file.write(encoder.flush())
            seal(file, encoder.seal)
        return total

    def _samples(self, plans: list[Plan]) -> Iterator[Samples]:
        for n, (plan, part) in enumerate(zip(plans, self._parts, strict=True)):
            with self._folder.part(plan.key).open("rb") as spoken:
                while data := spoken.read(_SLICE_BYTES):
                    # As it was before it was written as 16 bits, to the bit once it is again.
                    yield np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32767)
            pause = round(part.pause_s / self._order.tempo * self._rate_hz)
            if pause and n + 1 < len(plans):
                yield np.zeros(pause, np.float32)
