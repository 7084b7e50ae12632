"""Models: when their worker is started, shared, replaced and ended."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from vivavoce.engine import registry
from vivavoce.errors import EngineUnavailable, InvalidRequest, UnknownModel
from vivavoce.service.models import Model, Models, ModelState
from vivavoce.types import Need, Segment, SpeechRequest
from vivavoce.worker.handle import WorkerHandle, WorkerLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

REQUEST = SpeechRequest((Segment("Hello there."),), "sine", 7)


class Fixture:
    """A model of a real engine, and every worker it ever made."""

    def __init__(self, engine: str) -> None:
        self.made: list[WorkerHandle] = []
        self.model = Model(registry.describe(engine), self._new_worker)

    def _new_worker(self) -> WorkerHandle:
        can = self.model.info.capabilities
        self.made.append(
            WorkerHandle(self.model.info.engine, {}, can.sample_rate_hz, WorkerLimits())
        )
        return self.made[-1]


@asynccontextmanager
async def model_of(engine: str = "fake") -> AsyncIterator[Fixture]:
    fixture = Fixture(engine)
    try:
        yield fixture
    finally:
        await fixture.model.close()


async def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - processes set no events here
            await asyncio.sleep(0.01)


async def speaks(worker: WorkerHandle) -> bool:
    return len([chunk async for chunk in worker.speak(REQUEST).chunks]) > 0


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Keep the embedded voice loading until this is called; then it fails."""
    go_on = tmp_path / "go-on"
    (tmp_path / "hibari.py").write_text(
        "import pathlib, time\n"
        f"while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)\n"
        "raise ImportError('there is no voice')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return go_on.touch


def test_nothing_is_started_before_somebody_asks() -> None:
    async def main() -> None:
        async with model_of() as it:
            assert it.model.state is ModelState.ABSENT
            assert it.model.worker is None
            assert not it.made

    asyncio.run(main())


def test_50_who_ask_at_once_share_one_start() -> None:
    async def main() -> None:
        async with model_of() as it:
            workers = await asyncio.gather(*(it.model.ready_worker() for _ in range(50)))
            assert len(it.made) == 1
            assert set(workers) == {it.made[0]}
            assert await speaks(workers[0])
            assert await it.model.ready_worker() is workers[0]
            assert it.model.state is ModelState.READY
            assert it.model.worker is workers[0]

    asyncio.run(main())


def test_a_dead_worker_is_replaced_by_the_next_call() -> None:
    before = children()

    async def main() -> None:
        async with model_of() as it:
            first = await it.model.ready_worker()
            os.kill(first.pid, signal.SIGKILL)
            await until(lambda: it.model.worker is None)
            assert it.model.state is ModelState.ABSENT
            second, same = await asyncio.gather(it.model.ready_worker(), it.model.ready_worker())
            assert second is same is not first
            assert len(it.made) == 2
            assert await speaks(second)
            assert children() - before == {second.pid}

    asyncio.run(main())


def test_a_caller_who_gives_up_does_not_stop_the_start() -> None:
    async def main() -> None:
        async with model_of() as it:
            impatient = asyncio.create_task(it.model.ready_worker())
            await until(lambda: it.model.state is ModelState.STARTING)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            assert it.model.state is ModelState.STARTING
            assert await speaks(await it.model.ready_worker())
            assert len(it.made) == 1

    asyncio.run(main())


def test_a_failure_is_told_to_all_and_the_next_call_tries_again(
    stuck: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with model_of("embedded") as it:
            asking = [asyncio.create_task(it.model.ready_worker()) for _ in range(3)]
            await until(lambda: it.model.state is ModelState.STARTING)
            stuck()
            failures = await asyncio.gather(*asking, return_exceptions=True)
            for failure in failures:
                assert isinstance(failure, EngineUnavailable)
                assert "there is no voice" in failure.message
            assert it.model.state is ModelState.FAILED
            assert "there is no voice" in it.model.failure.message
            assert it.model.worker is None
            assert len(it.made) == 1

            monkeypatch.delenv("PYTHONPATH")  # it is mended
            await it.model.ready_worker()
            assert it.model.state is ModelState.READY
            assert it.model.failure is None
            assert len(it.made) == 2

    asyncio.run(main())


def test_nobody_waiting_for_a_start_that_fails_is_no_trouble(stuck: Callable[[], None]) -> None:
    async def main() -> None:
        async with model_of("embedded") as it:
            caller = asyncio.create_task(it.model.ready_worker())
            await until(lambda: it.model.state is ModelState.STARTING)
            caller.cancel()
            stuck()
            await until(lambda: it.model.state is ModelState.FAILED)

    asyncio.run(main())


@pytest.mark.parametrize("when", ["at once", "as the process starts", "while it loads"])
def test_closing_during_a_start_leaves_no_process(when: str, stuck: Callable[[], None]) -> None:
    before = children()

    async def main() -> None:
        async with model_of("embedded") as it:
            caller = asyncio.create_task(it.model.ready_worker())
            if when != "at once":
                await until(lambda: it.model.state is ModelState.STARTING)
            if when == "while it loads":
                await until(lambda: bool(it.made) and it.made[0].pid is not None)
            await it.model.close()
            with pytest.raises(EngineUnavailable, match="shutting down"):
                await caller
            assert it.model.worker is None

    asyncio.run(main())
    assert children() == before


def test_a_closed_model_starts_nothing_again() -> None:
    before = children()

    async def main() -> None:
        async with model_of() as it:
            await it.model.ready_worker()
            await it.model.close()
            with pytest.raises(EngineUnavailable, match="shutting down"):
                await it.model.ready_worker()
            assert len(it.made) == 1
            assert children() == before

    asyncio.run(main())


def test_asking_while_it_closes_starts_nothing() -> None:
    async def main() -> None:
        async with model_of() as it:
            await it.model.ready_worker()
            closing = asyncio.create_task(it.model.close())
            await until(lambda: it.model.worker is None)  # it is about to end
            with pytest.raises(EngineUnavailable, match="shutting down"):
                await it.model.ready_worker()
            await closing
            assert len(it.made) == 1

    asyncio.run(main())


# Which of them a request means


def never() -> WorkerHandle:
    raise AssertionError("choosing starts nothing")


def named(id: str) -> Model:
    return Model(replace(registry.describe("fake"), id=id), never)


FAMILY = {Need.PRESET: named("preset"), Need.CLONE: named("clone"), Need.DESIGN: named("design")}


def family(**settings: bool) -> Models:
    return Models(
        FAMILY[Need.PRESET], clone=FAMILY[Need.CLONE], design=FAMILY[Need.DESIGN], **settings
    )


@pytest.mark.parametrize("need", Need)
@pytest.mark.parametrize("name", [None, "", " ", "tts-1", "qwen3-tts", "preset", " preset "])
def test_the_need_chooses_within_a_family(name: str | None, need: Need) -> None:
    assert family().choose(name, need) is FAMILY[need]


@pytest.mark.parametrize("need", Need)
def test_a_model_named_exactly_is_only_for_what_it_can_do(need: Need) -> None:
    models = family()
    for other in (Need.CLONE, Need.DESIGN):
        if other is need:
            assert models.choose(other.value, need) is FAMILY[need]
            continue
        with pytest.raises(InvalidRequest, match=f"Use {FAMILY[need].info.id}"):
            models.choose(other.value, need)


@pytest.mark.parametrize("need", [Need.CLONE, Need.DESIGN])
def test_without_a_model_for_a_need_the_remedy_is_told(need: Need) -> None:
    with pytest.raises(InvalidRequest, match="ENGINE=qwen3"):
        Models(FAMILY[Need.PRESET]).choose(None, need)


def test_an_unknown_name_means_the_family_where_the_operator_says_so() -> None:
    with pytest.raises(UnknownModel, match="preset, tts-1"):
        family().choose("nonesuch", Need.CLONE)
    lenient = family(unknown_means_default=True)
    assert lenient.choose("nonesuch", Need.CLONE) is FAMILY[Need.CLONE]
