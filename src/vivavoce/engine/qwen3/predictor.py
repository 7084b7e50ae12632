"""The code predictor: from the talker's hidden state and the first code to the other 15.

Its sequence starts anew in every frame: [hidden state, first code's embedding, then each code's].
Parameter names are the checkpoint's. Source: the official package, qwen-tts 0.1.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vivavoce.engine.qwen3.config import TransformerConfig
from vivavoce.engine.qwen3.layers import Layers, Places, RMSNorm, make_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.engine.qwen3.attention import Attend
    from vivavoce.engine.qwen3.kv import FrameCache


class CodePredictorModel(nn.Module):
    """A table per code and the transformer. Table i embeds the code of book i + 1."""

    def __init__(self, c: TransformerConfig, talker_hidden: int, attend: Attend) -> None:
        super().__init__()
        self.codec_embedding = nn.ModuleList(
            make_table(c.vocab_size, talker_hidden) for _ in range(c.num_code_groups - 1)
        )
        self.layers = Layers(c, attend)
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)


class CodePredictor(nn.Module):
    """Predicts the books 1 to 15 of a frame, one after the other. Head i gives book i + 1."""

    def __init__(self, c: TransformerConfig, talker_hidden: int, attend: Attend) -> None:
        super().__init__()
        self.config = c
        self.model = CodePredictorModel(c, talker_hidden, attend)
        self.lm_head = nn.ModuleList(
            nn.Linear(c.hidden_size, c.vocab_size, bias=False) for _ in range(c.num_code_groups - 1)
        )
        self.small_to_mtp_projection = (
            nn.Linear(talker_hidden, c.hidden_size)
            if talker_hidden != c.hidden_size
            else nn.Identity()
        )
        self._frame: Places | None = None

    def new_cache(self, rows: int) -> FrameCache:
        """Return the cache of a frame of up to so many sequences, to be used again for each."""
        return self.model.layers.new_frame_cache(rows, self.config.num_code_groups)

    def forward(
        self,
        hidden: Tensor,
        first_embedding: Tensor,
        choose: Callable[[Tensor, int], Tensor],
        cache: FrameCache,
    ) -> Tensor:
        """Return the books 1 to 15, [B, 15], from `hidden`, `first_embedding` [B, talker hidden].

        `choose(logits [B, codes], book)` picks a code [B] for each book.
        """
        x = torch.stack((hidden, first_embedding), dim=1)
        frame = self._places(x)
        begin = 0
        codes: list[Tensor] = []
        for book, head in enumerate(self.lm_head, start=1):
            end = book + 1
            x = self.small_to_mtp_projection(x)
            view = cache.view(len(x), begin, end)
            x = self.model.norm(self.model.layers(x, frame.part(begin, end), view))
            codes.append(choose(head(x[:, -1]), book))
            begin = end
            x = self.model.codec_embedding[book - 1](codes[-1])[:, None].to(hidden.dtype)
        return torch.stack(codes, dim=1)

    def _places(self, x: Tensor) -> Places:
        """Return those of a whole frame: the same in every row and every frame."""
        kept = self._frame
        if kept is None or len(kept.positions) != len(x) or kept.cos_sin.dtype != x.dtype:
            length = self.config.num_code_groups
            positions = torch.arange(length, device=x.device).expand(len(x), -1)
            kept = self._frame = Places.at(positions, length, self.config, x.dtype)
        return kept
