"""What clients send, sent again to the letter: each hears all of it, in what it can play.

`client_requests.json` was noted from the packages themselves (`make clients`). The others, which no
package index has, are written down here as their sources send them.
"""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import running_server
from decoding import assert_length, decode
from expected import TEXT, fake_samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

    from conftest import Server

RECORDED = json.loads(
    (Path(__file__).parent.parent / "assets" / "client_requests.json").read_text()
)
NOTED = [(client, request) for client, noted in RECORDED.items() for request in noted["requests"]]
TYPES = {"mp3": "audio/mpeg", "opus": "audio/opus", "pcm": "audio/pcm", "wav": "audio/wav"}
SPEECH = "/v1/audio/speech"


def send(
    server: Server, method: str, path: str, headers: list, body: bytes = b""
) -> tuple[HTTPResponse, bytes]:
    """Send these headers, in their order and case, and no others but a host and a length."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        if name.lower() not in ("host", "content-length"):
            connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def say(server: Server, body: dict, *headers: tuple[str, str]) -> tuple[HTTPResponse, bytes]:
    json_body = ("Content-Type", "application/json")
    return send(server, "POST", SPEECH, [json_body, *headers], json.dumps(body).encode())


def assert_heard(content: bytes, format_name: str, speed: float = 1.0) -> None:
    samples = decode(content, format_name)
    assert_length(len(samples), len(fake_samples(speed=speed)), format_name)


@pytest.mark.parametrize(("client", "request_"), NOTED, ids=lambda value: str(value)[:30])
def test_what_was_noted_is_answered(fake_server: Server, client: str, request_: dict) -> None:
    answer, content = send(
        fake_server,
        request_["method"],
        request_["path"],
        request_["headers"],
        request_["body"].encode(),
    )
    assert answer.status == 200
    if not request_["path"].endswith("/speech"):
        assert json.loads(content)
        return
    body = json.loads(request_["body"])
    format_name = body.get("response_format", "mp3")
    if body.get("stream_format") == "sse":
        assert answer.headers["content-type"] == "text/event-stream"
        events = [json.loads(line[6:]) for line in content.decode().splitlines() if line]
        assert events[-1]["type"] == "speech.audio.done"
        content = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    else:
        assert answer.headers["content-type"] == TYPES[format_name]
    assert "x-vivavoce-ignored" not in answer.headers
    assert_heard(content, format_name, body.get("speed", 1.0))


# Open WebUI: no response_format, and it stores whatever comes as mp3; lists without a key


def test_open_webui(tmp_path: Path) -> None:
    env = {"API_KEYS": "sk-open-webui", "PUBLIC_LISTS": "true"}
    with running_server(tmp_path, ENGINE="fake", **env) as server:
        body = {"model": "tts-1", "input": TEXT, "voice": "alloy"}
        forwarded = ("X-OpenWebUI-User-Name", "Zo%C3%AB"), ("X-OpenWebUI-User-Role", "admin")
        key = ("Authorization", "Bearer sk-open-webui")
        answer, content = say(server, body, key, *forwarded)
        assert (answer.status, answer.headers["content-type"]) == (200, "audio/mpeg")
        assert_heard(content, "mp3")
        for name, keys in (("voices", {"id", "name"}), ("models", {"id"})):
            answer, content = send(server, "GET", f"/v1/audio/{name}", [])
            assert answer.status == 200
            listed = json.loads(content)[name]
            assert listed
            assert all(isinstance(entry, dict) and keys <= set(entry) for entry in listed)
        answer, content = say(server, body, ("Authorization", "Bearer "))
        assert answer.status == 401
        assert "API key" in json.loads(content)["error"]["message"]


# SillyTavern: the voice with a space before it, a bearer that is empty


@pytest.mark.parametrize("bearer", ["Bearer ", "Bearer", "Bearer undefined"])
def test_sillytavern(fake_server: Server, bearer: str) -> None:
    body = {
        "model": "tts-1",
        "input": TEXT,
        "voice": " nova",
        "response_format": "mp3",
        "speed": 1,
    }
    answer, content = say(fake_server, body, ("Authorization", bearer))
    assert (answer.status, answer.headers["content-type"]) == (200, "audio/mpeg")
    assert answer.headers["x-vivavoce-voice"] == "sine"
    assert_heard(content, "mp3")


# n8n: the OpenAI node's two models, six voices, four formats


@pytest.mark.parametrize(
    ("model", "voice", "format_name"),
    [
        ("tts-1", "alloy", "mp3"),
        ("tts-1", "echo", "opus"),
        ("tts-1", "fable", "aac"),
        ("tts-1-hd", "nova", "flac"),
        ("tts-1-hd", "onyx", "mp3"),
        ("tts-1-hd", "shimmer", "opus"),
    ],
)
def test_n8n(fake_server: Server, model: str, voice: str, format_name: str) -> None:
    body = {
        "model": model,
        "input": TEXT,
        "voice": voice,
        "response_format": format_name,
        "speed": 1,
    }
    accepts = "application/json,text/html,application/xhtml+xml,application/xml,*/*;q=0"
    key = ("Authorization", "Bearer none")
    answer, content = say(fake_server, body, key, ("Accept", accepts))
    assert answer.status == 200
    assert_heard(content, format_name)


# Home Assistant, openai_tts: no key unless it is set, an extra payload merged in


@pytest.mark.parametrize("format_name", ["mp3", "opus", "wav"])
def test_home_assistant_openai_tts(fake_server: Server, format_name: str) -> None:
    body = {
        "model": "tts-1",
        "input": TEXT,
        "voice": "shimmer",
        "response_format": format_name,
        "speed": 1.0,
        "instructions": "Speak cheerfully.",
        "chunk_size": 4096,
    }
    agent = ("User-Agent", "HomeAssistant-OpenAI-TTS")
    answer, content = say(fake_server, body, agent)
    assert (answer.status, answer.headers["content-type"]) == (200, TYPES[format_name])
    assert answer.headers["x-vivavoce-ignored"] == "chunk_size"
    assert_heard(content, format_name)


# wyoming-openai: what it takes a server for by how it answers, then wav with a whole header


def test_wyoming_openai(fake_server: Server) -> None:
    key = [("Authorization", "Bearer none")]
    assert send(fake_server, "GET", "/v1/readyz", key)[0].status == 404  # else: LocalAI
    _, health = send(fake_server, "GET", "/health", key)
    assert health.strip() != b"OK"  # else: Speaches
    answer, content = send(fake_server, "GET", "/v1/test", key)
    assert (answer.status, json.loads(content)) == (200, {"status": "ok"})  # so it lists voices
    _, listed = send(fake_server, "GET", "/v1/audio/voices", key)
    assert [voice["id"] for voice in json.loads(listed)["voices"]] == ["sine", "square"]
    body = {"model": "tts-1", "input": TEXT, "voice": "sine", "response_format": "wav"}
    _, content = say(fake_server, body, *key)
    assert content[:4] == b"RIFF"
    assert content[36:40] == b"data"
    assert len(content) == 44 + 2 * len(fake_samples())


# KoboldAI Lite: from a web page


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("web")
    with running_server(folder, ENGINE="fake", CORS_ORIGINS="*", API_KEYS="sk-of-a-page") as server:
        yield server


def test_koboldai_lite_in_a_browser(web: Server) -> None:
    page = ("Origin", "https://lite.koboldai.net")
    asked = [
        page,
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
    ]
    answer, _ = send(web, "OPTIONS", SPEECH, asked)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    body = {"input": TEXT, "voice": "alloy", "model": "tts-1"}
    answer, content = say(web, body, page, ("Authorization", "Bearer sk-of-a-page"))
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert_heard(content, "mp3")
    answer, _ = say(web, body, page)  # the page must be able to read why
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, "*")


# llama-swap and others: voices as plain strings


@pytest.mark.parametrize("query", ["format=strings", "legacy=true"])
def test_llama_swap_lists_strings(fake_server: Server, query: str) -> None:
    answer, content = send(fake_server, "GET", f"/v1/audio/voices?model=tts-1&{query}", [])
    assert answer.status == 200
    assert json.loads(content)["voices"] == ["sine", "square"]
