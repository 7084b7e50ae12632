"""What is decided about an order before anything is made: model, voice, format, text, seed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from vivavoce.service.cache.key import audio_key
from vivavoce.service.order import (
    MAX_SEED,
    choose_format,
    choose_instructions,
    choose_language,
    choose_transcript,
    ignored_wishes,
    prepare_text,
)
from vivavoce.text.reading import NOTHING, Script
from vivavoce.types import Need, SpeechRequest, Timestamps

if TYPE_CHECKING:
    from vivavoce.audio.formats import AudioFormat
    from vivavoce.service.models import Models
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.saved_voice import SavedVoice
    from vivavoce.service.served import ServedModel
    from vivavoce.service.voices import Voices
    from vivavoce.text.pronounce import Rule

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CacheRules:
    """What is remembered unless a request says otherwise: speech without a seed, clones.

    `clones` is about uploaded clips; saved voices are like presets. Not `enabled`, nothing is,
    whatever a request says.
    """

    enabled: bool = True
    unseeded: bool = True
    clones: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """An order as it will be fulfilled.

    `script` is the text as it is spoken. `request` is what the engine is asked; its `reference` is
    still missing for a clip, and for a `saved` voice that was heard. `order` has the wishes that
    such a voice adds. `loudness_lufs` is what the voice is brought to; None leaves it as it is.
    `key` tells the audio from all other; two plans of one key differ in nothing that is heard but,
    without a seed of the client's, the seed. `cached`: it may be looked up and remembered.
    """

    order: SpeechOrder
    model: ServedModel
    voice: str
    format: AudioFormat
    sample_rate_hz: int
    language: str | None
    transcript: str | None
    script: Script
    request: SpeechRequest
    loudness_lufs: float | None
    ignored: tuple[str, ...]
    key: str
    cached: bool
    saved: SavedVoice | None = None

    @property
    def gain_db(self) -> float:
        """How much louder than the engine made it; a loudness that is asked for counts alone."""
        if self.loudness_lufs is not None:
            return 0.0
        return (self.saved and self.saved.defaults.gain_db) or 0.0

    @property
    def live(self) -> bool:
        """Whether somebody may listen while it is made."""
        return not self.order.whole


def make_plan(
    order: SpeechOrder,
    models: Models,
    voices: Voices,
    rules: CacheRules,
    usual_loudness_lufs: float | None = None,
    pronunciations: tuple[Rule, ...] = (),
    *,
    written: bool = True,
) -> Plan:
    """Decide everything that can be decided without an engine. Quick; wakes nothing.

    Not `written`, the text is still to come.

    Raises:
        InvalidRequest: the order cannot be fulfilled as it is.
    """
    saved = voices.find_saved(models.default.info, order)
    if saved is not None:
        order = with_defaults(order, saved)
    need = order.need if saved is None else saved.need
    model = models.choose(order.model, need)
    info = model.info
    voice = voices.resolve(info, order.voice).id if saved is None and need is Need.PRESET else ""
    audio_format, rate_hz = choose_format(order)
    language = choose_language(order, info)
    speaker = voice if saved is None else saved.id
    script = NOTHING
    if written:
        script = prepare_text(order, language, speaker, info, pronunciations)
    request = SpeechRequest(
        script.segments,
        voice,
        secrets.randbelow(MAX_SEED + 1) if order.seed is None else order.seed,
        language,
        choose_instructions(order, info),
        sampling=order.sampling,
        max_new_tokens=order.max_new_tokens,
        whole=order.whole,
        blend=() if saved is None else voices.parts(info, saved),
        word_times=order.timestamps is Timestamps.WORD,
    )
    loudness = usual_loudness_lufs if order.loudness is None else order.loudness
    loudness_lufs = None if loudness == "off" else loudness
    transcript = choose_transcript(order) if need is Need.CLONE else None
    return Plan(
        order=order,
        model=model,
        voice=voice or (need.value if saved is None else saved.id),
        format=audio_format,
        sample_rate_hz=rate_hz,
        language=language,
        transcript=transcript,
        script=script,
        request=request,
        loudness_lufs=loudness_lufs,
        ignored=_ignored(order, model, rules),
        key=audio_key(
            order,
            model,
            request,
            script.lead_s,
            rate_hz,
            loudness_lufs,
            transcript,
            None if saved is None else saved.stamp,
        ),
        cached=_cached(order, rules),
        saved=saved,
    )


def with_defaults(order: SpeechOrder, saved: SavedVoice) -> SpeechOrder:
    """Return the order with what is usual for its voice, wherever it says nothing itself."""
    usual = saved.defaults

    def either(said: T | None, default: T | None) -> T | None:
        return default if said is None else said

    return replace(
        order,
        transcript=saved.transcript,
        language=either(order.language, usual.language),
        instructions=either(order.instructions, usual.instructions),
        speed=either(order.speed, usual.speed),
        seed=either(order.seed, usual.seed),
    )


def _ignored(order: SpeechOrder, model: ServedModel, rules: CacheRules) -> tuple[str, ...]:
    ignored = ignored_wishes(order, model.info)
    return (*ignored, "cache") if order.cache and not rules.enabled else ignored


def _cached(order: SpeechOrder, rules: CacheRules) -> bool:
    if not rules.enabled:
        return False
    if order.cache is not None:
        return order.cache
    if order.clip is not None and not rules.clones:
        return False
    drawn_anew = order.seed is None and order.sampling.temperature != 0
    return rules.unseeded or not drawn_anew
