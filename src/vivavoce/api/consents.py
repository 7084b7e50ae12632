"""`/v1/audio/voice_consents`: recordings in which people agree to have their voices saved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request

from vivavoce.api.forms import missing_file
from vivavoce.api.speech import ERROR
from vivavoce.api.voice_schemas import (
    ConsentBody,
    NameBody,
    form_content,
    json_content,
    read,
    read_with_file,
)

if TYPE_CHECKING:
    from vivavoce.service.consents import Consents
    from vivavoce.service.saved_voice import Consent

CONSENTS_PATH = "/audio/voice_consents"
_ONE = CONSENTS_PATH + "/{consent_id}"
_REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": ERROR, "5XX": ERROR}
_RECORDING = "recording"


def consents_router(consents: Consents) -> APIRouter:
    """Return the routes, bound to the consents. None wakes an engine."""
    router = APIRouter()

    @router.post(
        CONSENTS_PATH,
        summary="Keep a recorded consent",
        responses=_REFUSALS,
        openapi_extra={
            "requestBody": {"required": True, "content": form_content(ConsentBody, _RECORDING)}
        },
    )
    async def create_consent(request: Request) -> dict[str, Any]:
        body, file = await read_with_file(request, ConsentBody, _RECORDING)
        if file is None:
            raise missing_file(_RECORDING, "the recording in which somebody agrees")
        return _shown(await consents.create(body.name, body.language, file))

    @router.get(CONSENTS_PATH, summary="List the consents", responses=_REFUSALS)
    async def list_consents(
        after: str | None = None, limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> dict[str, Any]:
        page, has_more = await asyncio.to_thread(consents.page, after, limit)
        listed = [_shown(consent) for consent in page]
        ends = (listed[0]["id"], listed[-1]["id"]) if listed else (None, None)
        return {
            "object": "list",
            "data": listed,
            "first_id": ends[0],
            "last_id": ends[1],
            "has_more": has_more,
        }

    @router.get(_ONE, summary="Describe a consent", responses=_REFUSALS)
    async def get_consent(consent_id: str) -> dict[str, Any]:
        return _shown(await asyncio.to_thread(consents.get, consent_id))

    @router.post(
        _ONE,
        summary="Rename a consent",
        responses=_REFUSALS,
        openapi_extra={"requestBody": {"required": True, "content": json_content(NameBody)}},
    )
    async def rename_consent(consent_id: str, request: Request) -> dict[str, Any]:
        body = await read(request, NameBody)
        return _shown(await consents.rename(consent_id, body.name))

    @router.delete(_ONE, summary="Delete a consent; voices stay", responses=_REFUSALS)
    async def delete_consent(consent_id: str) -> dict[str, Any]:
        await consents.remove(consent_id)
        return {"id": consent_id, "object": "audio.voice_consent", "deleted": True}

    return router


def _shown(consent: Consent) -> dict[str, Any]:
    return {
        "id": consent.id,
        "object": "audio.voice_consent",
        "name": consent.name,
        "language": consent.language,
        "created_at": consent.created_at,
    }
