"""Qwen2's byte-level BPE from `vocab.json` and `merges.txt`; the release has no tokenizer.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from pathlib import Path

# Words, single digits, punctuation, white space: Qwen2's own pattern.
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class TextTokenizer:
    """Text to ids. What a user wrote never becomes a control token."""

    def __init__(self, folder: Path) -> None:
        vocab_path, merges_path = folder / "vocab.json", folder / "merges.txt"
        try:
            bpe = models.BPE.from_file(str(vocab_path), str(merges_path))
            added = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
            specials = {
                int(index): token["content"]
                for index, token in added["added_tokens_decoder"].items()
            }
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise EngineUnavailable(
                f"Cannot read the tokenizer in {folder}: {exc}. Download the checkpoint again."
            ) from None
        except Exception as exc:  # tokenizers raises nothing more specific
            raise EngineUnavailable(
                f"Cannot read {vocab_path} and {merges_path}: {exc}. Download the checkpoint again."
            ) from None
        self._plain = self._build(bpe)
        self._with_specials = self._build(models.BPE.from_file(str(vocab_path), str(merges_path)))
        for index, content in sorted(specials.items()):
            self._with_specials.add_special_tokens([AddedToken(content, normalized=False)])
            if self._with_specials.token_to_id(content) != index:
                raise EngineUnavailable(
                    f"{folder}: the token {content} must be number {index}, but {vocab_path.name} "
                    "leaves another number free. Download the checkpoint again."
                )

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of text that is spoken; control tokens in it are letters like others."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def encode_template(self, text: str) -> list[int]:
        """Return the ids of a prompt's own text, control tokens included."""
        ids: list[int] = self._with_specials.encode(text, add_special_tokens=False).ids
        return ids

    @staticmethod
    def _build(model: models.BPE) -> Tokenizer:
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_PATTERN), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer
