"""Token for token what the official package makes, in every mode; goldens.npz holds its results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cases import EVERY_LOGIT, EVERY_SAMPLE, Case, all_cases, sampled_cases
from ours import GREEDY, decode, follow, generate, generation_of, model, prompts

from vivavoce.engine.qwen3.generation import Controls, Sequence

CASES = all_cases()


@pytest.fixture(scope="session")
def goldens() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "goldens.npz") as file:
        return dict(file)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_codes_are_the_official_ones_and_audio_within_1e_4(
    case: Case, goldens: dict[str, np.ndarray]
) -> None:
    m = model(case.kind, case.shape)
    wanted = prompts(m, case)
    voice = wanted[0].reference
    if voice is not None:
        assert np.abs(voice.speaker.numpy() - goldens[f"{case.name}/speaker"]).max() < 1e-5
        if voice.codes is not None:
            assert np.array_equal(voice.codes.numpy(), goldens[f"{case.name}/ref_codes"])
    before = None if voice is None else voice.codes
    for index, codes in enumerate(generate(m, wanted, GREEDY)):
        assert np.array_equal(codes.numpy(), goldens[f"{case.name}/codes{index}"])
        audio = decode(m, codes, [len(codes)], before)
        length = int(goldens[f"{case.name}/length{index}"])
        assert abs(len(audio) - length) <= 1  # officially a float product when cloning in context
        official = goldens[f"{case.name}/audio{index}"]
        assert np.abs(audio[-length:][::EVERY_SAMPLE][: len(official)] - official).max() < 1e-4


@pytest.mark.parametrize("case", sampled_cases(), ids=lambda case: case.name)
def test_drawn_codes_come_from_the_official_logits(
    case: Case, goldens: dict[str, np.ndarray]
) -> None:
    m = model(case.kind, case.shape)
    codes = torch.from_numpy(goldens[f"{case.name}/sampled"]).long()
    greedy = goldens[f"{case.name}/codes0"][: len(codes)]
    assert not np.array_equal(codes.numpy(), greedy)
    (wanted,) = prompts(m, case)
    for name, logits in zip(
        ("first", "rest"), follow(m, m.prompts.build(wanted), codes), strict=True
    ):
        official = goldens[f"{case.name}/{name}-logits"]
        assert len(official) > len(codes) * 10
        assert np.abs(logits.flatten()[::EVERY_LOGIT] - official).max() < 1e-4


def test_a_batch_gives_each_what_it_gets_alone() -> None:
    case = next(case for case in CASES if len(case.texts) == 3)
    m = model(case.kind, case.shape)
    wanted = prompts(m, case)
    for controls in (GREEDY, Controls(seed=11)):
        for text, codes in zip(wanted, generate(m, wanted, controls), strict=True):
            assert torch.equal(generate(m, [text], controls)[0], codes)


def test_joining_late_and_leaving_early_changes_nobody_elses_codes() -> None:
    case = next(case for case in CASES if len(case.texts) == 3)
    m = model(case.kind, case.shape)
    first, second, third = wanted = prompts(m, case)
    controls = [GREEDY, Controls(seed=5), Controls(seed=2**63 - 1)]
    alone = [generate(m, [text], c)[0] for text, c in zip(wanted, controls, strict=True)]
    steps = generation_of(m)
    here = steps.join([m.prompts.build(first)], controls[:1], 30)
    heard: dict[Sequence, list[torch.Tensor]] = {here[0]: []}
    for frame in range(30):
        if frame == 3:
            ready = [m.prompts.build(text) for text in (second, third)]
            here += steps.join(ready, controls[1:], 30)
            heard |= {sequence: [] for sequence in here[1:]}
        if frame == 20:
            steps.leave(here.pop(1))
        for sequence, codes in zip(here, steps.step(here), strict=True):
            heard[sequence].append(codes)
    assert [len(codes) for codes in heard.values()] == [30, 17, 27]
    for expected, codes in zip(alone, heard.values(), strict=True):
        length = min(len(expected), len(codes))
        assert length > 10
        assert torch.equal(expected[:length], torch.stack(codes[:length]))


def test_seeds_decide_and_nothing_else() -> None:
    m = model(CASES[0].kind, CASES[0].shape)
    wanted = prompts(m, CASES[0])
    first, again = (generate(m, wanted, Controls(seed=1))[0] for _ in range(2))
    other = generate(m, wanted, Controls(seed=2))[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("pieces", [[1] * 39, [1, 2, 4, 8, 12, 12], [5, 1, 30, 3]])
def test_decoding_in_pieces_equals_decoding_the_whole(pieces: list[int]) -> None:
    m = model(CASES[0].kind, CASES[0].shape)
    codes = torch.from_numpy(np.random.RandomState(1).randint(0, 2048, (39, 16)))
    whole = decode(m, codes, [39], None)
    assert np.abs(decode(m, codes, pieces, None) - whole).max() < 1e-4
