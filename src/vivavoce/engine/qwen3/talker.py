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
from vivavoce.engine.qwen3.layers import Layers, Places, RMSNorm, make_table
from vivavoce.engine.qwen3.predictor import CodePredictor

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.attention import Attend
    from vivavoce.engine.qwen3.kv import PagedCache, View


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
        self.layers = Layers(c, attend)
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

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.text_projection.linear_fc1.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """In which numbers it computes. Its tables may be stored in others."""
        return self.text_projection.linear_fc1.weight.dtype

    def embed_text(self, ids: Tensor) -> Tensor:
        """Map text ids [...] to [..., hidden]."""
        return self.text_projection(self.model.text_embedding(ids).to(self.dtype))

    def embed_codec(self, ids: Tensor) -> Tensor:
        """Map ids of the first codebook's table (codes, tags, speakers) [...] to [..., hidden]."""
        return self.model.codec_embedding(ids).to(self.dtype)

    def embed_frames(self, codes: Tensor) -> Tensor:
        """Map whole frames [..., 16] to the sums of their embeddings [..., hidden]."""
        tables = (self.model.codec_embedding, *self.code_predictor.model.codec_embedding)
        parts = [table(codes[..., book]) for book, table in enumerate(tables)]
        # One sum of all: in half precision 15 sums of two would round 15 times.
        return torch.stack(parts, dim=-2).to(self.dtype).sum(dim=-2)

    def new_cache(self, rows: int, pages: int) -> PagedCache:
        """Return an empty cache for so many sequences, which share so many pages."""
        return self.model.layers.new_cache(rows, pages)

    def forward(self, x: Tensor, positions: Tensor, span: int, view: View) -> Tensor:
        """Run x [B, T, hidden] at `positions` [B, T], each row going on where it stands.

        All positions are below `span`. Writes into the cache that `view` is of. Returns hidden
        states after the final norm, [B, T, hidden].
        """
        places = Places.at(positions, span, self.config, x.dtype)
        return self.model.norm(self.model.layers(x, places, view))
