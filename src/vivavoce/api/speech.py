"""`POST /v1/audio/speech`: OpenAI's contract, streamed while it is being spoken."""

from __future__ import annotations

import base64
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from vivavoce.api.errors import AnswerCut, error_body
from vivavoce.api.gone import ClientGone, unless_gone
from vivavoce.api.schemas import SpeechBody, parse_speech_body
from vivavoce.errors import UnsupportedMedia, VivavoceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

    from vivavoce.service.speech import Speech, SpeechService

log = structlog.get_logger("vivavoce.api")

_CLIENT_CLOSED_REQUEST = 499  # nginx's number; nobody is there to read it
_MAX_IGNORED_NAMES = 20


def speech_router(service: SpeechService, max_input_chars: int) -> APIRouter:
    """Return the route, bound to a service."""
    router = APIRouter()

    @router.post(
        "/audio/speech",
        summary="Speak a text",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra={"requestBody": {"required": True, "content": _REQUEST_CONTENT}},
    )
    async def create_speech(request: Request) -> Response:
        _check_content_type(request)
        body = parse_speech_body(await request.body(), max_input_chars)
        try:
            speech = await unless_gone(request.receive, service.begin(body.order()))
            headers = _headers(speech, body)
            if body.stream_format == "sse":
                return _Streamed(speech, _events(speech), "text/event-stream", headers)
            # HTTP/1.0 ends a body by closing: there half an answer would look like a whole one.
            if body.stream is False or request.scope["http_version"] == "1.0":
                whole = await unless_gone(request.receive, speech.whole())
                return Response(whole, media_type=speech.format.content_type, headers=headers)
        except ClientGone:
            log.info("client gone before its answer began")
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
        return _Streamed(speech, speech.parts(), speech.format.content_type, headers)

    return router


class _Streamed(Response):
    """Sends parts as they come; stops the work when the client goes, cuts the connection on error.

    Ending such an answer normally would pass half of it off as the whole.
    """

    def __init__(
        self,
        speech: Speech,
        parts: AsyncGenerator[bytes],
        content_type: str,
        headers: dict[str, str],
    ) -> None:
        self._speech = speech
        self._parts = parts
        self.status_code = 200
        self.background = None
        self.init_headers({**headers, "content-type": content_type})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_gone(receive, self._send(send))
        except ClientGone:
            log.info("client gone in the middle of its answer")
        except VivavoceError as exc:
            log.error("answer cut", code=exc.code, reason=exc.message)
            raise AnswerCut(exc.code) from exc
        finally:
            await self._speech.close()

    async def _send(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": self.raw_headers},
        )
        async with aclosing(self._parts) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _events(speech: Speech) -> AsyncGenerator[bytes]:
    """Yield server-sent events; a failure is the last one, in a form OpenAI's readers raise."""
    try:
        async with aclosing(speech.parts()) as parts:
            async for part in parts:
                audio = base64.b64encode(part).decode("ascii")
                yield _event({"type": "speech.audio.delta", "audio": audio})
    except VivavoceError as exc:
        log.error("answer cut", code=exc.code, reason=exc.message)
        yield _event({"type": "speech.audio.error", **error_body(exc)})
        return
    usage = {
        "input_tokens": speech.usage.input_tokens,
        "output_tokens": speech.usage.output_tokens,
        "total_tokens": speech.usage.total_tokens,
    }
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n\n"


def _check_content_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia(
            f"The body's content type is {quote(content_type[:80], safe='/ ') or 'not given'}. "
            "Send JSON, with the header Content-Type: application/json."
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("Compressed bodies are not read. Send the JSON as it is.")


def _headers(speech: Speech, body: SpeechBody) -> dict[str, str]:
    headers = {
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "x-vivavoce-model": speech.model.id,
        "x-vivavoce-voice": quote(speech.voice),
        "x-vivavoce-seed": str(speech.seed),
        "x-vivavoce-sample-rate": str(speech.sample_rate_hz),
    }
    if speech.format.name == "pcm":
        headers |= {
            "x-pcm-sample-rate": str(speech.sample_rate_hz),
            "x-pcm-bit-depth": "16",
            "x-pcm-channels": "1",
        }
    ignored = [*speech.ignored, *(body.model_extra or {})][:_MAX_IGNORED_NAMES]
    if ignored:
        headers["x-vivavoce-ignored"] = ", ".join(
            quote(name[:60], errors="replace") for name in ignored
        )
    return headers


_REQUEST_CONTENT = {"application/json": {"schema": SpeechBody.model_json_schema()}}
_ERROR = {
    "description": "OpenAI's error shape",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, or server-sent events that carry it",
        "content": {
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    },
    **dict.fromkeys((400, 404, 413, 415, 500, 503), _ERROR),
}
