"""Qwen2's byte-level BPE from `vocab.json` and `merges.txt`; the release has no tokenizer.json."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from vivavoce.engine.qwen3.config import read_json
from vivavoce.errors import EngineUnavailable

if TYPE_CHECKING:
    from pathlib import Path

# What words, single digits, punctuation and white space are, before BPE. Qwen2's own pattern:
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# And Mistral's: a word ends before a capital (You|Tube), combining marks belong to it.
_MISTRAL = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class TextTokenizer:
    """Text to ids. What a user wrote never becomes a control token.

    Words are cut as Qwen2 cuts them: so the model was trained, and so the official package does
    with a checkpoint named on the hub. `as_from_folder`: as it does with one in a folder.
    """

    def __init__(self, folder: Path, *, as_from_folder: bool = False) -> None:
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
        pattern = _pattern_from_folder(folder) if as_from_folder else _QWEN2
        self._specials = tuple(specials.values())
        self._plain = self._build(bpe, pattern)
        self._with_specials = self._build(
            models.BPE.from_file(str(vocab_path), str(merges_path)), pattern
        )
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

    def encode_beginning(self, text: str) -> list[int]:
        """Return those first ids of a text that stay the same however it goes on.

        They are all but those of its last word or sign, which may become a longer one; or where
        white space follows that, of the white space: it may all become part of what comes.
        """
        encoding = self._plain.encode(text, add_special_tokens=False)
        words: list[int | None] = encoding.word_ids
        ids: list[int] = encoding.ids
        end = len(text.rstrip())
        if end == len(text):
            unsure = words[-1:]
        else:
            ends = zip(words, encoding.offsets, strict=True)
            unsure = [word for word, (_, word_end) in ends if word_end > end]
        return [each for each, word in zip(ids, words, strict=True) if word not in unsure]

    def encode_template(self, text: str) -> list[int]:
        """Return the ids of a prompt's own text, control tokens included."""
        ids: list[int] = self._with_specials.encode(text, add_special_tokens=False).ids
        return ids

    def control_tokens_in(self, text: str) -> list[str]:
        """Return the control tokens that a text spells out."""
        return [token for token in self._specials if token in text]

    @staticmethod
    def _build(model: models.BPE, pattern: str) -> Tokenizer:
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer


def _pattern_from_folder(folder: Path) -> str:
    """Return the pattern with which the official package splits texts for a checkpoint's folder.

    It asks its tokenizer library, transformers 4.57.3, to "fix" the pattern, which replaces that of
    every checkpoint in a folder that does not say it was saved by 4.57.2 or older, or by 5.
    """
    saved_by = str(read_json(folder / "config.json").get("transformers_version") or "4.57.3")
    version = tuple(int(number) for number in re.findall(r"\d+", saved_by)[:3])
    return _MISTRAL if (4, 57, 2) < version < (5,) else _QWEN2
