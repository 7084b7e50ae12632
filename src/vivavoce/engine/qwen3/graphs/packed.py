"""The talker's weights as the operations of a frame want them: few matrices, side by side.

The modules' own parameters become views of them, and all others copies: the memory that they shared
when they were read is given back. So nothing is in memory twice for long, and a prompt is read with
the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vivavoce.engine.qwen3.layers import rope
from vivavoce.engine.qwen3.ops.base import HeadNorms, Norm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vivavoce.engine.qwen3.config import TransformerConfig
    from vivavoce.engine.qwen3.layers import DecoderLayer, Layers, RMSNorm
    from vivavoce.engine.qwen3.talker import Talker


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """One layer: `qkv` [(heads + 2 * kv_heads) * D, H], `gate_up` [2 * I, H], the gate's first."""

    before: Norm
    qkv: Tensor
    heads: HeadNorms
    out: Tensor
    between: Norm
    gate_up: Tensor
    down: Tensor

    @classmethod
    def of(cls, layer: DecoderLayer) -> PackedLayer:
        """Pack a layer."""
        attention, mlp = layer.self_attn, layer.mlp
        return cls(
            before=_norm(layer.input_layernorm),
            qkv=side_by_side([attention.q_proj, attention.k_proj, attention.v_proj]),
            heads=HeadNorms(attention.q_norm.weight, attention.k_norm.weight, attention.q_norm.eps),
            out=attention.o_proj.weight,
            between=_norm(layer.post_attention_layernorm),
            gate_up=side_by_side([mlp.gate_proj, mlp.up_proj]),
            down=mlp.down_proj.weight,
        )


@dataclass(frozen=True, slots=True)
class PackedTransformer:
    """Layers, the norm after them, and RoPE's cosines and sines of all places, [2, P, D]."""

    layers: tuple[PackedLayer, ...]
    norm: Norm
    cos_sin: Tensor

    @classmethod
    def of(
        cls, layers: Layers, norm: RMSNorm, c: TransformerConfig, places: int
    ) -> PackedTransformer:
        """Pack a transformer for positions below `places`."""
        weight = norm.weight
        positions = torch.arange(places, device=weight.device)[None]
        cos_sin = rope(positions, c.head_dim, c.rope_theta, weight.dtype)[:, 0, 0]
        packed = tuple(PackedLayer.of(layer) for layer in layers)
        return cls(packed, _norm(norm), cos_sin.contiguous())


@dataclass(frozen=True, slots=True)
class PackedTalker:
    """Talker and predictor. `others` [15, codes, H]: the tables of the books after the first."""

    talker: PackedTransformer
    predictor: PackedTransformer
    head: Tensor
    first: Tensor
    others: Tensor
    heads: tuple[Tensor, ...]
    projection: tuple[Tensor, Tensor] | None

    @classmethod
    @torch.inference_mode()
    def of(cls, talker: Talker, places: int) -> PackedTalker:
        """Pack a talker whose sequences have at most so many positions."""
        _leave_shared_memory(talker)
        predictor = talker.code_predictor
        down = predictor.small_to_mtp_projection
        tables = predictor.model.codec_embedding
        books = predictor.config.num_code_groups
        return cls(
            talker=PackedTransformer.of(
                talker.model.layers, talker.model.norm, talker.config, places
            ),
            predictor=PackedTransformer.of(
                predictor.model.layers, predictor.model.norm, predictor.config, books
            ),
            head=talker.codec_head.weight,
            first=talker.model.codec_embedding.weight,
            others=side_by_side(list(tables)).unflatten(0, (len(tables), -1)),
            heads=tuple(head.weight for head in predictor.lm_head),
            projection=(down.weight, down.bias) if isinstance(down, nn.Linear) else None,
        )


def side_by_side(modules: list[nn.Module]) -> Tensor:
    """Return the modules' weights one below the other; they become views of it."""
    counts = [len(module.weight) for module in modules]
    together = torch.cat([module.weight for module in modules])
    for module, part in zip(modules, _split(together, counts), strict=True):
        module.weight = nn.Parameter(part, requires_grad=False)
    return together


def _leave_shared_memory(talker: Talker) -> None:
    """Copy what is not put side by side anyway out of the memory that it shares with the rest."""
    predictor = talker.code_predictor
    packed: list[nn.Module] = [*predictor.model.codec_embedding]
    for layer in (*talker.model.layers, *predictor.model.layers):
        attention, mlp = layer.self_attn, layer.mlp
        packed += [attention.q_proj, attention.k_proj, attention.v_proj]
        packed += [mlp.gate_proj, mlp.up_proj]
    others = set(talker.modules()) - set(packed)
    for module in others:
        for name, own in list(module.named_parameters(recurse=False)):
            if own.untyped_storage().nbytes() > own.nbytes:
                setattr(module, name, nn.Parameter(own.clone(), requires_grad=False))


def _split(tensor: Tensor, counts: Iterable[int]) -> list[Tensor]:
    return list(tensor.split(list(counts)))


def _norm(norm: RMSNorm) -> Norm:
    return Norm(norm.weight, norm.eps)
