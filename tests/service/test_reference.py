"""Reference clips: good ones as samples, bad ones as refusals, and no process left of either."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import soundfile
import uvloop
from structlog.testing import capture_logs

from vivavoce.errors import InvalidRequest
from vivavoce.service.reference import ReferenceClip, ReferenceLimits, ReferenceReader

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
EVERY_LOOP = pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])


def run(main: Coroutine[Any, Any, Any], loop: Callable[[], Any] = LOOPS[0]) -> Any:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


def read(content: bytes, *command: str, **limits: float) -> ReferenceClip:
    """Read a clip; with a command, have a Python program instead of the decoder."""
    return run(reader(*command, **limits).read(content))


def reader(*command: str, **limits: float) -> ReferenceReader:
    stand_in = {"command": (sys.executable, "-S", "-c", *command)} if command else {}
    return ReferenceReader(ReferenceLimits(**limits), **stand_in)


def refusal(content: bytes, *command: str, **limits: float) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        read(content, *command, **limits)
    assert refused.value.param == "file"
    return refused.value


def tone(duration_s: float, rate_hz: int = 24000, level: float = 0.3) -> np.ndarray:
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * 220 * t)).astype(np.float32)


def wav(samples: np.ndarray, rate_hz: int = 24000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


OTHERS: set[int] = set()


@pytest.fixture(autouse=True)
def _others() -> None:
    """Remember whose processes run already: servers of other tests."""
    OTHERS.clear()
    OTHERS.update(children())


def children() -> set[int]:
    """Processes begun since the test began, zombies included."""
    return {process.pid for process in psutil.Process().children(recursive=True)} - OTHERS


async def until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - processes set no events here
            await asyncio.sleep(0.01)


@EVERY_LOOP
def test_a_clip_is_its_samples_and_half_a_second_of_silence(loop: Callable[[], Any]) -> None:
    content = wav(tone(2.5))
    clip = run(reader().read(content), loop)
    stored, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    assert clip.duration_s == 2.5
    assert clip.samples.dtype == np.float32
    assert np.array_equal(clip.samples, np.concatenate([stored, np.zeros(12000, np.float32)]))
    assert children() == set()


def test_a_minute_at_another_rate_fits_through_the_pipes() -> None:
    clip = read(wav(np.tile(tone(1.0, 48000), 60), 48000))
    assert clip.duration_s == 60
    assert len(clip.samples) == 60.5 * 24000


@pytest.mark.parametrize(
    ("samples", "rate_hz", "code", "told"),
    [
        (tone(0.2), 24000, "audio_too_short", "0.20 s long; at least 1 s"),
        (tone(600, 8000), 8000, "audio_too_long", "longer than 60 s"),
        (np.zeros(48000, np.float32), 24000, "audio_silent", "0.00 s can be heard"),
        (tone(3.0, level=0.002), 24000, "audio_silent", "make it louder"),
        (np.full(72000, 0.2, np.float32), 24000, "audio_silent", "0.00 s can be heard"),
        (
            np.concatenate([np.zeros(48000), tone(0.2), np.zeros(48000)]),
            24000,
            "audio_silent",
            "0.20 s can be heard",
        ),
    ],
    ids=["0.2 s", "10 minutes", "zeros", "too quiet", "an offset", "a blip"],
)
def test_what_no_voice_can_be_learned_from_is_refused(
    samples: np.ndarray, rate_hz: int, code: str, told: str
) -> None:
    refused = refusal(wav(samples, rate_hz))
    assert refused.code == code
    assert told in refused.message


def test_a_quiet_voice_with_pauses_is_heard() -> None:
    spoken = np.concatenate([np.zeros(24000), tone(0.4, level=0.01), np.zeros(24000)])
    assert read(wav(spoken)).duration_s == pytest.approx(2.4)


def test_the_limits_are_those_given() -> None:
    assert read(wav(tone(0.5)), min_s=0.4).duration_s == 0.5
    assert refusal(wav(tone(2.0)), max_s=1.5).message.startswith("The clip is longer than 1.5 s")


def test_nothing_is_refused_without_a_process() -> None:
    nobody = ReferenceReader(ReferenceLimits(), command=("/nonexistent",))
    with pytest.raises(InvalidRequest, match="empty") as refused:
        run(nobody.read(b""))
    assert refused.value.code == "audio_unreadable"


def test_no_audio_is_refused_in_the_decoders_words() -> None:
    refused = refusal(b"<!DOCTYPE html><html>404</html>" * 100)
    assert refused.code == "audio_unreadable"
    assert refused.message.startswith("The file is not audio that can be read. Upload a WAV")
    assert "\n" not in refused.message


@pytest.mark.parametrize(
    "program",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import sys; sys.stdin.buffer.read(); raise ValueError('/secret/path')",
        "import sys; sys.stdout.write('half a sam'); sys.exit(1)",
    ],
    ids=["crashes", "raises", "stops midway"],
)
def test_a_decoder_that_fails_is_a_refusal_without_its_secrets(program: str) -> None:
    refused = refusal(wav(np.tile(tone(1.0), 50)), program)
    assert refused.code == "audio_unreadable"
    assert refused.message.startswith("The file could not be decoded")
    assert not {"Traceback", "secret", "signal", "half"} & set(refused.message.split())
    assert "/" not in refused.message
    assert children() == set()


HANGS = {
    "after reading": "import sys, time; sys.stdin.buffer.read(); time.sleep(600)",
    "without reading": "import time; time.sleep(600)",
    "while writing": "import os\nwhile True: os.write(1, bytes(1 << 20))",
    "deaf to SIGTERM": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    ),
}


@EVERY_LOOP
@pytest.mark.parametrize("program", HANGS.values(), ids=HANGS)
def test_a_decoder_that_hangs_is_killed_in_time(program: str, loop: Callable[[], Any]) -> None:
    content = wav(np.tile(tone(1.0), 50))  # more than a pipe holds
    started = time.monotonic()
    with pytest.raises(InvalidRequest) as refused:
        run(reader(program, timeout_s=0.3).read(content), loop)
    assert refused.value.code == "audio_unreadable"
    assert time.monotonic() - started < 10
    assert children() == set()


@EVERY_LOOP
@pytest.mark.parametrize("program", HANGS.values(), ids=HANGS)
def test_cancelling_kills_the_decoder(program: str, loop: Callable[[], Any]) -> None:
    async def main() -> None:
        reading = asyncio.create_task(reader(program).read(wav(np.tile(tone(1.0), 50))))
        await until(children)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert children() == set()

    run(main(), loop)


def test_two_are_decoded_at_a_time_and_the_others_afterwards(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    program = (
        "import os, sys, time\n"
        f"diary = os.open({str(diary)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(diary, b'+')\n"
        "samples = sys.stdin.buffer.read()\n"
        "time.sleep(0.1)\n"
        "os.write(diary, b'-')\n"
        "sys.stdout.buffer.write(samples)"
    )

    async def main() -> list[ReferenceClip]:
        one = reader(program)
        return await asyncio.gather(*(one.read(tone(2.0).tobytes()) for _ in range(5)))

    clips = run(main())
    assert [clip.duration_s for clip in clips] == [2.0] * 5
    steps = [1 if step == "+" else -1 for step in diary.read_text()]
    assert len(steps) == 10
    assert max(np.cumsum(steps)) == 2


def test_one_who_leaves_the_queue_does_not_hold_it_up() -> None:
    async def main() -> None:
        one = reader(HANGS["after reading"])
        tasks = [asyncio.create_task(one.read(b"x")) for _ in range(4)]
        await until(lambda: len(children()) == 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert children() == set()
        again = asyncio.create_task(one.read(b"x"))
        await until(children)
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)

    run(main())


def test_no_file_is_left_or_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    read(wav(tone(1.5, 44100), 44100))
    refusal(b"RIFF\xff\xff\xff\xffWAVE")
    refusal(b"x" * 100, HANGS["after reading"], timeout_s=0.2)
    assert list(tmp_path.iterdir()) == []


def test_modules_in_the_current_folder_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("av", "numpy", "soxr"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert read(wav(tone(1.5))).duration_s == 1.5


def test_the_log_tells_the_outcome_and_how_long_it_took() -> None:
    with capture_logs() as logs:
        read(wav(tone(1.5)))
        refusal(wav(tone(0.5)))
        refusal(b"x", "raise ValueError('why')")
    lines = [line for line in logs if line["event"] == "reference"]
    assert [line["outcome"] for line in lines] == ["read", "audio_too_short", "audio_unreadable"]
    assert [line["clip_s"] for line in lines] == [1.5, 0.5, 0.0]
    assert all(line["decode_ms"] > 0 for line in lines)
    (failed,) = [line for line in logs if line["event"] == "reference decoder failed"]
    assert (failed["reason"], failed["error"]) == ("ended with status 1", "ValueError: why")
