"""Workers that wait with their imports done: they hold nothing, load faster, and can be ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from speaking import speaking_checkpoint
from vivavoce.engine.fake import SAMPLE_RATE_HZ
from vivavoce.errors import EngineUnavailable
from vivavoce.worker.handle import WorkerHandle, WorkerLimits
from workers import ask, children, has_ended, spoken, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder in this test; its path is short because a socket's must be."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def maps_torch(pid: int) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc")
def test_what_waits_has_its_libraries_does_nothing_and_then_speaks() -> None:
    async def main() -> None:
        handle = WorkerHandle("qwen3", WorkerLimits())
        try:
            await handle.prepare()
            assert handle.alive
            assert not handle.loaded
            assert maps_torch(handle.pid)
            before_s = cpu_s(handle.pid)
            await asyncio.sleep(0.5)  # the passing of time is what is tried
            assert cpu_s(handle.pid) - before_s < 0.1
            model = str(speaking_checkpoint("custom_voice"))
            await handle.load({"model": model, "need": "preset", "device": "cpu"}, SAMPLE_RATE_HZ)
            assert handle.loaded
            assert await spoken(handle, ask("Hello.", voice="vivian"))
        finally:
            await handle.stop()
        assert not handle.loaded

    asyncio.run(main())


def test_loading_what_waits_starts_no_other_process() -> None:
    before = children()

    async def main() -> None:
        handle = WorkerHandle("fake", WorkerLimits())
        await handle.prepare()
        waiting = handle.pid
        await handle.load({}, SAMPLE_RATE_HZ)
        assert handle.pid == waiting
        assert children() - before == {waiting}
        assert await spoken(handle, ask())
        await handle.stop()

    asyncio.run(main())


def test_a_missing_library_is_told_by_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('it was never installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def main() -> None:
        handle = WorkerHandle("qwen3", WorkerLimits())
        await handle.prepare()
        assert handle.alive
        with pytest.raises(
            EngineUnavailable, match=r"never installed.*pip install 'vivavoce\[qwen"
        ):
            await handle.load({}, SAMPLE_RATE_HZ)
        assert has_ended(handle.pid)

    asyncio.run(main())


def test_imports_that_do_not_end_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    (tmp_path / "torch.py").write_text("import threading; threading.Event().wait()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = children()

    async def main() -> None:
        handle = WorkerHandle("qwen3", WorkerLimits(start_s=1.0))
        with pytest.raises(EngineUnavailable, match=r"did not start within 1 s.*START_TIMEOUT"):
            await handle.prepare()
        assert not handle.alive

    asyncio.run(main())
    assert children() == before
    assert not list(temporary.iterdir())


def test_killed_while_it_waits_it_is_not_alive_and_does_not_load(temporary: Path) -> None:
    async def main() -> None:
        handle = WorkerHandle("fake", WorkerLimits())
        await handle.prepare()
        os.kill(handle.pid, signal.SIGKILL)
        await until(lambda: not handle.alive)
        with pytest.raises(EngineUnavailable, match="killed by signal 9 before it could load"):
            await handle.load({}, SAMPLE_RATE_HZ)

    asyncio.run(main())
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("doing", ["waits", "loads"])
def test_stopping_it_is_quick_and_leaves_nothing(doing: str, temporary: Path) -> None:
    before = children()

    async def main() -> None:
        handle = WorkerHandle("fake", WorkerLimits())
        await handle.prepare()
        loading = asyncio.create_task(handle.load({"load_s": 100}, SAMPLE_RATE_HZ))
        if doing == "waits":
            loading.cancel()  # before it began
        else:
            await until(lambda: handle.loading is not None)
        began = time.monotonic()
        await handle.stop()
        assert time.monotonic() - began < 1
        (failure,) = await asyncio.gather(loading, return_exceptions=True)
        if doing == "loads":
            assert isinstance(failure, EngineUnavailable)
            assert "was stopped while loading" in failure.message
        assert not handle.alive

    asyncio.run(main())
    assert children() == before
    assert not list(temporary.iterdir())


SERVER = """
import asyncio
from vivavoce.worker.handle import WorkerHandle, WorkerLimits

async def main():
    handle = WorkerHandle("fake", WorkerLimits())
    await handle.prepare()
    print("worker", handle.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_it_does_not_wait_for_a_server_that_is_gone(temporary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as server:
        pid = int(server.stdout.readline().split()[1])
        assert not has_ended(pid)
        server.kill()
        asyncio.run(until(lambda: has_ended(pid)))
    assert not list(temporary.iterdir())
