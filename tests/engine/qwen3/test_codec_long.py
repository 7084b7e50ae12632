"""A long stream through the codec: no drift, and no memory that grows with it."""

from __future__ import annotations

from functools import cache
from itertools import chain, repeat
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
import torch
from ours import model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vivavoce.engine.qwen3.codec.decoder import CodecState

FRAMES = 1000
FRAME_SAMPLES = 1920
REFERENCE_FRAMES = 100  # more than the transformer's window of 72
RANDOM = np.random.RandomState(1).randint(1, 30, FRAMES).tolist()
CODES = torch.from_numpy(
    np.random.RandomState(2).randint(0, 2048, (1, 16, REFERENCE_FRAMES + FRAMES))
)


def pieces(codes: torch.Tensor, sizes: Iterable[int]) -> Iterator[torch.Tensor]:
    """Cut codes [1, 16, T] into pieces of these sizes, as far as they reach."""
    begin = 0
    for size in sizes:
        if begin >= codes.shape[-1]:
            return
        yield codes[..., begin : begin + size]
        begin += size


@cache
@torch.inference_mode()
def whole() -> torch.Tensor:
    """Return the sound of all codes, decoded in one go."""
    decoder = model("base", "tiny").codec_decoder
    samples, _ = decoder(CODES, decoder.start(1))
    return samples[0]


def tensors(state: CodecState) -> list[torch.Tensor]:
    return [state.frames, state.keys, state.values, *state.convs]


def held_bytes(state: CodecState) -> int:
    """Return what a state keeps in memory, the storage behind views included."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in tensors(state)}
    return sum(storage.nbytes() for storage in storages.values())


@pytest.mark.parametrize(
    ("primed", "sizes"),
    [
        (False, repeat(1)),
        (False, chain((1, 2, 4, 8), repeat(12))),
        (True, chain((1, 2, 4, 8), repeat(12))),
        (True, RANDOM),
    ],
    ids=["one by one", "growing", "growing, after a reference", "at random, after a reference"],
)
@torch.inference_mode()
def test_a_long_stream_is_the_whole_without_drift_or_growth(
    primed: bool, sizes: Iterable[int]
) -> None:
    m = model("base", "tiny")
    codes, expected = CODES, whole()
    state = m.codec_decoder.start(1)
    if primed:
        reference, codes = CODES.split((REFERENCE_FRAMES, FRAMES), dim=-1)
        expected = expected[REFERENCE_FRAMES * FRAME_SAMPLES :]
        state = m.codec_decoder.prime(reference)
    needed = sum(t.numel() * t.element_size() for t in tensors(state))
    heard = torch.zeros(len(expected))
    rss = []
    begin = 0
    for piece in pieces(codes, sizes):
        samples, state = m.codec_decoder(piece, state)
        heard[begin : begin + samples.shape[-1]] = samples[0]
        begin += samples.shape[-1]
        assert held_bytes(state) == needed
        rss.append(psutil.Process().memory_info().rss)
    assert begin == len(heard)
    assert rss[-1] - rss[len(rss) // 4] < 16 << 20
    error = (heard - expected).abs()
    assert error.max() < 1e-4
    edge = 100 * FRAME_SAMPLES
    first, last = float(error[:edge].mean()), float(error[-edge:].mean())
    assert last < 2 * first + 1e-7


@torch.inference_mode()
def test_a_primed_state_keeps_nothing_of_the_reference() -> None:
    m = model("base", "tiny")
    states = [m.codec_decoder.prime(CODES[:1, :, :frames]) for frames in (20, 800)]
    assert held_bytes(states[0]) == held_bytes(states[1])
