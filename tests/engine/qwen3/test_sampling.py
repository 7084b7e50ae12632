"""Choosing codes: the official chain's sets and odds, and draws by counter that follow them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from chains import Chain, all_chains
from ours import drawing, generation_of, model
from torch import Tensor

from vivavoce.engine.qwen3.generation import Controls
from vivavoce.engine.qwen3.prompt import PromptText
from vivavoce.engine.qwen3.sampling import Sampling, _philox, draw, filter_logits, gumbel

SEEDS = torch.arange(20_000)


@pytest.fixture(scope="module")
def goldens() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "goldens.npz") as file:
        return {name: file[name] for name in file.files if name.startswith("chain/")}


class Said(torch.nn.Module):
    """A head that gives the same logits whatever it is shown."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
        self.logits = torch.from_numpy(logits)

    def forward(self, _: Tensor) -> Tensor:
        return self.logits


def filtered(chain: Chain) -> Tensor:
    """Return what a chain leaves to draw from, as the predictor's logits are filtered."""
    column = torch.ones(4, 1)
    return filter_logits(
        torch.from_numpy(chain.logits()),
        column * chain.temperature,
        column.long() * chain.top_k,
        column.double() * chain.top_p,
    )


def talkers(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Return what a chain leaves the talker after its history, in a real generation."""
    m = model("custom_voice", "tiny")
    controls = Controls(
        talker=Sampling(True, chain.temperature, chain.top_k, chain.top_p),
        predictor=Sampling(do_sample=False),
        repetition_penalty=chain.penalty,
    )
    kept: list[Tensor] = []
    codes = torch.zeros(len(chain.history) + 1, 16, dtype=torch.long)
    codes[:-1, 0] = torch.tensor(chain.history)
    with drawing(codes, kept):
        steps = generation_of(m)
        prompt = m.prompts.build(PromptText("Hello", speaker="ryan"))
        sequences = steps.join([prompt], [controls], len(codes))
        for _ in chain.history:
            steps.step(sequences)
        head = Said(chain.logits())
        monkeypatch.setitem(m.talker._modules, "codec_head", head)
        steps.step(sequences)
    return kept[16 * len(chain.history)][None]


@pytest.mark.parametrize("chain", all_chains(), ids=lambda chain: chain.name)
def test_sets_and_odds_are_the_official_chains(
    chain: Chain, goldens: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = filtered(chain) if chain.history is None else talkers(chain, monkeypatch)
    official = torch.from_numpy(goldens[f"chain/{chain.name}"])
    assert torch.equal(ours.isfinite(), official.isfinite())
    assert (ours.softmax(-1) - official.softmax(-1)).abs().max() < 1e-6


def test_the_chains_differ_from_each_other(goldens: dict[str, np.ndarray]) -> None:
    kept = {name: int(np.isfinite(logits).sum()) for name, logits in goldens.items()}
    assert len({kept[f"chain/wide-t0.9-k{k}-p1.0"] for k in (1, 5, 50)}) == 3
    assert len({kept[f"chain/wide-t0.9-k0-p{p}"] for p in (0.02, 0.5, 0.8, 0.95, 1.0)}) > 3
    assert kept["chain/ties-t0.9-k5-p1.0"] > 4 * 5  # equals of the fifth stay


@pytest.mark.parametrize("shape", ["wide", "flat"])
@pytest.mark.parametrize("controls", [{}, {"top_k": 7}, {"top_k": 0, "top_p": 0.8}])
def test_draws_follow_the_odds(shape: str, controls: dict) -> None:
    logits = filtered(Chain(shape, **controls))[:1, :12]  # so few that all come up
    odds = logits.double().softmax(-1)[0]
    codes = draw(logits, gumbel(SEEDS, torch.full_like(SEEDS, 3), range(5, 6), 12)[:, 0])
    seen = torch.bincount(codes, minlength=12)
    possible = odds > 0
    assert not seen[~possible].any()
    expected = odds[possible] * len(SEEDS)
    chi_square = float(((seen[possible] - expected) ** 2 / expected).sum())
    degrees = int(possible.sum()) - 1
    assert degrees > 0
    assert chi_square < degrees + 4 * (2 * degrees) ** 0.5  # 4 standard deviations


def test_noise_is_gumbels() -> None:
    noise = gumbel(torch.tensor([7]), torch.tensor([0]), range(16), 3072).double().flatten()
    assert len(noise.unique()) > 0.99 * len(noise)
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.02)
    assert float(noise.var()) == pytest.approx(np.pi**2 / 6, abs=0.05)
    levels = -torch.log(-torch.log(torch.linspace(0.05, 0.95, 19).double()))
    below = (noise[None] < levels[:, None]).double().mean(dim=1)
    assert (below - torch.linspace(0.05, 0.95, 19)).abs().max() < 0.01


def test_a_draw_depends_on_seed_frame_and_book_alone() -> None:
    seeds, frames = torch.tensor([0, 1, 2**32, 2**63 - 1, 1]), torch.tensor([9, 9, 9, 0, 10])
    noise = gumbel(seeds, frames, range(16), 2048)
    assert torch.equal(gumbel(seeds[2:3], frames[2:3], range(16), 2048)[0], noise[2])
    assert torch.equal(gumbel(seeds.flip(0), frames.flip(0), range(16), 2048).flip(0), noise)
    assert torch.equal(gumbel(seeds, frames, range(4, 7), 2048), noise[:, 4:7])
    assert torch.equal(gumbel(seeds, frames, range(16), 3072)[..., :2048], noise)
    torch.manual_seed(5)
    assert torch.equal(gumbel(seeds, frames, range(16), 2048), noise)
    rows = noise.flatten(0, 1)
    assert len(rows.unique(dim=0)) == len(rows)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_words(counter: str, key: str, words: str) -> None:
    """Known answers of Random123, philox4x32-10."""
    low, high = (int(word, 16) for word in key.split())
    seed = (high << 32 | low) - (high >> 31 << 64)  # as a signed word
    counters = [torch.tensor(int(word, 16)) for word in counter.split()]
    found = _philox(counters, torch.tensor(seed))
    assert [f"{int(word):08x}" for word in found] == words.split()
