"""Whom the requests are for: a vivavoce that was started here, or any OpenAI-compatible server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TEXT = "The quick brown fox jumps over the lazy dog, and nobody is surprised."


@dataclass(frozen=True, slots=True)
class Target:
    """`url` is without /v1. `ours`: it understands the fields that fix an answer's length.

    Another server says the text at whatever length it likes. `sample_rate_hz` is that of its pcm.
    """

    url: str
    ours: bool
    voice: str = "vivian"
    model: str = "tts-1"
    key: str = "none"
    sample_rate_hz: int = 24000
    text: str = TEXT
    more: dict[str, Any] = field(default_factory=dict)

    def body(self, seed: int, frames: int) -> dict[str, Any]:
        """Return a request for a pcm stream; of so many frames of speech, if it is ours."""
        body: dict[str, Any] = {
            "model": self.model,
            "voice": self.voice,
            "input": self.text,
            "response_format": "pcm",
            **self.more,
        }
        if self.ours:  # the last of N new tokens has no frame
            body |= {"seed": seed, "max_new_tokens": frames + 1, "cache": False}
        return body
