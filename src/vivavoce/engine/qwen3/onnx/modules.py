"""Modules that take the places of the eager ones, and are called in the same way.

What a graph has taken over of the eager module is given up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn

from vivavoce.engine.qwen3.layers import KVCache, rope
from vivavoce.engine.qwen3.onnx import graph
from vivavoce.engine.qwen3.onnx.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vivavoce.engine.qwen3.config import TransformerConfig
    from vivavoce.engine.qwen3.layers import DecoderLayer, Places, RMSNorm


class OnnxLinear(nn.Module):
    """One matrix, in so many bits."""

    def __init__(self, eager: nn.Linear, bits: int) -> None:
        super().__init__()
        self._rows = eager.out_features
        self._session = Session(graph.linear(eager, bits))

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., K] to [..., N]."""
        rows = x.flatten(0, -2).contiguous()
        y = x.new_empty(len(rows), self._rows)
        self._session.bind_input("x", rows)
        self._session.bind_output("y", y)
        self._session.run()
        return y.view(*x.shape[:-1], self._rows)


class OnnxLayers(nn.Module):
    """All layers of a transformer and the norm after them."""

    def __init__(
        self, c: TransformerConfig, layers: Iterable[DecoderLayer], norm: RMSNorm, bits: int
    ) -> None:
        super().__init__()
        self._config = c
        self._session = Session(graph.transformer(layers, norm, bits))
        self._angles: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self._bound: ReferenceType[KVCache] | None = None  # not held: it may be gigabytes

    def new_cache(self, batch: int, capacity: int) -> KVCache:
        """Return an empty cache for `batch` sequences of up to `capacity` positions."""
        c = self._config
        return KVCache.empty(
            c.num_hidden_layers,
            batch,
            c.num_key_value_heads,
            capacity,
            c.head_dim,
            like=torch.empty(0),
        )

    def forward(self, x: Tensor, places: Places, cache: KVCache) -> Tensor:
        """Run x [B, T, H]: a position of each sequence, or the first T of all of them.

        Writes into the cache.
        """
        session, span = self._session, places.mask.shape[-1]
        assert x.shape[1] in (1, span)
        self._bind(cache)
        x, y = x.contiguous(), torch.empty_like(x)
        last = places.slots[:, -1].to(torch.int32)
        end = torch.tensor([span], dtype=torch.int32)
        for name, tensor in (("x", x), ("last", last), ("span", end)):
            session.bind_input(name, tensor)
        session.bind_output("y", y)
        session.run()
        return y

    def _bind(self, cache: KVCache) -> None:
        if self._bound is not None and self._bound() is cache:
            return
        self._bound = None
        if cache.capacity > len(self._angles[0]):
            positions = torch.arange(cache.capacity)[None]
            c = self._config
            cos, sin = rope(positions, c.head_dim, c.rope_theta, torch.float32)[:, 0, 0]
            half = c.head_dim // 2  # the other half of cosines is the same, of sines with minus
            self._angles = (cos[:, half:].contiguous(), sin[:, half:].contiguous())
        for name, table in zip(("cos", "sin"), self._angles, strict=True):
            self._session.bind_input(name, table)
        for name, kept in (("keys", cache.keys), ("values", cache.values)):
            for number, layer in enumerate(kept):
                self._session.bind_input(f"{name}_{number}", layer)
                self._session.bind_output(f"new_{name}_{number}", layer)
        self._bound = ref(cache)
