"""Requests that come as in real life: independent of each other, at random moments (Poisson)."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from benchmarks.online.figures import Figure
from benchmarks.streams.listener import client, listen
from benchmarks.streams.together import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.online.figures import Figures
    from benchmarks.online.progress import Progress
    from benchmarks.streams.listener import Heard
    from benchmarks.streams.plan import Plan
    from benchmarks.streams.target import Target


def moments_s(count: int, rate: float, seed: int) -> list[float]:
    """Return when so many requests come, in seconds from now: always the same for a seed."""
    rng = random.Random(f"{seed} {rate}")
    moments, at_s = [], 0.0
    for _ in range(count):
        at_s += rng.expovariate(rate)
        moments.append(at_s)
    return moments


def measure(target: Target, plan: Plan, progress: Progress, figures: Figures) -> None:
    """Take every rate, one after the other, each until its last answer has ended."""
    held = 0.0
    with progress.stage("requests at random moments", len(plan.rates)) as step:
        for rate in plan.rates:
            name = f"arrivals.{rate:g}"
            answers = asyncio.run(come(target, plan, rate))
            heard = [answer for answer in answers if not answer.refused]
            refused = len(answers) - len(heard)
            figures.add(f"{name}.refused", "requests", refused)
            if heard:
                note(figures, name, heard, None)
                dry = sum(answer.late > 0 for answer in heard)
                figures.add(f"{name}.dry", "listeners", dry)
                figures.add(f"{name}.audio", "s/s", _audio_per_s(heard))
                if not refused and not dry and _first_ms(heard) <= plan.limit_ms:
                    held = max(held, rate)
            step()
    figures.add("arrivals.held", "1/s", held)


async def come(target: Target, plan: Plan, rate: float) -> list[Heard]:
    """Return what those heard who came at a rate."""
    moments = moments_s(plan.arrivals(rate), rate, plan.seed)
    return await come_at(target, plan, moments, plan.arrival_frames)


async def come_at(target: Target, plan: Plan, moments: Sequence[float], frames: int) -> list[Heard]:
    """Return what those heard who came at these moments, in seconds from now."""
    async with client(target, plan.answer_limit_s) as http:
        began_s = time.perf_counter()

        async def one(index: int, at_s: float) -> Heard:
            due_s = began_s + at_s
            await asyncio.sleep(due_s - time.perf_counter())
            seed = 1000 * plan.seed + index
            return await listen(http, target, seed=seed, frames=frames, due_s=due_s)

        return await asyncio.gather(*(one(index, at_s) for index, at_s in enumerate(moments)))


def _first_ms(heard: Sequence[Heard]) -> float:
    """Return the first audio of 19 of 20, or of the worst of fewer."""
    values = tuple(1000 * answer.first_audio_s for answer in heard)
    found = Figure("", "ms", values).p95
    return max(values) if found is None else found


def _audio_per_s(heard: Sequence[Heard]) -> float:
    """Return the seconds of audio that were made each second, from the first request on."""
    began_s = min(answer.began_s for answer in heard)
    ended_s = max(answer.began_s + answer.total_s for answer in heard)
    return sum(answer.audio_s for answer in heard) / (ended_s - began_s)
