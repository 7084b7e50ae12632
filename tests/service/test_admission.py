"""Turns: exactly so many at a time, in order, and handed on whatever happens in the same moment."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtual import in_virtual_time
from vivavoce.errors import ServerFull
from vivavoce.service.admission import LIVE_IN_A_ROW, Admission

if TYPE_CHECKING:
    from collections.abc import Iterable


async def hold(admission: Admission, until: asyncio.Event, *, live: bool = True) -> None:
    async with admission.slot(live=live):
        await until.wait()


async def settle() -> None:
    """Let everybody come as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def order_of_turns(asking: Iterable[tuple[str, bool]]) -> list[str]:
    """Have them ask for the only slot while it is taken; return in which order they get it."""
    admission = Admission(1, 100)
    served: list[str] = []

    async def ask(name: str, live: bool) -> None:
        async with admission.slot(live=live):
            served.append(name)
            await settle()

    async with asyncio.TaskGroup() as tasks, admission.slot(live=True):
        for name, live in asking:
            tasks.create_task(ask(name, live))
            await settle()
    return served


# How many


def test_as_many_run_and_wait_as_may_and_the_rest_is_refused() -> None:
    async def main() -> None:
        admission = Admission(max_running=2, max_waiting=3)
        end = asyncio.Event()
        asking = [asyncio.create_task(hold(admission, end)) for _ in range(20)]
        await settle()
        assert (admission.running, admission.waiting) == (2, 3)
        refused = [task.exception() for task in asking if task.done()]
        assert len(refused) == 15
        for refusal in refused:
            assert isinstance(refusal, ServerFull)
            assert "2 answers are being made and 3 requests wait" in refusal.message
            assert "MAX_QUEUE_DEPTH" in refusal.message
        end.set()
        await asyncio.wait(asking)
        assert (admission.running, admission.waiting) == (0, 0)
        async with admission.slot(live=False):
            assert admission.running == 1

    asyncio.run(main())


def test_with_no_queue_nobody_waits() -> None:
    async def main() -> None:
        admission = Admission(1, 0)
        async with admission.slot(live=True):
            with pytest.raises(ServerFull, match="1 answers are being made and 0 requests wait"):
                async with admission.slot(live=True):
                    pass
        async with admission.slot(live=True):
            pass

    asyncio.run(main())


def test_what_fails_gives_its_slot_back() -> None:
    async def main() -> None:
        admission = Admission(1, 1)
        with pytest.raises(ZeroDivisionError):
            async with admission.slot(live=True):
                raise ZeroDivisionError
        assert admission.running == 0

    asyncio.run(main())


# In which order


@pytest.mark.parametrize("live", [True, False])
def test_first_come_first_served(live: bool) -> None:
    names = [str(n) for n in range(30)]
    assert asyncio.run(order_of_turns((name, live) for name in names)) == names


def test_who_listens_goes_first_but_not_for_ever() -> None:
    batch = [f"batch {n}" for n in range(3)]
    live = [f"live {n}" for n in range(12)]
    asking = [*((name, False) for name in batch), *((name, True) for name in live)]
    turns = asyncio.run(order_of_turns(asking))
    assert [name for name in turns if name in live] == live
    assert [name for name in turns if name in batch] == batch
    assert turns[0] == "live 0"
    positions = [turns.index(name) for name in batch]
    assert positions == [LIVE_IN_A_ROW, 2 * LIVE_IN_A_ROW + 1, 3 * LIVE_IN_A_ROW + 2]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_nobody_waits_for_more_than_their_share_of_others(classes: list[bool]) -> None:
    asking = [(str(n), live) for n, live in enumerate(classes)]
    turns = asyncio.run(order_of_turns(asking))
    live_passed = 0
    for position, name in enumerate(turns):
        if classes[int(name)]:
            waits = any(not classes[int(later)] for later in turns[position:])
            live_passed += waits
            assert live_passed <= LIVE_IN_A_ROW
        else:
            live_passed = 0
    for live in (True, False):
        names = [name for name, its in asking if its is live]
        assert [name for name in turns if name in names] == names


# Who leaves


def test_who_leaves_while_waiting_is_forgotten() -> None:
    async def main() -> None:
        admission = Admission(1, 2)
        end = asyncio.Event()
        first = asyncio.create_task(hold(admission, end))
        leaving = [asyncio.create_task(hold(admission, end, live=live)) for live in (True, False)]
        await settle()
        assert admission.waiting == 2
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        assert (admission.running, admission.waiting) == (1, 0)
        last = asyncio.create_task(hold(admission, end))
        await settle()
        assert admission.waiting == 1
        end.set()
        await asyncio.gather(first, last)
        assert admission.running == 0

    asyncio.run(main())


@pytest.mark.parametrize("first", ["the slot comes free", "it is given up"])
@pytest.mark.parametrize("steps", range(3))
def test_who_leaves_in_the_moment_of_being_served_takes_no_slot_along(
    first: str, steps: int
) -> None:
    async def main() -> None:
        admission = Admission(max_running=1, max_waiting=5)
        ending, never = asyncio.Event(), asyncio.Event()
        holder = asyncio.create_task(hold(admission, ending))
        await settle()
        leaving = asyncio.create_task(hold(admission, never))
        staying = asyncio.create_task(hold(admission, ending))
        await settle()
        assert admission.waiting == 2
        if first == "the slot comes free":
            ending.set()
            for _ in range(steps):
                await asyncio.sleep(0)
            leaving.cancel()
        else:
            leaving.cancel()
            for _ in range(steps):
                await asyncio.sleep(0)
            ending.set()
        ends = await asyncio.gather(holder, leaving, staying, return_exceptions=True)
        assert [type(end) for end in ends] == [type(None), asyncio.CancelledError, type(None)]
        assert (admission.running, admission.waiting) == (0, 0)

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_no_slot_is_lost_or_doubled(seed: int) -> None:
    draw = Random(seed)
    places, queue = draw.randrange(1, 4), draw.randrange(6)
    admission = Admission(places, queue)
    inside = 0

    async def request() -> None:
        nonlocal inside
        await asyncio.sleep(draw.randrange(20))
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(admission.slot(live=draw.random() < 0.5))
            except ServerFull:
                assert (admission.running, admission.waiting) == (places, queue)
                return
            inside += 1
            stack.callback(leave)
            assert inside <= places
            # Whole seconds, so that much happens in the same moment.
            await asyncio.sleep(draw.randrange(5))

    def leave() -> None:
        nonlocal inside
        inside -= 1

    async def give_up(task: asyncio.Task[None]) -> None:
        await asyncio.sleep(draw.randrange(25))
        for _ in range(draw.randrange(4)):
            await asyncio.sleep(0)
        task.cancel()

    async def main() -> None:
        requests = [asyncio.create_task(request()) for _ in range(40)]
        leaving = [asyncio.create_task(give_up(task)) for task in draw.sample(requests, 15)]
        ends = await asyncio.gather(*requests, *leaving, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends)
        assert (inside, admission.running, admission.waiting) == (0, 0, 0)

    in_virtual_time(main())


# What is told to those who are refused


@pytest.mark.parametrize(
    ("answers_take_s", "expected_s"), [(0.01, 1), (4.0, 8), (1000.0, 30)], ids=str
)
def test_refused_one_is_told_when_to_come_again(answers_take_s: float, expected_s: int) -> None:
    now_s = 0.0

    async def main() -> None:
        nonlocal now_s
        admission = Admission(2, 3, clock=lambda: now_s)
        for _ in range(50):
            async with admission.slot(live=True):
                now_s += answers_take_s
        end = asyncio.Event()
        asking = [asyncio.create_task(hold(admission, end)) for _ in range(5)]
        await settle()
        with pytest.raises(ServerFull) as refusal:
            await hold(admission, end)
        # Three wait and it would be the fourth, for two slots: two rounds.
        assert refusal.value.retry_after_s == expected_s
        end.set()
        await asyncio.gather(*asking)

    asyncio.run(main())
