"""A draw as one kernel: from logits to a code, and its embedding. A program is a row.

The k-th highest score is found in its bits, two at a time from the top: how many scores reach each
of three bounds is counted in one sum. Logits of bf16 have 16 bits, and to divide them by the
temperature keeps their order; with a penalty there are 32. What top-p drops is found likewise, by
mass. Noise is Philox4x32-10's, with the integers of `sampling.gumbel`, computed in fp32 such that
it differs from that by at most 1e-6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from vivavoce.engine.qwen3.ops.kernels.norm import FUSED

if TYPE_CHECKING:
    from torch import Tensor

    from vivavoce.engine.qwen3.ops.base import Controls, Embedding, FirstBook


@triton.jit
def _ordered(x):
    """Return integers [V] uint32 in the order of the floats x; both zeros are the same."""
    bits = (x + 0.0).to(tl.int32, bitcast=True)
    return tl.where(bits < 0, ~bits, bits ^ -0x80000000).to(tl.uint32, bitcast=True)


@triton.jit
def _kth(keys, inside, k, LOWEST_BIT: tl.constexpr):
    """Return the k-th highest of keys [V] that are `inside`; those below its lowest bit are 0."""
    bound = tl.zeros((), tl.uint32)
    bit = bound + 0x40000000
    for _ in range((32 - LOWEST_BIT) // 2):
        one = bound | bit
        two = bound | (bit << 1)
        three = one | two
        # Three counts in one number, 16 bits each.
        reached = (keys >= one).to(tl.int64)
        reached += (keys >= two).to(tl.int64) << 16
        reached += (keys >= three).to(tl.int64) << 32
        counts = tl.sum(tl.where(inside, reached, 0))
        high = ((counts & 0xFFFF) >= k).to(tl.uint32)
        high += (((counts >> 16) & 0xFFFF) >= k).to(tl.uint32)
        high += ((counts >> 32) >= k).to(tl.uint32)
        bound |= high * bit
        bit = bit >> 2
    return bound


@triton.jit
def _nucleus(scores, kept, top_p, code):
    """Return which of the `kept` scores stay of top-p: `filter_logits`, without sorting.

    From the least likely up it drops what together has at most 1 - top_p; of equal ones the first.
    """
    most = (1 - top_p).to(tl.float32)
    odds = tl.where(kept, tl.exp(scores - tl.max(scores)), 0)
    odds /= tl.sum(odds)
    keys = _ordered(scores)
    bound = tl.zeros((), tl.uint32)
    bit = bound + 0x80000000
    for _ in range(32):
        candidate = bound | bit
        below = tl.sum(tl.where(keys < candidate, odds, 0))
        bound = tl.where(below <= most, candidate, bound)
        bit = bit >> 1
    bound = tl.minimum(bound, tl.max(tl.where(kept, keys, 0)))
    below = tl.sum(tl.where(keys < bound, odds, 0))
    equal = kept & (keys == bound)
    mass = below + tl.cumsum(equal.to(tl.int32)) * odds
    stays = (keys > bound) | (equal & (mass > most))
    # The likeliest one always stays; of equal ones the last.
    stays |= code == tl.max(tl.where(kept & (scores == tl.max(scores)), code, -1))
    return kept & tl.where(top_p < 1, stays, True)


@triton.jit
def _four(a, b, c, d):
    """Put the numbers of four tensors [V / 4] side by side, [V]."""
    return tl.reshape(tl.join(tl.join(a, c), tl.join(b, d)), (4 * a.shape[0],))


@triton.jit
def _words(seed, frame, book, BLOCK: tl.constexpr):
    """Return Philox's words for codes 0 to BLOCK - 1, uint32."""
    group = tl.arange(0, BLOCK // 4).to(tl.uint32)
    zero = tl.zeros((BLOCK // 4,), tl.uint32)
    books, frames = zero + book.to(tl.uint32), zero + frame.to(tl.uint32)
    a, b, c, d = tl.philox(seed, group, books, frames, zero)
    return _four(a, b, c, d)


@triton.jit
def _gumbel(words):
    """Return -log(-log((words + 1/2) / 2**32)).

    Near 1 the inner logarithm is that of 1 - v: a series in v / (2 - v), at most a third.
    """
    low = words < 0x80000000
    distance = tl.where(low, words, words ^ 0xFFFFFFFF).to(tl.float32) + 0.5
    v = distance * (1 / 2**32)  # from 0, or from 1
    z = v / (2 - v)
    z2 = z * z
    series = 1 / 17
    for n in tl.static_range(8):
        series = series * z2 + 1 / (15 - 2 * n)
    inner = tl.where(low, -tl.log(v), 2 * z * series)
    return -tl.log(inner)


@triton.jit
def _penalized(scores, seen, penalty, frame, code, CODES, EOS, MIN_FRAMES):
    changed = tl.where(scores < 0, scores * penalty, scores / penalty)
    scores = tl.where(seen, changed, scores)
    allowed = (code < CODES) | ((code == EOS) & (frame >= MIN_FRAMES))
    return tl.where(allowed, scores, float("-inf"))


@triton.jit(
    do_not_specialize=["book", "logits_stride", "seen_stride", "embedded_stride", "out_stride"]
)
def _sample(
    logits,
    seeds,
    frames,
    samples,
    temperature,
    top_k,
    top_p,
    seen,
    penalty,
    table,
    embedded,
    out,
    book,
    logits_stride,
    seen_stride,
    embedded_stride,
    out_stride,
    VOCAB: tl.constexpr,
    BLOCK: tl.constexpr,
    NUCLEUS: tl.constexpr,
    CODES: tl.constexpr,
    EOS: tl.constexpr,
    MIN_FRAMES: tl.constexpr,
    WIDTH: tl.constexpr,
    WIDTH_BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    code = tl.arange(0, BLOCK)
    inside = code < VOCAB
    frame = tl.load(frames + row)
    raw = tl.load(logits + row * logits_stride + code, inside, float("-inf"))
    scores = raw.to(tl.float32)
    if seen is not None:
        was = tl.load(seen + row * seen_stride + code, inside, 0) != 0
        by = tl.load(penalty + row)
        scores = _penalized(scores, was, by, frame, code, CODES, EOS, MIN_FRAMES)
    heated = scores / tl.load(temperature + row)
    k = tl.load(top_k + row)
    k = tl.where(k > 0, tl.minimum(k, VOCAB), VOCAB)
    if (seen is None) & (raw.dtype == tl.bfloat16):
        keys = _ordered(scores)
        kept = keys >= _kth(keys, inside, k, 16)
    else:
        keys = _ordered(heated)
        kept = keys >= _kth(keys, inside, k, 0)
    kept &= inside
    if NUCLEUS:
        kept = _nucleus(tl.where(kept, heated, float("-inf")), kept, tl.load(top_p + row), code)
    noise = _gumbel(_words(tl.load(seeds + row), frame, book, BLOCK))
    drawn = tl.where(kept, heated + noise, float("-inf"))
    ranked = tl.where(tl.load(samples + row) != 0, drawn, scores)
    chosen = tl.argmax(tl.where(inside, ranked, float("-inf")), axis=0)
    tl.store(out + row * out_stride, chosen.to(tl.int64))
    if seen is not None:
        tl.store(seen + row * seen_stride + chosen, 1)
    if table is not None:
        d = tl.arange(0, WIDTH_BLOCK)
        vector = tl.load(table + chosen.to(tl.int64) * WIDTH + d, d < WIDTH, 0)
        place = embedded + row * embedded_stride + d
        tl.store(place, vector.to(embedded.dtype.element_ty), d < WIDTH)


def sample(
    logits: Tensor,
    seeds: Tensor,
    frames: Tensor,
    book: int,
    controls: Controls,
    out: Tensor,
    *,
    nucleus: bool,
    first: FirstBook | None = None,
    embedding: Embedding | None = None,
) -> None:
    """See `Operations.sample`."""
    rows, vocab = logits.shape
    width = 1 if embedding is None else embedding.table.shape[1]
    _sample[(rows,)](
        logits,
        seeds,
        frames,
        controls.samples,
        controls.temperature,
        controls.top_k,
        controls.top_p,
        None if first is None else first.seen,
        None if first is None else first.penalty,
        None if embedding is None else embedding.table,
        None if embedding is None else embedding.out,
        out,
        book,
        logits.stride(0),
        0 if first is None else first.seen.stride(0),
        0 if embedding is None else embedding.out.stride(0),
        out.stride(0),
        vocab,
        triton.next_power_of_2(vocab),
        nucleus,
        0 if first is None else first.codes,
        0 if first is None else first.eos,
        0 if first is None else first.min_frames,
        width,
        triton.next_power_of_2(width),
        **FUSED,
        num_warps=8,
    )
