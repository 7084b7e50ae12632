"""Saved voices with the fake engine: the real `openai` package, real server processes."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import openai
import pytest

from clients import Listener, active, at_rest, error, get, until
from conftest import running_server
from decoding import decode
from recordings import recording
from vivavoce.engine.fake import CHARS_PER_CHUNK, CHUNK_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server

VOICES = "/v1/audio/voices"
TEXT = "Good morning to you all."
SAMPLES = len(TEXT) // CHARS_PER_CHUNK * CHUNK_SAMPLES


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("voices"),
        ENGINE="fake",
        AUDIO_CACHE_MAX="50",
        VOICE_ALIASES='{"boss": "square", "narrator": "Ada Lovelace"}',
    ) as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_saved(server: Server) -> Iterator[None]:
    yield
    for voice in get(server, VOICES).json()["voices"]:
        if voice["type"] != "preset":
            httpx.delete(f"{server.url}{VOICES}/{voice['id']}")


def save(server: Server, name: str = "Ada", content: bytes | None = None, **fields: Any) -> dict:
    """Save the voice of a recording; `defaults` and the like go as JSON in the form."""
    answer = httpx.post(
        server.url + VOICES,
        files={"audio_sample": ("a.wav", recording() if content is None else content)},
        data={
            "name": name,
            **{k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()},
        },
        timeout=60,
    )
    return answer.json()


def mix(server: Server, name: str, **fields: Any) -> dict:
    """Save a voice that is quickly made."""
    return create(server, name=name, blend={"sine": 1, "square": 1}, **fields).json()


def create(server: Server, **fields: Any) -> httpx.Response:
    return httpx.post(server.url + VOICES, json=fields, timeout=60)


def change(server: Server, id: str, **fields: Any) -> dict:
    return httpx.patch(f"{server.url}{VOICES}/{id}", json=fields).json()


def say(server: Server, voice: Any, **fields: Any) -> httpx.Response:
    body = {"input": TEXT, "voice": voice, "seed": 7, "response_format": "pcm", **fields}
    return httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=60)


def spoken(server: Server, voice: Any, **fields: Any) -> bytes:
    answer = say(server, voice, **fields)
    assert answer.status_code == 200, answer.text
    return answer.content


# With OpenAI's own client


def test_consents_from_first_to_last(client: openai.OpenAI) -> None:
    sample = ("a.wav", recording())
    made = [
        client.audio.voice_consents.create(name=name, language="en-US", recording=sample)
        for name in ("One", "Two", "Three")
    ]
    assert made[0].id.startswith("cons_")
    assert (made[0].object, made[0].language) == ("audio.voice_consent", "en-US")
    page = client.audio.voice_consents.list(limit=2)
    assert [found.name for found in page.data] == ["Three", "Two"]
    assert page.has_more
    assert [found.name for found in page] == ["Three", "Two", "One"]  # it asks for the rest
    renamed = client.audio.voice_consents.update(made[0].id, name="First")
    assert client.audio.voice_consents.retrieve(made[0].id) == renamed
    assert renamed.name == "First"
    for consent in made:
        gone = client.audio.voice_consents.delete(consent.id)
        assert (gone.id, gone.deleted) == (consent.id, True)
        for ask in (client.audio.voice_consents.retrieve, client.audio.voice_consents.delete):
            with pytest.raises(openai.NotFoundError):
                ask(consent.id)
    assert client.audio.voice_consents.list().data == []


def test_a_voice_of_a_recording(client: openai.OpenAI, server: Server) -> None:
    consent = client.audio.voice_consents.create(
        name="Ada", language="en", recording=("a.wav", recording())
    )
    voice = client.audio.voices.create(
        name="Ada",
        consent=consent.id,
        audio_sample=("a.wav", recording()),
        extra_body={"defaults": {"speed": 2.0}, "ref_text": "What I said."},
    )
    assert voice.id.startswith("voice_")
    assert (voice.object, voice.type, voice.name) == ("audio.voice", "audio_sample", "Ada")
    assert voice.defaults == {"speed": 2.0}
    assert voice.transcript == "What I said."
    answer = client.audio.speech.create(
        model="gpt-4o-mini-tts", voice={"id": voice.id}, input=TEXT, response_format="pcm"
    )
    assert answer.response.headers["x-vivavoce-voice"] == voice.id
    assert len(answer.content) == SAMPLES  # two bytes each, at twice the tempo
    gone = client.audio.voices.delete(voice.id)
    assert (gone.id, gone.deleted, gone.object) == (voice.id, True, "audio.voice.deleted")
    with pytest.raises(openai.NotFoundError) as refused:
        client.audio.voices.delete(voice.id)
    assert refused.value.code == "voice_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.speech.create(model="tts-1", voice={"id": voice.id}, input=TEXT)
    assert refused.value.param == "voice"
    assert client.audio.voice_consents.retrieve(consent.id) == consent  # it stays
    client.audio.voice_consents.delete(consent.id)


def test_a_described_voice_is_made_once_and_kept(client: openai.OpenAI, server: Server) -> None:
    voice = client.audio.voices.create(
        type="prompt", name="Old", prompt="An old man", model="2026-10-08", script_hint=TEXT * 2
    )
    assert (voice.type, voice.prompt, voice.transcript) == ("prompt", "An old man", TEXT * 2)
    assert spoken(server, "Old", cache=False) == spoken(server, "Old", cache=False)
    other = client.audio.voices.create(type="prompt", name="Other", prompt="An old man")
    # Described alike, but drawn anew: another person. With a seed the same one.
    assert spoken(server, "Other") != spoken(server, "Old")
    assert "light" in other.transcript
    twins = [
        create(server, name=name, prompt="A child", seed=3).json()["id"] for name in ("A1", "A2")
    ]
    assert spoken(server, twins[0]) == spoken(server, twins[1])


# Speaking


def test_a_voice_by_any_of_its_names_on_every_route(server: Server) -> None:
    voice = save(server, "Ada Lovelace")
    whole = spoken(server, voice["id"])
    assert len(whole) == 2 * SAMPLES
    names = ("Ada Lovelace", " ada lovelace ", "narrator", voice["id"].upper())
    for name in (*names, {"id": voice["id"]}):
        assert spoken(server, name, cache=False) == whole
    assert spoken(server, "Ada Lovelace", stream=False) == whole
    events = spoken(server, "Ada Lovelace", stream_format="sse").split(b"\n\n")
    deltas = [json.loads(line[6:]) for line in events if line][:-1]
    assert b"".join(base64.b64decode(delta["audio"]) for delta in deltas) == whole
    body = {"input": TEXT, "voice": "Ada Lovelace", "seed": 7}
    pcm = httpx.post(f"{server.url}/v1/audio/speech/stream/pcm", json=body)
    assert pcm.content == whole
    other = save(server, "Other", recording(pitch_hz=90))
    assert spoken(server, other["id"]) != whole
    assert len(decode(spoken(server, "Other", response_format="mp3"), "mp3")) > SAMPLES / 2


def test_what_is_usual_for_a_voice_unless_the_request_says_otherwise(server: Server) -> None:
    usual = {"speed": 2.0, "instructions": "chunks=40", "seed": 99, "language": "zh"}
    mix(server, "Ada", defaults=usual)
    said = say(server, "Ada", seed=None)
    assert said.headers["x-vivavoce-seed"] == "99"
    assert "x-vivavoce-ignored" not in said.headers
    assert len(said.content) == 40 * CHUNK_SAMPLES
    assert len(spoken(server, "Ada", speed=1.0)) == 2 * 40 * CHUNK_SAMPLES
    assert len(spoken(server, "Ada", instructions="chunks=10")) == 10 * CHUNK_SAMPLES
    assert say(server, "Ada", seed=5).headers["x-vivavoce-seed"] == "5"
    wrong = say(server, "Ada", language="de")  # the fake engine speaks English and Chinese
    assert error(wrong)["param"] == "language"
    mix(server, "Deutsch", defaults={"language": "German"})
    assert error(say(server, "Deutsch"))["param"] == "language"
    assert say(server, "Deutsch", language="auto").status_code == 200


def test_louder_and_quieter_without_being_cut_off(server: Server) -> None:
    for name, gain_db in (("usual", 0), ("quiet", -20), ("loud", 20)):
        mix(server, name, defaults={"gain_db": gain_db})
    usual, quiet, loud = (
        decode(spoken(server, name), "pcm") for name in ("usual", "quiet", "loud")
    )
    assert np.abs(quiet * 10 - usual).max() < 1e-3
    assert 0.8 < np.abs(loud).max() < 0.9  # a decibel below full scale
    assert np.corrcoef(loud, usual)[0, 1] > 0.9
    levelled = [spoken(server, name, loudness=-23) for name in ("usual", "quiet", "loud")]
    assert levelled[0] == levelled[1] == levelled[2]  # a loudness that is asked for counts alone
    assert spoken(server, "loud", stream=False, cache=False) == spoken(server, "loud")


def test_no_change_and_no_namesake_is_answered_with_old_audio(server: Server) -> None:
    voice = save(server)
    first = spoken(server, "Ada")
    assert say(server, "Ada").headers["x-cache"] == "hit"
    changed = change(server, voice["id"], defaults={"gain_db": -6})
    assert changed["defaults"] == {"gain_db": -6.0}
    quieter = say(server, "Ada")
    assert quieter.headers["x-cache"] == "miss"
    assert quieter.content != first
    back = change(server, voice["id"], defaults={"gain_db": None}, name="Bea")
    assert (back["defaults"], back["name"]) == ({}, "Bea")
    assert spoken(server, "Bea") == first
    assert error(say(server, "Ada"))["code"] == "voice_not_found"
    assert httpx.delete(f"{server.url}{VOICES}/{voice['id']}").status_code == 200
    assert error(say(server, "Bea"))["code"] == "voice_not_found"
    save(server, "Bea", recording(pitch_hz=80))
    assert spoken(server, "Bea") not in (first, quieter.content)


def test_a_recording_is_listened_to_once(server: Server) -> None:
    save(server)
    heard = [say(server, "Ada", cache=False, seed=seed) for seed in (1, 2)]
    assert [answer.headers["x-voice-cache"] for answer in heard] == ["miss", "hit"]


def test_a_blend(server: Server) -> None:
    mixed = create(server, name="Mixed", blend={"Square": 3, "alloy": 1}).json()
    assert (mixed["type"], mixed["blend"]) == ("blend", {"sine": 0.25, "square": 0.75})
    save_same = create(server, name="Same", blend={"sine": 0.25, "square": 0.75}).json()
    half = create(server, name="Half", type="blend", blend={"sine": 1, "square": 1}).json()
    sounds = [spoken(server, voice["id"]) for voice in (mixed, save_same, half)]
    assert sounds[0] == sounds[1] != sounds[2]
    assert not {spoken(server, "sine"), spoken(server, "square")} & set(sounds)
    for blend in ({"nobody": 1}, {"sine": 0}, {"sine": -1}, {}, {"sine": "much"}, {"sine": 1e9}):
        answer = create(server, name="Wrong", type="blend", blend=blend)
        assert (answer.status_code, error(answer)["param"]) == (400, "blend")
    assert error(create(server, name="Wrong", type="blend"))["param"] == "blend"


# Lists


def test_one_list_for_presets_and_saved_voices(server: Server) -> None:
    ada = save(server, defaults={"speed": 2.0}, transcript="What I said once upon a time.")
    old = create(server, name="Old", prompt="An old man").json()
    listed = get(server, VOICES).json()
    assert listed["voices"] == listed["data"]
    assert [voice["name"] for voice in listed["voices"]] == ["Sine", "Square", "Ada", "Old"]
    assert all(voice["model"] == "fake" and voice["id"] for voice in listed["voices"])
    assert listed["voices"][2]["id"] == ada["id"]
    # The list may be for all (PUBLIC_LISTS): what somebody said is not in it.
    assert "What I said" not in json.dumps(listed)
    assert get(server, f"{VOICES}?format=strings").json()["voices"] == [
        *("sine", "square"),
        *("Ada", "Old"),
    ]
    described = get(server, f"{VOICES}/{ada['id']}").json()
    assert described["transcript"] == "What I said once upon a time."
    assert "prompt" not in described
    assert get(server, f"{VOICES}/{old['id']}").json()["prompt"] == "An old man"
    assert get(server, f"{VOICES}/sine").json()["type"] == "preset"
    assert get(server, f"{VOICES}/nobody").status_code == 404


def test_a_voice_can_be_heard_at_once(server: Server) -> None:
    voice = mix(server, "Ada")
    for name in (voice["id"], "Ada", "square"):
        heard = get(server, f"{VOICES}/{name}/preview?response_format=wav")
        assert len(decode(heard.content, "wav")) > SAMPLES
    body = {"input": TEXT, "response_format": "pcm", "seed": 7}
    posted = httpx.post(f"{server.url}{VOICES}/{voice['id']}/preview", json=body)
    assert posted.content == spoken(server, voice["id"])
    assert httpx.post(f"{server.url}{VOICES}/{voice['id']}/preview").status_code == 200
    assert get(server, f"{VOICES}/nobody/preview").status_code == 404
    wrong = httpx.post(f"{server.url}{VOICES}/Ada/preview", json=["x"])
    assert error(wrong)["code"] == "invalid_json"


# What is refused


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sine", "voice_name_taken"),
        (" Square ", "voice_name_taken"),
        ("ALLOY", "voice_name_taken"),
        ("boss", "voice_name_taken"),
        ("ADA", "voice_name_taken"),
        ("voice_1234", "invalid_value"),
        ("\u200b", "invalid_value"),
        ("x" * 101, "invalid_value"),
    ],
)
def test_a_name_must_be_free_and_a_name(server: Server, name: str, code: str) -> None:
    ada, bea = mix(server, "Ada"), mix(server, "Bea")
    for answer in (
        create(server, name=name, blend={"sine": 1}),
        httpx.patch(f"{server.url}{VOICES}/{bea['id']}", json={"name": name}),
    ):
        assert (answer.status_code, error(answer)["code"]) == (400, code)
        assert error(answer)["param"] == "name"
    assert change(server, ada["id"], name="ADA")["name"] == "ADA"  # its own, in other letters


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"junk" * 1000, "audio_unreadable"),
        (b"", "audio_unreadable"),
        (recording(0.6), "audio_too_short"),
        (recording(3, loudness=0), "audio_silent"),
        (recording(3, loudness=0.001), "audio_silent"),
    ],
    ids=["junk", "empty", "0.6 s", "silence", "hiss"],
)
def test_a_recording_that_cannot_work(server: Server, content: bytes, code: str) -> None:
    routes = {VOICES: "audio_sample"}
    if code == "audio_too_short":
        routes["/v1/audio/voice_consents"] = "recording"
    for route, field in routes.items():
        answer = httpx.post(
            server.url + route,
            files={field: ("a.wav", content)},
            data={"name": "Ada", "language": "en"},
        )
        assert answer.status_code == 400
        assert (error(answer)["code"], error(answer)["param"]) == (code, field)
    assert error(say(server, "Ada"))["code"] == "voice_not_found"


def test_a_long_recording_is_cut_and_told_of(server: Server) -> None:
    reference = save(server, content=recording(75))["reference"]
    assert 57 < reference["duration_s"] <= 60
    assert "kept" in reference["remarks"][0]
    words = save(server, "Words", recording(75), transcript="With words it would not fit.")
    assert words["error"]["code"] == "audio_too_long"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"defaults": {"speed": 9}}, "defaults"),
        ({"defaults": {"gain_db": 60}}, "defaults"),
        ({"defaults": {"pitch": 2}}, "defaults"),
        ({"defaults": {"language": "Klingon"}}, "defaults"),
        ({"defaults": "fast"}, "defaults"),
        ({"language": "Klingon"}, "language"),
        ({"consent": "cons_1234"}, "consent"),
        ({"type": "song"}, "type"),
        ({"type": "prompt"}, "prompt"),
        ({"type": "prompt", "prompt": " "}, "prompt"),
        ({"type": "prompt", "prompt": "A child", "script_hint": "Hi."}, "script_hint"),
        ({"type": "prompt", "prompt": "A child", "script_hint": TEXT * 60}, "script_hint"),
        ({"type": "prompt", "prompt": "A child", "model": "nothing"}, "model"),
        ({"name": ""}, "name"),
    ],
    ids=str,
)
def test_a_field_that_cannot_be(server: Server, fields: dict[str, Any], param: str) -> None:
    in_form = save(server, **{"name": "Ada", **fields})["error"]
    assert in_form["param"] == param
    assert get(server, f"{VOICES}/Ada").status_code == 404


def test_fields_without_effect_are_named(server: Server) -> None:
    answer = create(server, name="Old", prompt="An old man", transcript="x", pitch=3)
    assert answer.headers["x-vivavoce-ignored"] == "transcript, pitch"
    assert error(create(server, name="Ada"))["param"] == "audio_sample"


def test_a_body_that_is_too_large_is_not_read(server: Server) -> None:
    answer = httpx.post(
        server.url + VOICES, files={"audio_sample": bytes(11_000_000)}, data={"name": "Ada"}
    )
    assert answer.status_code == 413


def test_a_design_that_fails_saves_nothing(server: Server) -> None:
    failed = create(server, name="Old", prompt="fail_after=2")
    assert (failed.status_code, error(failed)["code"]) == (500, "synthesis_failed")
    assert create(server, name="Old", prompt="silent=1").status_code == 500
    assert get(server, f"{VOICES}/Old").status_code == 404


def test_who_leaves_while_a_voice_is_designed_is_not_worked_for(
    server: Server, tmp_path: Path
) -> None:
    body = {"name": "Old", "prompt": f"gate={tmp_path / 'gate'} after=1"}
    with Listener(server, body, VOICES):
        until(lambda: active(server))
    until(lambda: at_rest(server))
    assert get(server, f"{VOICES}/Old").status_code == 404


# One file


def exported(server: Server, id: str) -> bytes:
    answer = get(server, f"{VOICES}/{id}/export")
    assert answer.headers["content-type"] == "application/zip"
    return answer.content


def take_in(server: Server, content: bytes, **fields: str) -> httpx.Response:
    url = f"{server.url}{VOICES}/import"
    return httpx.post(url, files={"file": ("a.zip", content)}, data=fields)


def packed(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_voice_goes_out_and_comes_back_the_same(server: Server) -> None:
    usual = {"gain_db": -3.0, "speed": 1.5}
    content = recording(7, pitch_hz=111)
    ada = save(server, content=content, defaults=usual, transcript="Some words that I said once.")
    old = create(server, name="Old", prompt="An old man", defaults=usual).json()
    mix = create(server, name="Mix", blend={"sine": 1, "square": 2}).json()
    for voice in (ada, old, mix):
        before = spoken(server, voice["id"])
        file = exported(server, voice["id"])
        assert voice["id"].encode() not in file
        assert error(take_in(server, file))["code"] == "voice_name_taken"
        twin = take_in(server, file, name="Twin").json()
        httpx.delete(f"{server.url}{VOICES}/{voice['id']}")
        back = take_in(server, file).json()
        for again in (twin, back):
            assert spoken(server, again["id"]) == before
            assert again["id"] != voice["id"]
            for name in ("type", "transcript", "defaults", "prompt", "blend"):
                assert again.get(name) == voice.get(name)
        assert exported(server, back["id"]) == file
        httpx.delete(f"{server.url}{VOICES}/{twin['id']}")


def test_what_is_no_exported_voice_is_refused(server: Server, tmp_path: Path) -> None:
    voice = save(server)
    with zipfile.ZipFile(io.BytesIO(exported(server, voice["id"]))) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(good) == ["reference.flac", "voice.json"]
    told = json.loads(good["voice.json"])

    def with_voice(**changed: Any) -> bytes:
        return packed({**good, "voice.json": json.dumps({**told, **changed}).encode()})

    twice = io.BytesIO(packed(good))
    with pytest.warns(UserWarning), zipfile.ZipFile(twice, "a") as archive:  # noqa: PT030
        archive.writestr("voice.json", good["voice.json"])
    flipped = bytearray(packed(good, zipfile.ZIP_STORED))
    flipped[len(flipped) // 2] ^= 255
    bad = {
        "nothing": b"",
        "junk": b"PK\x03\x04" + bytes(100),
        "cut": packed(good)[:-100],
        "flipped": bytes(flipped),
        "climbs out": packed({**good, "../evil.txt": b"x"}),
        "absolute": packed({**good, str(tmp_path / "evil.txt"): b"x"}),
        "in a folder": packed({f"a/{name}": content for name, content in good.items()}),
        "more": packed({**good, "prompt-1.bin": b"x"}),
        "twice": twice.getvalue(),
        "bomb": packed({**good, "voice.json": b" " * 50_000_000}),
        "no voice": packed({"reference.flac": good["reference.flac"]}),
        "no sound": packed({"voice.json": good["voice.json"]}),
        "not json": packed({**good, "voice.json": b"\xff"}),
        "newer": with_voice(version=2),
        "nameless": with_voice(name=""),
        "long words": with_voice(transcript="x" * 5000),
        "wrong speed": with_voice(defaults={"speed": 100}),
        "wrong type": with_voice(type="song"),
        "half a blend": with_voice(type="blend"),
    }
    httpx.delete(f"{server.url}{VOICES}/{voice['id']}")
    for what, content in bad.items():
        answer = take_in(server, content)
        assert answer.status_code == 400, what
        assert error(answer)["code"] == "archive_unreadable", what
    other = {
        "name": with_voice(name="sine"),
        "defaults": with_voice(defaults={"language": "Klingon"}),
        "file": packed({**good, "reference.flac": b"junk" * 99}),
        "blend": packed(
            {"voice.json": json.dumps({**told, "type": "blend", "blend": {"x": 1}}).encode()}
        ),
    }
    for param, content in other.items():
        answer = take_in(server, content)
        assert (answer.status_code, error(answer)["param"]) == (400, param)
    assert error(httpx.post(f"{server.url}{VOICES}/import", files={}, data={"a": "b"}))
    assert not list(tmp_path.iterdir())
    assert len(get(server, VOICES).json()["voices"]) == 2
    assert take_in(server, packed(good)).status_code == 200


@pytest.mark.parametrize("id", ["..%2f..%2fetc", "%2e%2e", "voice_%00", "%2fetc%2fpasswd"])
def test_no_path_leads_out(server: Server, id: str) -> None:
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/export"), ("GET", "/preview")):
        answer = httpx.request(method, f"{server.url}{VOICES}/{id}{tail}")
        assert answer.status_code in (404, 405)
    assert say(server, f"../voices/{id}").status_code == 400


# Several servers, one after the other and side by side


def test_voices_outlive_their_server_and_are_shared(tmp_path: Path) -> None:
    data = {"ENGINE": "fake", "DATA_DIR": str(tmp_path / "data")}
    with running_server(tmp_path, **data) as first:
        ada = save(first, defaults={"speed": 1.5})
        before = spoken(first, "Ada")
        (tmp_path / "data/voices/.temporary-123").mkdir()  # as a killed server leaves it
        with running_server(tmp_path, **data) as second:
            assert not (tmp_path / "data/voices/.temporary-123").exists()
            answer = say(second, "Ada")
            assert answer.content == before
            assert answer.headers["x-voice-cache"] == "hit"  # what was heard was kept
            change(second, ada["id"], name="Bea")
            assert spoken(first, "Bea") == before
            assert error(say(first, "Ada"))["code"] == "voice_not_found"
            first.process.kill()
            first.process.wait()
            assert spoken(second, "Bea") == before
            httpx.delete(f"{second.url}{VOICES}/{ada['id']}")
            assert error(say(second, "Bea"))["code"] == "voice_not_found"


def test_a_folder_that_cannot_be_written_costs_only_what_is_saved(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with running_server(tmp_path, ENGINE="fake", DATA_DIR=str(tmp_path / "file")) as server:
        answer = create(server, name="Mix", blend={"sine": 1})
        assert (answer.status_code, error(answer)["code"]) == (500, "storage_failed")
        assert str(tmp_path / "file") in error(answer)["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert len(get(server, VOICES).json()["voices"]) == 2
        assert spoken(server, "sine")
        assert error(say(server, "Mix"))["code"] == "voice_not_found"


def test_an_engine_that_can_do_none_of_it_says_what_can(voice_server: Server) -> None:
    refused = [
        save(voice_server)["error"],
        error(create(voice_server, name="Old", prompt="An old man")),
        error(create(voice_server, name="Mix", blend={"heart": 1})),
    ]
    for told in refused:
        assert told["code"] == "not_supported"
        assert "vivavoce[qwen]" in told["message"]


def test_who_may_do_what_and_with_whose_consent(tmp_path: Path) -> None:
    keys = [{"name": scope, "key": f"key-for-{scope}", "scopes": [scope]} for scope in SCOPES]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": keys}))
    with running_server(
        tmp_path, ENGINE="fake", API_KEYS_FILE="keys.json", REQUIRE_CONSENT="true"
    ) as server:

        def status(method: str, path: str, scope: str | None, **more: Any) -> int:
            headers = {"Authorization": f"Bearer key-for-{scope}"} if scope else {}
            url = server.url + path
            return httpx.request(method, url, headers=headers, **more).status_code

        body = {"json": {"name": "Mix", "blend": {"sine": 1}}}
        for path in (VOICES, VOICES[3:]):
            assert status("POST", path, None, **body) == 401
            assert status("POST", path, "speak", **body) == 403
        assert status("POST", VOICES, "voices", **body) == 200
        assert status("GET", VOICES, "speak") == 200
        assert status("GET", VOICES, None) == 401
        for tail in ("", "/export"):
            assert status("GET", f"{VOICES}/Mix{tail}", "speak") == 403
        assert status("GET", f"{VOICES}/Mix", "voices") == 200
        for tail in ("", "?input=Hello", "%0a"):
            assert status("GET", f"{VOICES}/Mix/preview{tail}", "voices") == 403
        assert status("GET", f"{VOICES}/Mix/preview", "speak") == 200
        assert status("GET", "/v1/audio/voice_consents", "speak") == 403
        assert status("GET", "/v1/audio/voice_consents", "voices") == 200
        with httpx.Client(headers={"Authorization": "Bearer key-for-voices"}) as keeper:
            sample = {"files": {"audio_sample": recording()}, "data": {"name": "Ada"}}
            refused = keeper.post(server.url + VOICES, **sample)
            assert error(refused)["param"] == "consent"
            consent = keeper.post(
                f"{server.url}/v1/audio/voice_consents",
                files={"recording": recording()},
                data={"name": "Ada", "language": "en"},
            ).json()
            sample["data"]["consent"] = consent["id"]
            ada = keeper.post(server.url + VOICES, **sample).json()
            assert ada["consent"] == consent["id"]
            file = {"file": keeper.get(f"{server.url}{VOICES}/{ada['id']}/export").content}
            told = {"name": "Twin"}
            url = f"{server.url}{VOICES}/import"
            assert error(keeper.post(url, files=file, data=told))["param"] == "consent"
            told["consent"] = consent["id"]
            assert keeper.post(url, files=file, data=told).status_code == 200


SCOPES = ("speak", "voices", "operate")
