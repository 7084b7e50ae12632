"""The codec's decoder against torch's own convolutions, in company, and after what goes wrong."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from conv_codec import ConvCodec
from ours import checkpoint, load, model

from vivavoce.engine.qwen3.codec.decoder import CodecDecoder, CodecState
from vivavoce.engine.qwen3.weights import Relaid

FRAMES = 80  # more than the transformer's window of 72
CODES = torch.from_numpy(np.random.RandomState(3).randint(0, 2048, (2, 16, FRAMES)))


def folder() -> Path:
    return checkpoint("base", "tiny")


def decoder() -> CodecDecoder:
    return model("base", "tiny").codec_decoder


@cache
@torch.inference_mode()
def truth() -> torch.Tensor:
    return ConvCodec.load(folder()).decode(CODES)


def joined(states: list[CodecState]) -> CodecState:
    """Return the states of several streams as one of a batch."""
    return CodecState(
        torch.cat([state.frames for state in states]),
        torch.cat([state.keys for state in states], dim=1),
        torch.cat([state.values for state in states], dim=1),
        [torch.cat(convs) for convs in zip(*(state.convs for state in states), strict=True)],
        max(state.longest for state in states),
    )


@pytest.mark.parametrize("sizes", [[80], [1, 2, 4, 8, 12, 53], [1] * 80, [5, 30, 1, 1, 40, 3]])
@torch.inference_mode()
def test_it_is_what_plain_convolutions_make_of_the_whole(sizes: list[int]) -> None:
    state = decoder().start(len(CODES))
    parts = []
    for piece in CODES.split(sizes, dim=-1):
        samples, state = decoder()(piece, state)
        parts.append(samples)
    heard = torch.cat(parts, dim=-1)
    assert heard.shape == (2, FRAMES * 1920)
    assert truth().std() > 0.01
    assert (heard - truth()).abs().max() < 1e-4


@torch.inference_mode()
def test_streams_of_different_ages_are_decoded_together_as_alone() -> None:
    ages = (0, 70)
    states = []
    for codes, age in zip(CODES, ages, strict=True):
        state = decoder().start(1)
        if age:
            _, state = decoder()(codes[None, :, :age], state)
        states.append(state)
    codes = torch.stack([one[:, age : age + 10] for one, age in zip(CODES, ages, strict=True)])
    together, _ = decoder()(codes, joined(states))
    for index, age in enumerate(ages):
        expected = truth()[index, age * 1920 : (age + 10) * 1920]
        assert (together[index] - expected).abs().max() < 1e-4


@pytest.mark.parametrize("sizes", [[80], [1, 2, 4, 8, 12, 53]])
@torch.inference_mode()
def test_summed_in_the_official_order_it_is_the_same(sizes: list[int]) -> None:
    official, usual = (load.__wrapped__(folder()).codec_decoder for _ in range(2))
    official.compute_as_officially()
    state, others = official.start(len(CODES)), usual.start(len(CODES))
    for piece in CODES.split(sizes, dim=-1):
        heard, state = official(piece, state)
        other, others = usual(piece, others)
        assert (heard - other).abs().max() < 3e-4  # its own rounding is a third of that
        assert not torch.equal(heard, other)


@torch.inference_mode()
def test_a_call_may_be_repeated() -> None:
    _, state = decoder()(CODES[..., :7], decoder().start(2))
    first, after = decoder()(CODES[..., 7:12], state)
    again, after_again = decoder()(CODES[..., 7:12], state)
    assert torch.equal(first, again)
    for one, other in zip(after.convs, after_again.convs, strict=True):
        assert torch.equal(one, other)


@torch.inference_mode()
def test_half_precision_costs_no_more_than_it_does_plain_convolutions() -> None:
    codes = CODES[..., :12]
    expected = truth()[:, : 12 * 1920]
    half = load(folder(), torch.bfloat16).codec_decoder
    heard, _ = half(codes, half.start(2))
    plain = ConvCodec.load(folder(), torch.bfloat16).decode(codes)
    ours, theirs = ((samples - expected).pow(2).mean().sqrt() for samples in (heard, plain))
    assert 0 < ours < 1.2 * theirs


def test_what_is_laid_anew_keeps_nothing_of_the_file() -> None:
    relaid = [module for module in decoder().modules() if isinstance(module, Relaid)]
    assert len(relaid) > 50
    for module in relaid:
        for tensor in module.parameters(recurse=False):
            assert tensor.is_contiguous()
            assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
