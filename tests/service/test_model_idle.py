"""A model that nobody needs is unloaded, not sooner, and nobody who comes meanwhile is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from scripted import model_named
from virtual import in_virtual_time
from vivavoce.errors import ModelInUse
from vivavoce.service.metrics import Metrics
from vivavoce.service.model import Model, ModelState
from vivavoce.service.room import Room

if TYPE_CHECKING:
    from scripted import Script, ScriptedWorker

IDLE_S = 10.0


def new_model(idle_timeout_s: float = IDLE_S, metrics: Metrics | None = None) -> Model:
    return model_named("m", Room(1), metrics=metrics, idle_timeout_s=idle_timeout_s)


async def speak_s(model: Model, seconds: float) -> ScriptedWorker:
    async with model.use() as worker:
        await worker.speak_s(seconds)
        return worker


async def until(state: ModelState, model: Model) -> None:
    async with asyncio.timeout(1000):
        while model.state is not state:  # noqa: ASYNC110 - the clock is the loop's own
            await asyncio.sleep(0.01)


def test_it_is_unloaded_after_the_idle_time_and_not_before(script: Script) -> None:
    async def main() -> None:
        metrics = Metrics()
        model = new_model(metrics=metrics)
        await speak_s(model, 3)
        await asyncio.sleep(IDLE_S - 0.01)
        assert model.state is ModelState.READY
        await asyncio.sleep(0.02)
        assert model.state is ModelState.DRAINING
        await until(ModelState.ABSENT, model)
        assert not script.left
        assert b'vivavoce_model_unloads_total{model="m",reason="idle"} 1.0' in metrics.text()

    in_virtual_time(main())


def test_every_request_gives_it_the_whole_time_again(script: Script) -> None:
    async def main() -> None:
        model = new_model()
        for _ in range(5):
            await speak_s(model, 1)
            await asyncio.sleep(IDLE_S - 0.01)
            assert model.state is ModelState.READY
        assert script.loads == ["m"]
        await model.close()

    in_virtual_time(main())


@pytest.mark.parametrize("how", ["used", "loaded", "wanted"])
def test_it_is_not_unloaded_while_it_is_wanted(script: Script, how: str) -> None:
    async def main() -> None:
        model = new_model()
        if how == "used":
            await speak_s(model, 100 * IDLE_S)
        elif how == "loaded":
            script.load_s = 100 * IDLE_S
            await model.load()
        else:  # its request still waits for its turn, or its clip is read
            await model.load()
            with model.wanted():
                await asyncio.sleep(100 * IDLE_S)
                assert model.state is ModelState.READY
        assert model.state is ModelState.READY
        await until(ModelState.ABSENT, model)

    in_virtual_time(main())


def test_with_no_idle_time_it_stays_for_ever(script: Script) -> None:
    async def main() -> None:
        model = new_model(idle_timeout_s=0)
        await speak_s(model, 1)
        await asyncio.sleep(1e6)
        assert model.state is ModelState.READY
        await model.close()

    in_virtual_time(main())


def test_one_that_nobody_waited_for_to_the_end_is_idle_as_well(script: Script) -> None:
    async def main() -> None:
        model = new_model()
        asking = asyncio.create_task(model.load())
        await until(ModelState.STARTING, model)
        asking.cancel()
        await until(ModelState.READY, model)
        await asyncio.sleep(IDLE_S - 0.1)
        assert model.state is ModelState.READY
        await until(ModelState.ABSENT, model)
        assert not script.left

    in_virtual_time(main())


def test_who_comes_while_it_is_unloaded_gets_the_next_worker(script: Script) -> None:
    async def main() -> None:
        model = new_model()
        first = await speak_s(model, 1)
        await until(ModelState.DRAINING, model)
        workers = await asyncio.gather(*(speak_s(model, 1) for _ in range(5)))
        assert first.gone
        assert len(script.made) == 2
        assert set(workers) == {script.made[1]}
        await model.close()

    in_virtual_time(main())


# An operator unloads it


def test_asked_for_it_goes_at_once(script: Script) -> None:
    async def main() -> None:
        model = new_model()
        await model.load()
        await model.unload_if_unused()
        assert model.state is ModelState.ABSENT
        assert not script.left
        await model.unload_if_unused()  # there is nothing to unload: that is fine

    in_virtual_time(main())


@pytest.mark.parametrize("while_it", ["is loaded", "speaks", "has a request in the queue"])
def test_in_use_it_stays_and_says_so(script: Script, while_it: str) -> None:
    async def main() -> None:
        model = new_model()

        async def wait() -> None:
            with model.wanted():
                await asyncio.sleep(10)

        works = {"is loaded": model.load, "speaks": lambda: speak_s(model, 10)}
        request = asyncio.create_task(works.get(while_it, wait)())
        await asyncio.sleep(0.5 if while_it == "is loaded" else 5)
        with pytest.raises(ModelInUse, match="Model m is in use"):
            await model.unload_if_unused()
        await request
        await model.unload_if_unused()
        assert model.state is ModelState.ABSENT

    in_virtual_time(main())


def test_unloading_serves_those_who_have_it_and_keeps_others_waiting(script: Script) -> None:
    async def main() -> None:
        model = new_model()
        early = asyncio.create_task(speak_s(model, 20))
        await until(ModelState.READY, model)
        unloading = asyncio.create_task(model.unload("asked"))
        await until(ModelState.DRAINING, model)
        late = asyncio.create_task(speak_s(model, 1))
        first, second = await asyncio.gather(early, late)
        assert unloading.done()
        assert [first, second] == script.made
        await model.close()

    in_virtual_time(main())


def test_an_operator_who_leaves_does_not_stop_the_unloading(script: Script) -> None:
    async def main() -> None:
        model = new_model()
        await model.load()
        operator = asyncio.create_task(model.unload_if_unused())
        await until(ModelState.DRAINING, model)
        operator.cancel()
        with suppress(asyncio.CancelledError):
            await operator
        await until(ModelState.ABSENT, model)
        assert not script.left

    in_virtual_time(main())


@pytest.mark.parametrize("steps", range(4))
def test_closing_while_it_is_unloaded_leaves_nothing_and_nobody_waiting(
    script: Script, steps: int
) -> None:
    async def main() -> None:
        model = new_model()
        await model.load()
        unloading = asyncio.create_task(model.unload("asked"))
        await asyncio.sleep(0)
        late = asyncio.create_task(speak_s(model, 1))
        for _ in range(steps):
            await asyncio.sleep(0)
        await model.close()
        assert not script.left
        await unloading
        with pytest.raises(Exception, match="shutting down"):
            await late
        assert model.state is ModelState.ABSENT

    in_virtual_time(main())
