"""What the embedded voice is and can do. Imports nothing of what runs it."""

from __future__ import annotations

from vivavoce.types import Capabilities, ModelInfo, Voice

SAMPLE_RATE_HZ = 24000
_OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx"),
    *("nova", "sage", "shimmer", "verse", "marin", "cedar"),
)


def describe() -> ModelInfo:
    """See `vivavoce.engine.registry.describe`."""
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
