"""`WS /v1/audio/speech/ws`: text in as it is written, speech out as it is made."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from clients import active, speak, until
from conftest import running_server
from decoding import same_sound
from expected import TEXT, fake_pcm
from speaking import speaking_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

FAKE = {"voice": "sine", "seed": 7}


@dataclass
class Answer:
    """What was heard of one utterance, and its last event."""

    audio: bytes = b""
    last: dict[str, Any] = field(default_factory=dict)


class Live:
    """A client that says things and listens."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.created = self.event()

    def say(self, kind: str, **more: object) -> None:
        self.socket.send(json.dumps({"type": kind, **more}))

    def update(self, **session: object) -> dict[str, Any]:
        self.say("session.update", session=session)
        return self.event()

    def write(self, *pieces: str) -> None:
        for piece in pieces:
            self.say("input_text.append", text=piece)

    def event(self) -> dict[str, Any]:
        message = self.socket.recv(30)
        assert isinstance(message, str), "audio came where an event was due"
        found: dict[str, Any] = json.loads(message)
        return found

    def next_within(self, seconds: float) -> str | bytes | None:
        """Return what comes within so long; None if nothing does."""
        try:
            return self.socket.recv(seconds)
        except TimeoutError:
            return None

    def answer(self) -> Answer:
        """Listen until an utterance is over."""
        heard = Answer()
        while True:
            message = self.socket.recv(30)
            if isinstance(message, bytes):
                heard.audio += message
                continue
            event = json.loads(message)
            if event.get("type") == "speech.audio.delta":
                heard.audio += base64.b64decode(event["audio"], validate=True)
                continue
            heard.last = event
            return heard


@contextmanager
def live(server: Server, path: str = "/v1/audio/speech/ws", **options: Any) -> Iterator[Live]:
    url = server.url.replace("http://", "ws://") + path
    with connect(url, compression=None, **options) as socket:
        yield Live(socket)


def words_of(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")]


# What is heard


@pytest.mark.parametrize("path", ["/v1/audio/speech/ws", "/audio/speech/ws"])
@pytest.mark.parametrize("delivery", ["base64", "binary"])
def test_words_one_by_one_are_heard_as_the_whole_text(
    fake_server: Server, delivery: str, path: str
) -> None:
    with live(fake_server, path) as client:
        assert client.created["type"] == "session.created"
        assert client.created["session"]["response_format"] == "pcm"
        updated = client.update(**FAKE, delivery=delivery)
        assert updated["type"] == "session.updated"
        assert updated["session"]["voice"] == "sine"
        client.write(*words_of(TEXT))
        client.say("input_text.flush")
        heard = client.answer()
    assert heard.last["type"] == "speech.audio.done"
    assert heard.last["status"] == "completed"
    assert heard.last["seed"] == 7
    assert heard.last["usage"]["input_tokens"] > 0
    assert heard.last["duration_s"] == round(len(heard.audio) / 48000, 3)
    assert heard.audio == fake_pcm()


def test_the_first_sentence_is_heard_before_the_second_is_complete(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.update(**FAKE)
        client.write("The first sentence. And the sec")
        first = client.event()
        assert first["type"] == "speech.audio.delta"
        client.write("ond one.")
        client.say("input_text.flush")
        assert client.answer().last["status"] == "completed"


def test_many_utterances_of_a_socket_come_in_order(fake_server: Server) -> None:
    texts = [f"This is utterance number {number}." for number in range(6)]
    with live(fake_server) as client:
        client.update(**FAKE)
        for text in texts:
            client.write(text)
            client.say("input_text.flush")
        answers = [client.answer() for _ in texts]
    assert [answer.audio for answer in answers] == [fake_pcm(text) for text in texts]
    assert len({answer.last["response_id"] for answer in answers}) == len(texts)


def test_any_format_can_be_asked_for(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.update(**FAKE, response_format="wav", sample_rate=16000)
        client.write(TEXT)
        client.say("input_text.flush")
        heard = client.answer()
    assert heard.audio[:4] == b"RIFF"
    assert int.from_bytes(heard.audio[24:28], "little") == 16000


def test_thirty_two_sockets_each_hear_their_own(fake_server: Server) -> None:
    def one(number: int) -> bool:
        text = f"I am speaker number {number}, and nobody else is."
        with live(fake_server) as client:
            client.update(**FAKE)
            client.write(*words_of(text))
            client.say("input_text.end")
            return client.answer().audio == fake_pcm(text)

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(one, range(32)))


def test_a_simple_client_gets_frames_and_then_done_again_and_again(fake_server: Server) -> None:
    with live(fake_server) as client:
        for text in (TEXT, "And once more."):
            client.socket.send(json.dumps({"input": text, **FAKE}))
            heard = client.answer()
            assert heard.last["event"] == "done"
            assert heard.audio == fake_pcm(text)


def test_the_end_closes_the_socket_after_all_is_spoken(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.update(**FAKE)
        client.write(TEXT)
        client.say("input_text.end")
        assert client.answer().audio == fake_pcm()
        with pytest.raises(ConnectionClosed) as closed:
            client.socket.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


# Who has heard enough


def test_a_cancel_is_silence_at_once_and_the_next_utterance_is_spoken(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.update(**FAKE, instructions="endless=1 interval_s=0.01")
        client.write("This never ends. ", "Nor this.")
        client.say("input_text.flush")
        client.write("And this never begins.")
        client.say("input_text.flush")
        assert client.event()["type"] == "speech.audio.delta"
        client.say("response.cancel")
        asked_at = time.monotonic()
        first, second = client.answer(), client.answer()
        assert time.monotonic() - asked_at < 5  # and not when it has ended, which it does not
        assert [first.last["status"], second.last["status"]] == ["cancelled"] * 2
        assert second.audio == b""
        until(lambda: active(fake_server) == 0)
        client.update(instructions=None)
        client.write("Now this.")
        client.say("input_text.flush")
        assert client.answer().audio == fake_pcm("Now this.")


def test_who_leaves_is_not_spoken_to(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.update(**FAKE, instructions="endless=1 interval_s=0.01")
        client.write("This never ends. Nor this.")
        client.say("input_text.flush")
        assert client.event()["type"] == "speech.audio.delta"
        assert active(fake_server) == 1
    until(lambda: active(fake_server) == 0)


def test_who_says_nothing_is_let_go_but_not_while_something_is_owed(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", LIVE_TIMEOUT="0.5") as server, live(server) as it:
        it.update(**FAKE, instructions="interval_s=0.1 chunks=15")
        it.write("This takes longer.")
        it.say("input_text.flush")
        assert it.answer().last["status"] == "completed"
        with pytest.raises(ConnectionClosed) as closed:
            it.socket.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


# What cannot be


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "invalid_json"),
        ("[]", "invalid_json"),
        ('{"type": "no.such.event"}', "unknown_event"),
        ('{"type": "input_text.append"}', "invalid_value"),
        ('{"type": "session.update", "session": {"speed": 9}}', "invalid_value"),
        ('{"type": "session.update", "session": {"delivery": "pigeon"}}', "invalid_value"),
        ('{"type": "session.update", "session": 3}', "invalid_value"),
        ('{"input": "Hello", "speed": "fast"}', "invalid_value"),
    ],
)
def test_a_wrong_message_is_told_of_and_the_session_goes_on(
    fake_server: Server, message: str, code: str
) -> None:
    with live(fake_server) as client:
        client.update(**FAKE)
        client.socket.send(message)
        told = client.event()
        assert told["type"] == "error"
        assert told["error"]["code"] == code
        assert told["error"]["message"]
        client.write(TEXT)
        client.say("input_text.flush")
        assert client.answer().audio == fake_pcm()


def test_an_error_names_the_event_it_is_about(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.say("input_text.append", event_id="mine_1", text=3)
        assert client.event()["error"]["event_id"] == "mine_1"


@pytest.mark.parametrize(
    ("session", "text", "code"),
    [
        ({"voice": "nobody"}, "Hello.", "voice_not_found"),
        ({}, "... !", "nothing_to_speak"),
        ({"text_format": "ssml"}, "<speak>Hello.</speak>", "invalid_value"),
        ({"instructions": "fail_after=1"}, "Hello there.", "synthesis_failed"),
    ],
)
def test_an_utterance_that_fails_is_not_the_last(
    fake_server: Server, session: dict[str, Any], text: str, code: str
) -> None:
    with live(fake_server) as client:
        client.update(**FAKE | session)
        client.write(text)
        client.say("input_text.flush")
        failed = client.answer().last
        assert failed["type"] == "error"
        assert failed["response_id"]
        assert failed["error"]["code"] == code
        client.update(**FAKE, instructions=None, text_format="markdown")
        client.write("And this?")
        client.say("input_text.flush")
        assert client.answer().audio == fake_pcm("And this?")


def test_the_rest_of_what_failed_is_not_spoken_as_another_utterance(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.update(**FAKE, instructions="fail_after=1")
        client.write("This fails. It was ")
        assert client.answer().last["error"]["code"] == "synthesis_failed"
        client.update(**FAKE, instructions=None)
        client.write("not complete yet.")
        client.say("input_text.flush")
        client.write("The next one.")
        client.say("input_text.flush")
        assert client.answer().audio == fake_pcm("The next one.")


def test_what_means_nothing_on_a_socket_is_said_to_be_ignored(fake_server: Server) -> None:
    nothing = {"timestamps": "word", "stream_format": "sse", "cache": True, "colour": "blue"}
    with live(fake_server) as client:
        client.update(**FAKE, **nothing)
        client.write(TEXT)
        client.say("input_text.flush")
        heard = client.answer()
    assert heard.audio == fake_pcm()
    assert set(heard.last["ignored"]) == set(nothing)


def test_only_so_much_text_may_wait(tmp_path: Path) -> None:
    few = {"ENGINE": "fake", "MAX_INPUT_CHARS": "20"}
    with running_server(tmp_path, **few) as server, live(server) as client:
        client.update(**FAKE)
        client.write("A text of more than twenty characters.")
        assert client.event()["error"]["code"] == "string_above_max_length"


# Who may


def test_pages_of_other_origins_are_refused_unless_allowed(tmp_path: Path) -> None:
    page = "https://page.example"
    with running_server(tmp_path, ENGINE="fake", CORS_ORIGINS=page) as server:
        with live(server, origin=page) as client:
            assert client.created
        with live(server, origin=server.url) as client:
            assert client.created
        with (
            pytest.raises(InvalidStatus) as refused,
            live(server, origin="https://elsewhere.example"),
        ):
            pass
    assert refused.value.response.status_code == 403
    assert b"CORS_ORIGINS" in refused.value.response.body


def test_a_key_opens_the_socket_by_header_or_as_a_browser_can(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", API_KEYS="a-long-secret") as server:
        with pytest.raises(InvalidStatus), live(server):
            pass
        with live(server, additional_headers={"Authorization": "Bearer a-long-secret"}) as client:
            assert client.created
        offered = ["realtime", "openai-insecure-api-key.a-long-secret"]
        with live(server, subprotocols=offered) as client:
            assert client.socket.subprotocol == "realtime"
        wrong = ["realtime", "openai-insecure-api-key.wrong"]
        with pytest.raises(InvalidStatus), live(server, subprotocols=wrong):
            pass


# Word by word


def test_qwen_speaks_each_word_as_it_comes_as_if_all_had_been_there(tmp_path: Path) -> None:
    settings = {
        "MODEL_ID": str(speaking_checkpoint("custom_voice")),
        "DEVICE": "cpu",
        "QUANTIZE": "none",
        "RUNAWAY_GUARD": "false",
    }
    text = "Hello there, said she, and so on. " * 3
    with running_server(tmp_path, **settings) as server, live(server) as client:
        client.update(voice="ryan", seed=5, delivery="binary")
        client.write(text)
        client.say("input_text.flush")
        at_once = client.answer()
        client.write("Hello there,")
        assert isinstance(client.socket.recv(60), bytes)  # long before the last word
        client.say("response.cancel")
        while client.answer().last.get("status") != "cancelled":
            pass
        # Each word comes when the engine has spoken what it could, and waits for more.
        by_words = Answer()
        for word in words_of(text.strip()):
            client.write(word)
            while isinstance(message := client.next_within(0.05), bytes):
                by_words.audio += message
        client.say("input_text.flush")
        rest = client.answer()
        by_words.audio += rest.audio
    assert len(at_once.audio) > 48000
    assert same_sound(by_words.audio, at_once.audio)


def test_http_and_socket_say_the_same(fake_server: Server) -> None:
    with live(fake_server) as client:
        client.update(**FAKE)
        client.write(TEXT)
        client.say("input_text.flush")
        assert client.answer().audio == speak(fake_server).content
