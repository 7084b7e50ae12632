"""When each word of a segment is spoken: guessed from its text and sound, or only made precise.

Guessed, for engines that do not know it themselves: words take time by their letters, but only of
the time in which there is sound; a pause is taken for the nearest end of a clause. How far off that
is: docs/times.md.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vivavoce.types import Samples

_FRAME_S = 0.01
_SILENT = 0.02  # of the loudest frame
_SHORTEST_PAUSE_S = 0.08
_FARTHEST_S = 0.6  # a pause may be from where a clause is thought to end
_NO_CLAUSE_END_S = 0.25  # a pause where there is no punctuation counts as so much farther
_CLAUSE_END = re.compile(r"[,;:.!?—–)\]\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f]\W*$")


class _Gap(NamedTuple):
    """Silence before word `word`, from frame `start` to `end`."""

    word: int
    start: int
    end: int


def guess_words(words: Sequence[str], samples: Samples, rate_hz: int) -> list[tuple[int, int]]:
    """Return where each word begins and ends, in samples, in order and without overlap.

    `samples`, shape [n], are those of a whole segment without the pause after it.
    """
    hop = round(_FRAME_S * rate_hz)
    frames = len(samples) // hop
    if frames < len(words) or not words:
        at = np.linspace(0, len(samples), len(words) + 1).astype(int).tolist()
        return list(pairwise(at))
    loud, first, end = _loud(samples, hop)
    weights = [1 + sum(map(str.isalnum, word)) for word in words]
    silences = _silences(loud, first, end)
    clock = np.concatenate(([0], np.cumsum(_speaking(frames, first, end, silences))))
    gaps = _match(words, weights, silences, clock)
    edges = [_Gap(0, first, first), *gaps, _Gap(len(words), end, end)]
    spans = [span for one, other in pairwise(edges) for span in _share(one, other, weights, clock)]
    return [(start * hop, stop * hop) for start, stop in spans]


def end_at_pauses(
    spans: Sequence[tuple[int, int]], samples: Samples, rate_hz: int
) -> list[tuple[int, int]]:
    """Return where words begin and end as an engine told, in samples, but with pauses left out.

    What an engine calls a word's last sound may go on into the silence after it. Where a word ends
    in a pause, it ends when that begins, and the next one begins when it is over.
    """
    hop = round(_FRAME_S * rate_hz)
    if len(samples) < hop:
        return list(spans)
    precise = [list(span) for span in spans]
    for start, end in ((a * hop, b * hop) for a, b in _silences(*_loud(samples, hop))):
        for one, other in pairwise(precise):
            if one[0] < start < one[1] <= end < other[1]:
                one[1], other[0] = start, end
    return [(start, end) for start, end in precise]


def _loud(samples: Samples, hop: int) -> tuple[NDArray[np.bool_], int, int]:
    """Return which frames are loud; the first that is, and the end of the last."""
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    levels = np.sqrt(np.mean(frames**2, axis=1))
    smooth = np.convolve(levels, np.ones(3) / 3, "same")
    loud: NDArray[np.bool_] = smooth >= _SILENT * smooth.max()
    return loud, int(loud.argmax()), len(loud) - int(loud[::-1].argmax())


def _silences(loud: NDArray[np.bool_], first: int, end: int) -> list[tuple[int, int]]:
    """Return the pauses between the first sound and the last, in frames."""
    at = np.flatnonzero(loud[first:end]) + first
    shortest = round(_SHORTEST_PAUSE_S / _FRAME_S)
    return [(a + 1, b) for a, b in pairwise(at.tolist()) if b - a - 1 >= shortest]


def _speaking(
    frames: int, first: int, end: int, silences: list[tuple[int, int]]
) -> NDArray[np.int64]:
    speaking = np.zeros(frames, np.int64)
    speaking[first:end] = 1
    for start, stop in silences:
        speaking[start:stop] = 0
    return speaking


def _match(
    words: Sequence[str],
    weights: list[int],
    silences: list[tuple[int, int]],
    clock: NDArray[np.int64],
) -> list[_Gap]:
    """Find the words before which there are pauses; the longest pause chooses first."""
    spoken = [total / sum(weights) * int(clock[-1]) for total in accumulate(weights)]
    found: list[_Gap] = []
    for start, end in sorted(silences, key=lambda pause: pause[0] - pause[1]):
        distances = [
            abs(spoken[word - 1] - int(clock[start])) * _FRAME_S
            + (0 if _CLAUSE_END.search(words[word - 1]) else _NO_CLAUSE_END_S)
            for word in range(1, len(words))
        ]
        if not distances or min(distances) > _FARTHEST_S:
            continue
        word = 1 + distances.index(min(distances))
        if all(word != gap.word and (word < gap.word) == (start < gap.start) for gap in found):
            found.append(_Gap(word, start, end))
    return sorted(found)


def _share(
    one: _Gap,
    other: _Gap,
    weights: list[int],
    clock: NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Share the time between two gaps among the words between them."""
    mine = weights[one.word : other.word]
    begin, total = int(clock[one.end]), int(clock[other.start]) - int(clock[one.end])
    cuts = [begin + total * part / sum(mine) for part in accumulate(mine[:-1])]
    at = [one.end, *np.searchsorted(clock, cuts).tolist(), other.start]
    return list(pairwise(at))
