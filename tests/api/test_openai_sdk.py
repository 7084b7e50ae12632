"""The real `openai` package against a real server: every format, speed and mode."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import openai
import pytest
import soundfile

from decoding import assert_length, decode
from expected import TEXT, fake_chunks, fake_pcm, fake_samples
from vivavoce.audio.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Server

OPENAI_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
OPENAI_VOICES = (
    "alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar"
).split()
OPENAI_MODELS = (
    "tts-1",
    "tts-1-hd",
    "gpt-4o-mini-tts",
    "gpt-4o-mini-tts-2025-03-20",
    "gpt-4o-mini-tts-2025-12-15",
    "qwen3-tts",
)


@pytest.fixture
def client(fake_server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{fake_server.url}/v1", api_key="none") as client:
        yield client


def request(response_format: str = "pcm", **extra: object) -> dict:
    """Return a request's fields; what OpenAI does not know goes into its `extra_body`."""
    speed = extra.pop("speed", 1.0)
    stream_format = extra.pop("stream_format", openai.omit)
    return {
        "model": "gpt-4o-mini-tts",
        "voice": "alloy",
        "input": TEXT,
        "response_format": response_format,
        "speed": speed,
        "stream_format": stream_format,
        "extra_body": {"seed": 7, **extra},
    }


def read_events(body: bytes) -> list[dict]:
    """Return the data of server-sent events, written strictly as the protocol has them."""
    *events, rest = body.split(b"\n\n")
    assert rest == b""
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    return [json.loads(event[6:]) for event in events]


@pytest.mark.parametrize("speed", [1.0, 0.25, 0.5, 1.5, 4.0])
@pytest.mark.parametrize("response_format", OPENAI_FORMATS)
def test_create_gives_every_sample_in_every_format_and_speed(
    client: openai.OpenAI, response_format: str, speed: float
) -> None:
    answer = client.audio.speech.create(**request(response_format, speed=speed))
    expected = fake_samples(speed=speed)
    decoded = decode(answer.content, response_format)
    assert_length(len(decoded), len(expected), response_format)
    assert answer.response.headers["content-type"] == FORMATS[response_format].content_type


@pytest.mark.parametrize("response_format", OPENAI_FORMATS)
def test_streaming_response_carries_the_same_bytes(
    client: openai.OpenAI, response_format: str
) -> None:
    whole = client.audio.speech.create(**request(response_format)).content
    with client.audio.speech.with_streaming_response.create(**request(response_format)) as answer:
        parts = list(answer.iter_bytes(4096))
    assert len(parts) > 1
    assert b"".join(parts) == whole


@pytest.mark.parametrize("response_format", OPENAI_FORMATS)
def test_the_async_client(fake_server: Server, response_format: str) -> None:
    async def ask() -> tuple[bytes, bytes]:
        async with openai.AsyncOpenAI(base_url=f"{fake_server.url}/v1", api_key="none") as client:
            created = await client.audio.speech.create(**request(response_format))
            streaming = client.audio.speech.with_streaming_response
            async with streaming.create(**request(response_format)) as answer:
                return created.content, await answer.read()

    created, streamed = asyncio.run(ask())
    assert created == streamed
    assert_length(len(decode(created, response_format)), len(fake_samples()), response_format)


@pytest.mark.parametrize("response_format", OPENAI_FORMATS)
def test_sse_carries_the_same_bytes_and_the_real_usage(
    client: openai.OpenAI, response_format: str
) -> None:
    answer = client.audio.speech.create(**request(response_format, stream_format="sse"))
    assert answer.response.headers["content-type"] == "text/event-stream"
    *deltas, done = read_events(answer.content)
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    audio = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert audio == client.audio.speech.create(**request(response_format)).content
    assert done["type"] == "speech.audio.done"
    frames = fake_chunks()
    spoken_characters = sum(len(part) for part in TEXT.split()) + TEXT.count(" ") - 2
    assert done["usage"] == {
        "input_tokens": spoken_characters,
        "output_tokens": frames,
        "total_tokens": spoken_characters + frames,
    }


@pytest.mark.parametrize("response_format", OPENAI_FORMATS)
def test_a_whole_answer_has_a_length_and_the_same_samples(
    client: openai.OpenAI, response_format: str
) -> None:
    streamed = client.audio.speech.create(**request(response_format))
    whole = client.audio.speech.create(**request(response_format, stream=False))
    assert "content-length" not in streamed.response.headers
    assert int(whole.response.headers["content-length"]) == len(whole.content)
    assert len(whole.content) == len(streamed.content)
    assert np.array_equal(
        decode(whole.content, response_format), decode(streamed.content, response_format)
    )


@pytest.mark.parametrize("response_format", ["wav", "flac"])
def test_a_whole_file_states_its_exact_length(client: openai.OpenAI, response_format: str) -> None:
    whole = client.audio.speech.create(**request(response_format, stream=False)).content
    assert soundfile.info(io.BytesIO(whole)).frames == len(fake_samples())
    if response_format == "wav":
        assert int.from_bytes(whole[4:8], "little") == len(whole) - 8
        assert int.from_bytes(whole[40:44], "little") == len(whole) - 44


@pytest.mark.parametrize("speed", [1.0, 0.5, 2.0])
def test_streamed_samples_equal_whole_samples(client: openai.OpenAI, speed: float) -> None:
    streamed = client.audio.speech.create(**request(speed=speed)).content
    whole = client.audio.speech.create(**request(speed=speed, stream=False)).content
    assert streamed == whole == fake_pcm(speed=speed)


@pytest.mark.parametrize("speed", [1.0, 0.5, 2.0])
def test_the_embedded_voice_streams_what_it_says_whole(voice_server: Server, speed: float) -> None:
    with openai.OpenAI(base_url=f"{voice_server.url}/v1", api_key="none") as client:
        streamed = client.audio.speech.create(**request(speed=speed)).content
        whole = client.audio.speech.create(**request(speed=speed, stream=False)).content
        normal = client.audio.speech.create(**request()).content
    assert streamed == whole
    assert len(streamed) / 2 == round(len(normal) / 2 / speed)


@pytest.mark.parametrize("voice", [*OPENAI_VOICES, " Nova", "ALLOY", "sine", "square"])
def test_every_openai_voice_speaks_and_says_whose_it_is(client: openai.OpenAI, voice: str) -> None:
    answer = client.audio.speech.create(**{**request(), "voice": voice})
    spoke = "square" if voice == "square" else "sine"
    assert answer.response.headers["x-vivavoce-voice"] == spoke
    assert answer.content == fake_pcm(voice=spoke)


def test_a_voice_may_be_an_object(client: openai.OpenAI) -> None:
    answer = client.audio.speech.create(**{**request(), "voice": {"id": "square"}})
    assert answer.content == fake_pcm(voice="square")


@pytest.mark.parametrize("model", [*OPENAI_MODELS, "fake"])
def test_openai_model_names_mean_the_default_model(client: openai.OpenAI, model: str) -> None:
    answer = client.audio.speech.create(**{**request(), "model": model})
    assert answer.response.headers["x-vivavoce-model"] == "fake"
    assert answer.content == fake_pcm()


def test_unknown_fields_are_tolerated_and_reported(client: openai.OpenAI) -> None:
    extra = {"lang_code": "a", "temperature": 0.7, "naïve": [1], "x\r\ny": 1}
    answer = client.audio.speech.create(**request(**extra))
    ignored = answer.response.headers["x-vivavoce-ignored"]
    assert ignored == "temperature, lang_code, na%C3%AFve, x%0D%0Ay"
    assert answer.content == fake_pcm()


def test_without_unknown_fields_nothing_is_reported(client: openai.OpenAI) -> None:
    answer = client.audio.speech.create(**request())
    assert "x-vivavoce-ignored" not in answer.response.headers


def test_a_wish_the_voice_cannot_fulfil_is_reported(voice_server: Server) -> None:
    with openai.OpenAI(base_url=f"{voice_server.url}/v1", api_key="none") as client:
        answer = client.audio.speech.create(**request(), instructions="Speak like a pirate.")
    assert answer.response.headers["x-vivavoce-ignored"] == "instructions"


def test_a_seed_is_chosen_and_told_when_none_is_given(client: openai.OpenAI) -> None:
    fields = {**request(), "extra_body": {}}
    answers = [client.audio.speech.create(**fields) for _ in range(2)]
    seeds = [int(answer.response.headers["x-vivavoce-seed"]) for answer in answers]
    assert seeds[0] != seeds[1]
    assert answers[0].content == fake_pcm(seed=seeds[0])


@pytest.mark.parametrize(
    ("response_format", "rate_hz"),
    [(name, rate) for name in FORMATS for rate in (16000, 48000) if "g711" not in name],
)
def test_other_sample_rates(client: openai.OpenAI, response_format: str, rate_hz: int) -> None:
    fields = request(response_format, sample_rate=rate_hz)
    answer = client.audio.speech.create(**fields)
    expected = len(fake_samples()) * rate_hz // 24000
    assert_length(len(decode(answer.content, response_format, rate_hz)), expected, response_format)
    assert answer.response.headers["x-vivavoce-sample-rate"] == str(rate_hz)


def test_models_through_the_package(client: openai.OpenAI) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == ["fake", *OPENAI_MODELS]
    assert client.models.retrieve("tts-1").id == "tts-1"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("Qwen/nothing")
    assert caught.value.code == "model_not_found"


def test_errors_arrive_whole_in_the_package(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(**request(speed=9))
    error = caught.value
    assert (error.param, error.code, error.type) == (
        "speed",
        "invalid_value",
        "invalid_request_error",
    )
    assert "0.25 to 4.0" in error.message
    assert error.request_id
    assert error.request_id.startswith("req_")


def test_failures_that_will_repeat_are_not_retried(
    client: openai.OpenAI, fake_server: Server
) -> None:
    before = fake_server.log.count('"outcome": "synthesis_failed"')
    with pytest.raises(openai.InternalServerError) as caught:
        client.audio.speech.create(**request(), instructions="fail_after=0")
    assert caught.value.code == "synthesis_failed"
    assert client.max_retries == 2
    client.audio.speech.create(**request())
    assert fake_server.log.count('"outcome": "synthesis_failed"') == before + 1
