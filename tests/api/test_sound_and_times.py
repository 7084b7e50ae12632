"""Telephony, loudness, trimming and times, as a client gets them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import SPEECH, clone, error, order, post, speak
from conftest import running_server
from decoding import decode
from expected import TEXT, fake_samples
from vivavoce.audio.loudness import integrated_lufs
from vivavoce.text.segment import segment

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from conftest import Server

TIMESTAMPS = f"{SPEECH}/timestamps"


def events(answer: httpx.Response) -> list[dict]:
    return [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]


def loudness(samples: np.ndarray) -> float:
    """Return the loudness of speech in LUFS, without the pauses between segments."""
    return integrated_lufs(samples[samples != 0], 24000)


def pcm(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return decode(answer.content, "pcm")


# Telephony


@pytest.mark.parametrize(
    ("name", "content_type"), [("g711_ulaw", "audio/PCMU"), ("g711_alaw", "audio/PCMA")]
)
@pytest.mark.parametrize("stream", [True, False])
def test_telephony_is_8_khz_and_sounds_as_it_should(
    fake_server: Server, name: str, content_type: str, stream: bool
) -> None:
    answer = speak(fake_server, response_format=name, stream=stream)
    assert answer.headers["content-type"] == content_type
    assert answer.headers["x-vivavoce-sample-rate"] == "8000"
    heard = decode(answer.content, name, 8000)
    plain = pcm(speak(fake_server, sample_rate=8000))
    assert len(heard) == len(plain)
    noise = np.sqrt(np.mean((heard - plain) ** 2) / np.mean(plain**2))
    assert noise < 10 ** (-35 / 20)  # G.711 is good for 38 dB
    assert answer.content == speak(fake_server, response_format=name, sample_rate=8000).content


def test_telephony_has_no_other_rate(fake_server: Server) -> None:
    refused = speak(fake_server, response_format="g711_ulaw", sample_rate=16000)
    assert refused.status_code == 400
    assert error(refused)["message"] == "g711_ulaw cannot be made at 16000 Hz. Use one of: 8000."


# Loudness


@pytest.mark.parametrize("target", [-27.0, -16.0])
def test_voices_are_brought_to_one_loudness(fake_server: Server, target: float) -> None:
    """By themselves they are 3 LU apart; a tone's pitch, which differs, is worth 1 LU."""
    for voice in ("sine", "square"):
        whole = pcm(speak(fake_server, voice=voice, loudness=target, stream=False))
        assert loudness(whole) == pytest.approx(target, abs=1.0)
        assert np.array_equal(pcm(speak(fake_server, voice=voice, loudness=target)), whole)
        assert len(whole) == len(fake_samples(voice=voice))


def test_a_clone_has_a_loudness_of_its_own(fake_server: Server) -> None:
    samples = pcm(clone(fake_server, loudness="-30", seed="7"))
    assert loudness(samples) == pytest.approx(-30, abs=1.0)


def test_off_is_the_default_and_the_setting_another(tmp_path: Path, fake_server: Server) -> None:
    plain = speak(fake_server).content
    assert speak(fake_server, loudness="off").content == plain
    with running_server(tmp_path, ENGINE="fake", LOUDNESS="-30") as server:
        quiet = speak(server)
        assert loudness(pcm(quiet)) == pytest.approx(-30, abs=1.0)
        assert speak(server, loudness="off").content == plain
        assert speak(server, loudness=-30).content == quiet.content


@pytest.mark.parametrize("value", [-41, 0, "loud", True])
def test_other_loudness_is_refused(fake_server: Server, value: object) -> None:
    refused = speak(fake_server, loudness=value)
    assert refused.status_code == 400
    assert error(refused)["param"] == "loudness"
    assert "from -40 to -10, or off" in error(refused)["message"]


def test_a_real_voice_gets_one_gain_for_all_of_it(voice_server: Server) -> None:
    body = {"input": "It is a quiet day, and I read a book.", "response_format": "pcm", "seed": 1}
    levelled = pcm(post(voice_server, SPEECH, {**body, "loudness": -26}))
    plain = pcm(post(voice_server, SPEECH, body))
    assert integrated_lufs(levelled, 24000) == pytest.approx(-26, abs=2.0)
    gain = np.abs(levelled).max() / np.abs(plain).max()
    assert np.allclose(levelled, plain * gain, atol=1e-3)


def test_a_voice_without_sound_cannot_be_levelled(fake_server: Server) -> None:
    body = {"input": TEXT, "voice_description": "silent=1", "loudness": -20}
    failed = post(fake_server, SPEECH, body)
    assert (failed.status_code, error(failed)["code"]) == (500, "synthesis_failed")
    assert "Leave loudness out" in error(failed)["message"]


# Times


def spoken_segments() -> list[tuple[float, float]]:
    """Return when the fake engine speaks each sentence of TEXT."""
    spans, start = [], 0.0
    for piece in segment(TEXT, "en", 400, 100):
        end = start + max(1, len(piece.text) // 2) * 0.08
        spans.append((start, end))
        start = end + piece.pause_s
    return spans


@pytest.mark.parametrize("speed", [1.0, 1.6])
def test_events_tell_when_segments_are_heard(fake_server: Server, speed: float) -> None:
    body = order(timestamps="segment", stream_format="sse", speed=speed)
    *told, done = events(post(fake_server, SPEECH, body))
    assert done["type"] == "speech.audio.done"
    audio = b"".join(
        base64.b64decode(e["audio"]) for e in told if e["type"] == "speech.audio.delta"
    )
    assert audio == speak(fake_server, speed=speed).content
    times = [e for e in told if e["type"] == "speech.audio.timestamps"]
    assert all(set(e) == {"type", "segments"} for e in times)
    segments = [s for e in times for s in e["segments"]]
    assert [s["id"] for s in segments] == [0, 1, 2]
    assert " ".join(s["text"] for s in segments) == TEXT
    for found, (start, end) in zip(segments, spoken_segments(), strict=True):
        assert found["start"] == pytest.approx(start / speed, abs=1e-4)
        assert found["end"] == pytest.approx(end / speed, abs=1e-4)


def test_a_segments_times_come_before_the_next_one_ends(fake_server: Server) -> None:
    body = order(timestamps="word", stream_format="sse")
    kinds = [e["type"].rpartition(".")[2] for e in events(post(fake_server, SPEECH, body))]
    first = kinds.index("timestamps")
    assert "delta" in kinds[first:]


@pytest.mark.parametrize("fields", [{}, {"speed": 0.7}, {"trim": True}, {"sample_rate": 16000}])
def test_words_and_segments_with_the_audio(voice_server: Server, fields: dict) -> None:
    text = "Good morning, everybody. It is seven o'clock, and the sun is shining."
    body = {"input": text, "response_format": "flac", "seed": 3, **fields}
    answer = post(voice_server, TIMESTAMPS, {**body, "subtitles": "srt"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    timed = answer.json()
    assert set(timed) == {"audio", "content_type", "duration", "segments", "words", "subtitles"}
    rate = fields.get("sample_rate", 24000)
    samples = decode(base64.b64decode(timed["audio"]), "flac", rate)
    assert timed["content_type"] == "audio/flac"
    assert timed["duration"] == pytest.approx(len(samples) / rate, abs=1e-5)
    assert [word["word"] for word in timed["words"]] == text.split()
    edges = [word[edge] for word in timed["words"] for edge in ("start", "end")]
    assert edges == sorted(edges)
    one, two = timed["segments"]
    assert (one["text"], two["text"]) == ("Good morning, everybody.", text[25:])
    assert one["start"] == 0
    assert two["end"] == pytest.approx(timed["duration"], abs=1e-3)
    speed = fields.get("speed", 1.0)
    assert two["start"] - one["end"] == pytest.approx(0.4 / speed, abs=1e-5)
    pause = samples[round((one["end"] + 0.06) * rate) : round((two["start"] - 0.06) * rate)]
    assert np.abs(pause).max() < 0.01
    assert timed["subtitles"].startswith("1\n00:00:00,000 --> 00:00:0")
    plain = post(voice_server, SPEECH, {**body, "stream": False})
    assert plain.content == base64.b64decode(timed["audio"])


def test_times_are_kept_with_the_audio(tmp_path: Path) -> None:
    settings = {"AUDIO_CACHE_MAX": "9", "AUDIO_CACHE_DIR": str(tmp_path / "kept")}
    body = order(timestamps="word")
    answers = []
    for _ in range(2):  # the second server finds it on the disk
        with running_server(tmp_path, ENGINE="fake", **settings) as server:
            answers += [post(server, TIMESTAMPS, body) for _ in range(2)]
    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit", "hit", "hit"]
    assert len({answer.text for answer in answers}) == 1
    assert "etag" not in answers[0].headers


@pytest.mark.parametrize("timestamps", ["segment", "word"])
def test_bare_audio_has_no_place_for_times(fake_server: Server, timestamps: str) -> None:
    refused = speak(fake_server, timestamps=timestamps)
    assert refused.status_code == 400
    assert error(refused)["param"] == "timestamps"
    assert speak(fake_server, timestamps="none").status_code == 200


def test_the_route_refuses_and_names_as_others_do(fake_server: Server) -> None:
    refused = post(fake_server, TIMESTAMPS, order(subtitles="ass"))
    assert error(refused)["message"] == 'subtitles must be one of srt, vtt; got "ass".'
    refused = post(fake_server, TIMESTAMPS, order(timestamps="none"))
    assert error(refused)["param"] == "timestamps"
    failed = post(fake_server, TIMESTAMPS, order("fail_after=3"))
    assert (failed.status_code, error(failed)["code"]) == (500, "synthesis_failed")
    named = post(fake_server, TIMESTAMPS, order(stream_format="sse", stream=True))
    assert named.headers["x-vivavoce-ignored"] == "stream_format, stream"
    assert "words" not in post(fake_server, TIMESTAMPS, order(timestamps="segment")).json()
