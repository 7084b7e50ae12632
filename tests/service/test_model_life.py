"""A model's real worker: when it is started, shared, replaced and ended."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from vivavoce.engine import registry
from vivavoce.errors import EngineUnavailable
from vivavoce.service.metrics import Metrics
from vivavoce.service.model import Model, ModelState
from vivavoce.service.room import Room
from vivavoce.service.workers import Workers
from vivavoce.worker.handle import WorkerHandle, WorkerLimits
from workers import ask, children, spoken, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from vivavoce.engine.base import Options

SLOW: Options = {"load_s": 60.0}


class Counted(Workers):
    """The real source of workers; remembers those it gave away."""

    def __init__(self, *, standby: bool = False) -> None:
        super().__init__("fake", WorkerLimits(), standby=standby)
        self.taken: list[WorkerHandle] = []

    def take(self) -> WorkerHandle:
        self.taken.append(super().take())
        return self.taken[-1]


@asynccontextmanager
async def model_with(
    options: Options | None = None, *, standby: bool = False
) -> AsyncIterator[tuple[Model, Counted]]:
    """Have a model; nothing of it is left afterwards."""
    before = children()
    workers = Counted(standby=standby)
    model = Model(registry.describe("fake"), options or {}, workers, Room(1), Metrics())
    try:
        yield model, workers
    finally:
        await model.close()
        await workers.close()
    assert model.worker is None
    assert children() == before


async def speak(model: Model) -> WorkerHandle:
    async with model.use() as worker:
        assert len(await spoken(worker, ask())) > 0
        return worker


def test_nothing_is_started_before_somebody_asks() -> None:
    async def main() -> None:
        before = children()
        async with model_with() as (model, workers):
            assert model.state is ModelState.ABSENT
            assert model.worker is None
            assert not workers.taken
            assert children() == before

    asyncio.run(main())


def test_50_who_ask_at_once_share_one_start() -> None:
    async def main() -> None:
        async with model_with() as (model, workers):
            shared = await asyncio.gather(*(speak(model) for _ in range(50)))
            assert len(workers.taken) == 1
            assert set(shared) == {workers.taken[0]}
            assert await speak(model) is model.worker is workers.taken[0]
            assert model.state is ModelState.READY

    asyncio.run(main())


def test_a_dead_worker_is_replaced_by_the_next_call() -> None:
    async def main() -> None:
        before = children()
        async with model_with() as (model, workers):
            first = await speak(model)
            os.kill(first.pid, signal.SIGKILL)
            await until(lambda: model.worker is None)
            assert model.state is ModelState.ABSENT
            second, same = await asyncio.gather(speak(model), speak(model))
            assert second is same is not first
            assert len(workers.taken) == 2
            assert children() - before == {second.pid}

    asyncio.run(main())


def test_a_caller_who_gives_up_does_not_stop_the_start() -> None:
    async def main() -> None:
        async with model_with() as (model, workers):
            impatient = asyncio.create_task(model.load())
            await until(lambda: model.state is ModelState.STARTING)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            assert model.state is ModelState.STARTING
            await speak(model)
            assert len(workers.taken) == 1

    asyncio.run(main())


def test_a_failure_is_told_to_all_and_the_next_call_tries_again(tmp_path: Path) -> None:
    fails = tmp_path / "fails"
    fails.touch()

    async def main() -> None:
        async with model_with({"load_fails": str(fails)}) as (model, workers):
            asking = (model.load() for _ in range(3))
            for failure in await asyncio.gather(*asking, return_exceptions=True):
                assert isinstance(failure, EngineUnavailable)
                assert f"{fails} exists" in failure.message
            assert model.state is ModelState.FAILED
            assert model.failure is not None
            assert f"{fails} exists" in model.failure.message
            assert model.worker is None
            assert len(workers.taken) == 1

            fails.unlink()  # it is mended
            await speak(model)
            assert model.state is ModelState.READY
            assert model.failure is None
            assert len(workers.taken) == 2

    asyncio.run(main())


def test_nobody_waiting_for_a_start_that_fails_is_no_trouble(tmp_path: Path) -> None:
    fails = tmp_path / "fails"
    fails.touch()

    async def main() -> None:
        async with model_with({"load_fails": str(fails)}) as (model, _):
            caller = asyncio.create_task(model.load())
            await until(lambda: model.state is ModelState.STARTING)
            caller.cancel()
            await until(lambda: model.state is ModelState.FAILED)

    asyncio.run(main())


def test_unloaded_its_process_is_gone_and_the_next_request_starts_another() -> None:
    async def main() -> None:
        before = children()
        async with model_with() as (model, workers):
            first = await speak(model)
            await model.unload_if_unused()
            assert model.state is ModelState.ABSENT
            assert children() == before
            assert await speak(model) is not first
            assert len(workers.taken) == 2

    asyncio.run(main())


def test_a_worker_on_standby_is_what_the_next_load_takes() -> None:
    async def main() -> None:
        async with model_with(standby=True) as (model, workers):
            workers.refill()
            await until(lambda: workers.waiting is not None)
            waiting = workers.waiting
            assert await speak(model) is waiting
            await until(lambda: workers.waiting is not None)  # the next one
            assert workers.waiting is not waiting

    asyncio.run(main())


def test_one_that_died_on_standby_is_not_taken() -> None:
    async def main() -> None:
        async with model_with(standby=True) as (model, workers):
            workers.refill()
            await until(lambda: workers.waiting is not None)
            waiting = workers.waiting
            os.kill(waiting.pid, signal.SIGKILL)
            await until(lambda: workers.waiting is None)
            assert await speak(model) is not waiting

    asyncio.run(main())


# Closing


@pytest.mark.parametrize("when", ["at once", "as the process starts", "while it loads"])
def test_closing_during_a_start_leaves_no_process(when: str) -> None:
    async def main() -> None:
        async with model_with(SLOW) as (model, _):
            caller = asyncio.create_task(model.load())
            if when != "at once":
                await until(lambda: model.state is ModelState.STARTING)
            if when == "while it loads":
                await until(lambda: model.loading is not None)
            await model.close()
            with pytest.raises(EngineUnavailable, match="shutting down"):
                await caller

    asyncio.run(main())


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_closing_during_an_unload_leaves_no_process(steps: int) -> None:
    async def main() -> None:
        async with model_with() as (model, _):
            await model.load()
            unloading = asyncio.create_task(model.unload("asked"))
            for _ in range(steps):
                await asyncio.sleep(0)
            assert model.state is ModelState.DRAINING
            late = asyncio.create_task(model.load())
            await model.close()
            await unloading
            with pytest.raises(EngineUnavailable, match="shutting down"):
                await late

    asyncio.run(main())


def test_a_closed_model_starts_nothing_again() -> None:
    async def main() -> None:
        async with model_with() as (model, workers):
            await model.load()
            await model.close()
            with pytest.raises(EngineUnavailable, match="shutting down"):
                await model.load()
            assert len(workers.taken) == 1

    asyncio.run(main())


def test_asking_while_it_closes_starts_nothing() -> None:
    async def main() -> None:
        async with model_with() as (model, workers):
            await model.load()
            closing = asyncio.create_task(model.close())
            await until(lambda: model.worker is None)  # it is about to end
            with pytest.raises(EngineUnavailable, match="shutting down"):
                await model.load()
            await closing
            assert len(workers.taken) == 1

    asyncio.run(main())
