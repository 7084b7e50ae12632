"""How an answer comes to know the voice of a recording: from what is kept, or by listening.

The recording is a clip that came with the request, or a saved voice's reference.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from vivavoce.audio.clip import CLIP_HZ
from vivavoce.errors import StorageFailed
from vivavoce.service.reference import ReferenceClip, with_silence
from vivavoce.service.voice_cache import HeardVoice, VoiceCache

if TYPE_CHECKING:
    from vivavoce.service.plan import Plan
    from vivavoce.service.saved_voice import SavedVoice
    from vivavoce.service.synthesis import Made, Studio
    from vivavoce.types import VoicePrompt
    from vivavoce.worker.handle import WorkerHandle

log = structlog.get_logger("vivavoce.voices")


class Hearing:
    """Gets a plan the voice of its recording. `made` is told what it took."""

    def __init__(self, plan: Plan, made: Made, studio: Studio) -> None:
        self._plan = plan
        self._made = made
        self._studio = studio
        self._key = _key(plan)
        self._known: HeardVoice | None = None
        self._read: ReferenceClip | None = None

    async def look_up(self) -> None:
        """See whether the voice is known; if it is not, read the recording.

        Raises:
            InvalidRequest: the clip cannot be used.
            NotFound, StorageFailed: the saved voice is gone or damaged.
        """
        plan, made, studio = self._plan, self._made, self._studio
        began = time.monotonic()
        self._known = studio.voice_cache.get(self._key)
        if plan.saved is None:
            assert plan.order.clip is not None
            if self._known is None:
                self._read = await studio.references.read(plan.order.clip)
        elif self._known is None:
            await asyncio.to_thread(self._look_in_store, plan.saved)
        made.voice_cached = self._known is not None
        studio.metrics.voice_cache.labels("hit" if made.voice_cached else "miss").inc()
        found = self._known.clip_s if self._known else None
        made.clip_s = self._read.duration_s if self._read else found
        made.times.listen_s = time.monotonic() - began

    async def listen(self, worker: WorkerHandle) -> VoicePrompt:
        """Return the voice, from now on known."""
        if self._known is not None:
            return self._known.prompt
        assert self._read is not None
        began = time.monotonic()
        prompt = await worker.listen(self._read.samples, self._plan.transcript)
        times = self._made.times
        times.listen_s = (times.listen_s or 0.0) + time.monotonic() - began
        self._studio.voice_cache.put(self._key, HeardVoice(prompt, self._read.duration_s))
        if self._plan.saved is not None:
            await asyncio.to_thread(self._keep, self._plan.saved, prompt)
        return prompt

    def _look_in_store(self, saved: SavedVoice) -> None:
        """Find what was heard before a restart, or by another server; else the reference."""
        store = self._studio.voice_store
        prompt = store.prompt(saved, self._plan.model.fingerprint)
        if prompt is None:
            samples = store.reference(saved)
            self._read = ReferenceClip(with_silence(samples), len(samples) / CLIP_HZ)
            return
        clip_s = saved.reference.duration_s if saved.reference else 0.0
        self._known = HeardVoice(prompt, clip_s)
        self._studio.voice_cache.put(self._key, self._known)

    def _keep(self, saved: SavedVoice, prompt: VoicePrompt) -> None:
        try:
            self._studio.voice_store.keep_prompt(saved, self._plan.model.fingerprint, prompt)
        except StorageFailed as exc:  # it was listened to all the same, and will be again
            log.warning("voice not kept", voice=saved.id, reason=exc.message)


def _key(plan: Plan) -> str:
    model = plan.model.info.id
    if plan.saved is not None:
        return f"{model} {plan.saved.stamp}"
    assert plan.order.clip is not None
    return VoiceCache.key(model, plan.order.clip, plan.transcript)
