"""What becomes of a text, over a real server: the dry run, exact pauses, rules for words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from clients import error, order, post, speak
from conftest import running_server
from vivavoce.audio.encode import to_int16
from vivavoce.engine.fake import tone
from vivavoce.types import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

PLAN = "/v1/audio/speech/plan"
RULES = "/v1/audio/pronunciations"
RATE_HZ = 24000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("text"),
        ENGINE="fake",
        AUDIO_CACHE_MAX="50",
        MAX_INPUT_CHARS="100000",
    ) as server:
        yield server


def plan(server: Server, **fields: object) -> dict[str, Any]:
    answer = post(server, PLAN, order(**fields))
    assert answer.status_code == 200, answer.text
    return answer.json()


def samples(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<i2")


def test_the_dry_run_tells_everything_and_wakes_no_engine(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake") as server:
        told = plan(
            server,
            input="# Price\n\nIt costs **$5**. [pause 2s] 今天很好。",
            text_format="tags",
            normalize=True,
            speed=2.0,
            voice="square",
            sample_rate=16000,
            temperature=0.5,
            colour="red",
        )
        assert server.health()["models"][0]["state"] == "absent"
        assert server.worker() is None
    assert told.pop("estimated_duration_s") > 1.5
    assert told == {
        "object": "audio.speech.plan",
        "text": "Price.\nIt costs five dollars.\n今天很好。",
        "lead_s": 0.0,
        "segments": [
            {"text": "Price.", "language": "en", "pause_s": 0.35},
            {"text": "It costs five dollars.", "language": "en", "pause_s": 2.0},
            {"text": "今天很好。", "language": "zh", "pause_s": 0.0},
        ],
        "model": "fake",
        "voice": "square",
        "language": "auto",
        "text_format": "tags",
        "response_format": "pcm",
        "sample_rate": 16000,
        "speed": 2.0,
        "characters": 33,
        "ignored": ["temperature", "colour"],
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text_format": "html"}, "text_format"),
        ({"normalize": "yes"}, "normalize"),
        ({"normalize": 1}, "normalize"),
        ({"input": "😀"}, "input"),
        ({"input": "```\ncode\n```"}, "input"),
        ({"input": "<speak><x/></speak>", "text_format": "ssml"}, "input"),
        ({"input": "<speak><lang xml:lang='de'>x</lang></speak>", "text_format": "ssml"}, "input"),
        ({"input": "[pause 11s]", "text_format": "tags"}, "input"),
        ({"voice": "nobody"}, "voice"),
    ],
)
def test_both_routes_refuse_alike(server: Server, fields: dict, param: str) -> None:
    planned = post(server, PLAN, order(**fields))
    spoken = speak(server, **fields)
    assert planned.status_code == spoken.status_code == 400
    assert error(planned) == error(spoken)
    assert error(planned)["param"] == param


def test_what_is_planned_is_what_is_spoken(server: Server) -> None:
    told = plan(server, input="One. [pause 1s] Two.", text_format="tags")
    lengths = [
        max(1, len(one["text"]) // 2) * 1920 + round(one["pause_s"] * RATE_HZ)
        for one in told["segments"]
    ]
    heard = samples(speak(server, input="One. [pause 1s] Two.", text_format="tags"))
    assert len(heard) == sum(lengths)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("milliseconds", [1, 333, 2500])
def test_pauses_are_silent_to_the_sample(server: Server, milliseconds: int, stream: bool) -> None:
    text = f"[pause {milliseconds}ms] One. [pause {milliseconds}ms] Two. [pause {milliseconds}ms]"
    heard = samples(speak(server, input=text, text_format="tags", stream=stream))
    silence = np.zeros(round(milliseconds * RATE_HZ / 1000), np.float32)
    one, two = (tone(Segment(text), "sine", 7, 2 * 1920) for text in ("One.", "Two."))
    assert np.array_equal(heard, to_int16(np.concatenate((silence, one, silence, two, silence))))


def test_a_pause_at_the_start_changes_the_key_of_the_cache(server: Server) -> None:
    plain = speak(server, input="Said once.", text_format="tags", seed=11)
    later = speak(server, input="[pause 1s] Said once.", text_format="tags", seed=11)
    again = speak(server, input="Said once.", seed=11)
    assert [answer.headers["x-cache"] for answer in (plain, later, again)] == [
        "miss",
        "miss",
        "hit",
    ]
    assert len(later.content) == len(plain.content) + 2 * RATE_HZ


def test_rules_hold_at_once_and_not_for_what_was_cached(server: Server) -> None:
    def say() -> tuple[str, bytes]:
        answer = speak(server, input="Ask the GIF.", seed=12)
        return answer.headers["x-cache"], answer.content

    rule = {"written": "GIF", "spoken": "jiff"}
    first, before = say()
    with server.client() as client:
        added = client.put(RULES, json=rule)
        assert added.status_code == 200
        assert rule.items() <= added.json().items()
        assert plan(server, input="Ask the GIF.")["text"] == "Ask the jiff."
        second, after = say()
        assert client.get(RULES).json()["data"] == [added.json()]
        assert client.delete(RULES, params={"written": "gif"}).json()["deleted"] is True
        third, undone = say()
        assert client.get(RULES).json() == {"object": "list", "data": []}
    assert (first, second, third) == ("miss", "miss", "hit")
    assert before == undone != after


def test_rules_are_for_a_language_and_a_voice(server: Server) -> None:
    with server.client() as client:
        for rule in (
            {"written": "data", "spoken": "dayta", "language": "English"},
            {"written": "data", "spoken": "dahta", "voice": "square"},
        ):
            client.put(RULES, json=rule).raise_for_status()
        assert plan(server, input="My data.")["text"] == "My dayta."
        assert plan(server, input="My data.", voice="SQUARE")["text"] == "My dahta."
        assert plan(server, input="我的 data 。")["text"] == "我的 data 。"
        for where in ({"language": "en"}, {"voice": "square"}):
            client.delete(RULES, params={"written": "data", **where}).raise_for_status()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"written": "", "spoken": "x"}, "written"),
        ({"written": " \u200b", "spoken": "x"}, "written"),
        ({"written": "x"}, "spoken"),
        ({"written": "x", "spoken": 5}, "spoken"),
        ({"written": "x" * 101, "spoken": "x"}, "written"),
        ({"written": "x", "spoken": "y", "language": "tlh"}, "language"),
        ({"written": "x", "spoken": "y", "exact": "yes"}, "exact"),
        ({"written": "x", "spoken": "y", "colour": "red"}, None),
        ([], None),
    ],
)
def test_a_rule_that_cannot_be_is_refused(server: Server, body: object, param: str | None) -> None:
    answer = httpx.put(server.url + RULES, json=body)
    assert answer.status_code == 400
    assert error(answer)["param"] == param


def test_what_is_not_there_cannot_be_deleted(server: Server) -> None:
    answer = httpx.delete(server.url + RULES, params={"written": "nothing"})
    assert answer.status_code == 404
    assert error(answer)["code"] == "rule_not_found"


def test_streamed_and_whole_say_the_same(server: Server) -> None:
    text = "Es kostet $5 -- or 10%!! 🙂\n\n- [x] one\n- two: 3.14"
    for fields in ({}, {"normalize": True}, {"text_format": "plain", "normalize": "auto"}):
        streamed = speak(server, input=text, cache=False, **fields)
        whole = speak(server, input=text, cache=False, stream=False, **fields)
        assert streamed.content == whole.content


def test_the_embedded_voice_always_has_its_text_written_out(voice_server: Server) -> None:
    fields: dict[str, object] = {"voice": "heart", "instructions": None, "input": "It is $5, 5%."}
    said = {
        normalize: plan(voice_server, normalize=normalize, **fields)
        for normalize in ("auto", False, True)
    }
    assert said["auto"]["text"] == said[False]["text"] == "It is 5 dollars, 5 percent."
    assert said[True]["text"] == "It is five dollars, five percent."
    assert "normalize" in said[False]["ignored"]
    assert "normalize" not in said["auto"]["ignored"]


def test_the_embedded_voice_pauses_to_the_sample(voice_server: Server) -> None:
    fields = {"voice": "heart", "instructions": None, "text_format": "tags"}
    shorter, longer = (
        samples(speak(voice_server, input=f"Well. [pause {ms}ms] Yes.", **fields))
        for ms in (100, 1234)
    )
    assert len(longer) - len(shorter) == round(1.134 * RATE_HZ)


def test_a_hundred_thousand_characters_are_planned(server: Server) -> None:
    text = "It was 5:30 PM, and nobody had come; Dr. Brown (aged 42) waited. " * 1500
    told = plan(server, input=text[:100_000], normalize=True)
    assert len(told["segments"]) > 1000
    assert "five thirty P M" in told["segments"][0]["text"]
