"""Which models there are, under which names, and which of them a request means."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vivavoce.errors import InvalidRequest, UnknownModel
from vivavoce.types import Need

if TYPE_CHECKING:
    from vivavoce.service.served import ServedModel

DEFAULT_MODEL_ALIASES = (
    *("tts-1", "tts-1-hd"),
    *("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-03-20", "gpt-4o-mini-tts-2025-12-15"),
    "qwen3-tts",
)
"""Names that clients send without choosing: they mean whatever the default model is."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name a client may use, and the model it means."""

    id: str
    model: ServedModel

    @property
    def is_alias(self) -> bool:
        """Whether the model's own name is another."""
        return self.id != self.model.info.id


class Models:
    """The models by every name they answer to, and by what a request needs.

    Names choose a family; within it the need chooses. Only the default's own id and those of the
    others mean one model exactly.
    """

    def __init__(
        self,
        default: ServedModel,
        *,
        clone: ServedModel | None = None,
        design: ServedModel | None = None,
        unknown_means_default: bool = False,
    ) -> None:
        self.default = default
        self._by_need = {Need.PRESET: default, Need.CLONE: clone, Need.DESIGN: design}
        self._unknown_means_default = unknown_means_default
        names = (default.info.id, *DEFAULT_MODEL_ALIASES)
        self.names = {name: ModelName(name, default) for name in names}
        for model in self.all:
            self.names.setdefault(model.info.id, ModelName(model.info.id, model))

    @property
    def all(self) -> tuple[ServedModel, ...]:
        """Each model once, the default first."""
        return tuple({id(m): m for m in self._by_need.values() if m is not None}.values())

    def find(self, name: str) -> ServedModel:
        """Return the model of that exact name.

        Raises:
            UnknownModel: there is none; the message lists those there are.
        """
        found = self.names.get(name.strip())
        if found is None:
            raise UnknownModel(
                f"There is no model {name[:80]!r}. Use one of: {', '.join(self.names)}.",
                param="model",
            )
        return found.model

    def choose(self, name: str | None, need: Need = Need.PRESET) -> ServedModel:
        """Return the model for a request: none named is the default, an unknown one by setting.

        Raises:
            UnknownModel: as `find`, unless unknown names mean the default.
            InvalidRequest: the model named, or every model here, is for something else.
        """
        named = self._named(name)
        wanted = self._by_need[need]
        if wanted is None:
            raise InvalidRequest(self._reason(need), code="not_supported")
        if named in (self.default, wanted):
            return wanted
        raise InvalidRequest(
            f"Model {named.info.id} cannot {_VERBS[need]}. Use {wanted.info.id}, or leave the "
            "model out.",
            param="model",
        )

    def can(self, need: Need) -> ServedModel | None:
        """Return the model for a need, if there is one."""
        return self._by_need[need]

    def lacking(self, need: Need) -> str | None:
        """Return why no model here is for a need, and what to do; None if one is."""
        return self._reason(need) if self._by_need[need] is None else None

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(model.close() for model in self.all))

    def _reason(self, need: Need) -> str:
        return f"Model {self.default.info.id} cannot {_VERBS[need]}. Qwen3-TTS can. {QWEN_REMEDY}"

    def _named(self, name: str | None) -> ServedModel:
        if name is None or not name.strip():
            return self.default
        try:
            return self.find(name)
        except UnknownModel:
            if self._unknown_means_default:
                return self.default
            raise


_VERBS = {
    Need.PRESET: "speak in preset voices",
    Need.CLONE: "clone a voice from a clip",
    Need.DESIGN: "make a voice from a description",
}
QWEN_REMEDY = "Install it with: pip install 'vivavoce[qwen]', and start with ENGINE=qwen3."
"""How an operator gets what only that engine does."""
