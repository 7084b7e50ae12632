"""Whatever is sent, the answer is a 4xx that names the field and the remedy, and wakes nothing."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from conftest import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the embedded voice; after all that was sent, no engine was woken."""
    with running_server(tmp_path_factory.mktemp("bad"), ENGINE="embedded") as server:
        yield server
        model = server.health()["models"][0]
        assert model["state"] == "absent"
        assert "unforeseen" not in server.log
        assert "Traceback" not in server.log


def post(server: Server, content: bytes, headers: dict | None = None) -> httpx.Response:
    return httpx.post(
        f"{server.url}/v1/audio/speech", content=content, headers=headers or JSON, timeout=10
    )


def check(answer: httpx.Response, status: int, param: str | None, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-should-retry"] == "false"
    body = answer.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert isinstance(error["code"], str)
    assert error["param"] == param
    for word in words:
        assert word in error["message"]
    assert len(answer.content) < 1000, "an error does not repeat what was sent"


def body(**fields: object) -> bytes:
    return json.dumps({"input": "Hello.", **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"input": ""}, "input", ("text to speak",)),
        ({"input": " \n\t "}, "input", ("empty",)),
        ({"input": "\u200b\u200d"}, "input", ("nothing to speak",)),
        ({"input": "x" * 5000}, "input", ("5000", "4096", "MAX_INPUT_CHARS")),
        ({"input": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467"}, "input", ("words",)),
        ({"input": "... --- !!!"}, "input", ("nothing to speak",)),
        ({"input": "a\0b"}, "input", ("NUL",)),
        ({"input": 5}, "input", ("string", "5")),
        ({"input": None}, "input", ("null",)),
        ({"input": ["a"]}, "input", ("list",)),
        ({"input": "你好，世界"}, "input", ("Chinese", "Qwen3-TTS")),
        ({"input": "Hello 世界"}, "input", ("Chinese",)),
        ({"input": "Привет"}, "input", ("Russian",)),
        ({"input": "مرحبا"}, "input", ("Arabic",)),
        ({"language": "fr"}, "language", ("French", "English", "Qwen3-TTS")),
        ({"language": "klingon"}, "language", ("klingon", "auto")),
        ({"speed": 0}, "speed", ("0.25 to 4.0",)),
        ({"speed": -1}, "speed", ("-1",)),
        ({"speed": "fast"}, "speed", ("fast",)),
        ({"speed": "nan"}, "speed", ("nan",)),
        ({"speed": 4.01}, "speed", ("4.01",)),
        ({"speed": None}, "speed", ("null",)),
        ({"speed": True}, "speed", ("true",)),
        ({"response_format": "mp4"}, "response_format", ("mp4", "opus")),
        ({"response_format": "../mp3"}, "response_format", ("opus",)),
        ({"stream_format": "xml"}, "stream_format", ("audio or sse",)),
        ({"voice": "nobody"}, "voice", ("nobody", "heart", "alloy")),
        ({"voice": "../../etc/passwd"}, "voice", ("etc/passwd", "heart")),
        ({"voice": "x" * 100_000}, "voice", ("voice",)),
        ({"voice": {"name": "heart"}}, "voice", ("id",)),
        ({"voice": ["heart"]}, "voice", ("list",)),
        ({"model": 5}, "model", ("model",)),
        ({"instructions": "x" * 5000}, "instructions", ("4096",)),
        ({"seed": -1}, "seed", ("-1",)),
        ({"seed": 1.5}, "seed", ("1.5",)),
        ({"sample_rate": 12345}, "sample_rate", ("12345", "24000")),
        ({"response_format": "opus", "sample_rate": 44100}, "sample_rate", ("44100", "48000")),
        ({"stream": "yes"}, "stream", ("true or false",)),
    ],
)
def test_a_bad_field(server: Server, fields: dict, param: str, words: tuple[str, ...]) -> None:
    check(post(server, body(**fields)), 400, param, *words)


def test_an_unknown_model_is_a_404_with_the_list(server: Server) -> None:
    answer = post(server, body(model="gpt-9"))
    check(answer, 404, "model", "gpt-9", "tts-1", "hibari-heart")
    assert answer.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"{",
        b'{"input": "Hello." ',
        b'"Hello."',
        b"[]",
        b"null",
        b'{"input": "\xff\xfe"}',
        b'{"input": "a\\ud800b"}',
        b'{"input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_body_that_is_no_json_object(server: Server, raw: bytes) -> None:
    answer = post(server, raw)
    assert answer.status_code == 400
    check(answer, 400, answer.json()["error"]["param"], "JSON" if b"[[" not in raw else "")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
def test_numbers_beyond_numbers(server: Server, number: bytes) -> None:
    answer = post(server, b'{"input": "Hello.", "speed": ' + number + b"}")
    check(answer, 400, answer.json()["error"]["param"])


def test_a_body_of_10_mb_is_refused_by_its_declared_length(server: Server) -> None:
    check(post(server, body(input="x" * 10_000_000)), 413, None, "MAX_BODY_BYTES")


def test_a_body_of_10_mb_without_a_length_is_refused_while_it_is_read(server: Server) -> None:
    pieces = (b"x" * 100_000 for _ in range(100))
    with httpx.Client() as client:
        request = client.build_request(
            "POST", f"{server.url}/v1/audio/speech", content=pieces, headers=JSON
        )
        check(client.send(request), 413, None, "MAX_BODY_BYTES")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": ""},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
def test_a_wrong_content_type(server: Server, headers: dict) -> None:
    check(post(server, body(), headers), 415, None, "JSON")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method(server: Server, method: str) -> None:
    answer = httpx.request(method, f"{server.url}/v1/audio/speech")
    check(answer, 405, None, "POST")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/v1/audio/speach", "/v2/audio/speech", "/%00", "/..%2fetc"])
def test_an_unknown_path(server: Server, path: str) -> None:
    check(httpx.get(f"{server.url}{path}"), 404, None, "/v1/audio/speech")


def test_duplicate_keys_take_the_last(server: Server) -> None:
    check(post(server, b'{"input": "Hello.", "speed": 1, "speed": 0}'), 400, "speed")


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        # HAProxy makes 1.1 of it.
        pytest.param(b"GET /v1/models HTTP/9.9\r\n\r\n", marks=pytest.mark.direct),
    ],
)
def test_what_is_not_http_is_refused_and_the_server_stays(server: Server, raw: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answered = connection.recv(65536)
    assert not answered.startswith((b"HTTP/1.1 2", b"HTTP/1.1 5"))
    assert server.health()["status"] == "ok"


def test_an_unknown_model_may_mean_the_default_by_setting(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("lenient")
    with running_server(folder, ENGINE="fake", UNKNOWN_MODEL="default") as lenient:
        answer = post(lenient, body(model="gpt-9"))
    assert answer.status_code == 200
    assert answer.headers["x-vivavoce-model"] == "fake"


def test_the_operators_limits_and_aliases(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {
        "ENGINE": "fake",
        "MAX_INPUT_CHARS": "10",
        "VOICE_ALIASES": '{"Alloy": "square", "grandma": "sine"}',
    }
    with running_server(tmp_path_factory.mktemp("operator"), **settings) as operated:
        check(post(operated, body(input="Hello there.")), 400, "input", "12", "10")
        for asked, spoke in (("alloy", "square"), ("GRANDMA", "sine"), ("nova", "sine")):
            answer = post(operated, body(voice=asked))
            assert answer.headers["x-vivavoce-voice"] == spoke
