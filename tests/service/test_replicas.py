"""A model on two devices, in virtual time: who serves whom, and what a death or a failure costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from scripted import bad_weights, model_named
from virtual import in_virtual_time
from vivavoce.errors import EngineUnavailable, ModelInUse, WorkerDied
from vivavoce.service.model import ModelState
from vivavoce.service.replicas import Replicas
from vivavoce.service.room import Room

if TYPE_CHECKING:
    from scripted import Script


def on_two_devices(idle_timeout_s: float = 0.0) -> Replicas:
    return Replicas(
        [model_named("voice", Room(1), idle_timeout_s=idle_timeout_s) for _ in range(2)]
    )


async def speak(model: Replicas, seconds: float = 10.0) -> object:
    async with model.use() as worker:
        await worker.speak_s(seconds)  # type: ignore[attr-defined]
        return worker


def test_the_first_loads_one_and_nobody_waits_for_the_second(script: Script) -> None:
    async def main() -> None:
        model = on_two_devices()
        assert model.state is ModelState.ABSENT
        first = asyncio.create_task(speak(model))
        await asyncio.sleep(1.5)
        assert len(script.made) == len(model.workers) == 1
        second = await speak(model, 0.1)  # it does not wait for another load
        assert second is script.made[0]
        await asyncio.sleep(1.5)
        assert len(model.workers) == 2
        assert await speak(model) is script.made[1]
        assert await first is script.made[0]
        await model.close()
        assert not script.left

    in_virtual_time(main())


def test_requests_go_to_who_has_least_to_do(script: Script) -> None:
    async def main() -> None:
        model = on_two_devices()
        await model.load()
        assert len(model.workers) == 2
        several = [asyncio.create_task(speak(model)) for _ in range(6)]
        await asyncio.sleep(1)
        assert [worker.users for worker in script.made] == [3, 3]
        short = await speak(model, 0.5)
        assert short is script.made[0]
        await asyncio.gather(*several)
        await model.close()

    in_virtual_time(main())


def test_one_dies_and_the_other_serves(script: Script) -> None:
    async def main() -> None:
        model = on_two_devices()
        await model.load()
        ends = [asyncio.create_task(speak(model)) for _ in range(4)]
        await asyncio.sleep(1)
        script.made[0].die()
        after = [asyncio.create_task(speak(model)) for _ in range(2)]
        made = await asyncio.gather(*ends, return_exceptions=True)
        assert sum(isinstance(one, WorkerDied) for one in made) == 2
        assert await asyncio.gather(*after) == [script.made[1]] * 2
        assert model.state is ModelState.READY
        assert model.failure is None
        assert len(model.workers) == 2  # one has taken the dead one's place
        await model.close()
        assert not script.left

    in_virtual_time(main())


def test_where_one_device_fails_the_other_loads(script: Script) -> None:
    async def main() -> None:
        script.faults = [bad_weights()]
        model = on_two_devices()
        assert await speak(model) is script.made[1]
        await model.close()

    in_virtual_time(main())


def test_where_none_can_be_loaded_the_reason_is_told(script: Script) -> None:
    async def main() -> None:
        script.faults = [bad_weights() for _ in range(4)]
        model = on_two_devices()
        with pytest.raises(EngineUnavailable, match="damaged"):
            await speak(model)
        assert model.state is ModelState.FAILED
        assert model.failure is not None
        with pytest.raises(EngineUnavailable, match="damaged"):
            await model.load()
        await model.close()

    in_virtual_time(main())


def test_they_are_idle_together(script: Script) -> None:
    async def main() -> None:
        model = on_two_devices(idle_timeout_s=30.0)
        await model.load()
        for _ in range(4):  # only the first serves
            await asyncio.sleep(20)
            assert await speak(model, 1) is script.made[0]
        assert len(model.workers) == 2
        await asyncio.sleep(40)
        assert model.state is ModelState.ABSENT
        assert not script.left
        await model.close()

    in_virtual_time(main())


def test_what_is_in_use_is_not_unloaded(script: Script) -> None:
    async def main() -> None:
        model = on_two_devices()
        await model.load()
        busy = asyncio.create_task(speak(model))
        await asyncio.sleep(1)
        with pytest.raises(ModelInUse):
            await model.unload_if_unused()
        assert len(model.workers) == 2
        await busy
        await model.unload_if_unused()
        assert not model.workers
        await model.close()

    in_virtual_time(main())
