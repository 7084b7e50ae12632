"""`POST /v1/audio/speech`: OpenAI's contract, streamed while it is being spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from vivavoce.api.answer import answer, wants_whole
from vivavoce.api.schemas import SpeechBody, parse_speech_body
from vivavoce.errors import UnsupportedMedia

if TYPE_CHECKING:
    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.speech import SpeechService


_Body = TypeVar("_Body", bound=SpeechBody)


def speech_router(service: SpeechService, limits: ApiLimits) -> APIRouter:
    """Return the route, bound to a service."""
    router = APIRouter()

    @router.post(
        "/audio/speech",
        summary="Speak a text",
        response_class=Response,
        responses=RESPONSES,
        openapi_extra={"requestBody": {"required": True, "content": REQUEST_CONTENT}},
    )
    async def create_speech(request: Request) -> Response:
        body = await read_body(request, limits.max_input_chars, SpeechBody)
        order = body.order(whole=wants_whole(request, body))
        return await answer(request, service, order, body, limits.send_timeout_s)

    return router


async def read_body(request: Request, max_input_chars: int, kind: type[_Body]) -> _Body:
    """Return a request's checked body.

    Raises:
        UnsupportedMedia: it is not JSON as it stands.
        InvalidRequest: a field cannot be honoured.
    """
    check_content_type(request)
    return parse_speech_body(await request.body(), max_input_chars, kind)


def check_content_type(request: Request) -> None:
    """Make sure that a body is JSON as it stands.

    Raises:
        UnsupportedMedia: it is not.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia(
            f"The body's content type is {quote(content_type[:80], safe='/ ') or 'not given'}. "
            "Send JSON, with the header Content-Type: application/json."
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("Compressed bodies are not read. Send the JSON as it is.")


REQUEST_CONTENT = {"application/json": {"schema": SpeechBody.model_json_schema()}}
ERROR: dict[str, Any] = {
    "description": "OpenAI's error shape",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, or server-sent events that carry it",
        "content": {
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
            "text/event-stream": {},
        },
    },
    304: {"description": "The client has this very audio (If-None-Match)"},
    **dict.fromkeys((400, 401, 403, 404, 408, 413, 415, 429, 500, 503, 504), ERROR),
}
