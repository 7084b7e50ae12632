"""Workers: real processes that speak, hang, die and are left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
import uvloop

from recordings import recording
from vivavoce.engine.fake import CHUNK_SAMPLES, SAMPLE_RATE_HZ, FakeEngine
from vivavoce.errors import EngineUnavailable, SynthesisFailed, WorkerDied
from vivavoce.service.reference import ReferenceLimits, ReferenceReader
from vivavoce.types import AudioChunk, Segment, SpeechRequest
from vivavoce.worker.handle import WINDOW_S, WorkerHandle, WorkerLimits
from workers import TEXTS, ask, children, has_ended, spoken, until, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STALL_S = 1.5


def assert_same(heard: list[AudioChunk], expected: list[AudioChunk]) -> None:
    assert [chunk.segment for chunk in heard] == [chunk.segment for chunk in expected]
    for one, other in zip(heard, expected, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder in this test; its path is short because a socket's must be."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def replace_hibari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make workers import this code instead of the library of the embedded voice."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def replace(code: str) -> None:
        package = tmp_path / "hibari"
        package.mkdir()
        (package / "__init__.py").write_text(code)
        (package / "voices.py").write_text(
            "DEFAULT = 'heart'\ndef voice_path(name): return __file__\n"
        )

    return replace


def test_no_python_runs_between_the_fork_and_the_program(tmp_path: Path) -> None:
    """In uvloop's children it does. Garbage was collected there, whose threads they have not."""
    marker, armed = tmp_path / "ran", [True]
    os.register_at_fork(after_in_child=lambda: armed and marker.touch())

    async def main() -> None:
        async with worker():
            await ReferenceReader(ReferenceLimits()).read(recording(2.0))

    uvloop.run(main())
    armed.clear()
    assert not marker.exists()


# Speaking


def test_it_speaks_exactly_what_the_engine_speaks() -> None:
    # More than the window, so that the listener's credit is part of it.
    request = ask(switches="chunks=100", voice="square")
    alone = FakeEngine().speak(request)
    expected = list(alone)

    async def main() -> None:
        async with worker() as handle:
            speech = handle.speak(request)
            assert_same([chunk async for chunk in speech.chunks], expected)
            assert speech.report == alone.report
            assert handle.active == 0

    assert len(expected) * CHUNK_SAMPLES > WINDOW_S * SAMPLE_RATE_HZ
    asyncio.run(main())


def test_32_at_once_each_hear_their_own() -> None:
    requests = [ask(f"I am number {n}.", *TEXTS[n % 3 :], seed=n) for n in range(32)]

    async def main() -> None:
        async with worker() as handle:
            heard = await asyncio.gather(*(spoken(handle, request) for request in requests))
            for request, chunks in zip(requests, heard, strict=True):
                assert_same(chunks, list(FakeEngine().speak(request)))

    asyncio.run(main())


def test_a_failed_request_fails_alone() -> None:
    async def main() -> None:
        async with worker() as handle:
            other = asyncio.create_task(spoken(handle, ask(switches="interval_s=0.01")))
            heard = []
            with pytest.raises(SynthesisFailed, match="told to fail"):
                async for chunk in handle.speak(ask(switches="fail_after=2")).chunks:
                    heard.append(chunk)
            expected = list(FakeEngine().speak(ask()))
            assert_same(heard, expected[:2])
            assert_same(await other, expected)
            assert_same(await spoken(handle, ask()), expected)
            assert handle.alive

    asyncio.run(main())


def test_it_tells_how_much_memory_it_holds() -> None:
    async def main() -> None:
        async with worker() as handle:
            await until(lambda: handle.memory_bytes > 0)
            held = psutil.Process(handle.pid).memory_info().rss
            assert held / 2 < handle.memory_bytes < held * 2

    asyncio.run(main())


# Leaving and falling behind


def test_leaving_early_stops_the_work(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    deadly = ask(switches=f"gate={gate} after=1 die_after=1")

    async def main(leave: bool) -> None:
        async with worker() as handle:
            chunks = handle.speak(deadly).chunks
            await anext(chunks)
            if leave:
                await chunks.aclose()
                assert handle.active == 0
            # When the next request was answered, the worker knows that this one was left.
            await spoken(handle, ask())
            gate.touch()
            heard = await spoken(handle, ask(switches="chunks=20 interval_s=0.01"))
            assert len(heard) == 20 * len(TEXTS)
            assert handle.alive

    with pytest.raises(WorkerDied):  # what its next chunk does, if it is made
        asyncio.run(main(leave=False))
    gate.unlink()
    asyncio.run(main(leave=True))


def test_being_cancelled_is_leaving() -> None:
    async def listen(handle: WorkerHandle, begun: asyncio.Event) -> None:
        async with aclosing(handle.speak(ask(switches="hang_after=1")).chunks) as chunks:
            async for _ in chunks:
                begun.set()

    async def main() -> None:
        async with worker() as handle:
            begun = asyncio.Event()
            listener = asyncio.create_task(listen(handle, begun))
            await begun.wait()
            assert handle.active == 1
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            assert listener.cancelled()
            assert handle.active == 0
            assert_same(await spoken(handle, ask()), list(FakeEngine().speak(ask())))

    asyncio.run(main())


def test_listeners_who_leave_before_taking_all_leave_nothing_behind() -> None:
    async def main() -> None:
        async with worker() as handle:
            await until(lambda: handle.memory_bytes > 0)  # its pulse is a thread
            await spoken(handle, ask())  # one that stayed to the end
            process = psutil.Process(handle.pid)
            idle_threads = process.num_threads()
            streams = [handle.speak(ask(seed=n, switches="chunks=500")).chunks for n in range(8)]
            for stream in streams:
                await anext(stream)
            await until(lambda: handle.engine_active == len(streams))
            assert process.num_threads() >= idle_threads + len(streams)
            for stream in streams:
                await stream.aclose()
            await until(lambda: handle.engine_active == 0)
            await until(lambda: process.num_threads() == idle_threads)

    asyncio.run(main())


def test_it_runs_no_more_than_a_window_ahead_of_its_listener() -> None:
    async def main() -> None:
        async with worker() as handle:
            slow = handle.speak(ask(switches="chunks=1000")).chunks
            taken = [await anext(slow)]
            # Time enough to make all of it: this one is paced, that one is not.
            await spoken(handle, ask(switches="chunks=100 interval_s=0.005"))
            os.kill(handle.pid, signal.SIGKILL)
            with pytest.raises(WorkerDied):
                async for chunk in slow:
                    taken.append(chunk)
            ahead_s = sum(len(chunk.samples) for chunk in taken) / SAMPLE_RATE_HZ
            assert WINDOW_S <= ahead_s <= WINDOW_S + 2 * CHUNK_SAMPLES / SAMPLE_RATE_HZ

    asyncio.run(main())


# Dying


def test_killed_it_fails_its_listeners_at_once(tmp_path: Path) -> None:
    waiting = ask(switches=f"gate={tmp_path / 'never'} after=1")

    async def main() -> None:
        async with worker() as handle:
            streams = [handle.speak(waiting).chunks for _ in range(3)]
            for stream in streams:
                await anext(stream)
            os.kill(handle.pid, signal.SIGKILL)
            async with asyncio.timeout(3):
                for stream in streams:
                    with pytest.raises(WorkerDied, match="killed by signal 9"):
                        await anext(stream)
            assert not handle.alive
            assert handle.active == 0
            with pytest.raises(WorkerDied, match="send the request again"):
                await spoken(handle, ask())

    asyncio.run(main())


def test_a_crash_is_told_with_its_status() -> None:
    async def main() -> None:
        async with worker() as handle:
            with pytest.raises(WorkerDied, match="ended with status 9"):
                await spoken(handle, ask(switches="die_after=2"))
            assert not handle.alive

    asyncio.run(main())


def test_an_engine_that_hangs_is_killed() -> None:
    async def main() -> None:
        async with worker(limits=WorkerLimits(stall_s=STALL_S)) as handle:
            heard = []
            began = time.monotonic()
            with pytest.raises(WorkerDied, match=r"made no progress for [23] s"):
                async for chunk in handle.speak(ask(switches="hang_after=2")).chunks:
                    heard.append(chunk)
            assert time.monotonic() - began > STALL_S
            assert len(heard) == 2
            assert not handle.alive
            await until(lambda: has_ended(handle.pid))

    asyncio.run(main())


def test_slow_or_idle_is_not_hung() -> None:
    limits = WorkerLimits(stall_s=STALL_S)

    async def slow() -> None:
        async with worker(limits=limits) as handle:
            request = ask("Slow.", switches="chunks=5 interval_s=0.5")
            assert len(await spoken(handle, request)) == 5
            assert handle.alive

    async def idle_then_unheard() -> None:
        async with worker(limits=limits) as handle:
            await asyncio.sleep(STALL_S + 1.5)  # the passing of time is what is tried
            assert handle.alive
            unheard = handle.speak(ask(switches="chunks=1000")).chunks
            await anext(unheard)
            await asyncio.sleep(STALL_S + 1.5)
            assert handle.alive
            await anext(unheard)
            await unheard.aclose()

    async def main() -> None:
        await asyncio.gather(slow(), idle_then_unheard())

    asyncio.run(main())


def test_a_process_that_gives_no_sign_of_life_is_killed() -> None:
    async def main() -> None:
        async with worker(limits=WorkerLimits(stall_s=STALL_S)) as handle:
            os.kill(handle.pid, signal.SIGSTOP)
            with pytest.raises(WorkerDied, match="no sign of life"):
                await spoken(handle, ask())
            assert not handle.alive
            await until(lambda: has_ended(handle.pid))

    asyncio.run(main())


# Starting


async def failure_of(engine: str, limits: WorkerLimits | None = None) -> str:
    """Start a worker that cannot start; return the reason it gives."""
    before = children()
    handle = WorkerHandle(engine, limits or WorkerLimits())
    with pytest.raises(EngineUnavailable) as caught:
        await handle.load({}, SAMPLE_RATE_HZ)
    assert not handle.alive
    assert children() == before
    await handle.stop()
    return caught.value.message


def test_an_engine_that_is_not_there(temporary: Path) -> None:
    reason = asyncio.run(failure_of("nonesuch"))
    assert reason == "There is no engine 'nonesuch'. There are: embedded, fake, qwen3."
    assert not list(temporary.iterdir())


def test_a_missing_library_is_named(replace_hibari: Callable, temporary: Path) -> None:
    replace_hibari("raise ImportError('it was never installed')")
    reason = asyncio.run(failure_of("embedded"))
    assert "it was never installed" in reason
    assert "pip install hibari-tts" in reason
    assert not list(temporary.iterdir())


def test_an_engine_that_raises_while_loading(replace_hibari: Callable) -> None:
    replace_hibari("raise RuntimeError('bad weights')")
    reason = asyncio.run(failure_of("embedded"))
    assert reason == "Loading the embedded engine raised RuntimeError('bad weights')."


def test_a_process_that_ends_while_loading(replace_hibari: Callable) -> None:
    replace_hibari("import os\nclass Hibari:\n  def __init__(self, **_): os._exit(3)")
    reason = asyncio.run(failure_of("embedded"))
    assert reason == "The embedded engine's process ended with status 3 while loading."


def test_an_engine_that_takes_too_long_to_load(replace_hibari: Callable, temporary: Path) -> None:
    replace_hibari(
        "import threading\nclass Hibari:\n  def __init__(self, **_): threading.Event().wait()"
    )
    reason = asyncio.run(failure_of("embedded", WorkerLimits(start_s=1.0)))
    assert "did not load within 1 s" in reason
    assert "WORKER_START_TIMEOUT" in reason
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("folder", ["missing", "x" * 120])
def test_a_temporary_folder_that_cannot_hold_a_socket(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / folder
    if folder != "missing":
        path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    reason = asyncio.run(failure_of("fake"))
    assert "TMPDIR" in reason
    assert str(path) in reason
    assert not path.exists() or not list(path.iterdir())


def test_files_in_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("queue", "msgspec", "numpy", "vivavoce"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not me')")
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        async with worker() as handle:
            assert await spoken(handle, ask())

    asyncio.run(main())


@pytest.mark.parametrize("delay_s", [0, 0.05, 0.5])
def test_a_start_that_is_cancelled_leaves_nothing(
    delay_s: float, replace_hibari: Callable, temporary: Path
) -> None:
    replace_hibari("import threading; threading.Event().wait()")
    before = children()

    async def main() -> None:
        handle = WorkerHandle("embedded", WorkerLimits())
        starting = asyncio.create_task(handle.load({}, SAMPLE_RATE_HZ))
        await asyncio.wait([starting], timeout=delay_s)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not handle.alive

    asyncio.run(main())
    assert children() == before
    assert not list(temporary.iterdir())


# Stopping


def test_stopping_ends_the_process_and_removes_its_folder(temporary: Path) -> None:
    async def main() -> None:
        handle = WorkerHandle("fake", WorkerLimits())
        await handle.stop()  # nothing to stop yet
        await handle.load({}, SAMPLE_RATE_HZ)
        assert len(os.listdir(temporary)) == 1
        chunks = handle.speak(ask(switches="chunks=500")).chunks
        await anext(chunks)
        await handle.stop()
        assert has_ended(handle.pid)
        assert not handle.alive
        assert not os.listdir(temporary)
        with pytest.raises(WorkerDied, match="was stopped"):
            async for _ in chunks:
                pass
        await handle.stop()

    asyncio.run(main())


def test_stopping_ends_an_engine_that_hangs() -> None:
    async def main() -> None:
        async with worker(limits=WorkerLimits(stop_s=1.0)) as handle:
            await anext(handle.speak(ask(switches="hang_after=1")).chunks)
            async with asyncio.timeout(5):
                await handle.stop()
            assert has_ended(handle.pid)

    asyncio.run(main())


def test_stopping_in_the_middle_of_speech_is_no_crash(capfd: pytest.CaptureFixture[str]) -> None:
    endless = SpeechRequest(
        (Segment("The train leaves at noon, as it always does."),) * 50, "heart", 7
    )

    async def main() -> None:
        async with worker("embedded") as handle:
            for stream in [handle.speak(endless).chunks for _ in range(4)]:
                await anext(stream)

    asyncio.run(main())
    assert capfd.readouterr().err == ""


SERVER = """
import asyncio, sys
from vivavoce.types import Segment, SpeechRequest
from vivavoce.worker.handle import WorkerHandle, WorkerLimits

async def main():
    handle = WorkerHandle("fake", WorkerLimits())
    await handle.load({}, 24000)
    request = SpeechRequest((Segment("Hello there."),), "sine", 7, instructions=sys.argv[1])
    async for _ in handle.speak(request).chunks:
        print("worker", handle.pid, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("doing", ["interval_s=0.1 chunks=1000", "hang_after=1"])
def test_it_does_not_outlive_its_server(doing: str, temporary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, doing],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as server:
        line = next(line for line in server.stdout if line.startswith("worker "))
        pid = int(line.split()[1])
        assert not has_ended(pid)
        server.kill()
        asyncio.run(until(lambda: has_ended(pid)))
    assert not list(temporary.iterdir())
