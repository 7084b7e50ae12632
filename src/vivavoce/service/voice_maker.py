"""Saving voices: from a recording, from a description, as a blend of presets, from a file."""

from __future__ import annotations

import asyncio
import math
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import structlog

from vivavoce.errors import InvalidRequest, SynthesisFailed
from vivavoce.service import voice_archive
from vivavoce.service.order import SpeechOrder
from vivavoce.service.recording import DECODED_OVER_S, prepare, usual_speech_s
from vivavoce.service.saved_voice import (
    MAX_BLENDED,
    MAX_NAME_CHARS,
    SavedVoice,
    VoiceDefaults,
    VoiceType,
)
from vivavoce.service.voice_store import CONSENT_PREFIX, VOICE_PREFIX, no_voice, now_ns
from vivavoce.text.clean import clean
from vivavoce.text.detect import detect
from vivavoce.text.language import LANGUAGE_NAMES, parse_language
from vivavoce.text.scripts import script
from vivavoce.types import Need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vivavoce.service.recording import Recording
    from vivavoce.service.speech import SpeechService
    from vivavoce.types import Samples

log = structlog.get_logger("vivavoce.voices")

_LIKE_AN_ID = re.compile(rf"({VOICE_PREFIX}|{CONSENT_PREFIX})\S*")
_SHORTEST_SCRIPT_S = 2.0
_LONGEST_SCRIPT_S = 40.0


@dataclass(frozen=True, slots=True)
class VoiceRules:
    """The longest reference that is kept, and whether one needs a recorded consent."""

    max_s: float = 60.0
    require_consent: bool = False


@dataclass(frozen=True, slots=True)
class VoiceWish:
    """What somebody wants saved beside the voice itself. `language` is that of the recording."""

    name: str
    transcript: str | None = None
    language: str | None = None
    consent: str | None = None
    defaults: VoiceDefaults = field(default_factory=VoiceDefaults)


@dataclass(frozen=True, slots=True)
class Description:
    """A voice in words, and what it is to say once: both as they were sent."""

    prompt: str
    script: str | None = None
    model: str | None = None
    seed: int | None = None


class VoiceMaker:
    """Makes voices and changes them. Belongs to one event loop."""

    def __init__(self, service: SpeechService, rules: VoiceRules) -> None:
        self.rules = rules
        self._service = service
        self._store = service.studio.voice_store
        self._saving = asyncio.Lock()

    async def from_recording(self, wish: VoiceWish, content: bytes) -> SavedVoice:
        """Save the voice of a recording, a file's bytes. Wakes no engine.

        Raises:
            InvalidRequest: a wish cannot be, or the recording cannot work.
            StorageFailed: it could not be written.
        """
        self._service.models.choose(None, Need.CLONE)
        wish = await self._checked(wish, needs_consent=True)
        recording = await self._record(content, "audio_sample", wish.transcript, wish.language)
        return await self._save(wish, VoiceType.AUDIO_SAMPLE, recording)

    async def from_description(self, wish: VoiceWish, described: Description) -> SavedVoice:
        """Have a described voice speak once, and save what it sounded like.

        Raises:
            InvalidRequest: a wish cannot be, or there is no engine for it.
            VivavoceError: as `SpeechService.begin`.
        """
        models = self._service.models
        models.choose(None, Need.CLONE)
        design = models.choose(described.model, Need.DESIGN)
        wish = await self._checked(wish, needs_consent=False)
        prompt = clean(described.prompt)
        if not prompt:
            raise InvalidRequest("prompt is empty. Say what the voice is like.", param="prompt")
        said, language = self._script(described, wish.language, design.info.capabilities.languages)
        speech = await self._service.begin(
            SpeechOrder(
                said,
                description=prompt,
                model=described.model,
                format="pcm",
                language=language,
                seed=described.seed,
                whole=True,
                cache=False,
            )
        )
        samples = np.frombuffer(await speech.whole(), "<i2").astype(np.float32) / np.float32(32767)
        try:
            recording = prepare(samples, self.rules.max_s, said, language)
        except InvalidRequest as exc:  # it is the engine that spoke like that
            raise SynthesisFailed(
                f"The voice that was made said too little to be kept ({exc.code}). Make it again, "
                "with another seed or description."
            ) from None
        return await self._save(
            VoiceWish(wish.name, said, language, wish.consent, wish.defaults),
            VoiceType.PROMPT,
            recording,
            prompt=prompt,
        )

    async def from_blend(self, wish: VoiceWish, shares: Mapping[str, float]) -> SavedVoice:
        """Save a mix of presets, by names and shares.

        Raises:
            InvalidRequest: a wish cannot be, or the model cannot mix, or has no such voice.
            StorageFailed: it could not be written.
        """
        blend = self._blend(shares)
        wish = await self._checked(wish, needs_consent=False)
        return await self._save(wish, VoiceType.BLEND, None, blend=blend)

    async def from_file(self, content: bytes, name: str | None, consent: str | None) -> SavedVoice:
        """Save a voice that was exported, under its own name or another.

        Raises:
            InvalidRequest: the file is no such voice, or one that cannot be saved here.
            StorageFailed: it could not be written.
        """
        told, reference = await asyncio.to_thread(voice_archive.unpack, content)
        wish = VoiceWish(name or told.name, told.transcript, told.language, consent, told.defaults)
        wish = await self._checked(wish, needs_consent=told.type is VoiceType.AUDIO_SAMPLE)
        if told.blend is not None:
            return await self._save(wish, told.type, None, blend=self._blend(told.blend))
        self._service.models.choose(None, Need.CLONE)
        assert reference is not None
        recording = await self._record(
            reference, "file", wish.transcript, wish.language, trim=False
        )
        return await self._save(wish, told.type, recording, prompt=told.prompt)

    async def to_file(self, id: str) -> tuple[SavedVoice, bytes]:
        """Return a voice, and the file that `from_file` takes.

        Raises:
            NotFound: there is none.
        """

        def pack() -> tuple[SavedVoice, bytes]:
            voice = self._store.find(id)
            if voice is None:
                raise no_voice(id)
            has_none = voice.type is VoiceType.BLEND
            reference = None if has_none else self._store.reference_file(voice)
            return voice, voice_archive.pack(voice, reference)

        return await asyncio.to_thread(pack)

    async def update(self, id: str, name: str | None, defaults: Mapping[str, object]) -> SavedVoice:
        """Change a voice's name and some of its defaults; None takes one away.

        Raises:
            NotFound: there is none.
            InvalidRequest: a wish cannot be.
            StorageFailed: it could not be written.
        """
        async with self._saving:
            voice = self._store.get(id)
            new_name = voice.name if name is None else self._free_name(name, but=id)
            changed = _checked_defaults(msgspec.structs.replace(voice.defaults, **defaults))
            voice = msgspec.structs.replace(
                voice, name=new_name, defaults=changed, revision=secrets.token_hex(8)
            )
            try:
                await asyncio.to_thread(self._store.voices.update, voice)
            except FileNotFoundError:
                raise no_voice(id) from None
        return voice

    async def remove(self, id: str) -> None:
        """Delete a voice and all that is kept of it.

        Raises:
            NotFound: there is none, or none any more.
        """
        if not await asyncio.to_thread(self._store.voices.remove, id):
            raise no_voice(id)
        log.info("voice deleted", voice=id)

    async def decode(self, content: bytes, param: str) -> Samples:
        """Return the samples, shape [n] at 24 kHz, of a file that came as the field `param`.

        Raises:
            InvalidRequest: it cannot be decoded.
        """
        most_s = self.rules.max_s + DECODED_OVER_S
        try:
            return await self._service.studio.references.decode(content, most_s)
        except InvalidRequest as exc:
            raise InvalidRequest(exc.message, param=param, code=exc.code) from None

    async def _checked(self, wish: VoiceWish, *, needs_consent: bool) -> VoiceWish:
        """Return the wish as it is saved."""
        name = self._free_name(wish.name)
        consent = wish.consent.strip() if wish.consent else None
        if consent is not None and self._store.consents.get(consent) is None:
            raise InvalidRequest(
                f"There is no consent {consent[:80]!r}. POST /v1/audio/voice_consents makes one.",
                param="consent",
                code="consent_not_found",
            )
        if consent is None and needs_consent and self.rules.require_consent:
            raise InvalidRequest(
                "consent is missing. Here a voice is saved from a recording only with a recorded "
                "consent: POST /v1/audio/voice_consents, and send its id.",
                param="consent",
                code="missing_required_parameter",
            )
        transcript = clean(wish.transcript or "") or None
        language = _language(wish.language, "language")
        return VoiceWish(name, transcript, language, consent, _checked_defaults(wish.defaults))

    def _free_name(self, name: str, but: str | None = None) -> str:
        """Return a name as it is saved, which means nothing else yet (`but` that voice's own)."""
        name = " ".join(clean(name).split())
        if not 1 <= len(name) <= MAX_NAME_CHARS:
            raise InvalidRequest(
                f"name must have 1 to {MAX_NAME_CHARS} characters; got {len(name)}.", param="name"
            )
        if _LIKE_AN_ID.fullmatch(name.casefold()):
            raise InvalidRequest(
                f"name is {name!r}, which looks like an id. Choose another.", param="name"
            )
        known = self._store.find(name)
        if self._service.voices.is_taken(self._service.models.default.info, name) or (
            known is not None and known.id != but
        ):
            raise InvalidRequest(
                f"There is a voice {name!r} already. Choose another name"
                + (f", or delete {known.id} first." if known else "."),
                param="name",
                code="voice_name_taken",
            )
        return name

    def _blend(self, shares: Mapping[str, float]) -> dict[str, float]:
        if not 1 <= len(shares) <= MAX_BLENDED:
            raise InvalidRequest(
                f"blend has {len(shares)} voices; 1 to {MAX_BLENDED} can be mixed.", param="blend"
            )
        for name, share in shares.items():
            if not (math.isfinite(share) and 0.001 <= share <= 1000):
                raise InvalidRequest(
                    f"blend has a share of {share:g} for {name[:80]!r}; shares are numbers from "
                    "0.001 to 1000.",
                    param="blend",
                )
        info = self._service.models.choose(None, Need.PRESET).info
        try:
            return dict(self._service.voices.blend(info, shares))
        except InvalidRequest as exc:
            raise InvalidRequest(exc.message, param="blend", code=exc.code) from None

    def _script(
        self, described: Description, language: str | None, languages: tuple[str, ...]
    ) -> tuple[str, str]:
        """Return what a described voice says, and in which language."""
        said = clean(described.script or "")
        language = language or detect(said or described.prompt, languages)
        if not said:
            return script(language), language
        long_s = usual_speech_s(said, language)
        if not _SHORTEST_SCRIPT_S <= long_s <= min(_LONGEST_SCRIPT_S, 0.7 * self.rules.max_s):
            raise InvalidRequest(
                f"script_hint takes about {long_s:.1f} s to say. Send a text of "
                f"{_SHORTEST_SCRIPT_S:g} to {_LONGEST_SCRIPT_S:g} s, such as two or three "
                "sentences, or leave it out.",
                param="script_hint",
            )
        return said, language

    async def _record(
        self,
        content: bytes,
        param: str,
        transcript: str | None,
        language: str | None,
        *,
        trim: bool = True,
    ) -> Recording:
        """Decode a recording and make of it what is kept. `param` is its field."""
        samples = await self.decode(content, param)
        return await asyncio.to_thread(
            prepare, samples, self.rules.max_s, transcript, language, param=param, trim=trim
        )

    async def _save(
        self,
        wish: VoiceWish,
        type: VoiceType,
        recording: Recording | None,
        *,
        prompt: str | None = None,
        blend: dict[str, float] | None = None,
    ) -> SavedVoice:
        voice = SavedVoice(
            id=self._store.voices.new_id(),
            name=wish.name,
            type=type,
            created_ns=now_ns(),
            revision=secrets.token_hex(8),
            transcript=wish.transcript if recording else None,
            language=wish.language,
            prompt=prompt,
            blend=blend,
            consent=wish.consent,
            defaults=wish.defaults,
            reference=recording.verdict if recording else None,
        )
        async with self._saving:
            self._free_name(wish.name)  # another request may have taken it meanwhile
            samples = recording.samples if recording else None
            await asyncio.to_thread(self._store.create, voice, samples)
        log.info("voice saved", voice=voice.id, type=type.value, consent=voice.consent)
        return voice


def _checked_defaults(defaults: VoiceDefaults) -> VoiceDefaults:
    language = _language(defaults.language, "defaults")
    instructions = clean(defaults.instructions or "") or None
    return msgspec.structs.replace(defaults, language=language, instructions=instructions)


def _language(name: str | None, param: str) -> str | None:
    if name is None:
        return None
    try:
        return parse_language(name)
    except ValueError:
        known = ", ".join(f"{code} ({spoken})" for code, spoken in LANGUAGE_NAMES.items())
        raise InvalidRequest(
            f"There is no language {name[:40]!r} here. Use auto or one of: {known}.", param=param
        ) from None
