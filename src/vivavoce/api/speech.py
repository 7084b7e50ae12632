"""`POST /v1/audio/speech`: OpenAI's contract, streamed while it is being spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from vivavoce.api.answer import answer, wants_whole
from vivavoce.api.schemas import SpeechBody, parse_speech_body
from vivavoce.errors import UnsupportedMedia

if TYPE_CHECKING:
    from vivavoce.service.speech import SpeechService


def speech_router(service: SpeechService, max_input_chars: int) -> APIRouter:
    """Return the route, bound to a service."""
    router = APIRouter()

    @router.post(
        "/audio/speech",
        summary="Speak a text",
        response_class=Response,
        responses=RESPONSES,
        openapi_extra={"requestBody": {"required": True, "content": _REQUEST_CONTENT}},
    )
    async def create_speech(request: Request) -> Response:
        _check_content_type(request)
        body = parse_speech_body(await request.body(), max_input_chars)
        order = body.order(whole=wants_whole(request, body))
        return await answer(request, service, order, body)

    return router


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


_REQUEST_CONTENT = {"application/json": {"schema": SpeechBody.model_json_schema()}}
_ERROR = {
    "description": "OpenAI's error shape",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, or server-sent events that carry it",
        "content": {
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    },
    **dict.fromkeys((400, 404, 413, 415, 500, 503), _ERROR),
}
