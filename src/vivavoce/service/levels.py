"""How loud each voice is, so that it can be brought to the loudness somebody asks for.

A stream's loudness is known when it is over, which is too late for its gain. So the gain is the
voice's, not the answer's: each voice speaks one fixed sentence, once, unheard.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.audio.loudness import integrated_lufs
from vivavoce.errors import SynthesisFailed
from vivavoce.types import Segment, SpeechRequest

if TYPE_CHECKING:
    from vivavoce.service.plan import Plan
    from vivavoce.worker.handle import WorkerHandle

_SENTENCE = "This is the voice in which a quiet page of an ordinary book is read to you."
_SEED = 0
_MAX_GAIN_DB = 24.0
_MAX_VOICES = 4096


class Levels:
    """The loudness of voices that have been measured; belongs to one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, float] = OrderedDict()
        self._measuring = asyncio.Lock()

    async def gain_db(
        self, target_lufs: float, plan: Plan, request: SpeechRequest, worker: WorkerHandle
    ) -> float:
        """Return what brings the request's voice to a loudness; the first time, it is measured.

        Raises:
            SynthesisFailed: the voice made no sound to measure, or none at all.
            WorkerDied: the engine's process ended.
        """
        key = _key(plan, request)
        if key not in self._known:
            async with self._measuring:
                if key not in self._known:
                    self._known[key] = await _measure(plan, request, worker)
                    if len(self._known) > _MAX_VOICES:
                        self._known.popitem(last=False)
        self._known.move_to_end(key)
        return float(np.clip(target_lufs - self._known[key], -_MAX_GAIN_DB, _MAX_GAIN_DB))


def _key(plan: Plan, request: SpeechRequest) -> str:
    parts = (
        plan.model.fingerprint,
        request.voice,
        request.blend,
        request.reference,
        _description(request),
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _description(request: SpeechRequest) -> str | None:
    # To be told to whisper is no reason to be made louder; to be described as a whisperer is.
    has_voice = request.voice or request.blend or request.reference is not None
    return None if has_voice else request.instructions


async def _measure(plan: Plan, request: SpeechRequest, worker: WorkerHandle) -> float:
    can = plan.model.info.capabilities
    spoken = worker.speak(
        SpeechRequest(
            (Segment(_SENTENCE),),
            request.voice,
            _SEED,
            "en" if "en" in can.languages else None,
            _description(request),
            reference=request.reference,
            blend=request.blend,
            whole=True,
        )
    )
    samples = [chunk.samples async for chunk in spoken.chunks]
    lufs = integrated_lufs(np.concatenate(samples), can.sample_rate_hz) if samples else None
    if lufs is None:
        raise SynthesisFailed(
            "The voice made no sound whose loudness could be measured. Leave loudness out."
        )
    return lufs
