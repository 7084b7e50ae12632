"""First audio and deadlines: of one stream alone, of N at once, of one that comes to N - 1 others.

All in every round, so that a busy minute of the machine falls on all alike.
"""

from __future__ import annotations

import asyncio
import statistics
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.streams.listener import client, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from benchmarks.online.figures import Figures
    from benchmarks.online.progress import Progress
    from benchmarks.streams.listener import Heard
    from benchmarks.streams.plan import Plan
    from benchmarks.streams.target import Target

_MIDDLE = 0.2
"""Of its audio has whoever is in the middle of its speech, when the newcomer comes."""


def measure(target: Target, plan: Plan, progress: Progress, figures: Figures) -> None:
    """Take all rounds; a round before them is not measured."""
    asyncio.run(_measure(target, plan, progress, figures))


async def _measure(target: Target, plan: Plan, progress: Progress, figures: Figures) -> None:
    async with client(target, plan.answer_limit_s) as http:
        room = _Room(http, target, plan)
        await room.at_once()
        with progress.stage(f"{plan.count} streams at once", plan.rounds) as step:
            for _ in range(plan.rounds):
                alone = [await room.one() for _ in range(plan.alone)]
                alone_s = statistics.median(heard.first_audio_s for heard in alone)
                note(figures, "alone", alone, None)
                note(figures, "at_once", await room.at_once(), alone_s)
                newcomer, others = await room.newcomer(alone[-1].audio_s)
                note(figures, "newcomer", [newcomer], alone_s)
                note(figures, "others", others, None, first_audio=False)
                step()


class _Room:
    """Those who listen, in a round. Each speaks another seed: no answer is like another."""

    def __init__(self, http: httpx.AsyncClient, target: Target, plan: Plan) -> None:
        self._http, self._target, self._plan = http, target, plan
        self._seed = plan.seed

    async def one(self, on_audio: Callable[[float], None] = lambda audio_s: None) -> Heard:
        self._seed += 1
        heard = await listen(
            self._http,
            self._target,
            seed=self._seed,
            frames=self._plan.frames,
            on_audio=on_audio,
        )
        if heard.refused:
            raise RuntimeError(f"{self._target.url} refused one of {self._plan.count} requests")
        return heard

    async def at_once(self) -> list[Heard]:
        return await asyncio.gather(*(self.one() for _ in range(self._plan.count)))

    async def newcomer(self, audio_s: float) -> tuple[Heard, list[Heard]]:
        """Return what a newcomer heard, and the others. `audio_s` is how long an answer is."""
        middle = [asyncio.Event() for _ in range(self._plan.count - 1)]

        def tell(event: asyncio.Event, heard_s: float) -> None:
            if heard_s >= _MIDDLE * audio_s:
                event.set()

        others = [asyncio.create_task(self.one(partial(tell, event))) for event in middle]
        for event in middle:
            await event.wait()
        newcomer = await self.one()
        heard = await asyncio.gather(*others)
        begins_s = newcomer.began_s + newcomer.first_audio_s
        if any(other.began_s + other.total_s < begins_s for other in heard):
            raise RuntimeError("somebody had ended when the newcomer came: more frames are needed")
        return newcomer, heard


def note(
    figures: Figures,
    name: str,
    heard: Sequence[Heard],
    alone_s: float | None,
    *,
    first_audio: bool = True,
) -> None:
    """Add what was heard at the same time: first audio, also over that alone; deadlines."""
    if first_audio:
        figures.add(f"{name}.first_audio", "ms", *(1000 * one.first_audio_s for one in heard))
    if alone_s is not None:
        ratios = [one.first_audio_s / alone_s for one in heard]
        figures.add(f"{name}.first_audio.ratio", "x", *ratios)
    leads_ms = [1000 * min(one.leads_s) for one in heard if one.leads_s]
    if leads_ms:
        figures.add(f"{name}.lead", "ms", *leads_ms)
    figures.add(f"{name}.late", "chunks", *(one.late for one in heard))
    figures.add(f"{name}.realtime", "x", *(one.total_s / one.audio_s for one in heard))
