"""`POST /v1/audio/speech/clone`: a text in the voice of an uploaded clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vivavoce.api.answer import answer, wants_whole
from vivavoce.api.schemas import CloneBody, parse_clone_form
from vivavoce.api.speech import RESPONSES
from vivavoce.errors import InvalidRequest, UnsupportedMedia

if TYPE_CHECKING:
    from starlette.datastructures import FormData

    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.speech import SpeechService

CLONE_PATH = "/audio/speech/clone"
_MAX_FIELDS = 40


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
        form = await _read_form(request)
        try:
            fields, clip = await _take_apart(form)
        finally:
            await form.close()
        body = parse_clone_form(fields, limits.max_input_chars)
        order = body.order(clip, whole=wants_whole(request, body))
        return await answer(request, service, order, body, limits.send_timeout_s)

    return router


async def _read_form(request: Request) -> FormData:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMedia(
            f"The body's content type is {quote(content_type[:80], safe='/ ') or 'not given'}. "
            "Send multipart/form-data, with the clip as file and the text as input."
        )
    try:
        return await request.form(max_files=1, max_fields=_MAX_FIELDS)
    except HTTPException as exc:
        raise InvalidRequest(
            f"The form cannot be read: {exc.detail}. Send one file and at most {_MAX_FIELDS} "
            "other fields.",
            code="invalid_form",
        ) from None


async def _take_apart(form: FormData) -> tuple[dict[str, str], bytes]:
    """Return the fields that have a value, and the clip."""
    fields: dict[str, str] = {}
    clip: bytes | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "file":
                raise InvalidRequest(
                    "The clip came in another field than file. Send it as file.", param="file"
                )
            clip = await value.read()
        elif value.strip() or name == "input":
            fields[name] = value
    if clip is None:
        raise InvalidRequest(
            "file is missing. Send the clip whose voice is to be cloned as a file of that name.",
            param="file",
            code="missing_required_parameter",
        )
    return fields, clip


def _form_schema() -> dict[str, Any]:
    schema = CloneBody.model_json_schema()
    schema["properties"]["file"] = {
        "type": "string",
        "format": "binary",
        "description": "The clip: any common audio file.",
    }
    schema["required"] = ["file", *schema["required"]]
    return schema


_REQUEST_CONTENT = {"multipart/form-data": {"schema": _form_schema()}}
