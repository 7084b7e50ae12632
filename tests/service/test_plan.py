"""Which answers may be remembered: what the operator says, and what a request says instead."""

from __future__ import annotations

import pytest

from vivavoce.engine.fake import describe
from vivavoce.service.metrics import Metrics
from vivavoce.service.model import Model
from vivavoce.service.models import Models
from vivavoce.service.order import SpeechOrder
from vivavoce.service.plan import CacheRules, make_plan
from vivavoce.service.room import Room
from vivavoce.service.voices import Voices
from vivavoce.service.workers import Workers
from vivavoce.types import SamplingControls
from vivavoce.worker.handle import WorkerLimits

GREEDY = SamplingControls(temperature=0)


def cached(rules: CacheRules, **wishes: object) -> bool:
    """Tell whether the answer to an order may be remembered."""
    model = Model(describe(), {}, Workers("fake", WorkerLimits()), Room(1), Metrics())
    models = Models(model, clone=model)
    return make_plan(SpeechOrder("Hello.", **wishes), models, Voices({}), rules).cached


@pytest.mark.parametrize(
    ("wishes", "may"),
    [
        ({}, False),
        ({"seed": 7}, True),
        ({"sampling": GREEDY}, True),
        ({"cache": True}, True),
        ({"seed": 7, "cache": False}, False),
    ],
)
def test_speech_that_is_drawn_may_be_made_anew(wishes: dict, may: bool) -> None:
    assert cached(CacheRules(unseeded=False), **wishes) is may
    assert cached(CacheRules(unseeded=True), **wishes) is (wishes.get("cache") is not False)


@pytest.mark.parametrize("clones", [True, False])
@pytest.mark.parametrize("cache", [None, True, False])
def test_clones_are_remembered_where_somebody_says_so(clones: bool, cache: bool | None) -> None:
    may = clones if cache is None else cache
    assert cached(CacheRules(clones=clones), clip=b"a clip", cache=cache) is may


def test_without_a_cache_nothing_is() -> None:
    assert not cached(CacheRules(enabled=False), cache=True)
