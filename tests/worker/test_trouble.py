"""Memory that does not suffice, and engines that break down: who notices, and what is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from vivavoce.engine.fake import SAMPLE_RATE_HZ, FakeEngine
from vivavoce.errors import EngineUnavailable, OutOfMemory, WorkerDied
from vivavoce.worker.handle import WorkerHandle, WorkerLimits
from workers import ask, has_ended, spoken, until, worker

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_without_memory_fails_alone() -> None:
    async def main() -> None:
        async with worker() as handle:
            other = asyncio.create_task(spoken(handle, ask(switches="interval_s=0.01")))
            heard = []
            with pytest.raises(OutOfMemory, match="no memory here") as caught:
                async for chunk in handle.speak(ask(switches="oom_after=2")).chunks:
                    heard.append(chunk)
            assert caught.value.code == "out_of_memory"
            assert len(heard) == 2
            expected = len(list(FakeEngine().speak(ask())))
            assert len(await other) == expected
            assert len(await spoken(handle, ask())) == expected
            assert handle.alive

    asyncio.run(main())


@pytest.mark.parametrize("others", [0, 3])
def test_an_engine_that_breaks_down_ends_its_process_with_the_reason(
    others: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    waiting = ask(switches=f"gate={tmp_path / 'never'} after=1")

    async def main() -> None:
        async with worker() as handle:
            streams = [handle.speak(waiting).chunks for _ in range(others)]
            for stream in streams:
                await anext(stream)
            broken = r"broke down: it was told to, here\. A new one takes over: send the request"
            with pytest.raises(WorkerDied, match=broken):
                await spoken(handle, ask(switches="broken_after=2"))
            for stream in streams:
                with pytest.raises(WorkerDied, match=broken):
                    await anext(stream)
            assert not handle.alive
            await until(lambda: has_ended(handle.pid))  # by itself, not because somebody stops it
            assert await handle._process.wait() == 1

    asyncio.run(main())
    assert "EngineBroken: it was told to" in capfd.readouterr().err


def test_a_load_without_memory_is_told_by_its_code_and_may_be_tried_again(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.touch()
    options = {"load_oom": str(full), "gpu_bytes": 4_000_000_000}

    async def main() -> None:
        handle = WorkerHandle("fake", WorkerLimits())
        with pytest.raises(EngineUnavailable, match="does not fit") as caught:
            await handle.load(options, SAMPLE_RATE_HZ)
        assert caught.value.code == "out_of_memory"
        assert has_ended(handle.pid)  # and with it whatever was loaded
        full.unlink()
        async with worker(options=options) as handle:
            await until(lambda: handle.gpu_bytes == 4_000_000_000)
            assert await spoken(handle, ask())

    asyncio.run(main())


def test_other_failures_to_load_have_another_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    missing.touch()
    monkeypatch.setenv("VIVAVOCE_FAKE", f'{{"load_fails": "{missing}"}}')

    async def main() -> None:
        with pytest.raises(EngineUnavailable, match=f"{missing} exists") as caught:
            await WorkerHandle("fake", WorkerLimits()).load({}, SAMPLE_RATE_HZ)
        assert caught.value.code == "engine_unavailable"

    asyncio.run(main())


def test_a_long_load_tells_how_far_it_is_and_is_not_given_up() -> None:
    async def main() -> None:
        handle = WorkerHandle("fake", WorkerLimits(start_s=2.0))
        loading = asyncio.create_task(handle.load({"load_s": 2.5}, SAMPLE_RATE_HZ))
        seen = set()
        while not loading.done():
            seen.add(handle.loading.done_bytes if handle.loading else None)
            await asyncio.wait([loading], timeout=0.01)
        await loading
        assert {0, 5, 10, 15} <= seen
        assert handle.load_s >= 2.5
        await handle.stop()

    asyncio.run(main())
