"""What an operator sees of a server: health, log, numbers. And what nobody ever sees."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import httpx
import pytest

from clients import (
    SPEECH,
    Listener,
    active,
    clone,
    counted,
    error,
    get,
    load_of,
    logged,
    order,
    post,
    speak,
    until,
)
from conftest import running_server
from expected import TEXT, fake_chunks, fake_pcm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

STAGES = ("queue_ms", "load_ms", "first_audio_ms", "inference_ms", "encode_ms", "total_ms")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that logs all it can, of an engine that claims a part of a GPU."""
    with running_server(
        tmp_path_factory.mktemp("seeing"),
        ENGINE="fake",
        LOG_LEVEL="debug",
        AUDIO_CACHE_MAX="32",
        MAX_QUEUE_DEPTH="9",
        VIVAVOCE_FAKE=json.dumps({"gpu_bytes": 1_500_000_000}),
    ) as server:
        yield server


def line_of(server: Server, answer: httpx.Response) -> dict:
    """Return the log's line about an answer, which is written when it has been sent."""
    about = {"request_id": answer.headers["x-request-id"]}
    until(lambda: logged(server, "speech", **about))
    (line,) = logged(server, "speech", **about)
    return line


def stages_of(answer: httpx.Response) -> dict[str, float]:
    parts = answer.headers["server-timing"].split(", ")
    matched = [re.fullmatch(r"(\w+);dur=([\d.]+(?:e[+-]\d+)?)", part) for part in parts]
    return {match[1]: float(match[2]) for match in matched}


# Health


def test_health_has_every_field(server: Server) -> None:
    speak(server)
    until(lambda: get(server, "/health").json()["gpu_allocated_mb"] == 1500)
    health = get(server, "/health").json()
    assert health["status"] == "ok"
    assert (health["model_loaded"], health["model_id"]) == (True, "fake")
    assert isinstance(health["cuda"], bool)
    assert (health["gpu_name"] is not None) == health["cuda"]
    assert {"sine", "square", "alloy"} <= set(health["voices"])
    assert (health["running"], health["queue_depth"], health["max_queue_depth"]) == (0, 0, 9)
    assert health["audio_cache_size"] >= 1
    assert health["audio_cache_max"] == 32
    assert health["audio_cache_bytes"] > 0
    names = ("voice_cache_size", "voice_cache_max", "voice_cache_hits", "audio_cache_hits")
    assert all(isinstance(health[name], int) for name in names)
    (model,) = health["models"]
    assert (model["id"], model["state"], model["failure"]) == ("fake", "ready", None)
    assert model["worker"]["gpu_bytes"] == 1_500_000_000
    assert model["worker"]["memory_bytes"] > 1_000_000


def test_health_shows_what_is_going_on(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Listener(server, order(f"gate={gate} after=1")) as listener:
        listener.answer()
        assert load_of(server) == (1, 0)
        assert active(server) == 1
        assert counted(server, "running") == 1
        gate.touch()
        assert listener.rest() == fake_pcm()
    until(lambda: load_of(server) == (0, 0))


# The log


@pytest.mark.parametrize("stream", [True, False])
def test_one_line_tells_all_about_an_answer(server: Server, stream: bool) -> None:
    answer = speak(server, "interval_s=0.02", stream=stream, cache=False, language="en")
    line = line_of(server, answer)
    assert line["outcome"] == "spoken"
    assert line["chars"] == len(TEXT)
    assert line["audio_s"] == round(len(fake_pcm()) / 48000, 3)
    told = {name: line[name] for name in ("voice", "format", "language", "model", "cache")}
    assert told == {
        "voice": "sine",
        "format": "pcm",
        "language": "en",
        "model": "fake",
        "cache": "off",
    }
    chunks = fake_chunks()
    assert line["total_ms"] >= line["inference_ms"] >= 1000 * 0.02 * chunks
    assert line["total_ms"] >= line["first_audio_ms"] >= 20
    assert all(line[name] >= 0 for name in STAGES)
    assert line["timestamp"].endswith("Z")


def test_what_was_remembered_says_so_and_has_no_stages(server: Server) -> None:
    speak(server, input="Once and again.")
    line = line_of(server, speak(server, input="Once and again."))
    assert line["cache"] == "hit"
    assert {name for name in line if name.endswith("_ms")} == {"first_audio_ms", "total_ms"}


@pytest.mark.parametrize(
    ("instructions", "outcome"),
    [("fail_after=0", "synthesis_failed"), ("oom_after=0", "out_of_memory")],
)
def test_a_failure_has_its_line_and_is_counted(
    server: Server, instructions: str, outcome: str
) -> None:
    series = f'speech_total{{model="fake",outcome="{outcome}"}}'
    before = counted(server, series)
    assert line_of(server, speak(server, instructions))["outcome"] == outcome
    assert counted(server, series) == before + 1


def test_what_is_refused_at_the_edge_has_a_line_too(server: Server) -> None:
    answer = speak(server, voice="nobody")
    about = {"request_id": answer.headers["x-request-id"]}
    until(lambda: logged(server, "request", **about))
    (line,) = logged(server, "request", **about)
    assert (line["method"], line["path"], line["status"]) == ("POST", SPEECH, 400)


# The answer


def test_the_answer_tells_where_its_time_went(server: Server) -> None:
    whole = stages_of(speak(server, "interval_s=0.02", stream=False, cache=False))
    assert set(whole) == {"queue", "load", "first_audio", "inference", "encode", "total"}
    assert whole["total"] >= whole["inference"] >= 100
    assert whole["first_audio"] >= whole["queue"] + whole["load"]
    # A stream's headers leave before the rest is known.
    streamed = stages_of(speak(server, stream=True, cache=False))
    assert set(streamed) == {"queue", "load", "first_audio", "inference", "encode"}
    speak(server, input="Remembered.")
    assert set(stages_of(speak(server, input="Remembered."))) == {"first_audio", "total"}


# What nobody sees


CANARY = "Canariensis"


def test_texts_words_and_instructions_are_nowhere_but_in_the_audio(server: Server) -> None:
    said = {"input": f"{CANARY} sings."}
    told = f"note={CANARY}"
    statuses = {
        speak(server, told, **said).status_code,
        speak(server, told, **said, stream=False).status_code,
        speak(server, told, **said, stream_format="sse").status_code,
        speak(server, f"{told} fail_after=0", **said).status_code,
        speak(server, f"{told} oom_after=0", **said).status_code,
        speak(server, f"{told} die_after=0", **said).status_code,
        speak(server, told, **said, speed=9).status_code,
        speak(server, told, **said, language="klingon").status_code,
        speak(server, voice=None, voice_description=f"{CANARY}, yellow.").status_code,
        clone(server, **said, ref_text=f"{CANARY} sang.", instructions=told).status_code,
        httpx.post(server.url + SPEECH, content=f'{{"input": "{CANARY}', verify=False).status_code,
    }
    assert statuses == {200, 400, 415, 500, 503}
    seen = {path: get(server, path).text for path in ("/metrics", "/health", "/ready")}
    seen["log"] = server.log
    assert [where for where, text in seen.items() if CANARY.lower() in text.lower()] == []
    assert "worker died" in server.log


def test_whatever_is_sent_the_metrics_do_not_grow(server: Server) -> None:
    speak(server, voice="nobody")
    before = get(server, "/metrics").text.count("\n")
    for number in range(200):
        assert speak(server, voice=f"nobody-{number}").status_code == 400
    assert error(speak(server, model="nobody-1"))["code"] == "model_not_found"
    post(server, "/v1/models/nobody-2/load")
    get(server, "/nobody-3")
    assert get(server, "/metrics").text.count("\n") == before
    assert "nobody" not in get(server, "/metrics").text
