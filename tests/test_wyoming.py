"""Wyoming as Home Assistant speaks it: the real `wyoming` package against a real server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from clients import at_rest, load_of, logged, post, until, worker_of
from conftest import Server, running_server
from expected import TEXT
from vivavoce.text.segment import PARAGRAPH_PAUSE_S, SENTENCE_PAUSE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

TIMEOUT_S = 20
ENDLESS = "A text without an end. " * 2_000
"""Half an hour to hear, and more than any socket holds."""
SINE = SynthesizeVoice(name="sine")


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


@dataclass
class WyomingPort:
    """A running server and the port on which it speaks Wyoming."""

    server: Server
    port: int


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WyomingPort]:
    """A server of the fake engine that remembers what it said: asked by HTTP, it says it again."""
    port = free_port()
    env = {"ENGINE": "fake", "WYOMING_PORT": port, "MAX_INPUT_CHARS": "50000"}
    env["AUDIO_CACHE_MAX"] = "100"
    with running_server(tmp_path_factory.mktemp("wyoming"), **env) as server:
        yield WyomingPort(server, int(port))
        assert [line["exception"] for line in logged(server, "unforeseen error")] == []


@dataclass
class Heard:
    """What came back, until it ended."""

    start: AudioStart | None = None
    audio: bytearray = field(default_factory=bytearray)
    chunks: int = 0
    events: list[str] = field(default_factory=list)
    error: Error | None = None

    @property
    def ended(self) -> str:
        return self.events[-1]


@asynccontextmanager
async def connected(door: WyomingPort) -> AsyncIterator[AsyncTcpClient]:
    client = AsyncTcpClient("127.0.0.1", door.port, read_timeout=TIMEOUT_S)
    async with client:
        yield client


async def hear(client: AsyncTcpClient, until: str = "audio-stop") -> Heard:
    """Read as Home Assistant does: until the last event, or the connection's end."""
    heard = Heard()
    while (event := await client.read_event()) is not None:
        heard.events.append(event.type)
        if AudioStart.is_type(event.type):
            heard.start = AudioStart.from_event(event)
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert (chunk.rate, chunk.width, chunk.channels) == (24000, 2, 1)
            heard.audio += chunk.audio
            heard.chunks += 1
        elif Error.is_type(event.type):
            heard.error = Error.from_event(event)
        if event.type == until:
            break
    return heard


def spoken(door: WyomingPort, *events: object, until: str = "audio-stop") -> Heard:
    """Send these on a connection of their own; return what came back."""

    async def ask() -> Heard:
        async with connected(door) as client:
            for event in events:
                await client.write_event(event.event() if hasattr(event, "event") else event)
            return await hear(client, until)

    return asyncio.run(ask())


def http(door: WyomingPort, text: str, voice: str = "sine") -> bytes:
    """Return what HTTP answers: from the cache, if the same was spoken before."""
    body = {"input": text, "voice": voice, "response_format": "pcm"}
    return post(door.server, "/v1/audio/speech", body).content


def silence(pause_s: float) -> bytes:
    return bytes(2 * round(24000 * pause_s))


# Describe


def test_home_assistant_learns_the_voices_and_their_languages(fake: WyomingPort) -> None:
    async def ask() -> Info:
        async with connected(fake) as client:
            await client.write_event(Describe().event())
            return Info.from_event(await client.read_event())

    info = asyncio.run(ask())
    (program,) = info.tts
    assert (program.name, program.installed) == ("vivavoce", True)
    assert program.supports_synthesize_streaming
    assert [voice.name for voice in program.voices] == ["sine", "square"]
    assert [voice.description for voice in program.voices] == ["Sine", "Square"]
    assert all(voice.languages == ["en", "zh"] and voice.installed for voice in program.voices)
    assert info.asr == info.wake == info.handle == info.intent == []


def test_a_ping_is_answered_on_the_same_connection(fake: WyomingPort) -> None:
    async def ask() -> tuple[str | None, list[str]]:
        async with connected(fake) as client:
            await client.write_event(Ping(text="there?").event())
            pong = Pong.from_event(await client.read_event())
            await client.write_event(Synthesize("Hello there.", SINE).event())
            return pong.text, (await hear(client)).events

    text, events = asyncio.run(ask())
    assert text == "there?"
    assert events[0] == "audio-start"


# A text at once


def test_a_text_is_spoken_as_http_speaks_it(fake: WyomingPort) -> None:
    heard = spoken(fake, Synthesize(TEXT, SINE))
    assert heard.start == AudioStart(24000, 2, 1, 0)
    assert heard.events == ["audio-start", *["audio-chunk"] * heard.chunks, "audio-stop"]
    assert heard.audio == http(fake, TEXT)


@pytest.mark.parametrize(
    ("voice", "speaks"),
    [
        (None, "sine"),
        (SynthesizeVoice(name="square"), "square"),
        (SynthesizeVoice(name=" Square"), "square"),
        (SynthesizeVoice(name="nova", speaker="nobody"), "sine"),
        (SynthesizeVoice(language="en"), "sine"),
        (SynthesizeVoice(language="zh-CN"), "sine"),
    ],
)
def test_voices_are_found_as_http_finds_them(
    fake: WyomingPort, voice: SynthesizeVoice | None, speaks: str
) -> None:
    text = f"Voice {voice}."
    heard = spoken(fake, Synthesize(text, voice))
    assert heard.ended == "audio-stop"
    until(lambda: logged(fake.server, "speech", voice=speaks, chars=len(text)))


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        (Synthesize("Hello.", SynthesizeVoice(name="nobody")), "voice_not_found", "sine, square"),
        (Synthesize("Hello.", SynthesizeVoice(language="tlh")), "invalid_value", "'tlh'"),
        (Synthesize("Hello.", SynthesizeVoice(language="fr")), "language_not_supported", "French"),
        (Synthesize("<p>Hello.</p>", SINE, text_format="ssml"), "invalid_value", "SSML"),
        (Synthesize("", SINE), "nothing_to_speak", "words"),
        (Synthesize("...", SINE), "nothing_to_speak", "words"),
        (Synthesize("x" * 50_001, SINE), "string_above_max_length", "MAX_INPUT_CHARS"),
        (Event("synthesize", {"text": 5}), "invalid_value", "text"),
        (Event("synthesize", {}), "invalid_value", "text"),
        (Event("synthesize", {"text": "Hello.", "voice": "sine"}), "invalid_value", "voice"),
        (Event("synthesize-start", {"voice": {"name": 5}}), "invalid_value", "name"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_is_an_error_and_the_end(
    fake: WyomingPort, event: object, code: str, words: str
) -> None:
    heard = spoken(fake, event)
    assert heard.events == ["error"]
    assert heard.error.code == code
    assert words in heard.error.text


def test_several_texts_of_a_connection_are_spoken_in_turn(fake: WyomingPort) -> None:
    async def ask() -> list[Heard]:
        async with connected(fake) as client:
            for text in ("One.", "The second text.", "And three."):
                await client.write_event(Synthesize(text, SINE).event())
            return [await hear(client) for _ in range(3)]

    texts = "One.", "The second text.", "And three."
    assert [heard.audio for heard in asyncio.run(ask())] == [http(fake, text) for text in texts]


# A text as it comes


def test_a_streamed_text_is_spoken_once(fake: WyomingPort) -> None:
    """Home Assistant sends the whole text again at the end, for servers that know no pieces."""
    pieces = ["Streamed in pi", "eces, a", " word or t", "wo at a time", "."]
    heard = spoken(
        fake,
        SynthesizeStart(SINE),
        *map(SynthesizeChunk, pieces),
        Synthesize("".join(pieces), SINE),
        SynthesizeStop(),
        until="synthesize-stopped",
    )
    assert heard.events[-2:] == ["audio-stop", "synthesize-stopped"]
    assert heard.events.count("audio-start") == 1
    assert heard.audio == http(fake, "".join(pieces))


@pytest.mark.parametrize(
    ("blank", "pause_s"), [(" ", SENTENCE_PAUSE_S), ("\n\n", PARAGRAPH_PAUSE_S)]
)
def test_a_sentence_is_heard_before_the_next_is_written(
    fake: WyomingPort, blank: str, pause_s: float
) -> None:
    first, second = f"The first sentence{len(blank)}.", "The second, and its end. And a third!"

    async def ask() -> bytearray:
        async with connected(fake) as client:
            await client.write_event(SynthesizeStart(SINE).event())
            await client.write_event(SynthesizeChunk(first + blank + second[:5]).event())
            event = await client.read_event()
            assert AudioStart.is_type(event.type)
            await client.write_event(SynthesizeChunk(second[5:]).event())
            await client.write_event(SynthesizeStop().event())
            return (await hear(client, "synthesize-stopped")).audio

    heard = asyncio.run(ask())
    assert heard.startswith(http(fake, first) + silence(pause_s))
    # What had come by then was spoken together or sentence by sentence; neither leaves out any.
    rest = heard[len(http(fake, first) + silence(pause_s)) :]
    third = http(fake, "The second, and its end.") + silence(SENTENCE_PAUSE_S)
    assert rest in (http(fake, second), third + http(fake, "And a third!"))


@pytest.mark.parametrize("pieces", [[], [""], [" ... "]])
def test_a_streamed_text_without_words_is_an_error(fake: WyomingPort, pieces: list[str]) -> None:
    events = SynthesizeStart(SINE), *map(SynthesizeChunk, pieces), SynthesizeStop()
    heard = spoken(fake, *events)
    assert (heard.events, heard.error.code) == (["error"], "nothing_to_speak")


# Whoever leaves, and what breaks


def test_audio_comes_while_it_is_made_and_leaving_ends_the_work(fake: WyomingPort) -> None:
    async def ask() -> None:
        async with connected(fake) as client:
            await client.write_event(Synthesize(ENDLESS, SINE).event())
            assert AudioStart.is_type((await client.read_event()).type)
            assert AudioChunk.is_type((await client.read_event()).type)
            assert await asyncio.to_thread(load_of, fake.server) == (1, 0)

    asyncio.run(ask())
    until(lambda: at_rest(fake.server))
    until(lambda: logged(fake.server, "speech", outcome="cancelled", chars=len(ENDLESS)))


def test_leaving_in_the_middle_of_a_text_leaves_nothing(fake: WyomingPort) -> None:
    async def ask() -> None:
        async with connected(fake) as client:
            await client.write_event(SynthesizeStart(SINE).event())
            await client.write_event(SynthesizeChunk("It begins. And").event())
            assert AudioStart.is_type((await client.read_event()).type)

    asyncio.run(ask())
    until(lambda: at_rest(fake.server))


def test_an_engine_that_dies_is_an_error_and_no_end_of_the_audio(fake: WyomingPort) -> None:
    async def ask() -> Heard:
        async with connected(fake) as client:
            await client.write_event(Synthesize(ENDLESS, SINE).event())
            assert AudioStart.is_type((await client.read_event()).type)
            os.kill(worker_of(fake.server)["pid"], signal.SIGKILL)
            return await hear(client)

    heard = asyncio.run(ask())
    assert heard.ended == "error"
    assert heard.error.code == "worker_died"
    assert spoken(fake, Synthesize("Alive again.", SINE)).ended == "audio-stop"


@pytest.mark.parametrize(
    ("raw", "answered"),
    [
        (b"\n", True),
        (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", True),
        (b"[]\n", True),
        (b"[" * 50_000 + b"\n", True),
        (b'{"type": 5}\n', True),
        (b'{"type": "synthesize", "data": []}\n', True),
        (b'{"type": "describe", "data_length": -1}\n', True),
        (b'{"type": "describe", "data_length": 9999999999}\n', True),
        (b'{"type": "describe", "payload_length": 1e9}\n', True),
        (b'{"type": "synthesize", "data_length": 2}\n\xff\xff', True),
        (b"x" * 70_000, True),
        (b'{"type": "synthesize", "data_length": 20}\n{', False),
        (b'{"type"', False),
        (b"", False),
        (b"\x16\x03\x01", False),
    ],
)
def test_what_is_no_event_is_refused(fake: WyomingPort, raw: bytes, answered: bool) -> None:
    with socket.create_connection(("127.0.0.1", fake.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert (b'"type":"error"' in received) == answered
    assert spoken(fake, Synthesize("Still here.", SINE)).ended == "audio-stop"


def test_events_of_other_services_are_passed_over(fake: WyomingPort) -> None:
    other = Event("transcribe", {"language": "en"}, b"\0" * 1000)
    assert spoken(fake, other, Synthesize("And yet.", SINE)).ended == "audio-stop"


# The server's own bounds


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WyomingPort]:
    port = free_port()
    env = {"MAX_CONCURRENT_REQUESTS": "1", "MAX_QUEUE_DEPTH": "0", "SEND_TIMEOUT": "1"}
    env |= {"RECEIVE_TIMEOUT": "1", "REQUEST_TIMEOUT": "2", "MAX_INPUT_CHARS": "50000"}
    folder = tmp_path_factory.mktemp("narrow")
    with running_server(folder, ENGINE="fake", WYOMING_PORT=port, **env) as server:
        yield WyomingPort(server, int(port))


def test_a_full_server_says_so_and_who_takes_nothing_is_cut(narrow: WyomingPort) -> None:
    async def ask() -> Heard:
        async with connected(narrow) as idle:
            await idle.write_event(Synthesize(ENDLESS, SINE).event())
            assert AudioStart.is_type((await idle.read_event()).type)
            refused = await asyncio.to_thread(spoken, narrow, Synthesize("Hello.", SINE))
            await asyncio.to_thread(until, lambda: at_rest(narrow.server))
            return refused

    refused = asyncio.run(ask())
    assert refused.events == ["error"]
    assert refused.error.code == "server_full"
    assert logged(narrow.server, "answer cut", code="slow_reader")


def test_a_connection_is_not_held_for_ever(narrow: WyomingPort) -> None:
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(b'{"type": "synthesize", "data_length": 100}\n{')
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"body_too_slow" in received
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=TIMEOUT_S) as connection:
        assert connection.recv(100) == b""


def test_sigterm_lets_an_answer_finish_and_ends_idle_connections(tmp_path: Path) -> None:
    port = free_port()
    text = ENDLESS[:9_000]
    env = {"ENGINE": "fake", "WYOMING_PORT": port, "MAX_INPUT_CHARS": "50000"}
    with running_server(tmp_path, **env) as server:
        door = WyomingPort(server, int(port))

        async def ask() -> tuple[Heard, object]:
            async with connected(door) as idle, connected(door) as client:
                await idle.write_event(Ping().event())
                await idle.read_event()
                await client.write_event(Synthesize(text, SINE).event())
                assert AudioStart.is_type((await client.read_event()).type)
                server.process.send_signal(signal.SIGTERM)
                ended = await idle.read_event()
                return await hear(client), ended

        heard, ended = asyncio.run(ask())
        assert ended is None
        assert heard.ended == "audio-stop"
        assert len(heard.audio) > len(text) / 3 * 3840
        assert server.process.wait(10) == 0


def test_a_second_sigterm_does_not_wait(tmp_path: Path) -> None:
    port = free_port()
    env = {"ENGINE": "fake", "WYOMING_PORT": port, "MAX_INPUT_CHARS": "50000"}
    with running_server(tmp_path, **env) as server:

        async def ask() -> None:
            async with connected(WyomingPort(server, int(port))) as client:
                await client.write_event(Synthesize(ENDLESS, SINE).event())
                assert AudioStart.is_type((await client.read_event()).type)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(until, lambda: refuses(server))
                server.process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(server.process.wait, 10) == 0

        asyncio.run(ask())


def refuses(server: Server) -> bool:
    """Tell whether no connection is taken any more."""
    host, port = server.url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionError:
        return True
    return False


def test_the_embedded_voice_speaks_a_text_as_it_comes(tmp_path: Path) -> None:
    port = free_port()
    with running_server(tmp_path, ENGINE="embedded", WYOMING_PORT=port) as server:
        pieces = ["The train leaves ", "at noon. And the next", " one at two o'clock."]
        events = SynthesizeStart(None), *map(SynthesizeChunk, pieces), SynthesizeStop()
        heard = spoken(WyomingPort(server, int(port)), *events, until="synthesize-stopped")
    assert heard.ended == "synthesize-stopped"
    samples = np.frombuffer(heard.audio, "<i2")
    assert 2 < len(samples) / 24000 < 6
    assert np.abs(samples).max() > 6000


def test_a_port_in_use_is_told_at_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "vivavoce", "serve"],
            cwd=tmp_path,
            env={**os.environ, "ENGINE": "fake", "PORT": "0", "WYOMING_PORT": port},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    assert done.returncode == 1
    assert f"WYOMING_PORT={port}" in done.stderr
    assert "Traceback" not in done.stderr
