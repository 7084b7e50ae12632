"""What a program wishes of a speech: keywords in, an order out, checked as the server checks it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, TypedDict

from vivavoce.api.schemas import check_speech_fields, parse_clone_form
from vivavoce.errors import InvalidRequest
from vivavoce.service.order import SpeechOrder

_FIELDS = {"format": "response_format", "description": "voice_description"}
_FIELDS["transcript"] = "ref_text"
"""What a wish is called over HTTP, where that is another name."""


class Wishes(TypedDict, total=False):
    """How a text is to be spoken, as over HTTP (docs/api.md). Left out or None: as is usual.

    The voice is one by name, or as in a `clip` (a file's path or its bytes, in which `transcript`
    is said), or as in a `description`. `format` is pcm by default: 16-bit, mono.
    """

    voice: str | None
    clip: str | os.PathLike[str] | bytes | None
    transcript: str | None
    description: str | None
    model: str | None
    format: str | None
    sample_rate: int | None
    language: str | None
    instructions: str | None
    speed: float | None
    seed: int | None
    text_format: str | None
    normalize: bool | Literal["auto"] | None
    trim: bool | None
    loudness: float | Literal["off"] | None
    cache: bool | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    repetition_penalty: float | None
    max_new_tokens: int | None


def order_of(text: str, wishes: Wishes, max_chars: int, *, whole: bool) -> SpeechOrder:
    """Return what is asked for, in the service's terms.

    Raises:
        InvalidRequest: a wish cannot be fulfilled; `param` names it.
        TypeError: there is no such wish.
    """
    unknown = sorted(wishes.keys() - Wishes.__annotations__.keys())
    if unknown:
        raise TypeError(f"There is no {unknown[0]}; known are {', '.join(Wishes.__annotations__)}.")
    given: dict[str, Any] = {name: value for name, value in wishes.items() if value is not None}
    clip = given.pop("clip", None)
    if sum(value is not None for value in (clip, *map(given.get, ("voice", "description")))) > 1:
        raise InvalidRequest("Choose one of voice, clip and description.", param="voice")
    if clip is None and "transcript" in given:
        raise InvalidRequest("There is a transcript and no clip. Give both.", param="transcript")
    given.setdefault("format", "pcm")
    fields = {"input": text} | {_FIELDS.get(name, name): given[name] for name in given}
    try:
        if clip is None:
            return check_speech_fields(fields, max_chars).order(whole=whole)
        return parse_clone_form(fields, max_chars).order(_read_clip(clip), whole=whole)
    except InvalidRequest as exc:
        raise in_our_words(exc) from None


def _read_clip(clip: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(clip, bytes):
        return clip
    try:
        return Path(clip).read_bytes()
    except OSError as exc:
        raise InvalidRequest(f"Cannot read {clip}: {exc.strerror}.", param="clip") from None


def in_our_words(error: InvalidRequest) -> InvalidRequest:
    """Return the error with the wish's name in the place of HTTP's."""
    ours = {"input": "text", "file": "clip"} | {theirs: name for name, theirs in _FIELDS.items()}
    name = ours.get(error.param or "")
    if name is None:
        return error
    message = error.message
    if message.startswith(f"{error.param} "):
        message = name + message.removeprefix(str(error.param))
    return type(error)(message, param=name, code=error.code)
