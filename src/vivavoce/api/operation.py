"""What operators do by hand: load and unload models, clear the caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from vivavoce.api.speech import ERROR

if TYPE_CHECKING:
    from vivavoce.service.served import ServedModel
    from vivavoce.service.speech import SpeechService


def operation_router(service: SpeechService) -> APIRouter:
    """Return the routes, bound to a service."""
    router = APIRouter()
    errors: dict[int | str, dict[str, Any]] = dict.fromkeys(("4XX", 404, 409, 503), ERROR)

    @router.post(
        "/models/{model_id:path}/load", summary="Load a model; answers when it is", responses=errors
    )
    async def load(model_id: str) -> dict[str, Any]:
        model = service.models.find(model_id)
        await model.load()
        return _state(model)

    @router.post(
        "/models/{model_id:path}/unload",
        summary="Unload a model that nobody uses; gives all its memory back",
        responses=errors,
    )
    async def unload(model_id: str) -> dict[str, Any]:
        model = service.models.find(model_id)
        await model.unload_if_unused()
        return _state(model)

    @router.post(
        "/cache/clear", summary="Forget finished audio and reference voices", responses=errors
    )
    async def clear_caches() -> dict[str, Any]:
        return {
            "audio_cleared": await service.studio.audio_cache.clear(),
            "voice_cleared": service.studio.voice_cache.clear(),
        }

    return router


def _state(model: ServedModel) -> dict[str, Any]:
    return {"id": model.info.id, "object": "model", "state": model.state}
