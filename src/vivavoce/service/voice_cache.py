"""Voices heard in clips, kept so that a clip is decoded and listened to once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vivavoce.types import VoicePrompt


@dataclass(frozen=True, slots=True)
class HeardVoice:
    """A voice, and the seconds of the clip it was heard in."""

    prompt: VoicePrompt
    clip_s: float


class VoiceCache:
    """At most `max_entries` voices, those used last. They are small: 16 kB for half a minute."""

    def __init__(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self.hits = 0
        self.misses = 0
        self._voices: OrderedDict[str, HeardVoice] = OrderedDict()

    def __len__(self) -> int:
        return len(self._voices)

    @staticmethod
    def key(model_id: str, clip: bytes, transcript: str | None) -> str:
        """Return what tells a clip from all others: SHA-256 of model, file and transcript."""
        digest = hashlib.sha256(clip).hexdigest()
        return hashlib.sha256(repr((model_id, digest, transcript)).encode()).hexdigest()

    def get(self, key: str) -> HeardVoice | None:
        """Return the voice of that key if it is kept; counts as its use."""
        voice = self._voices.get(key)
        if voice is None:
            self.misses += 1
            return None
        self.hits += 1
        self._voices.move_to_end(key)
        return voice

    def clear(self) -> int:
        """Forget all; return how many there were."""
        count = len(self)
        self._voices.clear()
        return count

    def put(self, key: str, voice: HeardVoice) -> None:
        """Keep a voice; that which was unused for longest goes."""
        self._voices[key] = voice
        self._voices.move_to_end(key)
        while len(self._voices) > self.max_entries:
            self._voices.popitem(last=False)
