"""What the talker is given: text, tags and speaker as rows of embeddings, in every mode.

A prompt has two parts: `rows` are there from the start; `trailing` text rows are added one per
frame as the talker goes (when they are used up, the padding row is). Source of the layout: the
official package, qwen-tts 0.1.1 (`generate`, `generate_icl_prompt`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vivavoce.engine.qwen3.prefix import Beginning

if TYPE_CHECKING:
    from vivavoce.engine.qwen3.config import Qwen3TTSConfig
    from vivavoce.engine.qwen3.talker import Talker
    from vivavoce.engine.qwen3.tokenizer import TextTokenizer

_ROLE_TOKENS = 3
"""Officially the first three tokens of a turn are its role, and the text begins after them."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A voice to clone: its vector [hidden]; for in-context cloning, its codes [frames, 16] too.

    Only the same object is the same reference.
    """

    speaker: Tensor
    codes: Tensor | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class PromptText:
    """What is said and how, in words. `language` None is automatic.

    `speaker` names a preset; `blend` instead of it several, each with its share of the voice.

    With `open`, the text is the beginning of one that goes on; it is never whole then, and long
    enough for `PromptBuilder.can_begin`.
    """

    text: str
    language: str | None = None
    speaker: str | None = None
    instructions: str | None = None
    reference: Reference | None = None
    whole_text: bool = True
    open: bool = False
    blend: tuple[tuple[str, float], ...] = ()

    @property
    def speakers(self) -> tuple[tuple[str, float], ...]:
        """The presets that speak, each with its share."""
        return self.blend if self.speaker is None else ((self.speaker, 1.0),)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Embeddings: `rows` [n, hidden], n > 0, and `trailing` [m, hidden].

    `beginning` is of fewer than n rows. `open`: more rows may follow those of `trailing`; else
    there is one at least.
    """

    rows: Tensor
    trailing: Tensor
    beginning: Beginning
    open: bool = False


class PromptBuilder:
    """Builds prompts for one loaded checkpoint."""

    def __init__(self, config: Qwen3TTSConfig, tokenizer: TextTokenizer, talker: Talker) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._talker = talker
        self._begin = tokenizer.encode_template("<|im_start|>")
        self._end = tokenizer.encode_template("<|im_end|>\n")

    @torch.inference_mode()
    def build(self, wanted: PromptText) -> Prompt:
        """Return the prompt for a text that has something in it."""
        c = self._config.talker
        pad, bos, eos = self._marks()
        parts: list[Tensor] = []
        if wanted.instructions:
            parts.append(self._text(self._turn("user", wanted.instructions) + self._end))
        turn = self.spoken(wanted.text, open_ended=wanted.open)
        parts.append(self._text(turn[:_ROLE_TOKENS]))
        tags = self._tags(wanted)
        parts.append(torch.cat((pad.expand(len(tags) - 2, -1), bos)) + tags[:-1])
        known = sum(map(len, parts))  # so many rows have nothing of the text in them
        text = self._text(turn[_ROLE_TOKENS:])
        reference = wanted.reference
        if reference is not None and reference.codes is not None:
            assert reference.text is not None
            spoken = self._text(self._turn("assistant", reference.text)[_ROLE_TOKENS:])
            text = torch.cat((spoken, text) if wanted.open else (spoken, text, eos))
            body, trailing = self._in_context(text, reference.codes, pad, wanted.whole_text)
            known += min(len(spoken), len(body) - 1)
        elif wanted.whole_text:
            rows = torch.cat((text, eos)) + self._codec(c.codec_pad_id)
            body, trailing = torch.cat((rows, pad + self._codec(c.codec_bos_id))), pad
        else:
            # A text of line breaks may be all in the role; officially the end mark is next then.
            first = text[:1] if len(text) else self._text(self._end[:1])
            body = first + self._codec(c.codec_bos_id)
            trailing = text[1:] if wanted.open else torch.cat((text[1:], eos))
        key = (replace(wanted, text="", open=False), *turn[:_ROLE_TOKENS])
        rows = torch.cat((*parts, body))
        return Prompt(rows, trailing, Beginning(key, known), wanted.open)

    def spoken(self, text: str, *, open_ended: bool) -> list[int]:
        """Return a text's ids, with its role before them; of an open one, what is certain."""
        if not open_ended:
            return self._turn("assistant", text)
        return self._begin + self._tokenizer.encode_beginning(f"assistant\n{text}")

    def can_begin(self, wanted: PromptText) -> bool:
        """Tell whether enough is known of an open text to build the prompt."""
        rows = len(self.spoken(wanted.text, open_ended=True)) - _ROLE_TOKENS
        reference = wanted.reference
        # A clip's frames stand beside rows of text; in the prompt there must be one for each.
        needed = 0 if reference is None or reference.codes is None else len(reference.codes)
        return rows > needed

    @torch.inference_mode()
    def more_text(self, ids: list[int], *, last: bool) -> Tensor:
        """Return the rows [m, hidden] of more of an open text; after the last its end mark."""
        rows = self._text(ids)
        return torch.cat((rows, self._marks()[2])) if last else rows

    def pad_row(self) -> Tensor:
        """Return the row that is added to every frame once the text has run out, [hidden]."""
        return self._marks()[0][0]

    def _turn(self, role: str, text: str) -> list[int]:
        """Return the tokens of a turn, up to its end mark.

        The text is encoded with what stands before it: line breaks at its start merge with the
        role's. Only the marks around the turn are control tokens, whatever the text contains.
        """
        return self._begin + self._tokenizer.encode_text(f"{role}\n{text}")

    def _in_context(
        self, text: Tensor, codes: Tensor, pad: Tensor, whole_text: bool
    ) -> tuple[Tensor, Tensor]:
        c = self._config.talker
        frames = torch.cat((self._codec(c.codec_bos_id), self._talker.embed_frames(codes)))
        if whole_text:
            return torch.cat((text + self._codec(c.codec_pad_id), frames + pad)), pad
        if len(text) > len(frames):
            return text[: len(frames)] + frames, text[len(frames) :]
        filled = torch.cat((text, pad.expand(len(frames) - len(text), -1)))
        return filled + frames, pad

    def _tags(self, wanted: PromptText) -> Tensor:
        """Return the codec-side tags: how to think, language, speaker, pad, bos."""
        c = self._config.talker
        language = wanted.language
        if wanted.speakers and language in (None, "chinese"):
            # Officially a speaker's dialect is spoken; a blend's only if all of them speak it.
            dialects = {c.spk_is_dialect.get(name, False) for name, _ in wanted.speakers}
            dialect = dialects.pop() if len(dialects) == 1 else False
            language = dialect if isinstance(dialect, str) else language
        ids = (
            [c.codec_nothink_id, c.codec_think_bos_id, c.codec_think_eos_id]
            if language is None
            else [
                c.codec_think_id,
                c.codec_think_bos_id,
                c.codec_language_id[language],
                c.codec_think_eos_id,
            ]
        )
        tags = [self._codec(*ids)]
        if wanted.speakers:
            tags.append(self._speaker(wanted.speakers))
        elif wanted.reference is not None:
            tags.append(wanted.reference.speaker[None].to(tags[0]))
        tags.append(self._codec(c.codec_pad_id, c.codec_bos_id))
        return torch.cat(tags)

    def _speaker(self, speakers: tuple[tuple[str, float], ...]) -> Tensor:
        """Return the row [1, hidden] of a preset, or of several by their shares."""
        ids = [self._config.talker.spk_id[name] for name, _ in speakers]
        rows = self._codec(*ids)
        if len(speakers) == 1:
            return rows
        shares = torch.tensor([share for _, share in speakers], device=rows.device)
        return (shares[:, None] * rows.float()).sum(0, keepdim=True).to(rows.dtype)

    def _marks(self) -> tuple[Tensor, Tensor, Tensor]:
        c = self._config
        rows = self._text([c.tts_pad_token_id, c.tts_bos_token_id, c.tts_eos_token_id])
        return rows[0:1], rows[1:2], rows[2:3]

    def _text(self, ids: list[int]) -> Tensor:
        return self._talker.embed_text(self._ids(ids))

    def _codec(self, *ids: int) -> Tensor:
        return self._talker.embed_codec(self._ids(list(ids)))

    def _ids(self, ids: list[int]) -> Tensor:
        return torch.tensor(ids, dtype=torch.long, device=self._talker.device)
