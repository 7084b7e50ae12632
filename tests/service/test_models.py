"""Which models there are, and which of them a request means."""

from __future__ import annotations

import pytest

from scripted import model_named
from vivavoce.errors import InvalidRequest, UnknownModel
from vivavoce.service.model import ModelState
from vivavoce.service.models import DEFAULT_MODEL_ALIASES, Models
from vivavoce.service.room import Room
from vivavoce.types import Need

ROOM = Room(1)
FAMILY = {need: model_named(need.value, ROOM) for need in Need}


def family(*, unknown_means_default: bool = False) -> Models:
    return Models(
        FAMILY[Need.PRESET],
        clone=FAMILY[Need.CLONE],
        design=FAMILY[Need.DESIGN],
        unknown_means_default=unknown_means_default,
    )


@pytest.mark.parametrize("need", Need)
@pytest.mark.parametrize("name", [None, "", " ", "tts-1", "qwen3-tts", "preset", " preset "])
def test_the_need_chooses_within_a_family(name: str | None, need: Need) -> None:
    assert family().choose(name, need) is FAMILY[need]


@pytest.mark.parametrize("need", Need)
def test_a_model_named_exactly_is_only_for_what_it_can_do(need: Need) -> None:
    models = family()
    for other in (Need.CLONE, Need.DESIGN):
        if other is need:
            assert models.choose(other.value, need) is FAMILY[need]
            continue
        with pytest.raises(InvalidRequest, match=f"Use {FAMILY[need].info.id}"):
            models.choose(other.value, need)


@pytest.mark.parametrize("need", [Need.CLONE, Need.DESIGN])
def test_without_a_model_for_a_need_the_remedy_is_told(need: Need) -> None:
    with pytest.raises(InvalidRequest, match="ENGINE=qwen3"):
        Models(FAMILY[Need.PRESET]).choose(None, need)


def test_an_unknown_name_means_the_family_where_the_operator_says_so() -> None:
    with pytest.raises(UnknownModel, match="preset, tts-1"):
        family().choose("nonesuch", Need.CLONE)
    lenient = family(unknown_means_default=True)
    assert lenient.choose("nonesuch", Need.CLONE) is FAMILY[Need.CLONE]


def test_each_model_is_known_by_its_id_and_the_default_by_all_the_usual_names() -> None:
    models = family()
    assert models.all == tuple(FAMILY.values())
    for need, model in FAMILY.items():
        assert models.find(f" {need.value} ") is model
        assert not models.names[need.value].is_alias
    for alias in DEFAULT_MODEL_ALIASES:
        assert models.find(alias) is models.default
        assert models.names[alias].is_alias


def test_one_model_for_every_need_is_one_model() -> None:
    only = FAMILY[Need.PRESET]
    models = Models(only, clone=only, design=only)
    assert models.all == (only,)
    assert all(models.choose(None, need) is only for need in Need)


def test_choosing_starts_nothing() -> None:
    for need in Need:
        family().choose(None, need)
    assert {model.state for model in FAMILY.values()} == {ModelState.ABSENT}
