"""How one answer is made: its turn, its clip, its model, its speech, its bytes."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from vivavoce.errors import RequestTimedOut, ServerFull
from vivavoce.service.audio_path import AudioPath
from vivavoce.service.cache.entry import CachedAudio
from vivavoce.service.deadline import Deadline
from vivavoce.service.hearing import Hearing
from vivavoce.service.levels import Levels
from vivavoce.service.timeline import Timeline
from vivavoce.types import Need, SpeechReport, TimedSegment, Timestamps, Usage

if TYPE_CHECKING:
    from vivavoce.service.admission import Admission
    from vivavoce.service.broadcast import Emit
    from vivavoce.service.cache.audio import AudioCache
    from vivavoce.service.metrics import Metrics
    from vivavoce.service.plan import Plan
    from vivavoce.service.reference import ReferenceReader
    from vivavoce.service.voice_cache import VoiceCache
    from vivavoce.service.voice_store import VoiceStore
    from vivavoce.types import Samples, SpeechRequest
    from vivavoce.worker.conversation import Spoken
    from vivavoce.worker.handle import WorkerHandle

# Encoded at a time, so that a long sentence's first bytes need not wait for its last.
_SLICE_S = 0.5


@dataclass(slots=True)
class Times:
    """Seconds that the stages of an answer took; None: there was no such stage.

    `queue_s` waiting for a turn, `load_s` for a worker, `listen_s` reading and hearing a clip,
    `inference_s` waiting for the engine, `encode_s` turning its samples into bytes.
    """

    queue_s: float | None = None
    load_s: float | None = None
    listen_s: float | None = None
    inference_s: float | None = None
    encode_s: float | None = None


@dataclass(slots=True)
class Made:
    """What is known of an answer, more and more while it is made; shared by all who listen to it.

    `found`: it was not made but found in a slower tier of the cache. For a cloned voice `clip_s`
    is the length of its clip, and `voice_cached` tells whether it was known already. `timed` grows
    by a segment whenever one is complete, if times are wanted.
    """

    seed: int
    found: bool = False
    segments_begun: int = 0
    clip_s: float | None = None
    voice_cached: bool | None = None
    report: SpeechReport = field(default_factory=SpeechReport)
    duration_s: float = 0.0
    timed: list[TimedSegment] = field(default_factory=list)
    times: Times = field(default_factory=Times)
    path: AudioPath | None = None

    @classmethod
    def of(cls, entry: CachedAudio) -> Made:
        """Return what is known of an answer that was kept."""
        return cls(
            entry.seed,
            found=True,
            report=SpeechReport(Usage(entry.input_tokens, entry.output_tokens)),
            duration_s=entry.duration_s,
            timed=list(entry.timed),
        )

    def take(self, entry: CachedAudio) -> None:
        """Become what is known of an answer that was kept."""
        of = Made.of(entry)
        self.seed, self.found = of.seed, True
        self.report, self.duration_s, self.timed = of.report, of.duration_s, of.timed

    def seal(self, head: bytearray, total_bytes: int) -> None:
        """Put exact sizes into the first bytes of the whole answer; a kept one has them."""
        if self.path is not None:
            self.path.seal(head, total_bytes)

    def as_entry(self, whole: bytes) -> CachedAudio:
        """Return what is kept of the answer whose bytes these are."""
        usage = self.report.usage
        return CachedAudio(
            whole,
            self.seed,
            self.duration_s,
            usage.input_tokens,
            usage.output_tokens,
            tuple(self.timed),
        )


@dataclass(frozen=True, slots=True)
class Studio:
    """What all answers are made with."""

    admission: Admission
    audio_cache: AudioCache
    voice_cache: VoiceCache
    voice_store: VoiceStore
    references: ReferenceReader
    metrics: Metrics
    request_timeout_s: float
    encoding: Executor = field(
        default_factory=lambda: ThreadPoolExecutor(os.cpu_count() or 2, "encode")
    )
    levels: Levels = field(default_factory=Levels)

    def close(self) -> None:
        """Let go of the threads."""
        self.encoding.shutdown(wait=False, cancel_futures=True)


class Synthesis:
    """The making of one answer, as the work of a `Broadcast`. `made` tells how far it is."""

    def __init__(self, plan: Plan, studio: Studio) -> None:
        self.plan = plan
        self.made = Made(plan.request.seed)
        self._studio = studio
        self._stage = "queue"

    async def run(self, emit: Emit) -> None:
        """Find the answer in the cache, or make it; hand out its bytes; keep it.

        Raises:
            ServerFull: no turn, or none in time.
            RequestTimedOut: it took longer than it may.
            InvalidRequest: the clip cannot be used, or the saved voice was deleted.
            EngineUnavailable, WorkerDied, SynthesisFailed: what came so far is not the whole.
        """
        with self.plan.model.wanted():
            if self.plan.cached:
                entry = await self._studio.audio_cache.find(self.plan.key)
                if entry is not None:
                    self.made.take(entry)
                    await emit(entry.data)
                    return
            limit_s = self._studio.request_timeout_s
            deadline = Deadline(limit_s)
            try:
                async with deadline:
                    await self._in_turn(emit, deadline)
            except TimeoutError:
                if not deadline.expired:
                    raise
                raise self._timed_out(limit_s) from None

    async def _in_turn(self, emit: Emit, deadline: Deadline) -> None:
        plan, times = self.plan, self.made.times
        asked_at = time.monotonic()
        async with self._studio.admission.slot(live=plan.live):
            times.queue_s = time.monotonic() - asked_at
            self._studio.metrics.queue_s.observe(times.queue_s)
            self._stage = "clip"
            hearing = self._hearing()
            if hearing is not None:
                await hearing.look_up()
            self._stage = "load"
            async with AsyncExitStack() as stack:
                began = time.monotonic()
                opening = self._open_path()
                with deadline.paused():
                    worker = await stack.enter_async_context(plan.model.use())
                times.load_s = time.monotonic() - began
                self._stage = "speech"
                request = plan.request
                if hearing is not None:
                    request = replace(request, reference=await hearing.listen(worker))
                path = self.made.path = await opening
                if plan.loudness_lufs is not None:  # it counts alone
                    levels = self._studio.levels
                    path.level(await levels.gain_db(plan.loudness_lufs, plan, request, worker))
                elif plan.gain_db:
                    path.level(plan.gain_db)
                await self._speak(self._say(worker, request, deadline), path, emit, deadline)

    def _say(self, worker: WorkerHandle, request: SpeechRequest, deadline: Deadline) -> Spoken:
        """Ask the engine for the speech."""
        return worker.speak(request)

    def _open_path(self) -> asyncio.Future[AudioPath]:
        """Begin to make the way from samples to bytes: the first one imports half of FFmpeg."""
        plan, rate_hz = self.plan, self.plan.model.info.capabilities.sample_rate_hz
        return asyncio.get_running_loop().run_in_executor(
            self._studio.encoding,
            lambda: AudioPath(
                plan.format.name,
                rate_hz,
                plan.sample_rate_hz,
                plan.order.tempo,
                trim=plan.order.trim,
            ),
        )

    def _hearing(self) -> Hearing | None:
        """Return what gets to know the voice, if it is that of a recording."""
        plan = self.plan
        is_clip = plan.order.clip is not None
        is_saved = plan.saved is not None and plan.saved.need is Need.CLONE
        return Hearing(plan, self.made, self._studio) if is_clip or is_saved else None

    async def _speak(self, spoken: Spoken, path: AudioPath, emit: Emit, deadline: Deadline) -> None:
        """Engine → `AudioPath` → bytes."""
        plan, made, times = self.plan, self.made, self.made.times
        kept = _Kept(self._studio.audio_cache.largest_bytes if plan.cached else 0)
        timeline = self._open_timeline()
        times.inference_s = times.encode_s = 0.0

        async def hand_out(data: bytes) -> None:
            if data:
                # A listener's pause is not the engine's; one that hears it is given time anew.
                with deadline.paused(afresh=plan.live):
                    await emit(data)

        slice_samples = round(_SLICE_S * plan.model.info.capabilities.sample_rate_hz)
        async with aclosing(spoken.chunks) as chunks:
            while True:
                began = time.monotonic()
                chunk = await anext(chunks, None)
                times.inference_s += time.monotonic() - began
                if chunk is None:
                    break
                samples = chunk.samples
                if not made.segments_begun:  # with the first sound: until then it may still fail
                    lead = self._lead()
                    samples = np.concatenate((lead, samples))
                    if timeline is not None:
                        timeline.wait(len(lead))
                made.segments_begun = chunk.segment + 1
                if timeline is not None:
                    timeline.hear(chunk, path.cut_samples)
                for piece in _slices(samples, slice_samples):
                    data = await self._encode(path, piece, chunk.segment)
                    kept.add(data)
                    await hand_out(data)
        rest = await self._encode(path, None)
        if timeline is not None:
            timeline.end(path.cut_samples, path.duration_s)
        made.report = spoken.report
        kept.add(rest)
        if (whole := kept.whole()) is not None:
            made.seal(whole, len(whole))
            self._studio.audio_cache.put(plan.key, made.as_entry(bytes(whole)))
        await hand_out(rest)

    def _open_timeline(self) -> Timeline | None:
        """Begin to count, if anybody wants times; `made` has them as they are known."""
        order = self.plan.order
        if order.timestamps is Timestamps.NONE:
            return None
        rate_hz = self.plan.model.info.capabilities.sample_rate_hz
        timeline = Timeline(self.plan.request, order.timestamps, rate_hz, order.tempo)
        self.made.timed = timeline.ended
        return timeline

    def _lead(self) -> Samples:
        """Return the silence before the first word."""
        rate_hz = self.plan.model.info.capabilities.sample_rate_hz
        return np.zeros(round(self.plan.script.lead_s * rate_hz), np.float32)

    async def _encode(self, path: AudioPath, samples: Samples | None, segment: int = 0) -> bytes:
        """Return the bytes that samples, shape [n], make; without any, the rest of the file.

        What takes long is done on threads, off the event loop.
        """
        began = time.monotonic()
        work = path.flush if samples is None else partial(path.feed, samples, segment)
        if path.quick:
            data = work()
        else:
            data = await asyncio.get_running_loop().run_in_executor(self._studio.encoding, work)
        times = self.made.times
        times.encode_s = (times.encode_s or 0.0) + time.monotonic() - began
        self.made.duration_s = path.duration_s
        return data

    def _timed_out(self, limit_s: float) -> RequestTimedOut | ServerFull:
        if self._stage == "queue":
            return ServerFull(
                f"The server was full for {limit_s:g} s. Try again later, or have the operator "
                "raise MAX_CONCURRENT_REQUESTS.",
                retry_after_s=30,
            )
        return RequestTimedOut(
            f"The answer was not made within {limit_s:g} s. Send a shorter text, or have the "
            "operator raise REQUEST_TIMEOUT."
        )


class _Kept:
    """The bytes of an answer, until they are more than may be kept."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = bytearray()
        self._keeping = limit_bytes > 0

    def add(self, data: bytes) -> None:
        """Keep these as well, or give up."""
        if self._keeping:
            self._bytes += data
            if len(self._bytes) > self._limit_bytes:
                self._keeping = False
                self._bytes = bytearray()

    def whole(self) -> bytearray | None:
        """Return all of them, if they were few enough."""
        return self._bytes if self._keeping else None


def _slices(samples: Samples, length: int) -> list[Samples]:
    return [samples[i : i + length] for i in range(0, len(samples), length)]
