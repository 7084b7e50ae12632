"""The test double does what its switches say: tests of the server rest on it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vivavoce.engine.fake import FakeEngine
from vivavoce.errors import EngineUnavailable, OutOfMemory
from vivavoce.types import Segment, SpeechRequest


def ask(switches: str) -> SpeechRequest:
    return SpeechRequest((Segment("Hello there."),), "sine", 7, instructions=switches)


def test_endless_speech_goes_on_until_it_is_cancelled() -> None:
    usual = list(FakeEngine().speak(ask("")))
    stream = FakeEngine().speak(ask("endless=1"))
    heard = list(itertools.islice(stream, 10 * len(usual)))
    assert len(heard) == 10 * len(usual)
    np.testing.assert_array_equal(heard[0].samples, usual[0].samples)
    stream.cancel()
    assert list(stream) == []


def test_samples_that_are_not_numbers() -> None:
    chunks = list(FakeEngine().speak(ask("nan=1")))
    assert chunks
    assert all(np.isnan(chunk.samples).all() for chunk in chunks)


def test_loads_heed_the_environment_and_their_options_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIVAVOCE_FAKE", '{"gpu_bytes": 5, "load_oom": "/"}')
    with pytest.raises(OutOfMemory):
        FakeEngine.load({}, lambda progress: None)
    with pytest.raises(EngineUnavailable):
        FakeEngine.load({"load_fails": "/"}, lambda progress: None)
    assert FakeEngine.load({"load_oom": "/nowhere"}, lambda progress: None).gpu_bytes == 5
