"""From the voice a client names to the voice that speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.errors import InvalidRequest
from vivavoce.service.models import QWEN_REMEDY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vivavoce.service.models import Models
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.saved_voice import SavedVoice
    from vivavoce.service.served import ServedModel
    from vivavoce.service.voice_store import VoiceStore
    from vivavoce.types import ModelInfo, Voice


class Voices:
    """Resolves names. `operator_aliases` map any name to a voice and win over everything.

    A preset's name wins over a saved voice's; a saved voice's id is always its own.
    """

    def __init__(
        self, operator_aliases: Mapping[str, str], saved: VoiceStore | None = None
    ) -> None:
        self._operator_aliases = {_key(k): _key(v) for k, v in operator_aliases.items()}
        self._saved = saved

    def find_saved(self, presets: ModelInfo, order: SpeechOrder) -> SavedVoice | None:
        """Return the saved voice that an order means, if it means one."""
        if self._saved is None or order.voice is None:
            return None
        if self.preset(presets, order.voice) is not None:
            return None
        return self._saved.find(self._meant(order.voice))

    def parts(self, model: ModelInfo, saved: SavedVoice) -> tuple[tuple[str, float], ...]:
        """Return the presets that a saved voice is a blend of, with their shares; none if it isn't.

        Raises:
            InvalidRequest: the model has not all of them, or cannot mix any.
        """
        if saved.blend is None:
            return ()
        return self.blend(model, saved.blend)

    def blend(self, model: ModelInfo, shares: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
        """Return presets by their ids, with their shares of a sum of 1.

        Raises:
            InvalidRequest: as `parts`.
        """
        if not model.capabilities.blends:
            raise InvalidRequest(cannot_blend(model), param="voice", code="not_supported")
        total = sum(shares.values())
        mixed: dict[str, float] = {}
        for name, share in shares.items():
            voice = self.resolve(model, name)
            mixed[voice.id] = mixed.get(voice.id, 0.0) + share / total
        return tuple(sorted(mixed.items()))

    def usable(self, models: Models, saved: SavedVoice) -> ServedModel | None:
        """Return the model that speaks in a saved voice; None if none here can."""
        model = models.can(saved.need)
        if model is not None and saved.blend is not None:
            try:
                self.parts(model.info, saved)
            except InvalidRequest:
                return None
        return model

    def preset(self, model: ModelInfo, name: str) -> Voice | None:
        """Return the preset voice of that name, if the model has one."""
        wanted = self._meant(name)
        for voice in model.voices:
            if wanted in (_key(voice.id), *map(_key, voice.aliases)):
                return voice
        return None

    def is_taken(self, presets: ModelInfo, name: str) -> bool:
        """Tell whether a name means a preset, or what the operator says it does."""
        return _key(name) in self._operator_aliases or self.preset(presets, name) is not None

    def resolve(self, model: ModelInfo, name: str | None) -> Voice:
        """Return the voice meant by `name`, ignoring case and outer spaces; None is the default.

        Raises:
            InvalidRequest: the model has no such voice; the message lists those it has.
        """
        if name is None:
            return model.voices[0]
        found = self.preset(model, name)
        if found is not None:
            return found
        voices = ", ".join(voice.id for voice in model.voices)
        also = ", ".join(alias for voice in model.voices for alias in voice.aliases)
        saved = ", ".join(voice.name for voice in self._saved.all()) if self._saved else ""
        raise InvalidRequest(
            f"There is no voice {name[:80]!r} in model {model.id}. Use one of: {voices}"
            + (f"; these names work too: {also}" if also else "")
            + (f"; saved voices: {saved}." if saved else "."),
            param="voice",
            code="voice_not_found",
        )

    def _meant(self, name: str) -> str:
        wanted = _key(name)
        return self._operator_aliases.get(wanted, wanted)


def cannot_blend(model: ModelInfo) -> str:
    """Return why a model without `Capabilities.blends` has no blends, and what to do."""
    return f"Model {model.id} cannot mix voices. Qwen3-TTS can. {QWEN_REMEDY}"


def _key(name: str) -> str:
    return name.strip().casefold()
