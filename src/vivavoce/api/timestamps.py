"""`POST /v1/audio/speech/timestamps`: a whole answer with the times of its segments and words."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from vivavoce.api.answer import answer_headers, timed_json
from vivavoce.api.gone import CLIENT_CLOSED_REQUEST, ClientGone, unless_gone
from vivavoce.api.schemas import TimestampsBody
from vivavoce.api.speech import ERROR, RESPONSES, read_body
from vivavoce.text.subtitles import subtitles

if TYPE_CHECKING:
    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.speech import Speech, SpeechService

log = structlog.get_logger("vivavoce.api")

_NO_CHOICE = {"stream_format": "audio", "stream": False}
"""Fields of /audio/speech that this route answers for itself, and what it says."""


def timestamps_router(service: SpeechService, limits: ApiLimits) -> APIRouter:
    """Return the route, bound to a service."""
    router = APIRouter()

    @router.post(
        "/audio/speech/timestamps",
        summary="Speak a text and tell when each word is heard",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra={"requestBody": {"required": True, "content": _REQUEST_CONTENT}},
    )
    async def create_timed_speech(request: Request) -> Response:
        body = await read_body(request, limits.max_input_chars, TimestampsBody)
        assert body.model_extra is not None
        for name, usual in _NO_CHOICE.items():
            sent = getattr(body, name)
            if name in body.model_fields_set and sent not in (None, usual):
                body.model_extra[name] = sent  # named in the answer's X-Vivavoce-Ignored
        order = replace(body.order(whole=True), traceparent=request.headers.get("traceparent"))
        try:
            speech = await unless_gone(request.receive, service.begin(order))
            audio = await unless_gone(request.receive, speech.whole())
        except ClientGone:
            log.info("client gone before its answer began")
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        headers = answer_headers(speech, body)
        del headers["etag"]  # that of the audio alone
        content = json.dumps(_answer(speech, audio, body.subtitles), separators=(",", ":"))
        return Response(content, media_type="application/json", headers=headers)

    return router


def _answer(speech: Speech, audio: bytes, subtitle_format: str | None) -> dict[str, Any]:
    timed = speech.made.timed
    answer = {
        "audio": base64.b64encode(audio).decode("ascii"),
        "content_type": speech.format.content_type,
        "duration": round(speech.made.duration_s, 6),
        **timed_json(timed),
    }
    if subtitle_format is not None:
        answer["subtitles"] = subtitles(timed, subtitle_format)
    return answer


_REQUEST_CONTENT = {"application/json": {"schema": TimestampsBody.model_json_schema()}}
_TIMES = {"start": {"type": "number"}, "end": {"type": "number"}}


def _list_of(**properties: dict[str, str]) -> dict[str, Any]:
    fields = {**properties, **_TIMES}
    return {
        "type": "array",
        "items": {"type": "object", "properties": fields, "required": list(fields)},
    }


_RESPONSES: dict[int | str, dict[str, Any]] = {
    **{status: ERROR for status in RESPONSES if status not in (200, 304)},
    200: {
        "description": "The audio in base64, and seconds from its beginning",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "audio": {"type": "string", "contentEncoding": "base64"},
                        "content_type": {"type": "string"},
                        "duration": {"type": "number"},
                        "segments": _list_of(id={"type": "integer"}, text={"type": "string"}),
                        "words": _list_of(word={"type": "string"}),
                        "subtitles": {"type": "string"},
                    },
                    "required": ["audio", "content_type", "duration", "segments"],
                }
            }
        },
    },
}
