"""`/v1/audio/voices`: what voices there are, and saving, changing, carrying and deleting them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from vivavoce.api.answer import answer, wants_whole
from vivavoce.api.forms import FORM, content_type, missing_file
from vivavoce.api.gone import CLIENT_CLOSED_REQUEST, ClientGone, unless_gone
from vivavoce.api.schemas import SpeechBody, parse_speech_body
from vivavoce.api.speech import ERROR, RESPONSES
from vivavoce.api.voice_schemas import (
    SAMPLE,
    ImportBody,
    VoiceBody,
    VoiceChange,
    form_content,
    json_content,
    missing,
    read,
    read_with_file,
)
from vivavoce.errors import InvalidRequest
from vivavoce.service.voice_store import no_voice
from vivavoce.text.scripts import greeting

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from vivavoce.api.limits import ApiLimits
    from vivavoce.service.saved_voice import SavedVoice
    from vivavoce.service.speech import SpeechService
    from vivavoce.service.voice_maker import VoiceMaker
    from vivavoce.types import ModelInfo, Voice

VOICES_PATH = "/audio/voices"
IMPORT_PATH = f"{VOICES_PATH}/import"
REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": ERROR, "5XX": ERROR}


def voices_router(service: SpeechService, maker: VoiceMaker, limits: ApiLimits) -> APIRouter:
    """Return the routes, bound to a service. Only descriptions and previews wake an engine."""
    router = APIRouter()
    models, store = service.models, service.studio.voice_store

    @router.get(VOICES_PATH, summary="List the voices of a model", responses=REFUSALS)
    async def list_voices(
        model: str | None = None,
        format: Literal["objects", "strings"] = "objects",
        legacy: bool = False,
    ) -> dict[str, Any]:
        info = models.choose(model).info
        presets = [_preset(voice, info) for voice in info.voices]
        saved = await asyncio.to_thread(store.all)
        usable = [(voice, service.voices.usable(models, voice)) for voice in saved]
        listed: list[Any] = presets + [
            _listed(voice, model.info) for voice, model in usable if model is not None
        ]
        if legacy or format == "strings":
            listed = [
                voice["id"] if voice["type"] == "preset" else voice["name"] for voice in listed
            ]
        return {"object": "list", "voices": listed, "data": listed}

    @router.post(
        VOICES_PATH,
        summary="Save a voice: of a recording, of a description, or a blend of presets",
        responses=REFUSALS,
        openapi_extra=_body(form_content(VoiceBody, SAMPLE, required=False), VoiceBody),
    )
    async def create_voice(request: Request) -> Response:
        body, file = await _read_voice(request)
        if body.kind == SAMPLE:
            if file is None:
                raise missing_file(SAMPLE, "the recording whose voice is to be saved")
            making = maker.from_recording(body.wish, file)
        elif body.kind == "prompt":
            making = maker.from_description(body.wish, body.description)
        else:
            if body.blend is None:
                raise missing("blend", "the voices to mix and their shares")
            making = maker.from_blend(body.wish, body.blend)
        unused = [SAMPLE] if file is not None and body.kind != SAMPLE else []
        return await _made(request, making, [*unused, *body.ignored])

    @router.post(
        IMPORT_PATH,
        summary="Save a voice that was exported",
        responses=REFUSALS,
        openapi_extra=_body(form_content(ImportBody, "file")),
    )
    async def import_voice(request: Request) -> Response:
        body, file = await read_with_file(request, ImportBody, "file")
        if file is None:
            raise missing_file("file", "what was exported")
        return await _made(request, maker.from_file(file, body.name, body.consent), ())

    @router.get(VOICES_PATH + "/{voice_id}", summary="Describe a voice", responses=REFUSALS)
    async def get_voice(voice_id: str) -> dict[str, Any]:
        preset = service.voices.preset(models.default.info, voice_id)
        if preset is not None:
            return _preset(preset, models.default.info)
        return _described(await asyncio.to_thread(_find, voice_id))

    @router.delete(VOICES_PATH + "/{voice_id}", summary="Delete a voice", responses=REFUSALS)
    async def delete_voice(voice_id: str) -> dict[str, Any]:
        await maker.remove(voice_id)
        return {"id": voice_id, "object": "audio.voice.deleted", "deleted": True}

    described: dict[str, Any] = {
        "summary": "Change a voice's name and what is usual for it",
        "responses": REFUSALS,
        "openapi_extra": _body(json_content(VoiceChange)),
    }

    @router.patch(VOICES_PATH + "/{voice_id}", operation_id="patch_voice", **described)
    @router.post(VOICES_PATH + "/{voice_id}", operation_id="change_voice", **described)
    async def change_voice(voice_id: str, request: Request) -> Response:
        body = await read(request, VoiceChange)
        changed = await maker.update(voice_id, body.name, body.changed)
        return _answer(changed, body.model_extra or {})

    @router.get(
        VOICES_PATH + "/{voice_id}/export",
        summary="Get a voice as one file",
        response_class=Response,
        responses={200: {"content": {"application/zip": {}}}, **REFUSALS},
    )
    async def export_voice(voice_id: str) -> Response:
        voice, file = await maker.to_file(voice_id)
        headers = {"content-disposition": f'attachment; filename="{voice.id}.zip"'}
        return Response(file, media_type="application/zip", headers=headers)

    @router.get(
        VOICES_PATH + "/{voice_id}/preview",
        summary="Hear a voice",
        response_class=Response,
        responses={**RESPONSES, **REFUSALS},
    )
    async def preview(
        voice_id: str,
        request: Request,
        input: str | None = None,
        response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm", "ogg"] = "mp3",
    ) -> Response:
        return await _speak(request, voice_id, {"response_format": response_format}, input)

    @router.post(
        VOICES_PATH + "/{voice_id}/preview",
        summary="Hear a voice, with any of the fields of speech",
        response_class=Response,
        responses={**RESPONSES, **REFUSALS},
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": _preview_schema()}}}
        },
    )
    async def preview_with(voice_id: str, request: Request) -> Response:
        raw = await request.body()
        fields: Any = {}
        if raw.strip():
            try:
                fields = json.loads(raw)
            except ValueError:
                fields = None
        if not isinstance(fields, dict):
            raise InvalidRequest(
                'The body must be a JSON object such as {"input": "Hello"}, or empty.',
                code="invalid_json",
            )
        return await _speak(request, voice_id, fields, fields.pop("input", None))

    async def _speak(
        request: Request, voice_id: str, fields: dict[str, Any], text: Any
    ) -> Response:
        if text is None:
            text = greeting(await asyncio.to_thread(_language, voice_id))
        said = {**fields, "input": text, "voice": voice_id}
        body = parse_speech_body(json.dumps(said).encode(), limits.max_input_chars, SpeechBody)
        order = body.order(whole=wants_whole(request, body))
        return await answer(request, service, order, body, limits.send_timeout_s)

    def _find(name: str) -> SavedVoice:
        voice = store.find(name)
        if voice is None:
            raise no_voice(name)
        return voice

    def _language(name: str) -> str:
        """Return in which language a voice is heard at its best."""
        info = models.default.info
        if service.voices.preset(info, name) is not None:
            can = info.capabilities.languages
            return "en" if "en" in can else can[0]
        voice = _find(name)
        return voice.defaults.language or voice.language or "en"

    return router


async def _read_voice(request: Request) -> tuple[VoiceBody, bytes | None]:
    """Return what is wanted, and the recording if one came. Only a form can have one."""
    if content_type(request) == FORM:
        return await read_with_file(request, VoiceBody, SAMPLE)
    return await read(request, VoiceBody), None


async def _made(
    request: Request, making: Coroutine[Any, Any, SavedVoice], ignored: Iterable[str]
) -> Response:
    """Return the answer when the voice is made; a client that leaves ends the work for it."""
    try:
        return _answer(await unless_gone(request.receive, making), ignored)
    except ClientGone:
        return Response(status_code=CLIENT_CLOSED_REQUEST)


def _answer(voice: SavedVoice, ignored: Iterable[str]) -> Response:
    names = ", ".join(quote(name[:60], errors="replace") for name in list(ignored)[:20])
    return JSONResponse(_described(voice), headers={"x-vivavoce-ignored": names} if names else {})


def _preset(voice: Voice, info: ModelInfo) -> dict[str, Any]:
    return {
        "id": voice.id,
        "object": "audio.voice",
        "name": voice.name,
        "type": "preset",
        "model": info.id,
        "languages": list(voice.languages),
        "description": voice.description,
        "aliases": list(voice.aliases),
    }


def _listed(voice: SavedVoice, info: ModelInfo) -> dict[str, Any]:
    """Return what everybody who may list voices sees of one that was saved."""
    return {
        "id": voice.id,
        "object": "audio.voice",
        "name": voice.name,
        "created_at": voice.created_at,
        "type": voice.type,
        "model": info.id,
        "languages": list(info.capabilities.languages),
        "description": voice.prompt or "",
        "aliases": [],
    }


def _described(voice: SavedVoice) -> dict[str, Any]:
    """Return all that is known of a saved voice; `prompt` only if it has one."""
    told = {
        "id": voice.id,
        "object": "audio.voice",
        "name": voice.name,
        "created_at": voice.created_at,
        "type": voice.type,
        "consent": voice.consent,
        "language": voice.language,
        "transcript": voice.transcript,
        "defaults": msgspec.to_builtins(voice.defaults),
    }
    if voice.prompt is not None:
        told["prompt"] = voice.prompt
    if voice.blend is not None:
        told["blend"] = voice.blend
    if voice.reference is not None:
        told["reference"] = msgspec.to_builtins(voice.reference)
    return told


def _preview_schema() -> dict[str, Any]:
    schema = SpeechBody.model_json_schema()
    for name in ("voice", "voice_description"):
        del schema["properties"][name]
    del schema["required"]
    return schema


def _body(content: dict[str, Any], also: type[VoiceBody] | None = None) -> dict[str, Any]:
    """Describe a request's body, `also` as JSON."""
    if also is not None:
        content = {**content, **json_content(also)}
    return {"requestBody": {"required": True, "content": content}}
