"""More models than places: which one leaves, who gets its place, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from scripted import bad_weights, model_named, no_memory
from virtual import in_virtual_time
from vivavoce.errors import EngineUnavailable, WorkerDied
from vivavoce.service.model import OUT_OF_MEMORY, Model, ModelState
from vivavoce.service.room import Room

if TYPE_CHECKING:
    from scripted import Script


def models_in(room: Room) -> dict[str, Model]:
    return {name: model_named(name, room) for name in "abc"}


async def close(models: dict[str, Model]) -> None:
    await asyncio.gather(*(model.close() for model in models.values()))


async def speak_s(model: Model, seconds: float = 1.0) -> None:
    async with model.use() as worker:
        await worker.speak_s(seconds)


def loaded(models: dict[str, Model]) -> set[str]:
    return {name for name, model in models.items() if model.state is ModelState.READY}


# Who leaves


def test_the_one_unused_for_longest_leaves(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(2))
        await speak_s(models["a"])
        await speak_s(models["b"])
        await speak_s(models["a"])
        await speak_s(models["c"])
        assert loaded(models) == {"a", "c"}
        await speak_s(models["b"])
        assert loaded(models) == {"b", "c"}
        await close(models)

    in_virtual_time(main())


def test_one_that_speaks_stays_if_another_does_not(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(2))
        speech = asyncio.create_task(speak_s(models["a"], 100))
        await asyncio.sleep(2)
        await speak_s(models["b"])  # used last, but not in use
        await speak_s(models["c"])
        assert loaded(models) == {"a", "c"}
        assert not speech.done()
        await speech
        await close(models)

    in_virtual_time(main())


def test_if_all_speak_one_is_waited_for_and_its_speech_is_not_cut(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(1))
        speech = asyncio.create_task(speak_s(models["a"], 100))
        await asyncio.sleep(2)
        await speak_s(models["b"])
        assert speech.done()
        await speech
        assert script.loads == ["a", "b"]
        await close(models)

    in_virtual_time(main())


def test_a_dead_ones_place_is_free(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(1))
        await speak_s(models["a"])
        script.made[0].die()
        await speak_s(models["b"])
        assert script.made[0].gone
        await close(models)

    in_virtual_time(main())


# Who waits


def test_two_in_demand_take_turns(script: Script) -> None:
    longest_s = 0.0

    async def request(model: Model) -> None:
        nonlocal longest_s
        asked_at = time.monotonic()
        await speak_s(model, 3)
        longest_s = max(longest_s, time.monotonic() - asked_at)

    async def main() -> None:
        models = models_in(Room(1))
        async with asyncio.TaskGroup() as requests:
            for _ in range(50):  # more than one of each is under way all the time
                for name in "ab":
                    requests.create_task(request(models[name]))
                await asyncio.sleep(1)
        assert len(script.loads) > 10
        assert set(script.loads[0::2]) == {"a"}
        assert set(script.loads[1::2]) == {"b"}
        assert longest_s < 15  # the other's turn, its own, and what they take to be loaded
        await close(models)

    in_virtual_time(main())


def test_who_waits_gets_the_place_in_the_order_of_asking(script: Script) -> None:
    async def main() -> None:
        room = Room(1)
        models = {name: model_named(name, room) for name in "abcde"}
        async with asyncio.TaskGroup() as requests:
            for model in models.values():
                requests.create_task(speak_s(model, 10))
                await asyncio.sleep(0.1)
        assert script.loads == list("abcde")
        await close(models)

    in_virtual_time(main())


def test_who_waits_too_long_is_told(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(1, wait_s=10))
        speech = asyncio.create_task(speak_s(models["a"], 100))
        await asyncio.sleep(2)
        with pytest.raises(EngineUnavailable, match=r"Model b found no place.*10 s.*MAX_LOADED"):
            await speak_s(models["b"])
        assert time.monotonic() == pytest.approx(12)
        await speech
        await speak_s(models["b"])
        await close(models)

    in_virtual_time(main())


def test_one_that_is_asked_for_again_as_it_dies_does_not_block_another(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(1))
        await speak_s(models["a"])
        script.made[0].die()
        async with asyncio.timeout(30):
            await asyncio.gather(*(speak_s(models[name]) for name in "abab"))
        await close(models)

    in_virtual_time(main())


# Short of memory


def test_what_does_not_fit_is_tried_again_after_another_has_left(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(3))
        await speak_s(models["a"])
        await speak_s(models["b"])
        script.faults = [no_memory(), no_memory()]
        await speak_s(models["c"])
        assert script.loads == list("abccc")
        assert loaded(models) == {"c"}
        assert models["c"].failure is None
        await close(models)

    in_virtual_time(main())


def test_what_does_not_fit_waits_for_the_others_speech(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(2))
        speech = asyncio.create_task(speak_s(models["a"], 100))
        await asyncio.sleep(2)
        script.faults = [no_memory()]
        await speak_s(models["b"])
        assert speech.done()
        await speech
        await close(models)

    in_virtual_time(main())


def test_what_does_not_fit_alone_is_an_error(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(2))
        script.faults = [no_memory()]
        with pytest.raises(EngineUnavailable) as refusal:
            await speak_s(models["a"])
        assert refusal.value.code == OUT_OF_MEMORY
        assert not script.left
        await speak_s(models["a"])
        await close(models)

    in_virtual_time(main())


def test_what_fails_for_another_reason_drives_nobody_out(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(2))
        await speak_s(models["a"])
        script.faults = [bad_weights()]
        with pytest.raises(EngineUnavailable, match="weights are damaged"):
            await speak_s(models["b"])
        assert script.loads == ["a", "b"]
        assert loaded(models) == {"a"}
        await close(models)

    in_virtual_time(main())


def test_two_that_do_not_fit_beside_each_other_do_not_wait_for_each_other(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(2))
        script.faults = [no_memory(), no_memory()]
        ends = await asyncio.gather(
            *(speak_s(models[name]) for name in "ab"), return_exceptions=True
        )
        assert any(isinstance(end, EngineUnavailable) for end in ends)
        for name in "ab":
            await speak_s(models[name])
        await close(models)

    in_virtual_time(main())


def test_one_that_dies_in_the_middle_of_its_speech_gives_up_its_place(script: Script) -> None:
    async def main() -> None:
        models = models_in(Room(1))
        speech = asyncio.create_task(speak_s(models["a"], 100))
        await asyncio.sleep(2)
        waiting = asyncio.create_task(speak_s(models["b"]))
        await asyncio.sleep(2)
        script.made[0].die()
        with pytest.raises(WorkerDied):
            await speech
        await waiting
        assert time.monotonic() < 10
        await close(models)

    in_virtual_time(main())
