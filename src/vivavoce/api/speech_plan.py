"""`POST /v1/audio/speech/plan`: what would be spoken, how and by whom. Wakes no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from vivavoce.api.schemas import SpeechBody
from vivavoce.api.speech import ERROR, REQUEST_CONTENT, read_body
from vivavoce.text.estimate import estimate_s

if TYPE_CHECKING:
    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.plan import Plan
    from vivavoce.service.speech import SpeechService


def speech_plan_router(service: SpeechService, limits: ApiLimits) -> APIRouter:
    """Return the route, bound to a service."""
    router = APIRouter()

    @router.post(
        "/audio/speech/plan",
        summary="Tell what a request for speech would come to, without speaking",
        responses=dict.fromkeys((400, 401, 403, 404, 408, 413, 415, 429, 500), ERROR),
        openapi_extra={"requestBody": {"required": True, "content": REQUEST_CONTENT}},
    )
    async def plan_speech(request: Request) -> dict[str, Any]:
        body = await read_body(request, limits.max_input_chars, SpeechBody)
        plan = await service.plan(body.order(whole=body.stream is False))
        return describe(plan, tuple(body.model_extra or ()))

    return router


def describe(plan: Plan, unknown: tuple[str, ...]) -> dict[str, Any]:
    """Return a plan as JSON; pauses are as long as they will be heard."""
    speed = plan.order.tempo
    script = plan.script
    pieces = tuple(zip(script.segments, script.languages, strict=True))
    speech_s = sum(estimate_s(segment.text, language) for segment, language in pieces)
    pauses_s = script.lead_s + sum(segment.pause_s for segment in script.segments)
    return {
        "object": "audio.speech.plan",
        "text": "\n".join(segment.text for segment in script.segments),
        "lead_s": round(script.lead_s / speed, 3),
        "segments": [
            {
                "text": segment.text,
                "language": language,
                "pause_s": round(segment.pause_s / speed, 3),
            }
            for segment, language in pieces
        ],
        "model": plan.model.info.id,
        "voice": plan.voice,
        "language": plan.language or "auto",
        "text_format": str(plan.order.text_format),
        "response_format": plan.format.name,
        "sample_rate": plan.sample_rate_hz,
        "speed": speed,
        "characters": sum(len(segment.text) for segment in script.segments),
        "estimated_duration_s": round((speech_s + pauses_s) / speed, 2),
        "ignored": [*plan.ignored, *unknown],
    }
