"""A server with tiny random Qwen3-TTS checkpoints: the real `openai` package, uploads."""

from __future__ import annotations

import base64
import io
import json
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import numpy as np
import openai
import pytest

from clients import logged, until
from conftest import running_server
from decoding import assert_length, decode, same_sound
from speaking import speaking_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

FRAME = 1920
SPEAKERS = "vivian serena uncle_fu dylan eric ryan aiden ono_anna sohee".split()
TEXT = "Hello there, this is a test."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("qwen"),
        MODEL_ID=str(speaking_checkpoint("custom_voice")),
        CLONE_MODEL_ID=str(speaking_checkpoint("base")),
        DESIGN_MODEL_ID=str(speaking_checkpoint("voice_design")),
        DEVICE="cpu",
        RUNAWAY_GUARD="false",  # random weights do repeat themselves
    ) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def speak(client: openai.OpenAI, text: str = TEXT, voice: str = "vivian", **extra: object) -> bytes:
    return client.audio.speech.create(
        model="tts-1",
        voice=voice,
        input=text,
        response_format="pcm",
        extra_body={"seed": 7, **extra},
    ).content


def clone(client: openai.OpenAI, clip: bytes, **fields: object) -> httpx.Response:
    """Upload through the openai package's own machinery for multipart requests."""
    return client.post(
        "/audio/speech/clone",
        body={"input": TEXT, "response_format": "pcm", "seed": "7", **fields},
        files={"file": ("clip.wav", clip)},
        options={"headers": {"Content-Type": "multipart/form-data"}},
        cast_to=httpx.Response,
    )


def clip(pitch_hz: float = 120) -> bytes:
    """Return a WAV file of a voice-like buzz of two seconds."""
    t = np.arange(48000) / 24000
    samples = 0.3 * np.sign(np.sin(2 * np.pi * pitch_hz * t)) * np.abs(np.sin(3 * t))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 24000, 0, "NONE", ""))
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def events(body: bytes) -> list[dict]:
    return [json.loads(line[6:]) for line in body.split(b"\n\n") if line]


# Preset voices


def test_it_lists_its_speakers_and_checkpoints(server: Server) -> None:
    voices = httpx.get(f"{server.url}/v1/audio/voices").json()["voices"]
    assert [voice["id"] for voice in voices] == SPEAKERS
    models = {model["id"] for model in httpx.get(f"{server.url}/v1/models").json()["data"]}
    assert {"tiny-custom-voice", "tiny-base", "tiny-voice-design", "qwen3-tts", "tts-1"} <= models
    assert str(speaking_checkpoint("base").parent) not in json.dumps(server.health())


def test_asked_for_times_each_sentence_is_spoken_by_itself_and_no_join_clicks(
    server: Server,
) -> None:
    """Random weights end anywhere, in full voice: without the joins all of this would jump."""
    sentences = [f"This is number {n}." for n in range(12)]
    text = "\n\n".join(" ".join(sentences[i : i + 3]) for i in range(0, 12, 3))
    body = {"input": text, "voice": "vivian", "seed": 7, "response_format": "pcm"}
    answer = httpx.post(
        f"{server.url}/v1/audio/speech/timestamps", json={**body, "max_new_tokens": 400}, timeout=60
    )
    timed = answer.json()
    samples = decode(base64.b64decode(timed["audio"]), "pcm")
    assert [segment["text"] for segment in timed["segments"]] == sentences
    assert [word["word"] for word in timed["words"]] == text.split()
    edges = [edge for segment in timed["segments"] for edge in (segment["start"], segment["end"])]
    assert edges[-1] == pytest.approx(len(samples) / 24000, abs=1e-5)
    borders = [round(edge * 24000) for edge in edges[1:-1]]
    jumps = [abs(samples[at] - samples[at - 1]) for at in borders]
    assert max(jumps) < 0.0201
    frames = [(end - start) / 0.08 for start, end in zip(edges[::2], edges[1::2], strict=True)]
    assert frames == pytest.approx(np.rint(frames), abs=0.001)


def test_the_length_is_what_the_codes_say(client: openai.OpenAI) -> None:
    answer = client.audio.speech.create(
        model="tts-1",
        voice="ryan",
        input=TEXT,
        response_format="wav",
        stream_format="sse",
        extra_body={"seed": 7},
    )
    *deltas, done = events(answer.content)
    sound = decode(b"".join(base64.b64decode(delta["audio"]) for delta in deltas), "wav")
    assert done["type"] == "speech.audio.done"
    assert len(sound) == done["usage"]["output_tokens"] * FRAME
    assert done["usage"]["input_tokens"] > 10


@pytest.mark.parametrize("response_format", ["mp3", "opus", "aac", "flac", "wav"])
def test_every_format_has_every_sample(client: openai.OpenAI, response_format: str) -> None:
    expected = len(speak(client)) // 2
    answer = client.audio.speech.create(
        model="tts-1",
        voice="vivian",
        input=TEXT,
        response_format=response_format,
        extra_body={"seed": 7},
    )
    assert_length(len(decode(answer.content, response_format)), expected, response_format)


def test_a_limit_of_the_clients_own_is_a_normal_end(client: openai.OpenAI) -> None:
    whole = speak(client)
    for limit in (2, 6):
        short = decode(speak(client, max_new_tokens=limit), "pcm")
        # As in the official package the last of N tokens has no frame.
        assert len(short) == (limit - 1) * FRAME
        assert np.abs(short - decode(whole, "pcm")[: len(short)]).max() < 1e-4


def test_streamed_is_whole(client: openai.OpenAI) -> None:
    assert same_sound(speak(client, stream=False), speak(client))


def test_the_seed_decides_and_comes_back(client: openai.OpenAI) -> None:
    ask = {"model": "tts-1", "voice": "vivian", "input": TEXT, "response_format": "pcm"}
    first = client.audio.speech.create(**ask)
    seed = int(first.response.headers["x-vivavoce-seed"])
    again = client.audio.speech.create(**ask, extra_body={"seed": seed})
    other = client.audio.speech.create(**ask, extra_body={"seed": (seed + 1) % 2**32})
    assert same_sound(again.content, first.content)
    assert not same_sound(other.content, first.content)


def test_in_company_each_hears_what_it_hears_alone(client: openai.OpenAI) -> None:
    asks = [{"text": f"{TEXT} {n}", "voice": SPEAKERS[n], "seed": n} for n in range(6)]
    alone = [speak(client, **ask) for ask in asks]
    with ThreadPoolExecutor(len(asks)) as threads:
        together = list(threads.map(lambda ask: speak(client, **ask), asks))
    assert all(map(same_sound, together, alone))
    assert len(set(alone)) == len(alone)


def test_the_log_says_what_a_load_spent_its_time_on(client: openai.OpenAI, server: Server) -> None:
    speak(client)
    until(lambda: logged(server, "worker ready"))
    ready = logged(server, "worker ready")[0]
    stages = ready["stages_s"]
    assert list(stages) == [
        *("starting", "opening", "reading tokenizer", "reading talker as int8", "reading codec"),
        "taking memory",
    ]
    assert all(seconds > 0 for seconds in stages.values())
    assert sum(stages.values()) == pytest.approx(ready["start_s"], abs=0.01)


@pytest.mark.parametrize(
    ("name", "speaker"),
    [("alloy", "vivian"), ("onyx", "uncle_fu"), (" Shimmer", "sohee"), ("UNCLE_FU", "uncle_fu")],
)
def test_openais_voices_are_speakers(client: openai.OpenAI, name: str, speaker: str) -> None:
    answer = client.audio.speech.create(
        model="tts-1", voice=name, input=TEXT, extra_body={"max_new_tokens": 3}
    )
    assert answer.response.headers["x-vivavoce-voice"] == speaker


def test_every_name_of_a_language_means_the_same(client: openai.OpenAI) -> None:
    usual = speak(client)
    german, dialect = speak(client, language="de"), speak(client, language="sichuan_dialect")
    assert same_sound(speak(client, language="Auto"), usual)
    assert same_sound(speak(client, language="German"), german)
    assert same_sound(speak(client, language="deu"), german)
    assert same_sound(speak(client, language="Sichuan dialect"), dialect)
    assert len({usual, german, dialect}) == 3
    with pytest.raises(openai.BadRequestError) as refused:
        speak(client, language="Klingon")
    assert refused.value.param == "language"


def test_a_dialect_speaker_speaks_it_unless_told_otherwise(client: openai.OpenAI) -> None:
    eric = {"voice": "eric", "text": "你好，今天天气很好。"}
    dialect = speak(client, **eric, language="sichuan_dialect")
    assert same_sound(speak(client, **eric), dialect)
    assert same_sound(speak(client, **eric, language="zh"), dialect)
    assert not same_sound(speak(client, **eric, language="en"), dialect)


def test_sampling_is_the_clients(client: openai.OpenAI) -> None:
    usual = speak(client)
    controls = {"top_k": 50, "temperature": 0.9, "top_p": 1.0, "repetition_penalty": 1.05}
    assert same_sound(speak(client, **controls), usual)
    for changed in ({"temperature": 1.5}, {"top_k": 2}, {"top_p": 0.2}):
        assert not same_sound(speak(client, **changed), usual)
    short = {"temperature": 0, "max_new_tokens": 12}
    greedy = speak(client, **short)
    assert same_sound(speak(client, **short, seed=8), greedy)
    assert not same_sound(speak(client, **short, repetition_penalty=0.5), greedy)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -1),
        ("temperature", 2.1),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0),
        ("top_p", 1.1),
        ("repetition_penalty", 0),
        ("max_new_tokens", 1),
        ("max_new_tokens", 8193),
    ],
)
def test_impossible_sampling_is_refused(client: openai.OpenAI, field: str, value: float) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        speak(client, **{field: value})
    assert refused.value.param == field
    assert str(value) in refused.value.message


def test_control_tokens_in_a_text_are_only_text(client: openai.OpenAI) -> None:
    sound = speak(client, text="Hello <|im_end|> there", max_new_tokens=12)
    assert not same_sound(sound, speak(client, text="Hello  there", max_new_tokens=12))


def test_an_instruction_the_small_checkpoint_would_drop_is_reported(
    client: openai.OpenAI,
) -> None:
    answer = client.audio.speech.create(
        model="tts-1",
        voice="vivian",
        input=TEXT,
        response_format="pcm",
        instructions="Whisper.",
        extra_body={"seed": 7},
    )
    assert answer.response.headers["x-vivavoce-ignored"] == "instructions"
    assert same_sound(answer.content, speak(client))


# Described voices


def test_a_described_voice(client: openai.OpenAI) -> None:
    def designed(**extra: object) -> tuple[bytes, str]:
        answer = client.audio.speech.create(
            model="tts-1",
            voice=openai.omit,
            input=TEXT,
            response_format="pcm",
            extra_body={"seed": 7, **extra},
        )
        return answer.content, answer.response.headers["x-vivavoce-model"]

    old, model = designed(voice_description="An old man with a deep voice.")
    assert model == "tiny-voice-design"
    assert len(old) % (FRAME * 2) == 0
    assert same_sound(designed(voice_description="An old man with a deep voice.")[0], old)
    assert not same_sound(designed(voice_description="A child.")[0], old)
    singing = designed(voice_description="A child.", instruct="Sing.")[0]
    assert singing
    assert not same_sound(singing, old)


def test_a_voice_and_a_description_are_too_much(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        speak(client, voice_description="A child.")
    assert refused.value.param == "voice_description"


def test_a_checkpoint_named_for_what_it_cannot_do(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.speech.create(model="tiny-base", voice="vivian", input=TEXT)
    assert "tiny-custom-voice" in refused.value.message


# Cloned voices


def test_a_clone_with_and_without_its_words(client: openai.OpenAI) -> None:
    timbre, context = clone(client, clip()), clone(client, clip(), ref_text="One two three.")
    for answer in (timbre, context):
        assert answer.headers["x-vivavoce-model"] == "tiny-base"
        assert answer.headers["x-vivavoce-reference-seconds"] == "2.000"
        assert len(answer.content) % (FRAME * 2) == 0
        assert np.abs(decode(answer.content, "pcm")).max() > 0.1
    assert not same_sound(timbre.content, context.content)
    assert not same_sound(clone(client, clip(400)).content, timbre.content)


def test_a_clone_as_events_streamed_and_whole(client: openai.OpenAI) -> None:
    said = {"ref_text": "One two three."}
    streamed = clone(client, clip(), **said).content
    assert same_sound(clone(client, clip(), **said, stream="false").content, streamed)
    *deltas, done = events(clone(client, clip(), **said, stream_format="sse").content)
    sent = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert same_sound(sent, streamed)
    assert len(streamed) == done["usage"]["output_tokens"] * FRAME * 2


def test_a_clip_is_listened_to_once(client: openai.OpenAI, server: Server) -> None:
    hits = server.health()["voice_cache_hits"]
    heard = [clone(client, clip(150)), clone(client, clip(150), seed="8")]
    heard += [clone(client, clip(150), ref_text="Other words."), clone(client, clip(160))]
    assert [answer.headers["x-voice-cache"] for answer in heard] == ["miss", "hit", "miss", "miss"]
    assert server.health()["voice_cache_hits"] == hits + 1
    metrics = httpx.get(f"{server.url}/metrics").text
    assert f'vivavoce_voice_cache_total{{result="hit"}} {hits + 1}.0' in metrics


def test_instructions_for_a_clone_are_reported(client: openai.OpenAI) -> None:
    answer = clone(client, clip(), instructions="Whisper.", max_new_tokens="4")
    assert answer.headers["x-vivavoce-ignored"] == "instructions"


# Saved voices


def use(server: Server, voice: str, **fields: object) -> httpx.Response:
    """Say a little in a voice."""
    usual = {"seed": 7, "response_format": "pcm", "max_new_tokens": 9}
    body = {"input": TEXT, "voice": voice, **usual, **fields}
    answer = httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def save(server: Server, **fields: object) -> dict:
    answer = httpx.post(f"{server.url}/v1/audio/voices", json=fields, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_blend_of_one_is_the_preset_and_of_two_is_neither(server: Server) -> None:
    save(server, name="One", blend={"vivian": 2})
    save(server, name="Two", blend={"vivian": 0.5, "onyx": 0.5})
    vivian, fu, one, two = (
        use(server, voice).content for voice in ("vivian", "uncle_fu", "One", "Two")
    )
    assert same_sound(one, vivian)
    assert not same_sound(two, vivian)
    assert not same_sound(two, fu)
    assert same_sound(use(server, "Two").content, two)
    assert use(server, "Two").headers["x-vivavoce-model"] == "tiny-custom-voice"
    listed = httpx.get(f"{server.url}/v1/audio/voices").json()["voices"]
    assert {voice["name"]: voice["model"] for voice in listed}["Two"] == "tiny-custom-voice"


def test_a_described_voice_speaks_by_cloning(server: Server) -> None:
    old = save(server, name="Old", prompt="An old man.", language="en", seed=5)
    assert old["reference"]["duration_s"] >= 1
    first = use(server, "Old")
    assert first.headers["x-vivavoce-model"] == "tiny-base"
    assert same_sound(use(server, "Old").content, first.content)
    told = use(server, "Old", instructions="Whisper.")
    assert told.headers["x-vivavoce-ignored"] == "instructions"  # Base takes none
    usual = {"defaults": {"instructions": "Whisper."}}
    httpx.patch(f"{server.url}/v1/audio/voices/{old['id']}", json=usual)
    usual = use(server, "Old")
    assert usual.headers["x-vivavoce-ignored"] == "instructions"  # nor where it is usual


def test_what_was_heard_is_kept_on_disk(server: Server) -> None:
    answer = httpx.post(
        f"{server.url}/v1/audio/voices",
        files={"audio_sample": clip()},
        data={"name": "Ada", "transcript": "One two three four five."},
    )
    assert answer.status_code == 200
    first = use(server, "Ada")
    assert first.headers["x-voice-cache"] == "miss"
    assert float(first.headers["x-vivavoce-reference-seconds"]) == pytest.approx(2, abs=0.2)
    assert len(decode(first.content, "pcm")) == 8 * 1920
    httpx.post(f"{server.url}/v1/cache/clear")
    second = use(server, "Ada")
    assert second.headers["x-voice-cache"] == "hit"
    assert same_sound(second.content, first.content)
    timbre = httpx.post(
        f"{server.url}/v1/audio/voices", files={"audio_sample": clip()}, data={"name": "Timbre"}
    )
    assert timbre.status_code == 200
    assert not same_sound(use(server, "Timbre").content, first.content)


# Leaving


def test_who_leaves_frees_the_engine(server: Server) -> None:
    body = {"input": "word " * 60, "voice": "vivian", "seed": 1, "temperature": 1.0}
    left = threading.Event()
    with server.client() as client:
        for _ in range(3):
            with client.stream("POST", "/v1/audio/speech", json=body) as answer:
                next(answer.iter_raw())
        left.set()
        # Heartbeats tell once a second how many requests the engine has.
        for _ in range(100):
            if server.worker()["engine_requests"] == 0:
                break
            threading.Event().wait(0.1)
        assert server.worker()["engine_requests"] == 0
        assert server.worker()["active_requests"] == 0


# Speech that does not end


@pytest.fixture(scope="module")
def babbling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose speech never ends by itself.

    Its whole answers take longer than an engine may be still, but it is not still.
    """
    with running_server(
        tmp_path_factory.mktemp("babble"),
        MODEL_ID=str(speaking_checkpoint("custom_voice", ends=False)),
        DEVICE="cpu",
        RUNAWAY_GUARD="false",
        WORKER_TIMEOUT="2.5",
    ) as running:
        yield running


def test_a_whole_answer_is_tried_again_and_then_an_error(babbling: Server) -> None:
    with babbling.client() as client:
        answer = client.post("/v1/audio/speech", json={"input": "Hello.", "stream": False})
        metrics = client.get("/metrics").text
    error = answer.json()["error"]
    assert answer.status_code == 500
    assert error["code"] == "generation_runaway"
    assert "128 frames, 3 times over" in error["message"]
    assert answer.headers["x-should-retry"] == "false"
    counted = 'vivavoce_speech_total{model="tiny-custom-voice",outcome="generation_runaway"} 1.0'
    assert counted in metrics
    until(lambda: logged(babbling, "speech", outcome="generation_runaway"))  # after the answer


def test_a_stream_is_cut_and_events_say_why(babbling: Server) -> None:
    with babbling.client() as client:
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "/v1/audio/speech", json={"input": "Hello."}) as answer,
        ):
            assert answer.status_code == 200
            answer.read()
        told = b""
        wanted = {"input": "Hello.", "stream_format": "sse"}
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "/v1/audio/speech", json=wanted) as answer,
        ):
            for part in answer.iter_raw():
                told += part
    *deltas, last = events(told)
    assert deltas
    assert last["error"]["code"] == "generation_runaway"


def test_with_a_limit_of_its_own_the_same_is_no_error(babbling: Server) -> None:
    body = {"input": "Hello.", "max_new_tokens": 200, "response_format": "pcm"}
    with babbling.client() as client:
        assert len(client.post("/v1/audio/speech", json=body).content) == 199 * FRAME * 2


def test_what_is_not_on_this_machine_is_an_honest_503(babbling: Server, tmp_path: Path) -> None:
    with (
        running_server(
            tmp_path, MODEL_ID="nobody/nothing-0.6B", OFFLINE="true", HF_HOME=str(tmp_path)
        ) as server,
        server.client() as client,
    ):
        answer = client.post("/v1/audio/speech", json={"input": "Hello."})
    assert answer.status_code == 503
    assert "vivavoce pull nobody/nothing-0.6B" in answer.json()["error"]["message"]
