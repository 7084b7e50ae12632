"""Three models in too little room, a thousand times: whatever happens when, nobody is forgotten.

Each seed is a course of events: requests, some given up; idle times; operators; workers that die,
that do not load, that do not fit. It is always the same, so a seed that fails can be looked into.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from scripted import Script, ScriptedWorker, bad_weights, model_named, no_memory
from virtual import in_virtual_time
from vivavoce.errors import EngineUnavailable, ModelInUse, WorkerDied
from vivavoce.service.metrics import Metrics
from vivavoce.service.room import Room
from vivavoce.service.workers import Workers
from vivavoce.worker.handle import WorkerLimits

if TYPE_CHECKING:
    from vivavoce.service.model import Model

SEEDS = 1000
LONGEST_S = 1000.0
"""More than the longest course takes; less than a place is waited for (`NEVER_S`)."""
NEVER_S = 1e6


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return Metrics()


class Course(Script):
    """A course of events, drawn from a seed. `calm`: nothing goes wrong in it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.draw = Random(seed)
        self.calm = seed % 4 == 0
        self.places = 1 + seed % 2
        self.closing = False
        self.given_up: set[asyncio.Task[None]] = set()
        self.met: Counter[str] = Counter()

    def some_s(self) -> float:
        """Whole seconds, so that many things happen in the same moment."""
        return float(self.draw.choice((0, 0, 1, 1, 2, 3, 5)))

    def starts_in_s(self) -> float:
        return self.some_s()

    def loads_in_s(self) -> float:
        return self.some_s()

    def stops_in_s(self) -> float:
        return self.some_s() / 4

    def fault(self, worker: ScriptedWorker) -> EngineUnavailable | None:
        if self.calm or self.draw.random() < 0.7:
            return None
        return self.draw.choice((no_memory, bad_weights))()

    def on_load(self, worker: ScriptedWorker) -> None:
        loaded = [other for other in self.left if other.model]
        assert len(loaded) <= self.places, f"{len(loaded)} models in {self.places} places"

    def on_stop(self, worker: ScriptedWorker) -> None:
        assert not (worker.alive and worker.users) or self.closing, "it was still of use"

    def on_refusal(self, message: str) -> None:
        assert self.closing if "shutting down" in message else not self.calm, message
        self.met["refused"] += 1

    async def moment(self) -> None:
        """Let others go first, for seconds or only for a step or two."""
        if self.draw.random() < 0.7:
            await asyncio.sleep(self.some_s() + self.some_s())
        for _ in range(self.draw.randrange(4)):
            await asyncio.sleep(0)


async def ask(model: Model, course: Course) -> None:
    """Be a request: end with speech, or with an error that tells what happened."""
    await course.moment()
    try:
        with model.wanted():
            await course.moment()
            async with model.use() as worker:
                # It may die in the very moment that it is handed over: to speak then tells so.
                just_died = worker.died_at == asyncio.get_running_loop().time()
                assert worker.loaded or just_died or course.closing, "its worker cannot speak"
                await worker.speak_s(course.some_s())
        course.met["served"] += 1
    except WorkerDied:
        assert course.closing or not course.calm
        course.met["died"] += 1
    except EngineUnavailable as exc:
        course.on_refusal(exc.message)


async def give_up(request: asyncio.Task[None], course: Course) -> None:
    await course.moment()
    await course.moment()
    course.given_up.add(request)
    request.cancel()


async def operate(models: list[Model], course: Course) -> None:
    """Be an operator who loads and unloads."""
    for _ in range(3):
        await course.moment()
        model = course.draw.choice(models)
        try:
            match course.draw.randrange(3):
                case 0:
                    await model.load()
                case 1:
                    await model.unload_if_unused()
                case 2:
                    await model.unload("asked")
        except ModelInUse:
            course.met["in use"] += 1
        except EngineUnavailable:
            assert course.closing or not course.calm


async def strike(course: Course) -> None:
    """Kill workers."""
    for _ in range(3):
        await course.moment()
        if alive := [worker for worker in course.made if worker.alive]:
            course.draw.choice(alive).die()


async def follow(course: Course, metrics: Metrics) -> None:
    draw = course.draw
    workers = Workers("fake", WorkerLimits(), standby=draw.random() < 0.5)
    room = Room(course.places, NEVER_S)
    models = [
        model_named(name, room, workers, metrics, idle_timeout_s=draw.choice((0, 0.5, 1, 3)))
        for name in "abc"
    ]
    requests = [asyncio.create_task(ask(draw.choice(models), course)) for _ in range(15)]
    others = [asyncio.create_task(operate(models, course))]
    others += [
        asyncio.create_task(give_up(request, course)) for request in draw.sample(requests, 3)
    ]
    if not course.calm:
        others.append(asyncio.create_task(strike(course)))
    if draw.random() < 0.5:
        await asyncio.wait(requests)
    else:
        await asyncio.sleep(draw.randrange(20))
        await course.moment()
    course.closing = True
    await asyncio.gather(*(model.close() for model in models))
    await workers.close()
    ends = await asyncio.gather(*requests, *others, return_exceptions=True)
    for task, end in zip((*requests, *others), ends, strict=True):
        given_up = isinstance(end, asyncio.CancelledError) and task in course.given_up
        assert end is None or given_up, repr(end)
    assert not course.left, "a worker was left behind"
    assert not any(model.occupies for model in models)
    assert asyncio.get_running_loop().time() < LONGEST_S, "somebody waited for ever"
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("seeds", [range(n, n + 250) for n in range(0, SEEDS, 250)], ids=repr)
def test_nobody_is_forgotten_whatever_happens_when(
    seeds: range, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: Counter[str] = Counter()
    for seed in seeds:
        course = Course(seed)
        course.install(monkeypatch)
        try:
            in_virtual_time(follow(course, metrics))
        except Exception as exc:
            exc.add_note(f"in the course of seed {seed}")
            raise
        met += course.met
    # Else the courses were too tame to tell anything.
    assert min(met[end] for end in ("served", "died", "refused", "in use")) > len(seeds) // 4
