"""Choosing codes from logits: the official chain of controls, and randomness by counter.

Every draw is a function of (seed, frame, book, code), made of integers that are the same on every
device. So a request's codes depend on nobody else in its batch, and a graph needs no generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Sampling:
    """One sampler's controls. `temperature` and the rest matter only with `do_sample`."""

    do_sample: bool = True
    temperature: float = 0.9
    top_k: int = 50
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What some rows together need of the chain, as the host knows it.

    `most`: the largest `top_k` of those that draw; None where one of them keeps all. `all_draw`:
    none of them takes the likeliest instead.
    """

    most: int | None
    nucleus: bool
    all_draw: bool = False

    @classmethod
    def of(cls, rows: list[Sampling]) -> Needs:
        """Return the needs of rows."""
        drawing = [row for row in rows if row.do_sample]
        limited = all(row.top_k > 0 for row in drawing)
        return cls(
            most=max((row.top_k for row in drawing), default=1) if limited else None,
            nucleus=any(row.top_p < 1 for row in drawing),
            all_draw=len(drawing) == len(rows),
        )


def penalize(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Apply the repetition penalty to logits [B, V] where `seen` [B, V]; penalty is [B, 1].

    Negative scores are multiplied, positive ones divided (CTRL, arXiv:1909.05858).
    """
    changed = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, changed, logits)


def filter_logits(
    logits: Tensor,
    temperature: Tensor,
    top_k: Tensor,
    top_p: Tensor,
    most: int | None = None,
    *,
    nucleus: bool = True,
) -> Tensor:
    """Apply temperature, top-k and top-p, in that order, to logits [B, V]; controls are [B, 1].

    `top_p` is float64. A `top_k` of 0 keeps all. Ties with the k-th score stay, as in the official
    chain. `most` and `nucleus` are those of `Needs`: they save work and change nothing.
    """
    logits = logits / temperature
    vocab = logits.shape[-1]
    most = min(most or vocab, vocab)
    highest = logits.topk(most, dim=-1).values
    last = torch.where(top_k > 0, top_k, vocab).clamp(max=most) - 1
    logits = logits.masked_fill(logits < highest.gather(-1, last), _NEVER)
    if not nucleus:
        return logits
    # top-p: drop, from the least likely up, what together has at most 1 - top_p.
    ascending = logits.sort(dim=-1)
    mass = ascending.values.softmax(dim=-1).cumsum(dim=-1)
    # The difference is rounded once, as officially: with equal odds, a last bit decides.
    drop = (mass <= (1 - top_p).float()) & (top_p < 1)
    drop[..., -1] = False
    return logits.masked_fill(drop.scatter(-1, ascending.indices, drop), _NEVER)


def draw(logits: Tensor, noise: Tensor) -> Tensor:
    """Return a code [B] drawn from softmax(logits [B, V]), by the Gumbel-max trick."""
    return (logits + noise).argmax(dim=-1)


def gumbel(seeds: Tensor, frames: Tensor, books: range, vocab: int) -> Tensor:
    """Return Gumbel noise [B, len(books), vocab] for seeds and frames [B] (int64).

    The uniforms come from Philox4x32-10 (Salmon et al., 2011): key is the seed, counter is
    (code / 4, book, frame, 0).
    """
    groups = -(-vocab // 4)
    device = seeds.device
    counter = [
        torch.arange(groups, device=device)[None, None, :],
        torch.arange(books.start, books.stop, device=device)[None, :, None],
        frames[:, None, None],
        torch.zeros(1, 1, 1, dtype=torch.long, device=device),
    ]
    words = torch.stack(_philox(counter, seeds[:, None, None]), dim=-1)
    bits = words.reshape(len(seeds), len(books), groups * 4)[..., :vocab]
    uniform = (bits.to(torch.float64) + 0.5) / 2**32
    return -torch.log(-torch.log(uniform)).float()


def _philox(counter: list[Tensor], seed: Tensor) -> list[Tensor]:
    a, b, c, d = counter
    key = [seed & _MASK, (seed >> 32) & _MASK]
    for _ in range(10):
        left, right = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (
            ((right >> 32) & _MASK) ^ b ^ key[0],
            right & _MASK,
            ((left >> 32) & _MASK) ^ d ^ key[1],
            left & _MASK,
        )
        key = [(key[0] + 0x9E3779B9) & _MASK, (key[1] + 0xBB67AE85) & _MASK]
    # Not torch.broadcast_shapes, which imports sympy: half a second of somebody's first request.
    return list(torch.broadcast_tensors(a, b, c, d))
