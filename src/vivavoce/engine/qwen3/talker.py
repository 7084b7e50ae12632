"""The talker: from a prompt of embeddings to the first codebook's logits, frame by frame.

Parameter names are the checkpoint's. Source: the official package, qwen-tts 0.1.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vivavoce.engine.qwen3.attention import sdpa
from vivavoce.engine.qwen3.config import TalkerConfig, TransformerConfig
from vivavoce.engine.qwen3.layers import KVCache, Places, RMSNorm, make_layers, make_table
from vivavoce.engine.qwen3.predictor import CodePredictor

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.attention import Attend


class TextProjection(nn.Module):
    """From the width of text embeddings to the talker's."""

    def __init__(self, text_hidden: int, hidden: int) -> None:
        super().__init__()
        self.linear_fc1 = nn.Linear(text_hidden, text_hidden)
        self.linear_fc2 = nn.Linear(text_hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., text_hidden] to [..., hidden]."""
        return self.linear_fc2(F.silu(self.linear_fc1(x)))


class TalkerModel(nn.Module):
    """Both tables and the transformer."""

    def __init__(self, c: TalkerConfig, attend: Attend) -> None:
        super().__init__()
        self.text_embedding = make_table(c.text_vocab_size, c.text_hidden_size)
        self.codec_embedding = make_table(c.vocab_size, c.hidden_size)
        self.layers = make_layers(c, attend)
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)


class Talker(nn.Module):
    """The talker and, inside it as in the checkpoint, the code predictor."""

    def __init__(
        self, c: TalkerConfig, predictor: TransformerConfig, attend: Attend = sdpa
    ) -> None:
        super().__init__()
        self.config = c
        self.model = TalkerModel(c, attend)
        self.text_projection = TextProjection(c.text_hidden_size, c.hidden_size)
        self.codec_head = nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        self.code_predictor = CodePredictor(predictor, c.hidden_size, attend)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Map text ids [...] to [..., hidden]."""
        return self.text_projection(self.model.text_embedding(ids))

    def embed_codec(self, ids: Tensor) -> Tensor:
        """Map ids of the first codebook's table (codes, tags, speakers) [...] to [..., hidden]."""
        return self.model.codec_embedding(ids)

    def embed_frames(self, codes: Tensor) -> Tensor:
        """Map whole frames [..., 16] to the sums of their embeddings [..., hidden]."""
        parts = [self.embed_codec(codes[..., 0])]
        for book, table in enumerate(self.code_predictor.model.codec_embedding, start=1):
            parts.append(table(codes[..., book]))
        # One sum of all: in half precision 15 sums of two would round 15 times.
        return torch.stack(parts, dim=-2).sum(dim=-2)

    def new_cache(self, batch: int, capacity: int) -> KVCache:
        """Return an empty cache for `batch` sequences of up to `capacity` positions."""
        c = self.config
        return KVCache.empty(
            c.num_hidden_layers,
            batch,
            c.num_key_value_heads,
            capacity,
            c.head_dim,
            like=self.codec_head.weight,
        )

    def forward(self, x: Tensor, positions: Tensor, span: int, cache: KVCache) -> Tensor:
        """Run x [B, T, hidden] at `positions` [B, T], each row going on where it stands.

        `span` bounds all positions from above, so that no more of the cache is looked at. Returns
        hidden states after the final norm, [B, T, hidden].
        """
        places = Places.at(positions, span, self.config, x.dtype)
        for layer, keys, values in zip(self.model.layers, cache.keys, cache.values, strict=True):
            x = layer(x, places, keys, values)
        return self.model.norm(x)
