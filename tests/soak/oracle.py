"""What an answer must be: computed for the fake engine, else the first answer to the same wish."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

from expected import fake_samples
from soak.ledger import Wrong
from vivavoce.audio.encode import open_encoder
from vivavoce.engine.fake import SAMPLE_RATE_HZ

_SIZES = {"wav": ((4, 8), (40, 44)), "flac": ((21, 26),)}
"""Bytes of a header that say how long the whole is: a stream cannot know, a whole answer does."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, as far as it is heard. `clip` is the clip to clone, `seed` None: any."""

    text: str
    voice: str | None = None
    format: str = "pcm"
    speed: float = 1.0
    seed: int | None = None
    clip: bytes | None = None

    def fields(self) -> dict[str, Any]:
        """Return the wish as a request's fields."""
        fields = asdict(self) | {"input": self.text, "response_format": self.format}
        for name in ("text", "format", "clip"):
            del fields[name]
        return {name: value for name, value in fields.items() if value is not None}


class Oracle:
    """Judges finished answers of one engine."""

    def __init__(self, engine: str) -> None:
        self._computes = engine == "fake"
        self._seen: dict[tuple[Wish, int], str] = {}

    def check(self, wish: Wish, seed: int, audio: bytes) -> None:
        """Compare an answer, made with that seed, with what it must be.

        Raises:
            Wrong: it is something else.
        """
        got = _without_sizes(audio, wish.format)
        if self._computes and wish.clip is None:
            must_be = _without_sizes(_fake_answer(wish, seed), wish.format)
            if got != must_be:
                raise Wrong(
                    f"the answer to {wish} with seed {seed} has {len(got)} bytes that should be "
                    f"{len(must_be)} bytes, and are others from byte {_differs_at(got, must_be)} on"
                )
            return
        key = (replace(wish, seed=None), seed)
        digest = f"{len(got)} bytes, SHA-256 {hashlib.sha256(got).hexdigest()}"
        first = self._seen.setdefault(key, digest)
        if digest != first:
            raise Wrong(f"the answer to {wish} was {first}; now it is {digest}")


def _fake_answer(wish: Wish, seed: int) -> bytes:
    samples = fake_samples(wish.text, wish.voice or "sine", seed, wish.speed)
    encoder = open_encoder(wish.format, SAMPLE_RATE_HZ)
    return encoder.feed(samples) + encoder.flush()


def _without_sizes(audio: bytes, format_name: str) -> bytes:
    masked = bytearray(audio)
    for start, end in _SIZES.get(format_name, ()):
        masked[start:end] = bytes(end - start)
    return bytes(masked)


def _differs_at(a: bytes, b: bytes) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((index for index, (x, y) in pairs if x != y), min(len(a), len(b)))
