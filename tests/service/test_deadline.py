"""A limit in time counts what is to be counted, and nothing else."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from virtual import in_virtual_time
from vivavoce.service.deadline import Deadline


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_what_takes_too_long_is_cancelled_at_the_limit() -> None:
    async def main() -> None:
        deadline = Deadline(10)
        was_cancelled = False
        with pytest.raises(TimeoutError):
            async with deadline:
                try:
                    await asyncio.sleep(11)
                except asyncio.CancelledError:
                    was_cancelled = True
                    raise
        assert was_cancelled
        assert deadline.expired
        assert now_s() == pytest.approx(10)

    in_virtual_time(main())


def test_what_is_in_time_is_left_alone() -> None:
    async def main() -> None:
        deadline = Deadline(10)
        async with deadline:
            await asyncio.sleep(9.9)
        await asyncio.sleep(10)
        assert not deadline.expired

    in_virtual_time(main())


def test_a_pause_does_not_count() -> None:
    async def main() -> None:
        deadline = Deadline(10)
        with pytest.raises(TimeoutError):
            async with deadline:
                await asyncio.sleep(6)
                with deadline.paused():
                    await asyncio.sleep(1000)
                await asyncio.sleep(3.9)
                assert not deadline.expired
                await asyncio.sleep(1)
        assert deadline.expired
        assert now_s() == pytest.approx(1010)

    in_virtual_time(main())


def test_after_a_pause_it_may_begin_afresh() -> None:
    async def main() -> None:
        deadline = Deadline(10)
        with pytest.raises(TimeoutError):
            async with deadline:
                for _ in range(5):
                    await asyncio.sleep(9)
                    with deadline.paused(afresh=True):
                        await asyncio.sleep(20)
                await asyncio.sleep(11)
        assert now_s() == pytest.approx(5 * 29 + 10)

    in_virtual_time(main())


def test_a_pause_that_ends_with_an_error_ends() -> None:
    async def main() -> None:
        deadline = Deadline(10)
        with pytest.raises(TimeoutError):
            async with deadline:
                with pytest.raises(ZeroDivisionError), deadline.paused():
                    await asyncio.sleep(100)
                    raise ZeroDivisionError
                await asyncio.sleep(11)
        assert now_s() == pytest.approx(110)

    in_virtual_time(main())


def test_the_time_outs_of_others_are_not_its_own() -> None:
    async def main() -> None:
        deadline = Deadline(10)
        with pytest.raises(TimeoutError):
            async with deadline, asyncio.timeout(5):
                await asyncio.sleep(11)
        assert not deadline.expired

    in_virtual_time(main())


@pytest.mark.parametrize("in_a_pause", [False, True])
def test_to_be_cancelled_is_not_to_be_late(in_a_pause: bool) -> None:
    async def main() -> None:
        deadline = Deadline(10)

        async def work() -> None:
            async with deadline:
                if in_a_pause:
                    with deadline.paused():
                        await asyncio.sleep(100)
                await asyncio.sleep(100)

        working = asyncio.create_task(work())
        await asyncio.sleep(5)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert not deadline.expired

    in_virtual_time(main())


@pytest.mark.parametrize("seed", range(100))
def test_it_expires_when_what_counts_is_too_much(seed: int) -> None:
    draw = Random(seed)
    steps = [(draw.choice(("work", "pause", "afresh")), draw.uniform(0, 5)) for _ in range(20)]
    counted_s = expected_s = 0.0
    for what, seconds in steps:
        if what == "work" and counted_s + seconds > 10:
            expected_s += 10 - counted_s
            counted_s += seconds
            break
        counted_s = 0 if what == "afresh" else counted_s + (seconds if what == "work" else 0)
        expected_s += seconds
    late = counted_s > 10

    async def main() -> None:
        deadline = Deadline(10)
        try:
            async with deadline:
                for what, seconds in steps:
                    if what == "work":
                        await asyncio.sleep(seconds)
                    else:
                        with deadline.paused(afresh=what == "afresh"):
                            await asyncio.sleep(seconds)
        except TimeoutError:
            assert late
        assert deadline.expired == late
        assert now_s() == pytest.approx(expected_s)

    in_virtual_time(main())
