"""Answers that sound alike share their key; answers that do not never do."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripted import model_named
from vivavoce import __version__
from vivavoce.service.cache import key as key_module
from vivavoce.service.models import Models
from vivavoce.service.order import SpeechOrder
from vivavoce.service.plan import CacheRules, make_plan
from vivavoce.service.room import Room
from vivavoce.service.voices import Voices
from vivavoce.text.reading import TextFormat
from vivavoce.types import SamplingControls, Timestamps

if TYPE_CHECKING:
    from vivavoce.service.model import Model

ROOM = Room(1)
MODEL = model_named("m", ROOM)
MODELS = Models(MODEL, clone=MODEL, design=MODEL)
VOICES = Voices({"mine": "square"})

WORDS = st.text("abcdefghij", min_size=1, max_size=8)
SAMPLING = st.builds(
    SamplingControls,
    temperature=st.none() | st.floats(0, 2),
    top_k=st.none() | st.integers(1, 100),
    top_p=st.none() | st.floats(0.1, 1),
    repetition_penalty=st.none() | st.floats(0.5, 2),
)
HEARD: dict[str, st.SearchStrategy[Any]] = {
    "text": WORDS,
    "voice": st.sampled_from(["sine", "square"]),
    "description": WORDS,
    "clip": st.binary(min_size=1, max_size=8),
    "transcript": WORDS,
    "format": st.sampled_from(["mp3", "opus", "aac", "flac", "wav", "pcm"]),
    "speed": st.floats(0.25, 4),
    "sample_rate_hz": st.sampled_from([16000, 24000, 48000]),
    "language": st.sampled_from([None, "en", "zh"]),
    "instructions": st.none() | WORDS,
    "trim": st.booleans(),
    "loudness": st.sampled_from([None, -23.0, -16.0]),
    "timestamps": st.sampled_from(Timestamps),
    "seed": st.none() | st.integers(0, 2**32 - 1),
    "sampling": SAMPLING,
    "max_new_tokens": st.none() | st.integers(1, 10_000),
}
NOT_HEARD: dict[str, st.SearchStrategy[Any]] = {
    # Neither is heard in words without signs and numbers.
    "text_format": st.sampled_from([TextFormat.MARKDOWN, TextFormat.PLAIN, TextFormat.TAGS]),
    "normalize": st.sampled_from([None, True, False]),
    "model": st.sampled_from([None, "m", "tts-1", "gpt-4o-mini-tts"]),
    "whole": st.booleans(),
    "cache": st.sampled_from([None, True, False]),
    "traceparent": st.none() | WORDS,
}


def key(order: SpeechOrder, models: Models = MODELS) -> str:
    return make_plan(order, models, VOICES, CacheRules()).key


@st.composite
def orders(draw: st.DrawFn) -> SpeechOrder:
    # A voice is one by name, or a described one, or that of a clip, which may have a transcript.
    kind = draw(st.sampled_from(["voice", "description", "clip"]))
    left_out = {"voice", "description", "clip"} - {kind}
    if kind != "clip":
        left_out.add("transcript")
    drawn = {name: draw(values) for name, values in HEARD.items() if name not in left_out}
    if drawn["format"] == "opus":  # not every format can have every rate
        drawn["sample_rate_hz"] = 48000
    return SpeechOrder(**drawn, **{name: draw(values) for name, values in NOT_HEARD.items()})


def test_every_field_of_an_order_is_thought_of() -> None:
    assert {field.name for field in fields(SpeechOrder)} == HEARD.keys() | NOT_HEARD.keys()


@settings(deadline=None)
@given(orders(), st.data())
def test_what_is_heard_changes_the_key(order: SpeechOrder, data: st.DataObject) -> None:
    names = [name for name in HEARD if getattr(order, name) is not None or name == "seed"]
    name = data.draw(st.sampled_from(names))
    if name == "format":
        other = replace(order, format="wav" if order.format != "wav" else "flac")
    elif name == "sample_rate_hz":
        other = replace(order, sample_rate_hz=24000 if order.sample_rate_hz != 24000 else 48000)
    else:
        old = getattr(order, name)
        new = data.draw(HEARD[name].filter(lambda value: value != old))
        other = replace(order, **{name: new})
    assert key(order) != key(other)


@settings(deadline=None)
@given(orders(), st.data())
def test_what_is_not_heard_does_not(order: SpeechOrder, data: st.DataObject) -> None:
    others = {name: data.draw(values) for name, values in NOT_HEARD.items()}
    assert key(order) == key(replace(order, **others))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"text": "Hello there."}, {"text": "  Hello\tthere.\n"}),
        ({"voice": "sine"}, {"voice": None}),
        ({"voice": "square"}, {"voice": "mine"}),
        ({"voice": "sine"}, {"voice": "alloy"}),
        ({"language": "en"}, {"language": "English"}),
        ({"sample_rate_hz": None}, {"sample_rate_hz": 24000}),
        ({"instructions": None}, {"instructions": " "}),
        ({"text": "two of them"}, {"text": "2 of **them**", "normalize": True}),
        ({"seed": None}, {"seed": None}),  # one is drawn for each: any of them will do
    ],
    ids=str,
)
def test_what_is_said_in_other_words_is_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    order = SpeechOrder("Hello there.")
    assert key(replace(order, **one)) == key(replace(order, **other))


def test_models_do_not_share_unless_they_are_the_same() -> None:
    def other(fingerprint: str) -> Model:
        model = model_named("m", ROOM)
        model.fingerprint = fingerprint
        return model

    order = SpeechOrder("Hello there.", seed=1)
    keys = [key(order, Models(other(print))) for print in ("one", "other", "one")]
    assert keys[0] == keys[2] != keys[1]


def test_versions_do_not_share(monkeypatch: pytest.MonkeyPatch) -> None:
    order = SpeechOrder("Hello there.", seed=1)
    before = key(order)
    monkeypatch.setattr(key_module, "__version__", __version__ + ".post1")
    assert key(order) != before


def test_a_key_is_what_tiers_take() -> None:
    found = key(SpeechOrder("Hello there."))
    assert len(found) == 64
    assert set(found) <= set("0123456789abcdef")
