"""`POST /v1/audio/speech/clone`: a text in the voice of an uploaded clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from vivavoce.api.answer import answer, wants_whole
from vivavoce.api.forms import FORM, missing_file, read_form
from vivavoce.api.schemas import CloneBody, parse_clone_form
from vivavoce.api.speech import RESPONSES

if TYPE_CHECKING:
    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.speech import SpeechService

CLONE_PATH = "/audio/speech/clone"


def clone_router(service: SpeechService, limits: ApiLimits) -> APIRouter:
    """Return the route, bound to a service."""
    router = APIRouter()

    @router.post(
        CLONE_PATH,
        summary="Speak a text in the voice of a clip",
        response_class=Response,
        responses=RESPONSES,
        openapi_extra={"requestBody": {"required": True, "content": _REQUEST_CONTENT}},
    )
    async def create_clone(request: Request) -> Response:
        fields, clip = await read_form(request, "file", kept_blank="input")
        if clip is None:
            raise missing_file("file", "the clip whose voice is to be cloned")
        body = parse_clone_form(fields, limits.max_input_chars)
        order = body.order(clip, whole=wants_whole(request, body))
        return await answer(request, service, order, body, limits.send_timeout_s)

    return router


def _form_schema() -> dict[str, Any]:
    schema = CloneBody.model_json_schema()
    schema["properties"]["file"] = {
        "type": "string",
        "format": "binary",
        "description": "The clip: any common audio file.",
    }
    schema["required"] = ["file", *schema["required"]]
    return schema


_REQUEST_CONTENT = {FORM: {"schema": _form_schema()}}
