"""Models, voices and health: what each client reads, without waking an engine."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from conftest import running_server
from expected import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/models/tts-1", "/v1/audio/models", "/v1/audio/voices"],
)
def test_every_route_answers_without_v1_and_with_a_slash_too(
    fake_server: Server, path: str
) -> None:
    bare = path.removeprefix("/v1")
    answers = [httpx.get(f"{fake_server.url}{p}") for p in (path, bare, f"{path}/", f"{bare}/")]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("path", ["/audio/speech", "/v1/audio/speech/", "/audio/speech/"])
def test_speech_answers_there_too_without_a_redirect(fake_server: Server, path: str) -> None:
    answer = httpx.post(f"{fake_server.url}{path}", json={"input": TEXT})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/mpeg"


def test_models_have_openais_keys(fake_server: Server) -> None:
    listed = httpx.get(f"{fake_server.url}/v1/models").json()
    assert listed["object"] == "list"
    for model in listed["data"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert model["id"]
        assert model["owned_by"]
        assert model["voices"][0]["name"]


def test_open_webui_reads_models_and_voices(fake_server: Server) -> None:
    models = httpx.get(f"{fake_server.url}/v1/audio/models").json()["models"]
    assert "tts-1" in [model["id"] for model in models]
    voices = httpx.get(f"{fake_server.url}/v1/audio/voices").json()["voices"]
    assert [(voice["id"], voice["name"]) for voice in voices] == [
        ("sine", "Sine"),
        ("square", "Square"),
    ]


@pytest.mark.parametrize("query", ["format=strings", "legacy=true", "format=strings&model=tts-1"])
def test_voices_as_plain_strings(fake_server: Server, query: str) -> None:
    listed = httpx.get(f"{fake_server.url}/v1/audio/voices?{query}").json()
    assert listed["voices"] == listed["data"] == ["sine", "square"]


def test_voices_of_an_unknown_model_are_a_404(fake_server: Server) -> None:
    answer = httpx.get(f"{fake_server.url}/v1/audio/voices?model=nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_a_wrong_query_value_is_a_400_in_openais_shape(fake_server: Server) -> None:
    answer = httpx.get(f"{fake_server.url}/v1/audio/voices?format=xml")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "format"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/"])
def test_the_base_url_answers(fake_server: Server, path: str) -> None:
    """LiveKit warms its connection up with a GET on the base URL."""
    assert httpx.get(f"{fake_server.url}{path}").status_code == 200


def test_asking_about_things_wakes_no_engine_and_ready_says_yes(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="embedded") as server:
        for path in ("/", "/v1/models", "/v1/audio/voices", "/openapi.json", "/ready", "/health"):
            assert httpx.get(f"{server.url}{path}").status_code == 200
        assert httpx.get(f"{server.url}/ready").json() == {
            "ready": True,
            "model": "hibari-heart",
            "state": "absent",
        }
        assert server.worker() is None


def test_the_description_names_every_route_and_the_error_shape(fake_server: Server) -> None:
    described = httpx.get(f"{fake_server.url}/openapi.json").json()
    assert set(described["paths"]) == {
        *("/", "/health", "/ready", "/metrics"),
        *("/v1/audio/speech", "/v1/audio/speech/clone", "/v1/models", "/v1/models/{model_id}"),
        *("/v1/audio/speech/stream", "/v1/audio/speech/stream/pcm", "/v1/cache/clear"),
        *("/v1/models/{model_id}/load", "/v1/models/{model_id}/unload"),
        *("/v1/audio/models", "/v1/audio/voices", "/v1/audio/voices/import"),
        *(f"/v1/audio/voices/{{voice_id}}{tail}" for tail in ("", "/export", "/preview")),
        *("/v1/audio/voice_consents", "/v1/audio/voice_consents/{consent_id}"),
        *("/v1/audio/speech/plan", "/v1/audio/speech/timestamps", "/v1/audio/pronunciations"),
    }
    speech = described["paths"]["/v1/audio/speech"]["post"]
    fields = speech["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"input", "voice", "model", "speed", "response_format"} <= set(fields)
    assert "ErrorBody" in described["components"]["schemas"]


def test_cors_is_closed_by_default_and_open_by_setting(fake_server: Server, tmp_path: Path) -> None:
    preflight = {
        "Origin": "http://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
    }
    closed = httpx.options(f"{fake_server.url}/v1/audio/speech", headers=preflight)
    assert "access-control-allow-origin" not in closed.headers
    with running_server(tmp_path, ENGINE="fake", CORS_ORIGINS="http://page.example") as server:
        opened = httpx.options(f"{server.url}/v1/audio/speech", headers=preflight)
    assert opened.status_code == 200
    assert opened.headers["access-control-allow-origin"] == "http://page.example"
    assert "x-stainless-lang" in opened.headers["access-control-allow-headers"]


def test_sigterm_lets_a_running_stream_finish(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wanted = {"input": TEXT, "response_format": "pcm", "instructions": f"gate={gate} after=2"}
    with (
        running_server(tmp_path, ENGINE="fake") as server,
        server.client() as client,
    ):
        with client.stream("POST", "/v1/audio/speech", json=wanted) as answer:
            parts = answer.iter_raw()
            received = next(parts)
            server.process.send_signal(signal.SIGTERM)
            gate.touch()
            received += b"".join(parts)
        assert server.process.wait(10) == 0
        assert len(received) % 3840 == 0
        assert len(received) > 2 * 3840


def test_sigterm_cuts_a_stream_that_takes_too_long(tmp_path: Path) -> None:
    wanted = {"input": TEXT, "instructions": f"gate={tmp_path / 'never'} after=2"}
    with (
        running_server(tmp_path, ENGINE="fake", SHUTDOWN_TIMEOUT="1") as server,
        server.client() as client,
        pytest.raises(httpx.RemoteProtocolError),
        client.stream("POST", "/v1/audio/speech", json=wanted) as answer,
    ):
        parts = answer.iter_raw()
        next(parts)
        server.process.send_signal(signal.SIGTERM)
        for _ in parts:
            pass
    assert server.process.returncode == 0
