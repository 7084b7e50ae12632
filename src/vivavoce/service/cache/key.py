"""What tells one answer's audio from all others."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from vivavoce import __version__

if TYPE_CHECKING:
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.served import ServedModel
    from vivavoce.types import SpeechRequest


def audio_key(
    order: SpeechOrder,
    model: ServedModel,
    request: SpeechRequest,
    lead_s: float,
    rate_hz: int,
    loudness_lufs: float | None,
    transcript: str | None,
    saved: str | None = None,
) -> str:
    """Return SHA-256, in hex, over everything that changes the bytes.

    The text is that which the engine is given, so spellings that are spoken alike share their
    audio. Without a seed of the client's the one drawn is left out: any will do. Whether the
    answer is streamed is left out as well: its samples are the same. `saved` is the stamp of a
    saved voice.
    """
    parts = (
        __version__,
        model.fingerprint,
        request.segments,
        lead_s,
        request.voice,
        saved,
        request.language,
        request.instructions,
        request.sampling,
        request.max_new_tokens,
        order.seed,
        order.format,
        rate_hz,
        order.tempo,
        order.trim,
        loudness_lufs,
        order.timestamps.value,
        None if order.clip is None else hashlib.sha256(order.clip).hexdigest(),
        transcript,
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
