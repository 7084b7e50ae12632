"""Where workers come from: new ones, or the one that waits; and that none is left at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from virtual import in_virtual_time
from vivavoce.service.workers import Workers
from vivavoce.worker.handle import WorkerLimits

if TYPE_CHECKING:
    from scripted import Script


def source(*, standby: bool = True) -> Workers:
    return Workers("fake", WorkerLimits(), standby=standby)


def test_without_standby_none_is_made_before_it_is_taken(script: Script) -> None:
    async def main() -> None:
        workers = source(standby=False)
        workers.refill()
        await asyncio.sleep(10)
        assert not script.made
        assert workers.take() is not workers.take()
        await workers.close()

    in_virtual_time(main())


def test_one_waits_and_each_is_taken_once(script: Script) -> None:
    async def main() -> None:
        workers = source()
        for _ in range(3):  # asked again and again, there is one
            workers.refill()
            await asyncio.sleep(1)
        assert script.made == [workers.waiting]
        assert workers.take() is script.made[0]
        assert workers.waiting is None
        assert workers.take() is script.made[1]
        await script.made[0].stop()
        await workers.close()
        assert not script.left

    in_virtual_time(main())


def test_one_that_died_while_it_waited_is_replaced(script: Script) -> None:
    async def main() -> None:
        workers = source()
        workers.refill()
        await asyncio.sleep(1)
        script.made[0].die()
        workers.refill()
        await asyncio.sleep(1)
        assert script.made[0].gone
        assert workers.waiting is script.made[1]
        await workers.close()
        assert not script.left

    in_virtual_time(main())


@pytest.mark.parametrize("closes_after_s", [0, 1, 2.5, 5])
def test_closing_leaves_none_whatever_it_was_doing(script: Script, closes_after_s: float) -> None:
    script.start_s = script.stop_s = 2.0

    async def die() -> None:
        await asyncio.sleep(1.5)
        script.made[0].die()

    async def main() -> None:
        workers = source()
        workers.refill()
        if closes_after_s > 1.5:  # it dies as it is started, and is then cleared away
            dying = asyncio.create_task(die())
        await asyncio.sleep(closes_after_s)
        await workers.close()
        if closes_after_s > 1.5:
            await dying
        assert not script.left
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_virtual_time(main())
