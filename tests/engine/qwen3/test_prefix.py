"""How a prompt begins is read once; what is spoken after it does not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from cases import Case, all_cases
from ours import GREEDY, generation_of, model, prompts

from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.prefix import Beginning, KeysValues, PrefixCache
from vivavoce.engine.qwen3.prompt import PromptText

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.generation import Generation

FRAMES = 8


def spoken(steps: Generation, text: PromptText, m: Qwen3TTS) -> tuple[int, list[list[int]]]:
    """Return how many rows were known already, and the codes."""
    prompt = m.prompts.build(text)
    one = steps.enter(prompt, GREEDY, FRAMES)
    known = one.read
    if one.rows_left:
        steps.prefill([(one, one.rows_left)])
    codes = [steps.step([one])[0].tolist() for _ in range(FRAMES)]
    steps.leave(one)
    return known, codes


@pytest.mark.parametrize("bits", [None, 32], ids=["eager", "onnx"])
@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_a_known_beginning_gives_the_same_codes(case: Case, bits: int | None) -> None:
    m = model(case.kind, case.shape)
    if bits is not None:
        from test_onnx import converted

        voices, m = m, converted(case.kind, case.shape, bits)
        texts = prompts(voices, case)
    else:
        texts = prompts(m, case)
    warm = generation_of(m)
    first = spoken(warm, texts[0], m)
    again = spoken(warm, texts[0], m)
    assert first[0] == 0
    assert again[0] == m.prompts.build(texts[0]).beginning.rows > 0
    assert again[1] == first[1]


def test_the_rows_of_a_beginning_are_those_of_every_text() -> None:
    for case in all_cases():
        m = model(case.kind, case.shape)
        text = prompts(m, case)[0]
        other = PromptText(
            "Something else altogether, and longer than what was said before it, by far.",
            text.language,
            text.speaker,
            text.instructions,
            text.reference,
            text.whole_text,
        )
        one, two = m.prompts.build(text), m.prompts.build(other)
        assert one.beginning == two.beginning
        assert 0 < one.beginning.rows < len(one.rows)
        rows = one.beginning.rows
        assert torch.equal(one.rows[:rows], two.rows[:rows])


def test_another_voice_language_or_instruction_begins_otherwise() -> None:
    m = model("custom_voice", "tiny")
    texts = [
        PromptText("Hello.", "english", "ryan"),
        PromptText("Hello.", "german", "ryan"),
        PromptText("Hello.", None, "ryan"),
        PromptText("Hello.", "english", "vivian"),
        PromptText("Hello.", "english", "ryan", "Angrily."),
        PromptText("\n\n\nHello.", "english", "ryan"),
    ]
    assert len({m.prompts.build(text).beginning.key for text in texts}) == len(texts)


def kept(positions: int) -> KeysValues:
    return KeysValues(torch.zeros(1, positions, 1, 1), torch.zeros(1, positions, 1, 1))


def test_no_more_is_kept_than_there_may_be_and_the_latest_used_stay() -> None:
    cache = PrefixCache(most_positions=10)
    a, b, c = (Beginning(name, 4) for name in "abc")
    cache.put(a, kept(4))
    cache.put(b, kept(4))
    assert not cache.wants(a)
    assert cache.get(a) is not None
    cache.put(c, kept(4))
    assert cache.get(b) is None
    assert cache.get(a) is not None
    assert not cache.wants(Beginning("long", 11))
