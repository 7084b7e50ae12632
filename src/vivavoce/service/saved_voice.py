"""A voice that somebody saved, and a consent: what is known of them, as it is kept on disk."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from vivavoce.service.recording import Verdict
from vivavoce.types import Need

MAX_NAME_CHARS = 100
MAX_WORDS_CHARS = 4096
MAX_GAIN_DB = 24.0
MAX_BLENDED = 8

Words = Annotated[str, Meta(max_length=MAX_WORDS_CHARS)]


class VoiceType(StrEnum):
    """How a voice came to be: from a recording, from a description, or as a mix of others."""

    AUDIO_SAMPLE = "audio_sample"
    PROMPT = "prompt"
    BLEND = "blend"


class VoiceDefaults(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is usual for a voice where a request says nothing else; None: nothing special."""

    language: Annotated[str, Meta(max_length=40)] | None = None
    instructions: Words | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    seed: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    gain_db: Annotated[float, Meta(ge=-MAX_GAIN_DB, le=MAX_GAIN_DB)] | None = None


class SavedVoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a saved voice.

    `revision` changes with everything else. `transcript` has the words of the reference, which is
    a file beside; a blend has shares of presets instead, which sum to 1. `language` is that of the
    reference. `consent` is the id of whoever's agreement it was made with.
    """

    id: str
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    type: VoiceType
    created_ns: int
    revision: str
    transcript: Words | None = None
    language: Annotated[str, Meta(max_length=40)] | None = None
    prompt: Words | None = None
    blend: dict[str, float] | None = None
    consent: str | None = None
    defaults: VoiceDefaults = VoiceDefaults()
    reference: Verdict | None = None

    @property
    def created_at(self) -> int:
        """When, in seconds since 1970."""
        return self.created_ns // 1_000_000_000

    @property
    def need(self) -> Need:
        """What it needs of a model."""
        return Need.PRESET if self.type is VoiceType.BLEND else Need.CLONE

    @property
    def stamp(self) -> str:
        """What tells its audio from that of all others, and from its own before a change."""
        return f"{self.id}:{self.revision}"


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in which somebody agrees to have their voice saved; the sound is beside."""

    id: str
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    language: Annotated[str, Meta(max_length=40)]
    created_ns: int

    @property
    def created_at(self) -> int:
        """When, in seconds since 1970."""
        return self.created_ns // 1_000_000_000
