"""The saved voices and consents of one data folder.

voices/voice_.../meta.json        what is known of a voice
                 reference.flac   mono, 24 kHz, 16 bit; blends have none
                 prompt-....bin   what a model heard in it: made again if it is missing
consents/cons_.../meta.json, recording.flac
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from vivavoce.audio.clip import BadClip, decode_clip
from vivavoce.audio.encode import open_encoder
from vivavoce.errors import NotFound, StorageFailed
from vivavoce.service.records import Records
from vivavoce.service.saved_voice import Consent, SavedVoice
from vivavoce.types import VoicePrompt

if TYPE_CHECKING:
    from pathlib import Path

    from vivavoce.types import Samples

VOICE_PREFIX = "voice_"
CONSENT_PREFIX = "cons_"
REFERENCE = "reference.flac"
RECORDING = "recording.flac"
_RATE_HZ = 24000

_encode_prompt = msgspec.msgpack.Encoder().encode
_decode_prompt = msgspec.msgpack.Decoder(VoicePrompt).decode


class VoiceStore:
    """Saved voices by id and name. Its methods read and write files where they are called for."""

    def __init__(self, folder: Path) -> None:
        self.voices = Records(folder / "voices", SavedVoice, VOICE_PREFIX)
        self.consents = Records(folder / "consents", Consent, CONSENT_PREFIX)

    def all(self) -> tuple[SavedVoice, ...]:
        """Return all voices, the oldest first."""
        return self.voices.all()

    def get(self, id: str) -> SavedVoice:
        """Return a voice by its id.

        Raises:
            NotFound: there is none, or none any more.
        """
        voice = self.voices.get(id)
        if voice is None:
            raise no_voice(id)
        return voice

    def find(self, name: str) -> SavedVoice | None:
        """Return a voice by its id or, ignoring case, its name; of two of a name the older."""
        wanted = name.strip().casefold()
        if (voice := self.voices.get(wanted)) is not None:
            return voice
        return next((voice for voice in self.all() if voice.name.casefold() == wanted), None)

    def create(self, voice: SavedVoice, reference: Samples | None) -> None:
        """Save a voice and its reference, shape [n] at 24 kHz."""
        files = {} if reference is None else {REFERENCE: to_flac(reference)}
        self.voices.create(voice, files)

    def reference(self, voice: SavedVoice) -> Samples:
        """Return a voice's reference, shape [n] at 24 kHz.

        Raises:
            NotFound: it was deleted meanwhile.
            StorageFailed: its file is damaged.
        """
        try:
            return decode_clip(self.reference_file(voice))
        except BadClip as exc:
            raise StorageFailed(
                f"The reference of voice {voice.id} cannot be read: {exc} Delete the voice and "
                "save it anew."
            ) from None

    def reference_file(self, voice: SavedVoice) -> bytes:
        """Return a voice's reference as FLAC.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        content = self.voices.read_file(voice.id, REFERENCE)
        if content is None:
            raise no_voice(voice.id)
        return content

    def prompt(self, voice: SavedVoice, model: str) -> VoicePrompt | None:
        """Return what a model has heard in a voice's reference; `model` is its fingerprint."""
        content = self.voices.read_file(voice.id, _prompt_name(voice, model))
        try:
            return None if content is None else _decode_prompt(content)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return None

    def keep_prompt(self, voice: SavedVoice, model: str, prompt: VoicePrompt) -> None:
        """Keep what a model has heard, if the voice is still there."""
        try:
            self.voices.put_file(voice.id, _prompt_name(voice, model), _encode_prompt(prompt))
        except FileNotFoundError:
            return


def no_voice(id: str) -> NotFound:
    """Return the error for a voice that is not there."""
    return NotFound(
        f"There is no saved voice {id[:80]!r}. GET /v1/audio/voices lists those there are.",
        code="voice_not_found",
    )


def to_flac(samples: Samples) -> bytes:
    """Return samples, shape [n] at 24 kHz, as FLAC of 16 bits.

    What was decoded from such a file comes out the same: there full scale is 32768.
    """
    encoder = open_encoder("flac", _RATE_HZ)
    scaled = samples.astype(np.float64) * (32768 / 32767)
    content = bytearray(encoder.feed(scaled.astype(np.float32)) + encoder.flush())
    encoder.seal(content, len(content))
    return bytes(content)


def now_ns() -> int:
    """Return the time of now, for what is being created."""
    return time.time_ns()


def _prompt_name(voice: SavedVoice, model: str) -> str:
    told = repr((model, voice.transcript)).encode()
    return f"prompt-{hashlib.sha256(told).hexdigest()[:32]}.bin"
