"""`POST /v1/audio/speech/clone` at its edges, with the fake engine; clips are decoded for real."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from conftest import running_server

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

ROUTE = "/v1/audio/speech/clone"


def clip(seconds: float = 2.0, loudness: float = 0.3, pitch_hz: float = 150) -> bytes:
    t = np.arange(round(seconds * 8000)) / 8000
    samples = loudness * np.sin(2 * np.pi * pitch_hz * t)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def upload(server: Server, content: bytes | None = None, **fields: str) -> httpx.Response:
    return httpx.post(
        server.url + ROUTE,
        files={"file": ("clip.wav", clip() if content is None else content)},
        data={"input": "Hello there.", "response_format": "pcm", **fields},
        timeout=60,
    )


def refused(answer: httpx.Response, status: int = 400) -> dict:
    assert answer.status_code == status
    assert answer.headers["x-should-retry"] == "false"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "Traceback" not in error["message"]
    assert ".py" not in error["message"]
    return error


def test_a_clip_makes_a_voice_of_its_own(fake_server: Server) -> None:
    low, high = (upload(fake_server, clip(pitch_hz=hz), seed="1") for hz in (100, 200))
    with_words = upload(fake_server, clip(pitch_hz=100), seed="1", ref_text="One two three.")
    assert low.status_code == high.status_code == with_words.status_code == 200
    assert len({low.content, high.content, with_words.content}) == 3
    assert upload(fake_server, clip(pitch_hz=100), seed="1").content == low.content
    assert low.headers["x-vivavoce-reference-seconds"] == "2.000"


def test_without_v1_and_with_a_slash_at_the_end(fake_server: Server) -> None:
    for route in ("/audio/speech/clone", f"{ROUTE}/"):
        answer = httpx.post(
            fake_server.url + route, files={"file": clip()}, data={"input": "Hello."}, timeout=60
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "audio_unreadable", "empty"),
        (b"junk" * 1000, "audio_unreadable", "audio"),
        (b"<html><body>hello</body></html>", "audio_unreadable", "audio"),
        (clip(0.2), "audio_too_short", "0.2"),
        (clip(600), "audio_too_long", "60"),
        (clip(loudness=0), "audio_silent", "heard"),
    ],
    ids=["empty", "junk", "html", "0.2 s", "10 min", "silence"],
)
def test_a_clip_that_will_not_do(
    fake_server: Server, content: bytes, code: str, words: str
) -> None:
    error = refused(upload(fake_server, content))
    assert error["code"] == code
    assert error["param"] == "file"
    assert words in error["message"]
    assert upload(fake_server).status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": " "}, "input"),
        ({"speed": "fast"}, "speed"),
        ({"speed": "nan"}, "speed"),
        ({"seed": "-1"}, "seed"),
        ({"response_format": "midi"}, "response_format"),
        ({"ref_text": "x" * 5000}, "ref_text"),
        ({"stream": "maybe"}, "stream"),
        ({"language": "Klingon"}, "language"),
    ],
)
def test_a_field_that_cannot_be(fake_server: Server, fields: dict[str, str], param: str) -> None:
    assert refused(upload(fake_server, **fields))["param"] == param


def test_values_of_a_form_are_text_and_mean_what_they_say(fake_server: Server) -> None:
    usual = upload(fake_server, seed="5")
    half = upload(fake_server, seed="5", speed="2", stream="false", language="")
    assert len(half.content) == pytest.approx(len(usual.content) / 2, rel=0.03)
    assert int(half.headers["content-length"]) == len(half.content)


def test_unknown_fields_are_reported(fake_server: Server) -> None:
    answer = upload(fake_server, voice="alloy", x_vector_only_mode="true", temperature="0.5")
    assert answer.headers["x-vivavoce-ignored"] == "temperature, voice, x_vector_only_mode"


def test_no_clip(fake_server: Server) -> None:
    url = fake_server.url + ROUTE
    none = httpx.post(url, files={"input": (None, "Hello.")})
    assert refused(none)["code"] == "missing_required_parameter"
    elsewhere = httpx.post(url, files={"audio": clip()}, data={"input": "Hello."})
    assert refused(elsewhere)["param"] == "file"
    two = httpx.post(url, files=[("file", clip()), ("file", clip())], data={"input": "Hello."})
    assert refused(two)["code"] == "invalid_form"


def test_other_bodies_than_a_form(fake_server: Server) -> None:
    url = fake_server.url + ROUTE
    assert "multipart/form-data" in refused(httpx.post(url, json={"input": "x"}), 415)["message"]
    headers = {"Content-Type": "multipart/form-data"}  # no boundary
    assert refused(httpx.post(url, content=b"--x", headers=headers))["code"] == "invalid_form"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    cut = httpx.post(url, content=b"--x\r\nContent-Disposition: form-da", headers=headers)
    refused(cut)


def test_ten_thousand_fields(fake_server: Server) -> None:
    fields = {f"field{n}": "x" for n in range(10_000)}
    assert refused(upload(fake_server, **fields))["code"] == "invalid_form"


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nb.wav", "\0.wav", "con", "x" * 500])
def test_the_files_name_means_nothing(fake_server: Server, name: str) -> None:
    files = {"file": (name, clip())}
    answer = httpx.post(fake_server.url + ROUTE, files=files, data={"input": "Hello."}, timeout=60)
    assert answer.status_code == 200


def test_odd_characters_in_the_words(fake_server: Server) -> None:
    assert upload(fake_server, ref_text="\x00 \u200b naïve \U0001f600").status_code == 200


def test_uploads_have_a_limit_of_their_own(tmp_path: Path) -> None:
    limits = {"MAX_BODY_BYTES": "2048", "MAX_UPLOAD_BYTES": "100000", "MAX_REFERENCE_SECONDS": "3"}
    with running_server(tmp_path, ENGINE="fake", **limits) as server:
        assert upload(server, clip(3)).status_code == 200
        assert refused(upload(server, clip(4)))["code"] == "audio_too_long"
        large = refused(upload(server, clip(10)), 413)
        text = httpx.post(f"{server.url}/v1/audio/speech", json={"input": "x" * 3000})
    assert "MAX_UPLOAD_BYTES" in large["message"]
    assert "MAX_BODY_BYTES" in refused(text, 413)["message"]
    assert not list(tmp_path.iterdir())


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", VOICE_CACHE_MAX="2") as server:

        def heard(hz: float) -> str:
            return upload(server, clip(pitch_hz=hz)).headers["x-voice-cache"]

        assert [heard(hz) for hz in (100, 200, 100, 300, 100, 200)] == [
            *("miss", "miss", "hit", "miss", "hit", "miss")
        ]
        assert server.health()["voice_cache_size"] == 2


def test_without_a_cache_every_clip_is_new(tmp_path: Path) -> None:
    with running_server(tmp_path, ENGINE="fake", VOICE_CACHE_MAX="0") as server:
        answers = [upload(server, seed="3") for _ in range(2)]
        assert server.health()["voice_cache_size"] == 0
    assert [answer.headers["x-voice-cache"] for answer in answers] == ["miss", "miss"]
    assert answers[0].content == answers[1].content


def test_an_engine_that_cannot_clone_or_design_says_who_can(voice_server: Server) -> None:
    clone = refused(upload(voice_server))
    body = {"input": "Hello.", "voice_description": "An old man."}
    design = httpx.post(f"{voice_server.url}/v1/audio/speech", json=body)
    for error in (clone, refused(design)):
        assert error["code"] == "not_supported"
        assert "pip install 'vivavoce[qwen]'" in error["message"]
