"""Two routes that stream PCM and nothing else, for clients that want no choice.

`POST /v1/audio/speech/stream`: server-sent events of base64 PCM, 24 kHz, signed 16 bit, mono; at
the end `[DONE]`, or `[ERROR] message` if there is half an answer only.
`POST /v1/audio/speech/stream/pcm`: the same samples as they are, described by headers.
"""

from __future__ import annotations

import base64
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from vivavoce.api.answer import Streamed, answer, answer_headers
from vivavoce.api.gone import CLIENT_CLOSED_REQUEST, ClientGone, unless_gone
from vivavoce.api.schemas import SpeechBody
from vivavoce.api.speech import ERROR, REQUEST_CONTENT, RESPONSES, read_body
from vivavoce.audio.formats import PCM_SAMPLE_RATE_HZ
from vivavoce.errors import VivavoceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.order import SpeechOrder
    from vivavoce.service.speech import Speech, SpeechService

log = structlog.get_logger("vivavoce.api")

_NO_CHOICE = ("response_format", "stream_format", "stream", "timestamps")
"""Fields of /audio/speech that these routes answer for themselves."""


def plain_streams_router(service: SpeechService, limits: ApiLimits) -> APIRouter:
    """Return the routes, bound to a service."""
    router = APIRouter()
    body_description = {"requestBody": {"required": True, "content": REQUEST_CONTENT}}

    @router.post(
        "/audio/speech/stream",
        summary="Speak a text as server-sent events of base64 PCM",
        response_class=Response,
        responses=_SSE_RESPONSES,
        openapi_extra=body_description,
    )
    async def stream_events(request: Request) -> Response:
        body, order = await _order(request, (*_NO_CHOICE, "sample_rate"))
        order = replace(order, sample_rate_hz=PCM_SAMPLE_RATE_HZ)
        try:
            speech = await unless_gone(request.receive, service.begin(order))
        except ClientGone:
            log.info("client gone before its answer began")
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        headers = answer_headers(speech, body)
        return Streamed(
            speech, _events(speech), "text/event-stream", headers, limits.send_timeout_s
        )

    @router.post(
        "/audio/speech/stream/pcm",
        summary="Speak a text as raw PCM",
        response_class=Response,
        responses=RESPONSES,
        openapi_extra=body_description,
    )
    async def stream_pcm(request: Request) -> Response:
        body, order = await _order(request, _NO_CHOICE)
        return await answer(request, service, order, body, limits.send_timeout_s)

    async def _order(request: Request, decided: tuple[str, ...]) -> tuple[SpeechBody, SpeechOrder]:
        """Return what was sent, and what is asked for; `decided` names the fields not heeded."""
        body = await read_body(request, limits.max_input_chars, SpeechBody)
        sent = {name: getattr(body, name) for name in decided if name in body.model_fields_set}
        plain = body.model_copy(
            update={
                "response_format": "pcm",
                "stream_format": "audio",
                "stream": None,
                "timestamps": "none",
            }
        )
        usual = {"response_format": "pcm", "stream": True, "timestamps": "none"}
        ignored = {n: v for n, v in sent.items() if v is not None and usual.get(n) != v}
        assert plain.model_extra is not None
        plain.model_extra.update(ignored)  # named in the answer's X-Vivavoce-Ignored
        # HTTP/1.0 cannot tell half a stream from a whole one.
        return plain, plain.order(whole=request.scope["http_version"] == "1.0")

    return router


async def _events(speech: Speech) -> AsyncGenerator[bytes]:
    """Yield the samples as events. Each holds whole samples."""
    try:
        async with aclosing(speech.parts()) as parts:
            async for part in parts:
                yield b"data: " + base64.b64encode(part) + b"\n\n"
    except VivavoceError as exc:
        log.error("answer cut", code=exc.code, reason=exc.message)
        message = " ".join(exc.message.split()).encode("ascii", "backslashreplace")
        yield b"data: [ERROR] " + message + b"\n\n"
        return
    yield b"data: [DONE]\n\n"


_SSE_RESPONSES: dict[int | str, dict[str, Any]] = {
    **{status: ERROR for status in RESPONSES if status not in (200, 304)},
    200: {
        "description": "Events of base64 PCM, then [DONE], or [ERROR] and why",
        "content": {"text/event-stream": {}},
    },
}
