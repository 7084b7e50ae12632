"""The clients people use, as they are installed, against a real server (`make clients`).

What each of them sends is compared with `client_requests.json`, which the ordinary tests send again
without them. After a change of theirs that is wanted: RECORD=1 make clients.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import miniaudio
import numpy as np
import pytest

from conftest import Server, running_server
from expected import TEXT, fake_samples
from with_clients.recorder import Recorder, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.clients
openai_plugin = pytest.importorskip("livekit.plugins.openai", reason="make clients installs it")
pipecat_tts = pytest.importorskip("pipecat.services.openai.tts", reason="make clients installs it")

TESTS = Path(__file__).parent.parent
DOCS = TESTS.parent / "docs" / "clients"
RECORDED = TESTS / "assets" / "client_requests.json"
JAVASCRIPT = Path(sys.prefix) / "node_modules" / "openai"
NEVER_THE_SAME = {"host", "user-agent", "content-length", "cookie"}
"""And those of the SDK about itself: x-stainless-*."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("clients"), ENGINE="fake") as server:
        yield server


@pytest.fixture
def door(server: Server) -> Iterator[Recorder]:
    with recording(server.url) as recorder:
        yield recorder


def compare(client: str, package: str, recorder: Recorder) -> None:
    """Note what a client sent, or compare it with what was noted."""
    sent = recorder.requests()
    known = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if os.environ.get("RECORD"):
        known[client] = {"package": f"{package} {version(package)}", "requests": sent}
        RECORDED.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    assert [essence(each) for each in sent] == [essence(e) for e in known[client]["requests"]]


def essence(request: dict) -> tuple:
    headers = {
        name.lower(): value
        for name, value in request["headers"]
        if name.lower() not in NEVER_THE_SAME and not name.lower().startswith("x-stainless")
    }
    body = json.loads(request["body"]) if request["body"] else None
    return request["method"], request["path"], headers, body


# LiveKit


@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"])
@pytest.mark.parametrize("response_format", ["mp3", "pcm", "wav", "opus", "flac", "aac"])
def test_livekit_hears_every_format_both_ways(
    door: Recorder, model: str, response_format: str
) -> None:
    """As bytes from tts-1, as server-sent events from the others."""

    async def ask() -> bytes:
        tts = openai_plugin.TTS(
            model=model,
            voice="ash",
            base_url=f"{door.url}/v1",
            api_key="none",
            response_format=response_format,
        )
        async with tts.synthesize(TEXT) as stream:
            frames = [event.frame async for event in stream]
        await tts.aclose()
        assert {(frame.sample_rate, frame.num_channels) for frame in frames} == {(24000, 1)}
        return b"".join(bytes(frame.data) for frame in frames)

    heard = np.frombuffer(asyncio.run(ask()), "<i2")
    assert abs(len(heard) - len(fake_samples())) <= 2400
    assert np.abs(heard).max() > 6000
    if response_format == "mp3":  # which it asks for unless told otherwise
        compare(f"livekit {model}", "livekit-plugins-openai", door)


def test_livekit_warms_up_without_waking_anything(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake") as fresh, recording(fresh.url) as door:

        async def ask() -> None:
            tts = openai_plugin.TTS(base_url=f"{door.url}/v1", api_key="none")
            tts.prewarm()
            await tts._prewarm_task
            await tts.aclose()

        asyncio.run(ask())
        assert fresh.worker() is None
        compare("livekit prewarm", "livekit-plugins-openai", door)


def test_livekit_is_told_what_is_wrong(server: Server) -> None:
    from livekit.agents import APIConnectOptions, APIStatusError

    async def ask() -> None:
        tts = openai_plugin.TTS(voice="nobody", base_url=f"{server.url}/v1", api_key="none")
        once = APIConnectOptions(max_retry=0)
        async with tts.synthesize(TEXT, conn_options=once) as stream:
            async for _ in stream:
                pass

    with pytest.raises(APIStatusError, match="There is no voice 'nobody'"):
        asyncio.run(ask())


@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"])
def test_livekit_notices_half_an_answer(server: Server, model: str) -> None:
    """As bytes and as events. It passes over the event that says so, but not over the cut."""
    from livekit.agents import APIConnectionError, APIConnectOptions

    async def ask() -> None:
        tts = openai_plugin.TTS(
            model=model,
            base_url=f"{server.url}/v1",
            api_key="none",
            instructions="fail_after=20",
        )
        once = APIConnectOptions(max_retry=0)
        async with tts.synthesize(TEXT, conn_options=once) as stream:
            async for _ in stream:
                pass

    with pytest.raises(APIConnectionError):
        asyncio.run(ask())


# Pipecat


def pipecat_hears(tts: object) -> np.ndarray:
    """Return the samples that come out of a pipeline in which `TEXT` is said."""
    from pipecat.frames.frames import TTSAudioRawFrame, TTSSpeakFrame
    from pipecat.tests.utils import run_test

    async def ask() -> bytes:
        frames, _ = await run_test(tts, frames_to_send=[TTSSpeakFrame(TEXT)])
        audio = [frame for frame in frames if isinstance(frame, TTSAudioRawFrame)]
        assert {(frame.sample_rate, frame.num_channels) for frame in audio} == {(24000, 1)}
        return b"".join(frame.audio for frame in audio)

    return np.frombuffer(asyncio.run(ask()), "<i2")


@pytest.mark.parametrize("wishes", [{}, {"speed": 2.0, "instructions": "Cheerfully."}])
def test_pipecat_hears_pcm(door: Recorder, wishes: dict) -> None:

    tts = pipecat_tts.OpenAITTSService(
        api_key="none",
        base_url=f"{door.url}/v1",
        settings=pipecat_tts.OpenAITTSService.Settings(voice="ash", **wishes),
    )
    heard = pipecat_hears(tts)
    assert len(heard) >= len(fake_samples(speed=wishes.get("speed", 1.0)))
    assert np.abs(heard).max() > 6000
    name = "pipecat" + "".join(f" {wish}" for wish in wishes)
    compare(name, "pipecat-ai", door)


# The OpenAI SDKs


def test_openais_sdk_sends_what_is_noted(door: Recorder) -> None:
    import openai

    with openai.OpenAI(base_url=f"{door.url}/v1", api_key="none") as client:
        client.audio.speech.create(model="gpt-4o-mini-tts", voice="coral", input=TEXT)
        client.audio.speech.create(
            model="tts-1", voice={"id": "square"}, input=TEXT, response_format="opus", speed=1.5
        )
        client.models.list()
    compare("openai", "openai", door)


# The pages about them


def example(page: str, language: str, url: str) -> str:
    """Return a page's example, for a server at `url`."""
    text = (DOCS / page).read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found.replace("http://127.0.0.1:8000", url)


def test_livekits_page(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    exec(example("livekit.md", "python", server.url), {})
    seconds, *unit = capsys.readouterr().out.split()
    assert unit == ["seconds", "of", "audio"]
    assert float(seconds) == pytest.approx(len("Hello from my own machine.") // 2 * 0.08, abs=0.1)


def test_pipecats_page(server: Server) -> None:
    names: dict = {}
    exec(example("pipecat.md", "python", server.url), names)
    assert len(pipecat_hears(names["tts"])) >= len(fake_samples())


@pytest.mark.skipif(not JAVASCRIPT.exists(), reason="make clients found no npm")
def test_the_page_of_openais_sdk_in_javascript(server: Server, tmp_path: Path) -> None:
    program = JAVASCRIPT.parent.parent / "example.mjs"  # where its package is found
    program.write_text(example("openai-sdk.md", "js", server.url))
    subprocess.run(["node", program], cwd=tmp_path, check=True, timeout=60)
    sound = miniaudio.decode((tmp_path / "hello.mp3").read_bytes(), nchannels=1)
    assert sound.duration == pytest.approx(len("Hello from JavaScript.") // 2 * 0.08, abs=0.1)
