"""What a Wyoming client is told of the server: its voices, each with its languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vivavoce import __version__

if TYPE_CHECKING:
    from vivavoce.types import ModelInfo, Voice

_OTHER_SERVICES = ("asr", "handle", "intent", "wake", "mic", "snd")


def describe(model: ModelInfo) -> dict[str, Any]:
    """Return the data of an `info` event about a model."""
    program = {
        "name": "vivavoce",
        "description": f"vivavoce ({model.id})",
        "attribution": {"name": "vivavoce", "url": ""},
        "installed": True,
        "version": __version__,
        "voices": [_voice(voice, model) for voice in model.voices],
        "supports_synthesize_streaming": True,
    }
    return {"tts": [program], **{name: [] for name in _OTHER_SERVICES}}


def _voice(voice: Voice, model: ModelInfo) -> dict[str, Any]:
    return {
        "name": voice.id,
        "description": voice.name,
        "attribution": {"name": model.owner, "url": ""},
        "installed": True,
        "version": None,
        # A dialect is no language of its own to who chooses one from a list.
        "languages": list(dict.fromkeys(code.partition("-")[0] for code in voice.languages)),
        "speakers": None,
    }
