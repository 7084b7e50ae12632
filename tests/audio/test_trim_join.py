"""Silence cut at both ends and nowhere else; joins without a jump. Streamed the same as whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.join import JUMP_LIMIT, Join, silence_after
from vivavoce.audio.trim import AUDIBLE, Trim

RATE = 24000
MARGIN = RATE // 20


def run(samples: np.ndarray, cuts: list[int]) -> tuple[np.ndarray, int]:
    trim = Trim(RATE)
    parts = [trim.feed(piece) for piece in np.split(samples, cuts)]
    return np.concatenate([*parts, trim.flush()]), trim.cut


# A text of sounds and silences: how long each is, in turn.
PIECES = st.lists(st.integers(0, 4000), min_size=1, max_size=7)


def speech(lengths: list[int]) -> np.ndarray:
    """Return hiss too faint to hear and noise, in turn; no two samples are alike."""
    rng = np.random.default_rng(5)
    pieces = []
    for number, length in enumerate(lengths):
        faint = number % 2 == 0
        size = rng.uniform(0.1, 0.9, length) * AUDIBLE if faint else rng.uniform(0.01, 1, length)
        pieces.append(size * rng.choice([-1, 1], length))
    return np.concatenate(pieces).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(lengths=PIECES, data=st.data())
def test_only_silence_at_the_ends_goes_and_however_it_is_cut(
    lengths: list[int], data: st.DataObject
) -> None:
    samples = speech(lengths)
    last = max(1, len(samples) - 1)
    cuts = sorted(data.draw(st.lists(st.integers(1, last), max_size=9, unique=True)))
    trimmed, cut = run(samples, cuts)
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    if not len(loud):
        assert not len(trimmed)
        return
    assert cut == max(0, loud[0] - MARGIN)
    assert np.array_equal(trimmed, samples[cut : loud[-1] + 1 + MARGIN])


def test_sound_is_not_held_back_nor_are_short_pauses() -> None:
    trim = Trim(RATE)
    word, pause = speech([0, 2000]), speech([MARGIN])
    assert len(trim.feed(word)) == 2000
    assert len(trim.feed(pause)) == MARGIN
    assert len(trim.feed(pause)) == 0  # this might be the end
    assert len(trim.feed(word)) == MARGIN + 2000


def join(segments: list[np.ndarray], cuts: list[int]) -> np.ndarray:
    stage = Join(RATE)
    parts = []
    for number, segment in enumerate(segments):
        inside = [cut for cut in cuts if cut < len(segment)]
        parts += [stage.feed(piece, number) for piece in np.split(segment, inside)]
    return np.concatenate(parts)


SEGMENTS = st.lists(
    st.tuples(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9)),
    min_size=2,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(ends=SEGMENTS, cuts=st.lists(st.integers(1, 990), max_size=6, unique=True).map(sorted))
def test_no_join_jumps_and_only_joins_change(
    ends: list[tuple[float, float]], cuts: list[int]
) -> None:
    """Segments that begin and end anywhere, as straight lines: what else changes is a fault."""
    segments = [np.linspace(a, b, 1000).astype(np.float32) for a, b in ends]
    joined = join(segments, cuts)
    plain = np.concatenate(segments)
    assert len(joined) == len(plain)
    steps = np.abs(np.diff(joined))
    slope, spread = 1.8 / 999, 1.8 * np.pi / 2 / 120
    assert steps[999::1000].max() <= JUMP_LIMIT + 1e-6
    assert steps.max() <= max(JUMP_LIMIT, slope + spread) + 1e-6
    changed = np.flatnonzero(joined != plain)
    assert ((changed % 1000) < 120).all()
    assert (changed >= 1000).all()
    assert np.array_equal(join(segments, []), joined)


def test_segments_that_meet_are_left_alone() -> None:
    segments = [np.sin(np.arange(960) * 2 * np.pi / 960).astype(np.float32)] * 3
    assert np.array_equal(join(segments, []), np.concatenate(segments))


@pytest.mark.parametrize("last", [0.0, 0.01, -0.7, 0.3])
@pytest.mark.parametrize("length", [3, 120, 9600])
def test_a_pause_begins_where_the_sound_ended(last: float, length: int) -> None:
    pause = silence_after(last, length, RATE)
    assert len(pause) == length
    assert abs(pause[0] - last) <= JUMP_LIMIT
    assert not pause[120:].any()
