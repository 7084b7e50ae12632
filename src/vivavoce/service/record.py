"""What is told of an answer when it has ended: one line in the log, numbers, a trace."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from vivavoce.errors import ServerFull
from vivavoce.service.trace import RequestTrace, Stage

if TYPE_CHECKING:
    from vivavoce.service.metrics import Metrics
    from vivavoce.service.speech import Speech
    from vivavoce.service.synthesis import Times
    from vivavoce.service.trace import Traces

log = structlog.get_logger("vivavoce.speech")


class Recorder:
    """Tells of answers. Their texts and voices' clips are never among what is told."""

    def __init__(self, metrics: Metrics, traces: Traces | None = None) -> None:
        self._metrics = metrics
        self._traces = traces

    def record(self, speech: Speech, outcome: str) -> None:
        """Tell of an answer that has ended, however."""
        facts = _facts(speech)
        log.info("speech", outcome=outcome, **facts)
        self._count(speech, outcome)
        if self._traces is not None:
            self._traces.record(_trace(speech, outcome, facts))

    async def close(self) -> None:
        """Send what was not sent yet."""
        if self._traces is None:
            return
        try:
            await asyncio.to_thread(self._traces.close)
        except RuntimeError:  # the program is ending, and Python starts no more threads
            self._traces.close()

    def _count(self, speech: Speech, outcome: str) -> None:
        m, made = self._metrics, speech.made
        model, cache = speech.model.id, speech.cache
        m.speech.labels(model, outcome).inc()
        m.audio_cache.labels(cache).inc()
        if outcome == ServerFull.code:
            m.refused.inc()
        if speech.first_audio_s is not None:
            m.first_audio_s.labels(model, cache).observe(speech.first_audio_s)
        if outcome != "spoken":
            return
        m.request_s.labels(model, cache).observe(speech.total_s or 0.0)
        m.audio_s.labels(model).inc(made.duration_s)
        if speech.joined or made.found:
            return  # the work was somebody else's
        m.retries.labels(model).inc(len(made.report.faults))
        m.underruns.labels(model).inc(made.report.underruns)
        if made.report.codes_per_s is not None:
            m.codes_per_s.labels(model).observe(made.report.codes_per_s)
        worked_s = (made.times.inference_s or 0.0) + (made.times.encode_s or 0.0)
        if made.duration_s:
            m.real_time_factor.labels(model).observe(worked_s / made.duration_s)


def timing(speech: Speech) -> dict[str, float]:
    """Return what is known by now of where the time went, in milliseconds by stage."""
    times = speech.made.times
    known = {
        "queue": times.queue_s,
        "load": times.load_s,
        "listen": times.listen_s,
        "first_audio": speech.first_audio_s,
        "inference": times.inference_s,
        "encode": times.encode_s,
        "total": speech.total_s,
    }
    if speech.joined or speech.made.found:  # the stages were somebody else's
        known = {name: known[name] for name in ("first_audio", "total")}
    return {
        name: round(1000 * seconds, 2) for name, seconds in known.items() if seconds is not None
    }


def _facts(speech: Speech) -> dict[str, str | int | float]:
    plan, made = speech.plan, speech.made
    facts: dict[str, str | int | float | None] = {
        "model": speech.model.id,
        "voice": plan.voice,
        "format": plan.format.name,
        "language": plan.language or "auto",
        "chars": len(plan.order.text),
        "segments": len(plan.request.segments),
        "audio_s": round(made.duration_s, 3),
        "cache": speech.cache.value,
        **{f"{name}_ms": value for name, value in timing(speech).items()},
        "voice_cache": None if made.voice_cached is None else _hit(made.voice_cached),
        "codes_per_s": made.report.codes_per_s and round(made.report.codes_per_s, 1),
        "faults": "; ".join(made.report.faults) or None,
        "underruns": made.report.underruns or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _hit(found: bool) -> str:
    return "hit" if found else "miss"


def _trace(speech: Speech, outcome: str, facts: dict[str, str | int | float]) -> RequestTrace:
    ended_at_s = time.time()
    total_s = speech.total_s or 0.0
    began_at_s = ended_at_s - total_s
    return RequestTrace(
        name="speech",
        parent=speech.plan.order.traceparent,
        started_at_s=began_at_s,
        ended_at_s=ended_at_s,
        stages=() if speech.joined or speech.made.found else _stages(speech.made.times, began_at_s),
        attributes=facts,
        error=None if outcome == "spoken" else outcome,
    )


def _stages(times: Times, at_s: float) -> tuple[Stage, ...]:
    """Return the stages one after the other, as they are gone through.

    Encoding goes on between one chunk of the engine's and the next; it is drawn after the last.
    """
    stages = []
    for name in ("queue", "load", "listen", "inference", "encode"):
        seconds = getattr(times, f"{name}_s")
        if seconds:
            stages.append(Stage(name, at_s, at_s + seconds))
            at_s += seconds
    return tuple(stages)
