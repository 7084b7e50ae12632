"""An order for `codes.py` as the official package would understand it, or would refuse it.

The rules are those of qwen-tts 0.1.1's `generate_custom_voice`, `generate_voice_design` and
`generate_voice_clone`. It ignores some things in silence; here that is told. Nothing is loaded yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vivavoce.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

    from vivavoce.engine.qwen3.config import Qwen3TTSConfig

Warn = Callable[[str], None]

KINDS = {"preset": "custom_voice", "design": "voice_design", "clone": "base"}
"""The modes, and the kind of checkpoint that each is for."""

_IGNORED = {
    "preset": ("ref_audio", "ref_text", "x_vector_only"),
    "design": ("speaker", "ref_audio", "ref_text", "x_vector_only"),
    "clone": ("speaker", "instruct"),
}


@dataclass(frozen=True, slots=True)
class CodesOrder:
    """What is asked for, in the official package's names of languages and speakers.

    None is not given, or what has no meaning in this mode. `speaker` and `instruct` may be empty:
    no certain one. `seed` None is greedy.
    """

    mode: str
    text: str
    language: str | None = None
    speaker: str | None = None
    instruct: str | None = None
    ref_audio: Path | None = None
    ref_text: str | None = None
    x_vector_only: bool = False
    text_streaming: bool | None = None
    max_new_tokens: int | None = None
    seed: int | None = None


def settle(
    order: CodesOrder, config: Qwen3TTSConfig, max_new_tokens: int, warn: Warn
) -> CodesOrder:
    """Return the order without what is ignored, and with the official defaults.

    `max_new_tokens` is the checkpoint's. Each line that `warn` is given is for the user.

    Raises:
        InvalidRequest: the official package would refuse the order; or the text is empty.
    """
    if config.kind != KINDS[order.mode]:
        fitting = next(mode for mode, kind in KINDS.items() if kind == config.kind)
        raise InvalidRequest(
            f"The mode is {order.mode}, but this checkpoint is of the kind {config.kind}. "
            f"Use the mode {fitting}, or a checkpoint of the kind {KINDS[order.mode]}."
        )
    if not order.text:
        raise InvalidRequest("The text is empty. Give one with something in it.")
    order = replace(
        order,
        language="Auto" if order.language is None else order.language,
        max_new_tokens=max_new_tokens if order.max_new_tokens is None else order.max_new_tokens,
        **_ignored(order, config, warn),
    )
    if order.text_streaming is None:
        order = replace(order, text_streaming=order.mode == "clone")
    assert order.max_new_tokens is not None
    if order.max_new_tokens < 2:
        raise InvalidRequest(
            f"max-new-tokens is {order.max_new_tokens}, but the last token makes no frame: use 2 "
            "or more."
        )
    if order.mode == "design" and order.instruct is None:
        raise InvalidRequest(
            "The mode design needs instruct, the voice in words; empty means any voice."
        )
    _check_voice(order, config)
    _check_language(order, config, warn)
    return order


def _ignored(order: CodesOrder, config: Qwen3TTSConfig, warn: Warn) -> dict[str, bool | None]:
    """Return, as not given, the fields that are ignored; tell of those that were given."""
    ignored = dict.fromkeys(_IGNORED[order.mode], f"in the mode {order.mode}")
    # Officially a search in the word: a size of 0, b or nothing at all is small, too.
    if order.mode == "preset" and config.size in "0b6":
        ignored["instruct"] = f"by checkpoints of the size {config.size}"
    if order.mode == "clone" and order.x_vector_only:
        ignored["ref_text"] = "with x-vector-only"
    for name, why in ignored.items():
        if getattr(order, name):
            warn(f"{name.replace('_', '-')} is ignored {why}.")
    return {name: False if name == "x_vector_only" else None for name in ignored}


def _check_voice(order: CodesOrder, config: Qwen3TTSConfig) -> None:
    known = config.talker.spk_id
    if order.mode == "preset" and order.speaker is None:
        raise InvalidRequest(f"The mode preset needs a speaker: {', '.join(known)}.")
    if order.speaker and order.speaker.lower() not in known:
        raise InvalidRequest(
            f"There is no speaker {order.speaker!r}. There are: {', '.join(known)}."
        )
    if order.mode == "clone" and order.ref_audio is None:
        raise InvalidRequest("The mode clone needs ref-audio, a recording of the voice.")
    if order.mode == "clone" and not order.x_vector_only and not order.ref_text:
        raise InvalidRequest(
            "The mode clone needs ref-text, what is said in the recording. Only with x-vector-only "
            "it does not."
        )


def _check_language(order: CodesOrder, config: Qwen3TTSConfig, warn: Warn) -> None:
    language = (order.language or "").lower()
    known = ["auto", *(name for name in config.talker.codec_language_id if "dialect" not in name)]
    if language not in known:
        raise InvalidRequest(
            f"There is no language {order.language!r}. There are: {', '.join(known)}."
        )
    dialect = config.talker.spk_is_dialect.get((order.speaker or "").lower())
    if dialect and language in ("auto", "chinese"):
        warn(f"{order.speaker} speaks {dialect}; the language {order.language} means that here.")
