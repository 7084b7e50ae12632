"""A model that does not load is tried again: at once, then less and less often."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import pytest

from scripted import bad_weights, model_named, no_memory
from virtual import in_virtual_time
from vivavoce.errors import EngineUnavailable, SynthesisFailed, WorkerDied
from vivavoce.service.model import OUT_OF_MEMORY, UNREADY_S, ModelState
from vivavoce.service.room import Room

if TYPE_CHECKING:
    from scripted import Script
    from vivavoce.service.model import Model


async def fail(script: Script, model: Model) -> None:
    """Have it tried, and fail."""
    before = len(script.loads)
    script.faults = [bad_weights()]
    with pytest.raises(EngineUnavailable, match="weights are damaged"):
        await model.load()
    assert len(script.loads) == before + 1
    assert model.state is ModelState.FAILED


async def is_refused(script: Script, model: Model) -> EngineUnavailable:
    before = len(script.loads)
    with pytest.raises(EngineUnavailable) as refusal:
        await model.load()
    assert len(script.loads) == before, "it was tried"
    return refusal.value


async def serve(model: Model) -> None:
    async with model.use() as worker:
        await worker.speak_s(1)


async def die(model: Model) -> None:
    """Have it loaded, and die before it has served anybody."""
    with pytest.raises(WorkerDied):
        async with model.use() as worker:
            asyncio.get_running_loop().call_later(1, worker.die)
            await worker.speak_s(2)


def test_requests_are_welcome_again_some_time_after_a_failure(script: Script) -> None:
    """Only a request has it try again: kept from all of them it would never come back."""

    async def main() -> None:
        model = model_named("m", Room(1))
        assert not model.failed_lately
        for _ in range(8):
            await fail(script, model)
            failed_at = time.monotonic()
            await asyncio.sleep(UNREADY_S - 1)
            assert model.failed_lately
            await asyncio.sleep(1)
            assert not model.failed_lately
            assert time.monotonic() - failed_at == UNREADY_S
        await model.load()
        assert not model.failed_lately

    in_virtual_time(main())


def test_the_pauses_grow_and_are_told(script: Script) -> None:
    async def main() -> None:
        model = model_named("m", Room(1))
        for in_a_row, pause_s in enumerate((0, 1, 2, 4, 8, 16, 30, 30), start=1):
            await fail(script, model)
            failed_at = time.monotonic()
            while (left_s := failed_at + pause_s - time.monotonic()) > 0:
                refusal = await is_refused(script, model)
                assert refusal.retry_after_s == pytest.approx(left_s)
                assert "weights are damaged" in refusal.message
                assert f"{in_a_row} times in a row" in refusal.message
                assert f"in {math.ceil(left_s)} s" in refusal.message
                await asyncio.sleep(min(0.7, left_s))
        await serve(model)
        await model.close()

    in_virtual_time(main())


def test_the_reason_is_told_while_nobody_tries(script: Script) -> None:
    async def main() -> None:
        model = model_named("m", Room(1))
        for _ in range(2):
            script.faults = [no_memory()]
            with pytest.raises(EngineUnavailable, match="does not fit"):
                await model.load()
        assert (await is_refused(script, model)).code == OUT_OF_MEMORY
        assert model.failure is not None
        assert model.failure.message == "It does not fit."

    in_virtual_time(main())


def test_a_served_request_makes_all_failures_forgotten(script: Script) -> None:
    async def main() -> None:
        model = model_named("m", Room(1))
        for _ in range(3):
            await fail(script, model)
            await asyncio.sleep(60)
        await serve(model)
        await model.unload_if_unused()
        await fail(script, model)
        await serve(model)  # at once: that was a first failure
        await model.close()

    in_virtual_time(main())


@pytest.mark.parametrize("then", ["nothing", "unloaded", "its place is needed"])
def test_to_die_before_serving_anybody_is_to_fail(script: Script, then: str) -> None:
    script.load_s = script.stop_s = 0.1

    async def main() -> None:
        room = Room(1)
        model = model_named("m", room)
        other = model_named("other", room)
        for _ in range(2):
            await die(model)
            if then == "unloaded":
                await model.unload_if_unused()
            elif then == "its place is needed":
                await other.load()
        refusal = await is_refused(script, model)
        assert "died as soon as it was used" in refusal.message
        await asyncio.sleep(1)
        await serve(model)
        await model.close()
        await other.close()

    in_virtual_time(main())


def test_to_be_loaded_is_not_yet_to_serve(script: Script) -> None:
    async def main() -> None:
        model = model_named("m", Room(1))
        for _ in range(3):
            await fail(script, model)
            await asyncio.sleep(60)
        await model.load()
        await model.unload_if_unused()
        await fail(script, model)
        assert (await is_refused(script, model)).retry_after_s == pytest.approx(4)

    in_virtual_time(main())


def test_a_worker_that_has_served_may_die_without_a_pause(script: Script) -> None:
    async def main() -> None:
        model = model_named("m", Room(1))
        for _ in range(5):
            await serve(model)
            await die(model)
        await model.close()

    in_virtual_time(main())


def test_the_end_of_a_dead_workers_request_proves_nothing_of_the_next(script: Script) -> None:
    async def main() -> None:
        model = model_named("m", Room(1))
        has_all = asyncio.Event()

        async def read_slowly() -> None:
            async with model.use():
                await has_all.wait()

        reader = asyncio.create_task(read_slowly())
        await asyncio.sleep(2)
        script.made[0].die()
        await fail(script, model)
        await asyncio.sleep(1)
        await model.load()
        has_all.set()
        await reader
        script.made[-1].die()
        await is_refused(script, model)
        await model.close()

    in_virtual_time(main())


def test_a_request_that_fails_by_itself_is_no_failure_of_the_model(script: Script) -> None:
    async def main() -> None:
        model = model_named("m", Room(1))
        for _ in range(5):
            with pytest.raises(SynthesisFailed):
                async with model.use():
                    raise SynthesisFailed("These words cannot be spoken.")
            assert model.state is ModelState.READY
        assert script.loads == ["m"]
        await model.close()

    in_virtual_time(main())
