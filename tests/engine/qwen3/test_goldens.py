"""Token for token what the official package makes, in every mode; goldens.npz holds its results."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from cases import MAX_NEW_TOKENS, REFERENCE_TEXT, SEED, SHAPES, Case, all_cases, reference_clip
from checkpoints import make_checkpoint

from vivavoce.engine.qwen3.generation import Controls, Generation
from vivavoce.engine.qwen3.model import Qwen3TTS
from vivavoce.engine.qwen3.prompt import PromptText, Reference
from vivavoce.engine.qwen3.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY = 97
EOS = 2150
CASES = all_cases()
GREEDY = Controls(talker=Sampling(do_sample=False), predictor=Sampling(do_sample=False))


@pytest.fixture(scope="session")
def goldens() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "goldens.npz") as file:
        return dict(file)


@cache
def model(kind: str, shape: str) -> Qwen3TTS:
    folder = make_checkpoint(Path(mkdtemp()), kind, SHAPES[shape], SEED)
    return Qwen3TTS.load(folder, torch.device("cpu"), torch.float32)


def reference(case: Case) -> Reference | None:
    if case.in_context is None:
        return None
    clip = torch.from_numpy(reference_clip())
    return model(case.kind, case.shape).listen(clip, REFERENCE_TEXT if case.in_context else None)


def prompts(case: Case) -> list[PromptText]:
    speakers: Sequence[str | None] = case.speakers or (None,) * len(case.texts)
    voice = reference(case)
    return [
        PromptText(
            text,
            None if language == "Auto" else language.lower(),
            speaker,
            case.instructions,
            voice,
            case.whole_text,
        )
        for text, language, speaker in zip(case.texts, case.languages, speakers, strict=True)
    ]


def generate(case: Case, wanted: list[PromptText], controls: Controls) -> list[torch.Tensor]:
    """Return each text's codes [frames, 16], up to the end token or the limit."""
    m = model(case.kind, case.shape)
    built = [m.prompts.build(text) for text in wanted]
    generation = Generation(m.talker, m.prompts.pad_row())
    generation.join(built, [controls] * len(built))
    frames = torch.stack([generation.step() for _ in range(MAX_NEW_TOKENS - 1)], dim=1)
    ends = [(codes[:, 0] == EOS).nonzero() for codes in frames]
    return [
        codes[: int(end[0])] if len(end) else codes for codes, end in zip(frames, ends, strict=True)
    ]


@torch.inference_mode()
def decode(m: Qwen3TTS, codes: torch.Tensor, pieces: list[int], before: torch.Tensor | None):
    """Decode codes [frames, 16] in pieces of so many frames, after those of a reference."""
    state = m.codec_decoder.start(1)
    if before is not None:
        _, state = m.codec_decoder(before.T[None], state)
    parts = []
    for piece in codes.split(pieces):
        samples, state = m.codec_decoder(piece.T[None], state)
        parts.append(samples[0])
    return torch.cat(parts).numpy()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_codes_are_the_official_ones_and_audio_within_1e_4(
    case: Case, goldens: dict[str, np.ndarray]
) -> None:
    m = model(case.kind, case.shape)
    wanted = prompts(case)
    voice = wanted[0].reference
    if voice is not None:
        assert np.abs(voice.speaker.numpy() - goldens[f"{case.name}/speaker"]).max() < 1e-5
        if voice.codes is not None:
            assert np.array_equal(voice.codes.numpy(), goldens[f"{case.name}/ref_codes"])
    before = None if voice is None else voice.codes
    for index, codes in enumerate(generate(case, wanted, GREEDY)):
        assert np.array_equal(codes.numpy(), goldens[f"{case.name}/codes{index}"])
        audio = decode(m, codes, [len(codes)], before)
        length = int(goldens[f"{case.name}/length{index}"])
        assert abs(len(audio) - length) <= 1  # officially a float product when cloning in context
        official = goldens[f"{case.name}/audio{index}"]
        assert np.abs(audio[-length:][::EVERY][: len(official)] - official).max() < 1e-4


def test_a_batch_gives_each_what_it_gets_alone() -> None:
    case = next(case for case in CASES if len(case.texts) == 3)
    seeded = Controls(seed=11)
    for controls in (GREEDY, seeded):
        together = generate(case, prompts(case), controls)
        for wanted, codes in zip(prompts(case), together, strict=True):
            assert torch.equal(generate(case, [wanted], controls)[0], codes)


def test_joining_late_and_leaving_early_changes_nobody_elses_codes() -> None:
    case = next(case for case in CASES if len(case.texts) == 3)
    m = model(case.kind, case.shape)
    first, second, third = prompts(case)
    controls = [GREEDY, Controls(seed=5), Controls(seed=2**63 - 1)]
    alone = [generate(case, [text], c)[0] for text, c in zip(prompts(case), controls, strict=True)]
    generation = Generation(m.talker, m.prompts.pad_row())
    generation.join([m.prompts.build(first)], controls[:1])
    heard: list[list[torch.Tensor]] = [[], [], []]
    rows = [0]
    for frame in range(30):
        if frame == 3:
            generation.join([m.prompts.build(second), m.prompts.build(third)], controls[1:])
            rows = [0, 1, 2]
        if frame == 20:
            generation.keep([0, 2])
            rows = [0, 2]
        for row, codes in zip(rows, generation.step(), strict=True):
            heard[row].append(codes)
    assert [len(codes) for codes in heard] == [30, 17, 27]
    for expected, codes in zip(alone, heard, strict=True):
        length = min(len(expected), len(codes))
        assert length > 10
        assert torch.equal(expected[:length], torch.stack(codes[:length]))


def test_seeds_decide_and_nothing_else() -> None:
    case = CASES[0]
    first, again = (generate(case, prompts(case), Controls(seed=1))[0] for _ in range(2))
    other = generate(case, prompts(case), Controls(seed=2))[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("pieces", [[1] * 39, [1, 2, 4, 8, 12, 12], [5, 1, 30, 3]])
def test_decoding_in_pieces_equals_decoding_the_whole(pieces: list[int]) -> None:
    case = CASES[0]
    m = model(case.kind, case.shape)
    codes = torch.from_numpy(np.random.RandomState(1).randint(0, 2048, (39, 16)))
    whole = decode(m, codes, [39], None)
    assert np.abs(decode(m, codes, pieces, None) - whole).max() < 1e-4
