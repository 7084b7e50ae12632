"""API keys against real servers: who is let in, who is told what, and what is never told."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from conftest import running_server
from vivavoce.api.keys import KeyGuard
from vivavoce.service.keys import KeyRing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

    from conftest import Server

# Every key, right or wrong, holds this word: where it turns up, a key does.
CANARY = "canary"
FIRST = f"{CANARY}-environment-1"
SECOND = f"{CANARY}-environment-2"
SINGER = f"{CANARY}-may-only-speak"
KEEPER = f"{CANARY}-may-only-keep-voices"
OPERATOR = f"{CANARY}-may-only-operate"
FLOOD = f"{CANARY}-sixty-a-minute"
BUSY = f"{CANARY}-one-at-a-time"
WRONG = f"{CANARY}-of-nobody"
HASHED = hashlib.sha256(OPERATOR.encode()).hexdigest()
IN_FILE = [
    {"name": "singer", "key": SINGER},
    {"name": "keeper", "key": KEEPER, "scopes": ["voices"]},
    {"name": "operator", "key_sha256": HASHED, "scopes": ["operate"]},
    {"name": "flood", "key": FLOOD, "requests_per_minute": 60},
    {"name": "busy", "key": BUSY, "concurrent": 1},
]
LISTS = ("/v1/models", "/v1/models/tts-1", "/v1/audio/models", "/v1/audio/voices")
HELLO = {"input": "Hello.", "response_format": "pcm"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with keys of both settings, that logs all it can."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys.json").write_text(json.dumps({"keys": IN_FILE}))
    with running_server(
        folder,
        ENGINE="fake",
        LOG_LEVEL="debug",
        API_KEYS=f"{FIRST}, {SECOND}",
        API_KEYS_FILE="keys.json",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with keys whose lists are for all, and which a web page may call."""
    with running_server(
        tmp_path_factory.mktemp("public"),
        ENGINE="fake",
        API_KEYS=FIRST,
        PUBLIC_LISTS="true",
        CORS_ORIGINS="http://page.example",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def web() -> Iterator[httpx.Client]:
    """One client for all: making one takes longer than most of its requests."""
    with httpx.Client(timeout=30) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def speak(web: httpx.Client, server: Server, key: str, **fields: object) -> httpx.Response:
    url = f"{server.url}/v1/audio/speech"
    return web.post(url, headers=bearer(key), json={**HELLO, **fields})


def sdk(server: Server, key: str, max_retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=max_retries)


def create(client: openai.OpenAI) -> bytes:
    answer = client.audio.speech.create(
        model="tts-1", voice="alloy", input="Hello.", response_format="pcm"
    )
    return answer.content


def exchange(server: Server, sent: bytes, until: bytes) -> bytes:
    """Send bytes as they are; return what comes, up to the first `until`."""
    host, port = server.url.removeprefix("http://").split(":")
    seen = b""
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        while until not in seen:
            received = connection.recv(65536)
            assert received, f"the server closed first: {seen!r}"
            seen += received
    return seen


def websocket(server: Server, key: str, path: str = "/v1/audio/speech/ws") -> ClientConnection:
    url = server.url.replace("http://", "ws://") + path
    return connect(url, additional_headers=bearer(key), proxy=None)


def logged(server: Server, request_id: str) -> dict:
    """Return the line that a request's end leaves in the log, once it is there."""
    deadline = time.monotonic() + 5
    while True:
        for line in server.log_lines[:]:
            if request_id in line and '"event": "request"' in line:
                return json.loads(line)
        assert time.monotonic() < deadline, "the request's end was not logged"


# Who is let in


@pytest.mark.parametrize("key", [FIRST, SECOND, SINGER, FLOOD, BUSY])
def test_the_package_speaks_with_a_key(server: Server, key: str) -> None:
    with sdk(server, key) as client:
        assert len(create(client)) > 0
        assert client.models.retrieve("tts-1").id == "tts-1"


def test_the_package_raises_what_it_has_for_a_wrong_key(server: Server) -> None:
    with sdk(server, WRONG, max_retries=2) as client:
        with pytest.raises(openai.AuthenticationError) as speaking:
            create(client)
        with pytest.raises(openai.AuthenticationError) as listing:
            client.models.list()
    for caught in (speaking, listing):
        assert caught.value.code == "invalid_api_key"
        assert "Authorization: Bearer KEY" in caught.value.message
        assert caught.value.request_id


def test_the_package_raises_what_it_has_for_a_scope_that_is_missing(server: Server) -> None:
    with sdk(server, KEEPER, max_retries=2) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            create(client)
        assert next(iter(client.models.list())).id == "fake"
    assert caught.value.code == "insufficient_permissions"
    assert "The key keeper is not for this: it lacks the scope speak" in caught.value.message


@pytest.mark.parametrize(
    "value", [f"bearer {FIRST}", f"BEARER   {FIRST}", f"  Bearer {FIRST}  "], ids=str.strip
)
def test_the_header_is_read_generously(server: Server, value: str) -> None:
    sent = f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization:{value}\r\n\r\n"
    assert exchange(server, sent.encode(), b"\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", LISTS)
def test_lists_need_a_key_and_any_will_do(web: httpx.Client, server: Server, path: str) -> None:
    for shown in (path, path.removeprefix("/v1"), f"{path}/"):
        assert web.get(f"{server.url}{shown}").status_code == 401
        assert web.get(f"{server.url}{shown}", headers=bearer(OPERATOR)).status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_lists_may_be_public(web: httpx.Client, public: Server, path: str) -> None:
    for headers in ({}, bearer(WRONG), bearer(FIRST)):
        assert web.get(f"{public.url}{path}", headers=headers).status_code == 200
    empty = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \r\n\r\n"
    assert exchange(public, empty.encode(), b"\r\n").startswith(b"HTTP/1.1 200 ")
    assert speak(web, public, WRONG).status_code == 401
    assert web.get(f"{public.url}/metrics").status_code == 401
    assert web.post(f"{public.url}{path}").status_code == 401


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/v1", "/v1/"])
def test_what_probes_ask_is_open(web: httpx.Client, server: Server, path: str) -> None:
    assert web.get(f"{server.url}{path}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "may", "may_not"),
    [
        ("POST", "/v1/audio/speech", SINGER, OPERATOR),
        ("POST", "/audio/speech/clone", SINGER, OPERATOR),
        ("POST", "/v1/audio/speech%0A", SINGER, KEEPER),
        ("POST", "/v1/audio/voices", KEEPER, SINGER),
        ("DELETE", "/audio/voices/mine", KEEPER, OPERATOR),
        ("POST", "/v1/audio/voice_consents", KEEPER, SINGER),
        ("POST", "/v1/audio/speech/plan", SINGER, KEEPER),
        ("GET", "/v1/audio/pronunciations", KEEPER, SINGER),
        ("PUT", "/audio/pronunciations", KEEPER, SINGER),
        ("DELETE", "/v1/audio/pronunciations", KEEPER, OPERATOR),
        ("POST", "/v1/models/fake/load", OPERATOR, SINGER),
        ("POST", "/models/fake/unload", OPERATOR, KEEPER),
        ("POST", "/v1/cache/clear", OPERATOR, SINGER),
        ("GET", "/metrics", OPERATOR, SINGER),
        ("GET", "/metrics/", OPERATOR, KEEPER),
    ],
)
def test_each_route_needs_its_scope(
    web: httpx.Client, server: Server, method: str, path: str, may: str, may_not: str
) -> None:
    url = f"{server.url}{path}"
    assert web.request(method, url).status_code == 401
    refused = web.request(method, url, headers=bearer(may_not))
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "insufficient_permissions"
    assert refused.headers["x-should-retry"] == "false"
    for key in (may, FIRST):
        assert web.request(method, url, headers=bearer(key)).status_code not in (401, 403)


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/v1/v1/models", "/openapi.json"])
def test_what_else_there_is_or_is_not_only_holders_of_a_key_learn(
    web: httpx.Client, server: Server, path: str
) -> None:
    there = 200 if path == "/openapi.json" else 404
    assert web.get(f"{server.url}{path}").status_code == 401
    assert web.get(f"{server.url}{path}", headers=bearer(KEEPER)).status_code == there


def test_a_web_page_may_ask_before_it_sends_its_key_and_read_the_refusal(
    web: httpx.Client, public: Server
) -> None:
    origin = {"Origin": "http://page.example"}
    asked = {
        **origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    url = f"{public.url}/v1/audio/speech"
    assert web.options(url, headers=asked).status_code == 200
    refused = web.post(url, headers=origin, json=HELLO)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin["Origin"]


# What the refused are told

REFUSED = {
    "none": [],
    "wrong": [f"Bearer {WRONG}"],
    "nothing after it": ["Bearer "],
    "the scheme alone": ["Bearer"],
    "empty": [""],
    "another scheme": [f"Basic {FIRST}"],
    "no scheme": [FIRST],
    "a digest": [f"Bearer {HASHED}"],
    "the name": ["Bearer singer"],
    "two keys": [f"Bearer {FIRST} {SECOND}"],
    "a list of keys": [f"Bearer {FIRST},{SECOND}"],
    "two headers": [f"Bearer {FIRST}", f"Bearer {FIRST}"],
    "not ASCII": [f"Bearer {CANARY}-ключ-ü"],
    "huge": [f"Bearer {CANARY}{'k' * 16_000}"],
}


def test_all_refused_are_told_the_same(server: Server) -> None:
    told = set()
    for case, values in REFUSED.items():
        # Not httpx: it would not send some of them.
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        connection.putrequest("POST", "/v1/audio/speech")
        for value in values:
            connection.putheader("Authorization", value.encode())
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        told.add(answer.read())
        connection.close()
        assert answer.status == 401, case
        assert answer.headers["www-authenticate"] == "Bearer", case
        assert answer.headers["x-should-retry"] == "false", case
        assert answer.headers["x-request-id"].startswith("req_"), case
    (only,) = told
    error = json.loads(only)["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")


def test_a_body_is_not_waited_for(server: Server) -> None:
    """Refused from the head alone: neither asked to go on, nor read."""
    head = (
        "POST /v1/audio/speech/clone HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
        f"Authorization: Bearer {WRONG}\r\nExpect: 100-continue\r\n\r\n"
    )
    assert exchange(server, head.encode(), b"\r\n").startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [("", 401, "invalid_api_key"), (OPERATOR, 403, "insufficient_permissions")],
)
@pytest.mark.parametrize("path", ["/v1/audio/speech/ws", "/audio/speech/ws/"])
def test_a_websocket_is_refused_before_it_opens(
    server: Server, path: str, key: str, status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as caught, websocket(server, key, path):
        pass
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body)["error"]["code"] == code


def test_a_websocket_that_cannot_be_answered_is_closed() -> None:
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    async def nothing(*_: object) -> None:
        raise AssertionError("it was let in, or read")

    guard = KeyGuard(nothing, KeyRing.load((FIRST,), ""), public_lists=True)
    scope = {"type": "websocket", "path": "/audio/speech/ws", "headers": []}
    asyncio.run(guard(scope, nothing, send))
    (closed,) = sent
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert closed["reason"].startswith("No API key was sent")


# Limits


def test_who_floods_is_slowed_and_nobody_else(web: httpx.Client, server: Server) -> None:
    statuses = []
    while 429 not in statuses:
        assert len(statuses) < 600, "sixty a minute were not the limit"
        url = f"{server.url}/v1/audio/speech"
        statuses.append(web.post(url, headers=bearer(FLOOD)).status_code)
        if len(statuses) % 20 == 0:
            assert speak(web, server, SINGER).status_code == 200
    assert len(statuses) >= 60  # a minute's may come at once
    assert speak(web, server, SINGER).status_code == 200
    assert web.get(f"{server.url}/v1/models", headers=bearer(FLOOD)).status_code == 200
    with sdk(server, FLOOD) as client, pytest.raises(openai.RateLimitError) as caught:
        create(client)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.type == "rate_limit_error"
    assert "The key flood may make 60 requests a minute" in caught.value.message
    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.response.headers["x-should-retry"] == "true"
    # Once told when, the package comes back then, and not before.
    with sdk(server, FLOOD, max_retries=1) as client:
        assert len(create(client)) > 0


def test_a_listener_who_leaves_makes_room(
    web: httpx.Client, server: Server, tmp_path: Path
) -> None:
    waiting = {**HELLO, "instructions": f"gate={tmp_path / 'never'} after=1"}
    url = f"{server.url}/v1/audio/speech"
    with web.stream("POST", url, headers=bearer(BUSY), json=waiting) as answer:
        parts = answer.iter_raw()
        next(parts)
        with sdk(server, BUSY) as client, pytest.raises(openai.RateLimitError) as caught:
            create(client)
        assert speak(web, server, SINGER).status_code == 200
    assert "The key busy may have 1 requests running at once" in caught.value.message
    assert caught.value.response.headers["retry-after"] == "1"
    deadline = time.monotonic() + 5
    while speak(web, server, BUSY).status_code == 429:
        assert time.monotonic() < deadline, "the room was not given back"


# What is never told


def test_keys_are_in_no_log_and_no_metric_but_names_are(
    web: httpx.Client, server: Server, tmp_path: Path
) -> None:
    answers = [
        speak(web, server, SINGER),
        speak(web, server, SINGER, instructions="fail_after=0"),
        speak(web, server, SINGER, speed="fast"),
        speak(web, server, KEEPER),
        speak(web, server, WRONG),
        web.get(f"{server.url}/v1/models/none", headers=bearer(KEEPER)),
        web.post(f"{server.url}/v1/audio/speech/clone", headers=bearer(SINGER)),
    ]
    assert [answer.status_code for answer in answers] == [200, 500, 400, 403, 401, 404, 415]
    with pytest.raises(InvalidStatus), websocket(server, WRONG):
        pass
    named = ["singer", "singer", "singer", "keeper", None, "keeper", "singer"]
    for answer, name in zip(answers, named, strict=True):
        line = logged(server, answer.headers["x-request-id"])
        assert (line["status"], line.get("key")) == (answer.status_code, name)
    metrics = web.get(f"{server.url}/metrics", headers=bearer(OPERATOR)).text
    for key, reason in (("keeper", "insufficient_permissions"), ("", "invalid_api_key")):
        assert f'vivavoce_key_refused_total{{key="{key}",reason="{reason}"}}' in metrics
    for shown in (server.log, metrics, *(answer.text for answer in answers)):
        assert CANARY not in shown
        assert HASHED not in shown


def test_a_request_does_not_inherit_the_key_of_the_one_before_it(server: Server) -> None:
    first = f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SINGER}\r\n\r\n"
    second = "GET /v1/audio/voices HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    seen = exchange(server, (first + second).encode(), b'"code":"invalid_api_key"}}')
    statuses = re.findall(rb"HTTP/1.1 (\d+)", seen)
    assert statuses == [b"200", b"401"]
    ids = re.findall(rb"x-request-id: (\S+)", seen)
    keys = [logged(server, found.decode()).get("key") for found in ids]
    assert keys == ["singer", None]


@pytest.mark.parametrize("settings", [{"API_KEYS": "canary"}, {"API_KEYS_FILE": "nowhere.json"}])
def test_a_server_does_not_start_with_keys_that_cannot_be(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "vivavoce", "serve"],
        cwd=tmp_path,
        env={**os.environ, "PORT": "0", "ENGINE": "fake", **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"vivavoce: {next(iter(settings))}")
    assert CANARY not in ended.stderr
    assert "Traceback" not in ended.stderr
