"""The use case: somebody gives text and gets speech. Every route and the command line come here."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from vivavoce.errors import SynthesisFailed, VivavoceError
from vivavoce.service.audio_path import AudioPath
from vivavoce.service.metrics import Metrics
from vivavoce.service.order import (
    MAX_SEED,
    choose_format,
    choose_instructions,
    choose_language,
    choose_transcript,
    ignored_wishes,
    prepare_text,
)
from vivavoce.service.voice_cache import HeardVoice, VoiceCache
from vivavoce.types import Need, SpeechReport, SpeechRequest

if TYPE_CHECKING:
    from vivavoce.audio.formats import AudioFormat
    from vivavoce.service.models import Model, Models
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.reference import ReferenceClip, ReferenceReader
    from vivavoce.service.voices import Voices
    from vivavoce.types import ModelInfo, Samples, Segment, VoicePrompt
    from vivavoce.worker.handle import WorkerHandle

log = structlog.get_logger("vivavoce.speech")

# Encoded at a time, so that a long sentence's first bytes need not wait for its last.
_SLICE_S = 0.5
_LONG_TEXT_CHARS = 1000


@dataclass(slots=True)
class Times:
    """Seconds since the order came: when its worker was ready, its first and last bytes made.

    `listen_s` is how long reading and listening to a reference clip took.
    """

    worker_s: float | None = None
    listen_s: float | None = None
    first_bytes_s: float | None = None
    total_s: float | None = None


@dataclass(slots=True)
class Speech:
    """An answer in the making: what was decided, and its bytes as they come.

    Iterate `parts()` or await `whole()`, once. `report`, `duration_s` and `times` are final
    afterwards. `ignored` names the wishes this model cannot fulfil. For a cloned voice `clip_s` is
    the length of its clip, and `voice_cached` tells whether it was known already.
    """

    model: ModelInfo
    voice: str
    format: AudioFormat
    sample_rate_hz: int
    seed: int
    segments: tuple[Segment, ...]
    ignored: tuple[str, ...] = ()
    segments_begun: int = 0
    clip_s: float | None = None
    voice_cached: bool | None = None
    report: SpeechReport = field(default_factory=SpeechReport)
    duration_s: float = 0.0
    times: Times = field(default_factory=Times)
    _first: bytes = b""
    _rest: AsyncGenerator[bytes] | None = None
    _path: AudioPath | None = None

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the bytes as they are made. Closing it early stops the work.

        Raises:
            WorkerDied, SynthesisFailed: what came so far is not the whole answer.
        """
        assert self._rest is not None, "not begun"
        async with aclosing(self._rest) as rest:
            yield self._first
            async for part in rest:
                yield part

    async def whole(self) -> bytes:
        """Return all bytes, with exact sizes where the format has a place for them."""
        whole = bytearray()
        async with aclosing(self.parts()) as parts:
            async for part in parts:
                whole += part
        self.seal(whole, len(whole))
        return bytes(whole)

    def seal(self, head: bytearray, total_bytes: int) -> None:
        """Put exact sizes into the first bytes of a file all parts were written to."""
        assert self._path is not None, "not begun"
        self._path.seal(head, total_bytes)

    async def close(self) -> None:
        """Stop the work of a speech that nobody will iterate."""
        if self._rest is not None:
            await self._rest.aclose()


@dataclass(frozen=True, slots=True)
class _Clip:
    """A reference on its way to a request: known already, or read and still to be listened to."""

    key: str
    known: HeardVoice | None = None
    read: ReferenceClip | None = None
    transcript: str | None = None


class SpeechService:
    """Turns orders into speech, through whichever worker the model has."""

    def __init__(
        self, models: Models, voices: Voices, references: ReferenceReader, voice_cache: VoiceCache
    ) -> None:
        self.models = models
        self.voices = voices
        self.voice_cache = voice_cache
        self.metrics = Metrics()
        self._references = references
        self._encoding = ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="encode")

    def check(self, order: SpeechOrder) -> tuple[Model, Speech, SpeechRequest]:
        """Decide everything that can be decided without an engine. Quick; wakes nothing.

        Raises:
            InvalidRequest: the order cannot be fulfilled as it is.
        """
        need = order.need
        model = self.models.choose(order.model, need)
        info = model.info
        voice = self.voices.resolve(info, order.voice).id if need is Need.PRESET else ""
        audio_format, rate_hz = choose_format(order)
        language = choose_language(order, info)
        segments = prepare_text(order.text, language, info)
        seed = secrets.randbelow(MAX_SEED + 1) if order.seed is None else order.seed
        speech = Speech(
            model=info,
            voice=voice or need.value,
            format=audio_format,
            sample_rate_hz=rate_hz,
            seed=seed,
            segments=segments,
            ignored=ignored_wishes(order, info),
        )
        request = SpeechRequest(
            segments,
            voice,
            seed,
            language,
            choose_instructions(order, info),
            sampling=order.sampling,
            max_new_tokens=order.max_new_tokens,
            whole=order.whole,
        )
        return model, speech, request

    async def begin(self, order: SpeechOrder) -> Speech:
        """Return a speech whose first bytes are made, so that what can fail early has not.

        Cancelling it cancels the work.

        Raises:
            InvalidRequest: the order cannot be fulfilled as it is.
            EngineUnavailable: no engine could be started.
            WorkerDied, SynthesisFailed: it ended before its first byte.
        """
        ordered_at = time.monotonic()
        if len(order.text) > _LONG_TEXT_CHARS:  # takes a while to write out; others are served
            model, speech, request = await asyncio.to_thread(self.check, order)
        else:
            model, speech, request = self.check(order)
        clip = await self._read_clip(order, speech) if order.clip is not None else None
        speech._rest = self._make(model, speech, request, clip, order.speed, ordered_at)
        try:
            speech._first = await anext(speech._rest)
        except StopAsyncIteration:
            raise SynthesisFailed("The engine made no sound for this text. Reword it.") from None
        return speech

    async def close(self) -> None:
        """End all workers. Nothing may be asked for afterwards."""
        await self.models.close()
        self._encoding.shutdown(wait=False, cancel_futures=True)

    async def _make(
        self,
        model: Model,
        speech: Speech,
        request: SpeechRequest,
        clip: _Clip | None,
        speed: float,
        ordered_at: float,
    ) -> AsyncGenerator[bytes]:
        """Engine → stretch → resample → encode; what takes long on threads, off the event loop."""
        loop = asyncio.get_running_loop()
        outcome = "abandoned"
        try:
            worker = await model.ready_worker()
            speech.times.worker_s = time.monotonic() - ordered_at
            if clip is not None:
                request = replace(request, reference=await self._listen(clip, speech, worker))
            rate_hz = model.info.capabilities.sample_rate_hz
            path = AudioPath(speech.format.name, rate_hz, speech.sample_rate_hz, speed)
            speech._path = path
            spoken = worker.speak(request)
            async with aclosing(spoken.chunks) as chunks:
                async for chunk in chunks:
                    speech.segments_begun = chunk.segment + 1
                    for piece in _slices(chunk.samples, round(_SLICE_S * rate_hz)):
                        if path.quick:
                            data = path.feed(piece)
                        else:
                            data = await loop.run_in_executor(self._encoding, path.feed, piece)
                        speech.duration_s = path.duration_s
                        if data:
                            if speech.times.first_bytes_s is None:
                                speech.times.first_bytes_s = time.monotonic() - ordered_at
                            yield data
            data = await loop.run_in_executor(self._encoding, path.flush)
            speech.report = spoken.report
            speech.duration_s = path.duration_s
            outcome = "spoken"
            yield data
        except VivavoceError as exc:
            outcome = exc.code
            raise
        finally:
            speech.times.total_s = time.monotonic() - ordered_at
            self._note(speech, outcome)

    async def _read_clip(self, order: SpeechOrder, speech: Speech) -> _Clip:
        """Look a reference up; decode it if it is not known."""
        assert order.clip is not None
        started = time.monotonic()
        transcript = choose_transcript(order)
        key = VoiceCache.key(speech.model.id, order.clip, transcript)
        known = self.voice_cache.get(key)
        self.metrics.voice_cache.labels("hit" if known else "miss").inc()
        speech.voice_cached = known is not None
        read = None
        if known is None:
            read = await self._references.read(order.clip)
        speech.clip_s = known.clip_s if known else read.duration_s if read else None
        speech.times.listen_s = time.monotonic() - started
        return _Clip(key, known, read, transcript)

    async def _listen(self, clip: _Clip, speech: Speech, worker: WorkerHandle) -> VoicePrompt:
        """Return the voice of a reference, from now on known."""
        if clip.known is not None:
            return clip.known.prompt
        assert clip.read is not None
        started = time.monotonic()
        prompt = await worker.listen(clip.read.samples, clip.transcript)
        speech.times.listen_s = (speech.times.listen_s or 0) + time.monotonic() - started
        self.voice_cache.put(clip.key, HeardVoice(prompt, clip.read.duration_s))
        return prompt

    def _note(self, speech: Speech, outcome: str) -> None:
        """Log and count an answer that has ended, however."""
        model, report, metrics = speech.model.id, speech.report, self.metrics
        metrics.speech.labels(model, outcome).inc()
        metrics.audio_s.labels(model).inc(speech.duration_s)
        metrics.retries.labels(model).inc(len(report.faults))
        if report.codes_per_s is not None:
            metrics.codes_per_s.labels(model).observe(report.codes_per_s)
        _log(speech, outcome)


def _slices(samples: Samples, length: int) -> list[Samples]:
    return [samples[i : i + length] for i in range(0, len(samples), length)]


def _log(speech: Speech, outcome: str) -> None:
    times = speech.times
    log.info(
        "speech",
        outcome=outcome,
        model=speech.model.id,
        voice=speech.voice,
        format=speech.format.name,
        segments=len(speech.segments),
        audio_s=round(speech.duration_s, 3),
        faults=list(speech.report.faults) or None,
        codes_per_s=_rounded(speech.report.codes_per_s),
        voice_cached=speech.voice_cached,
        listen_ms=_ms(times.listen_s),
        worker_ms=_ms(times.worker_s),
        first_bytes_ms=_ms(times.first_bytes_s),
        total_ms=_ms(times.total_s),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
