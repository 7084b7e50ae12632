"""What the embedded voice is and can do. Imports nothing of what runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.types import Capabilities, ModelInfo, Voice

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE_RATE_HZ = 24000
_NONE: dict[str, object] = {}
_OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx"),
    *("nova", "sage", "shimmer", "verse", "marin", "cedar"),
)


def describe(options: Mapping[str, object] = _NONE) -> ModelInfo:
    """See `vivavoce.engine.registry.describe`. There are no options."""
    return ModelInfo(
        id="hibari-heart",
        engine="embedded",
        owner="hibari-tts",
        capabilities=Capabilities(
            sample_rate_hz=SAMPLE_RATE_HZ,
            languages=("en",),
            scripts=("LATIN",),
            segment_chars=240,
            reads_symbols=False,
        ),
        voices=(
            Voice(
                id="heart",
                name="Heart",
                languages=("en",),
                description="American English, female; ships inside the package",
                aliases=_OPENAI_VOICES,
            ),
        ),
    )
