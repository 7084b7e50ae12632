"""Blends of preset speakers: the speaker's row of a prompt is a weighted sum."""

from __future__ import annotations

import pytest
import torch
from ours import model

from vivavoce.engine.qwen3.prompt import Prompt, PromptText

SHAPE = "tiny"


def built(speaker: str | None = None, **blend: float) -> Prompt:
    said = PromptText("Hello there.", speaker=speaker, blend=tuple(blend.items()))
    return model("custom_voice", SHAPE).prompts.build(said)


def test_all_of_one_speaker_is_that_speaker() -> None:
    for name in ("vivian", "dylan"):  # with an automatic language he speaks his dialect
        blend, preset = built(**{name: 1.0}), built(name)
        assert torch.equal(blend.rows, preset.rows)
        assert torch.equal(blend.trailing, preset.trailing)


def test_a_blend_differs_in_one_row_and_there_it_is_the_sum() -> None:
    vivian, ryan = built("vivian").rows, built("ryan").rows
    (row,) = (vivian != ryan).any(1).nonzero().flatten().tolist()
    for share in (0.25, 0.5, 0.9):
        blend = built(vivian=share, ryan=1 - share).rows.clone()
        expected = share * vivian[row] + (1 - share) * ryan[row]
        assert torch.allclose(blend[row], expected, atol=1e-5)
        blend[row] = vivian[row]
        assert torch.equal(blend, vivian)


def test_a_dialect_is_spoken_only_if_all_speak_it() -> None:
    plain, dylan = built("vivian").rows, built("dylan").rows
    assert len(dylan) == len(plain) + 1  # the tag of the language
    assert len(built(dylan=0.5, vivian=0.5).rows) == len(plain)
    assert len(built(dylan=0.5, eric=0.5).rows) == len(plain)


@pytest.mark.parametrize("share", [0.001, 0.5])
def test_no_order(share: float) -> None:
    one, other = built(vivian=share, ryan=1 - share), built(ryan=1 - share, vivian=share)
    assert torch.allclose(one.rows, other.rows, atol=1e-6)
