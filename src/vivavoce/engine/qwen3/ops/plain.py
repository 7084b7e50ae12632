"""The operations in plain torch: for every device, and what the kernels are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from vivavoce.engine.qwen3.layers import rotate
from vivavoce.engine.qwen3.sampling import draw, filter_logits, gumbel, penalize

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.ops.base import (
        Controls,
        Embedding,
        FirstBook,
        HeadNorms,
        Norm,
        Snake,
    )

_NEVER = float("-inf")


def rms_norm(x: Tensor, norm: Norm) -> Tensor:
    """See `Operations.rms_norm`."""
    return norm.weight * F.rms_norm(x.float(), norm.weight.shape, eps=norm.eps).to(x.dtype)


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    norm: Norm | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """See `Operations.linear`."""
    y = F.linear(x if norm is None else rms_norm(x, norm), weight, bias)
    return y if residual is None else residual + y


def gate_up(x: Tensor, weight: Tensor, norm: Norm) -> Tensor:
    """See `Operations.gate_up`."""
    gate, up = linear(x, weight, norm=norm).chunk(2, dim=-1)
    return F.silu(gate) * up


def attend_frame(
    qkv: Tensor,
    norms: HeadNorms,
    cos_sin: Tensor,
    keys: Tensor,
    values: Tensor,
    position: int,
    length: int = 1,
) -> Tensor:
    """See `Operations.attend_frame`."""
    rows, end = len(qkv) // length, position + length
    here = cos_sin[:, position:end, None]
    q, k, v = _heads(qkv.view(rows, length, -1), norms, here, keys.shape[1])
    keys, values = keys[:rows], values[:rows]
    keys[:, :, position:end] = k.transpose(1, 2)
    values[:, :, position:end] = v.transpose(1, 2)
    seen = torch.ones(length, end, dtype=torch.bool, device=qkv.device).tril(position)
    y = F.scaled_dot_product_attention(
        q.transpose(1, 2), keys[:, :, :end], values[:, :, :end], attn_mask=seen, enable_gqa=True
    )
    return y.transpose(1, 2).reshape(rows * length, -1)


def attend_paged(
    qkv: Tensor,
    norms: HeadNorms,
    cos_sin: Tensor,
    keys: Tensor,
    values: Tensor,
    table: Tensor,
    positions: Tensor,
    span: int,
) -> Tensor:
    """See `Operations.attend_paged`."""
    page = keys.shape[1]
    lives = (positions >= 0) & (positions < span)
    places = torch.where(lives, positions, 0)
    q, k, v = _heads(qkv[:, None], norms, cos_sin[:, places][:, :, None, None], keys.shape[2])
    pages = table[:, : span // page].long()
    own = pages.gather(1, (places // page)[:, None])[:, 0]
    own = torch.where(lives, own, len(keys) - 1)
    keys[own, places % page] = k[:, 0]
    values[own, places % page] = v[:, 0]
    seen = torch.arange(span, device=qkv.device) <= places[:, None]
    y = F.scaled_dot_product_attention(
        q.transpose(1, 2),
        keys[pages].flatten(1, 2).transpose(1, 2),
        values[pages].flatten(1, 2).transpose(1, 2),
        attn_mask=seen[:, None, None],
        enable_gqa=True,
    )
    return torch.where(lives[:, None], y.flatten(1), 0)


def _heads(
    qkv: Tensor, norms: HeadNorms, cos_sin: Tensor, kv_heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values [M, T, heads, D] of qkv [M, T, ...], normed and rotated."""
    width = len(norms.q)
    heads = qkv.unflatten(-1, (-1, width))
    q, k, v = heads.split((heads.shape[2] - 2 * kv_heads, kv_heads, kv_heads), dim=2)
    q = _norm(q, norms.q, norms.eps)
    k = _norm(k, norms.k, norms.eps)
    return rotate(q, cos_sin), rotate(k, cos_sin), v


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return weight * F.rms_norm(x.float(), weight.shape, eps=eps).to(x.dtype)


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
    scores = logits.float()
    if first is not None:
        scores = _allowed(penalize(scores, first.seen, first.penalty[:, None]), frames, first)
    kept = filter_logits(
        scores,
        controls.temperature[:, None],
        controls.top_k[:, None],
        controls.top_p[:, None],
        nucleus=nucleus,
    )
    noise = gumbel(seeds, frames, range(book, book + 1), scores.shape[-1])[:, 0]
    out.copy_(torch.where(controls.samples, draw(kept, noise), scores.argmax(-1)))
    if first is not None:
        first.seen.scatter_(1, out[:, None], True)
    if embedding is not None:
        embedding.out.copy_(F.embedding(out, embedding.table))


def _allowed(scores: Tensor, frames: Tensor, first: FirstBook) -> Tensor:
    code = torch.arange(scores.shape[-1], device=scores.device)
    may_end = (code == first.eos) & (frames[:, None] >= first.min_frames)
    return scores.masked_fill((code >= first.codes) & ~may_end, _NEVER)


def embed_sum(codes: Tensor, first: Tensor, others: Tensor, text: Tensor | None = None) -> Tensor:
    """See `Operations.embed_sum`."""
    book = torch.arange(len(others), device=codes.device)
    rows = (F.embedding(codes[:, :1], first), others[book, codes[:, 1:]])
    total = torch.cat(rows, dim=1)
    if text is None:
        return total.sum(dim=1)
    return total.to(text.dtype).sum(dim=1) + text


def extend(x: Tensor, state: Tensor, snake: Snake | None = None) -> tuple[Tensor, Tensor]:
    """See `Operations.extend`."""
    if snake is not None:
        x = torch.addcmul(x, torch.mul(x, snake.alpha).sin_().square_(), snake.beta)
    padded = torch.cat((state, x), dim=1)
    return padded, padded[:, x.shape[1] :].clone()


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor, dilation: int = 1, residual: Tensor | None = None
) -> Tensor:
    """See `Operations.convolve`."""
    length = x.shape[1] - (len(weight) - 1) * dilation
    first, *others = weight[:, None].expand(-1, len(x), -1, -1)
    y = torch.baddbmm(bias, x[:, :length], first)
    for tap, matrices in enumerate(others, start=1):
        begin = tap * dilation
        y.baddbmm_(x[:, begin : begin + length], matrices)
    return y if residual is None else residual + y
