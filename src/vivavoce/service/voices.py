"""From the voice a client names to the voice that speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vivavoce.types import ModelInfo, Voice


class Voices:
    """Resolves names. `operator_aliases` map any name to a voice and win over everything."""

    def __init__(self, operator_aliases: Mapping[str, str]) -> None:
        self._operator_aliases = {_key(k): _key(v) for k, v in operator_aliases.items()}

    def resolve(self, model: ModelInfo, name: str | None) -> Voice:
        """Return the voice meant by `name`, ignoring case and outer spaces; None is the default.

        Raises:
            InvalidRequest: the model has no such voice; the message lists those it has.
        """
        if name is None:
            return model.voices[0]
        wanted = _key(name)
        wanted = self._operator_aliases.get(wanted, wanted)
        for voice in model.voices:
            if wanted in (_key(voice.id), *map(_key, voice.aliases)):
                return voice
        voices = ", ".join(voice.id for voice in model.voices)
        also = ", ".join(alias for voice in model.voices for alias in voice.aliases)
        raise InvalidRequest(
            f"There is no voice {name[:80]!r} in model {model.id}. Use one of: {voices}"
            + (f"; these names work too: {also}." if also else "."),
            param="voice",
            code="voice_not_found",
        )


def _key(name: str) -> str:
    return name.strip().casefold()
