"""The models that can be asked for, in the shapes the various clients read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from vivavoce.api.speech import ERROR
from vivavoce.service.voices import cannot_blend
from vivavoce.types import Need

if TYPE_CHECKING:
    from vivavoce.service.models import ModelName, Models
    from vivavoce.types import ModelInfo

_REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": ERROR}
_CREATED = 1763856000  # the API demands a time; the models' own are not known


def catalog_router(models: Models) -> APIRouter:
    """Return the routes, bound to the models. None of them wakes an engine."""
    router = APIRouter()

    @router.get("/models", summary="List the models", responses=_REFUSALS)
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(name, models) for name in models.names.values()]}

    @router.get("/models/{model_id:path}", summary="Describe a model", responses=_REFUSALS)
    async def get_model(model_id: str) -> dict[str, Any]:
        models.find(model_id)
        return _model(models.names[model_id.strip()], models)

    @router.get(
        "/audio/models", summary="List the models, as Open WebUI reads them", responses=_REFUSALS
    )
    async def list_audio_models() -> dict[str, Any]:
        listed = [_model(name, models) for name in models.names.values()]
        return {"object": "list", "models": listed, "data": listed}

    return router


def _model(name: ModelName, models: Models) -> dict[str, Any]:
    info = name.model.info
    return {
        "id": name.id,
        "object": "model",
        "created": _CREATED,
        "owned_by": info.owner,
        "name": name.id,
        "task": "text-to-speech",
        "alias_of": info.id if name.is_alias else None,
        "language": list(info.capabilities.languages),
        "sample_rate": info.capabilities.sample_rate_hz,
        "voices": [{"id": voice.id, "name": voice.name} for voice in info.voices],
        "lacking": _lacking(info, models),
    }


def _lacking(info: ModelInfo, models: Models) -> dict[str, str]:
    """Return what cannot be had of a model and its family, each with the reason and the remedy."""
    family = {"clone": models.lacking(Need.CLONE), "design": models.lacking(Need.DESIGN)}
    lacking = {name: reason for name, reason in family.items() if reason is not None}
    if not info.capabilities.instructions:
        lacking["instructions"] = (
            f"Model {info.id} cannot be told how to speak. Qwen3-TTS-1.7B can, in its preset "
            "voices and in described ones."
        )
    if not info.capabilities.blends:
        lacking["blend"] = cannot_blend(info)
    return lacking
