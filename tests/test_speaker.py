"""`import vivavoce`: the server's pipeline inside a program."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import vivavoce
from decoding import decode
from test_imports import imported_by
from vivavoce.errors import InvalidRequest, SettingsError, ShuttingDown, SynthesisFailed
from vivavoce.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

TEXT = "Good morning to everybody out there. The kettle is on."
PAGE = Path(__file__).parent.parent / "docs/python.md"


@pytest.fixture(scope="module")
def speaker() -> Iterator[vivavoce.Speaker]:
    with vivavoce.Speaker(engine="fake", audio_cache_max=0) as speaker:
        yield speaker


def over_http(server: Server, **fields: object) -> bytes:
    with server.client() as client:
        answer = client.post(
            "/v1/audio/speech", json={"input": TEXT, "response_format": "pcm", **fields}
        )
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize(
    "wishes", [{}, {"voice": "square", "speed": 1.25}, {"sample_rate": 16000, "trim": True}]
)
def test_it_gives_the_servers_bytes(
    wishes: dict, speaker: vivavoce.Speaker, fake_server: Server
) -> None:
    streamed = b"".join(speaker.stream(TEXT, seed=7, **wishes))
    assert streamed == speaker.speak(TEXT, seed=7, **wishes)
    assert streamed == over_http(fake_server, seed=7, **wishes)


def test_the_embedded_voice_gives_the_servers_bytes(voice_server: Server) -> None:
    with vivavoce.Speaker(engine="embedded", audio_cache_max=0) as speaker:
        with speaker.stream(TEXT, seed=7) as stream:
            assert (stream.voice, stream.seed, stream.sample_rate) == ("heart", 7, 24000)
            streamed = b"".join(stream)
        assert streamed == speaker.speak(TEXT, seed=7) == over_http(voice_server, seed=7)


def test_it_comes_while_the_rest_is_made(speaker: vivavoce.Speaker, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with speaker.stream(TEXT, instructions=f"gate={gate} after=2") as stream:
        heard = next(stream)
        gate.touch()
        rest = b"".join(stream)
    assert heard
    assert rest


def test_a_whole_file_has_its_exact_sizes(speaker: vivavoce.Speaker) -> None:
    data = speaker.speak(TEXT, format="wav")
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert np.abs(decode(data, "wav")).max() > 0.2


def test_clips_and_descriptions_are_voices(speaker: vivavoce.Speaker, tmp_path: Path) -> None:
    clip = tmp_path / "me.wav"
    with wave.open(str(clip), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        sound = 9000 * np.sin(2 * np.pi * 150 * np.arange(48000) / 24000)
        file.writeframes(sound.astype("<i2").tobytes())
    cloned = speaker.speak(TEXT, seed=7, clip=clip)
    assert cloned == speaker.speak(TEXT, seed=7, clip=clip.read_bytes())
    spoken_on = speaker.speak(TEXT, seed=7, clip=str(clip), transcript="One two.")
    described = speaker.speak(TEXT, seed=7, description="An old man.")
    assert len({cloned, spoken_on, described, speaker.speak(TEXT, seed=7)}) == 4


@pytest.mark.parametrize(
    ("wishes", "param", "told"),
    [
        ({"format": "mp4"}, "format", "format must be one of mp3"),
        ({"speed": 9}, "speed", "from 0.25 to 4.0; got 9"),
        ({"voice": "nobody"}, "voice", "no voice 'nobody'"),
        ({"seed": -1}, "seed", "seed must be"),
        ({"description": ""}, "description", "description must be"),
        ({"transcript": "One."}, "transcript", "no clip"),
        ({"clip": "nowhere.wav"}, "clip", "Cannot read nowhere.wav"),
        ({"clip": b""}, "clip", "empty"),
        ({"clip": b"RIFF", "voice": "sine"}, "voice", "Choose one of"),
        ({"clip": b"RIFF", "format": "mp4"}, "format", "format must be"),
        ({"sample_rate": 7}, "sample_rate", "7 Hz"),
    ],
)
def test_what_cannot_be_is_refused(
    wishes: dict, param: str, told: str, speaker: vivavoce.Speaker
) -> None:
    for speak in (speaker.stream, speaker.speak):
        with pytest.raises(InvalidRequest, match=re.escape(told)) as refused:
            speak(TEXT, **wishes)
        assert refused.value.param == param
        assert isinstance(refused.value, vivavoce.VivavoceError)


@pytest.mark.parametrize("text", ["", "  ", "a\0b", "x" * 5000, 7])
def test_texts_that_cannot_be_are_refused(text: str, speaker: vivavoce.Speaker) -> None:
    with pytest.raises(InvalidRequest, match=r"^text ") as refused:
        speaker.speak(text)
    assert refused.value.param == "text"


def test_an_unknown_wish_is_a_type_error(speaker: vivavoce.Speaker) -> None:
    with pytest.raises(TypeError, match="no pitch"):
        speaker.speak(TEXT, pitch=2)


def test_what_is_ignored_is_told(speaker: vivavoce.Speaker) -> None:
    with pytest.warns(UserWarning, match="fake knows no temperature") as warned:
        speaker.speak(TEXT, temperature=1)
    assert warned[0].filename == __file__
    with pytest.warns(UserWarning, match="fake knows no top_k"):
        stream = speaker.stream(TEXT, top_k=5)
    assert stream.ignored == ("top_k",)
    stream.close()


def test_a_failure_in_the_middle_is_raised_there(speaker: vivavoce.Speaker) -> None:
    stream = speaker.stream(TEXT, instructions="interval_s=0.01 fail_after=5")
    with pytest.raises(SynthesisFailed, match="told to fail"):
        list(stream)
    assert list(stream) == []
    with pytest.raises(SynthesisFailed):
        speaker.speak(TEXT, instructions="fail_after=0")


# One place only: who does not give it back is noticed by the next.


@pytest.fixture(scope="module")
def narrow() -> Iterator[vivavoce.Speaker]:
    with vivavoce.Speaker(
        engine="fake", audio_cache_max=0, max_concurrent_requests=1, max_queue_depth=0
    ) as narrow:
        yield narrow


@pytest.mark.parametrize("leave", ["close", "with", "drop", "unread"])
def test_leaving_early_ends_the_work(leave: str, narrow: vivavoce.Speaker) -> None:
    stream = narrow.stream(TEXT, instructions="endless=1")
    if leave != "unread":
        next(stream)
    with pytest.raises(vivavoce.VivavoceError) as full:
        narrow.speak(TEXT)
    assert full.value.code == "server_full"
    if leave == "with":
        with stream:
            pass
    elif leave == "drop":
        del stream
    else:
        stream.close()
        assert list(stream) == []
    assert narrow.speak(TEXT)


def test_another_thread_may_end_it(narrow: vivavoce.Speaker) -> None:
    stream = narrow.stream(TEXT, instructions="gate=never after=1")
    next(stream)
    with ThreadPoolExecutor(1) as threads:
        rest = threads.submit(list, stream)
        stream.close()
        assert rest.result(20) == []
    assert narrow.speak(TEXT)


def test_ctrl_c_ends_the_work(narrow: vivavoce.Speaker) -> None:
    stream = narrow.stream(TEXT, instructions="gate=never after=1")
    next(stream)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    timer.join()
    assert narrow.speak(TEXT)


def test_threads_speak_at_once(speaker: vivavoce.Speaker) -> None:
    """Each waits for all others in the middle of its speech."""
    together = threading.Barrier(4, timeout=20)

    def listen(seed: int) -> bytes:
        with speaker.stream(TEXT, seed=seed) as stream:
            first = next(stream)
            together.wait()
            return first + b"".join(stream)

    with ThreadPoolExecutor(4) as threads:
        heard = list(threads.map(listen, range(4)))
    assert heard == [speaker.speak(TEXT, seed=seed) for seed in range(4)]


def test_it_works_where_an_event_loop_runs(speaker: vivavoce.Speaker) -> None:
    async def both() -> tuple[bytes, bytes]:
        there = await asyncio.to_thread(speaker.speak, TEXT, seed=7)
        return there, b"".join(speaker.stream(TEXT, seed=7))

    there, here = asyncio.run(both())
    assert there == here


def test_a_closed_speaker_says_so() -> None:
    speaker = vivavoce.Speaker(engine="fake")
    stream = speaker.stream(TEXT, instructions="gate=never after=1")
    next(stream)
    unread = speaker.stream(TEXT)
    speaker.close()
    speaker.close()
    with pytest.raises(vivavoce.VivavoceError):
        next(stream)
    stream.close()
    unread.close()
    with pytest.raises(ShuttingDown, match="closed"):
        speaker.speak(TEXT)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prot": 1}, "no setting prot. Did you mean port"),
        ({"audio_cache_max": -1}, "AUDIO_CACHE_MAX=-1 is not possible.*in the call"),
        ({"engine": "qwen3", "model_id": "/nowhere"}, "/nowhere"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(vivavoce.VivavoceError, match=told) as refused:
        vivavoce.Speaker(**settings)
    assert isinstance(refused.value, SettingsError) or "model_id" in settings


def test_every_setting_is_a_keyword() -> None:
    usual = {str(info.alias).lower(): info.default for info in Settings.model_fields.values()}
    with vivavoce.Speaker(**{**usual, "engine": "fake"}) as speaker:
        assert speaker.settings.engine == "fake"


def test_a_fork_is_told_apart(speaker: vivavoce.Speaker) -> None:
    told, tell = multiprocessing.Pipe(duplex=False)

    def ask() -> None:
        try:
            speaker.speak(TEXT)
        except vivavoce.VivavoceError as exc:
            tell.send(exc.message)
        speaker.close()

    child = multiprocessing.get_context("fork").Process(target=ask)
    child.start()
    assert told.poll(20)
    assert "forked" in told.recv()
    child.join(20)
    assert child.exitcode == 0
    assert speaker.speak(TEXT)


# The module's own functions


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_ends_cleanly_whatever_it_leaves_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE", "fake")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = (
        "import vivavoce\n"
        f"assert vivavoce.speak({TEXT!r}, seed=1) == b''.join(vivavoce.stream({TEXT!r}, seed=1))\n"
        "left = vivavoce.stream('Hello', instructions='endless=1')\n"
        "print(len(next(left)) > 0)"
    )
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    assert list(tmp_path.iterdir()) == []  # no worker's socket


def test_importing_it_is_cheap() -> None:
    heavy = {"numpy", "torch", "pydantic", "fastapi", "asyncio", "structlog"}
    assert not imported_by("import vivavoce") & heavy
    for name in vivavoce.__all__:
        assert getattr(vivavoce, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'spek'"):
        vivavoce.spek  # noqa: B018


def test_the_python_of_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE", "embedded")
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) == 3
    done = run("\n".join(examples), tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(decode((tmp_path / "hello.wav").read_bytes(), "wav")) > 12000
    assert len((tmp_path / "hello.pcm").read_bytes()) > 48000
    assert re.search(r"Three\. heart \d+ bytes\ninvalid_value speed must be", done.stdout)
