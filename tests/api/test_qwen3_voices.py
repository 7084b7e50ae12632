"""Saved voices with tiny random Qwen3-TTS checkpoints: heard once, designed once, blended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from conftest import running_server
from decoding import decode, same_sound
from recordings import recording
from speaking import speaking_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

TEXT = "Hello there, this is a test."
VOICES = "/v1/audio/voices"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("qwen"),
        MODEL_ID=str(speaking_checkpoint("custom_voice")),
        CLONE_MODEL_ID=str(speaking_checkpoint("base")),
        DESIGN_MODEL_ID=str(speaking_checkpoint("voice_design")),
        DEVICE="cpu",
        RUNAWAY_GUARD="false",  # random weights do repeat themselves
    ) as server:
        yield server


def say(server: Server, voice: str, **fields: object) -> httpx.Response:
    usual = {"seed": 7, "response_format": "pcm", "max_new_tokens": 9}
    body = {"input": TEXT, "voice": voice, **usual, **fields}
    answer = httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def create(server: Server, **fields: object) -> dict:
    answer = httpx.post(server.url + VOICES, json=fields, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_blend_of_one_is_the_preset_and_of_two_is_neither(server: Server) -> None:
    create(server, name="One", blend={"vivian": 2})
    create(server, name="Two", blend={"vivian": 0.5, "onyx": 0.5})
    vivian, fu, one, two = (
        say(server, voice).content for voice in ("vivian", "uncle_fu", "One", "Two")
    )
    assert same_sound(one, vivian)
    assert not same_sound(two, vivian)
    assert not same_sound(two, fu)
    assert same_sound(say(server, "Two").content, two)
    assert say(server, "Two").headers["x-vivavoce-model"] == "tiny-custom-voice"
    listed = httpx.get(server.url + VOICES).json()["voices"]
    assert {voice["name"]: voice["model"] for voice in listed}["Two"] == "tiny-custom-voice"


def test_a_described_voice_speaks_by_cloning(server: Server) -> None:
    old = create(server, name="Old", prompt="An old man.", language="en", seed=5)
    assert old["reference"]["duration_s"] >= 1
    first = say(server, "Old")
    assert first.headers["x-vivavoce-model"] == "tiny-base"
    assert same_sound(say(server, "Old").content, first.content)
    told = say(server, "Old", instructions="Whisper.")
    assert told.headers["x-vivavoce-ignored"] == "instructions"  # Base takes none
    usual = {"defaults": {"instructions": "Whisper."}}
    httpx.patch(f"{server.url}{VOICES}/{old['id']}", json=usual)
    usual = say(server, "Old")
    assert usual.headers["x-vivavoce-ignored"] == "instructions"  # nor where it is usual


def test_what_was_heard_is_kept_on_disk(server: Server) -> None:
    answer = httpx.post(
        server.url + VOICES,
        files={"audio_sample": recording(3)},
        data={"name": "Ada", "transcript": "One two three four five."},
    )
    assert answer.status_code == 200
    first = say(server, "Ada")
    assert first.headers["x-voice-cache"] == "miss"
    assert float(first.headers["x-vivavoce-reference-seconds"]) == pytest.approx(3, abs=0.2)
    assert len(decode(first.content, "pcm")) == 8 * 1920
    httpx.post(f"{server.url}/v1/cache/clear")
    second = say(server, "Ada")
    assert second.headers["x-voice-cache"] == "hit"
    assert same_sound(second.content, first.content)
    timbre = httpx.post(
        server.url + VOICES, files={"audio_sample": recording(3)}, data={"name": "Timbre"}
    )
    assert timbre.status_code == 200
    assert not same_sound(say(server, "Timbre").content, first.content)
