"""How the server is: alive, ready, and in what state its models are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from vivavoce import __version__
from vivavoce.service.models import ModelState

if TYPE_CHECKING:
    from vivavoce.service.models import Model, Models


def health_router(models: Models) -> APIRouter:
    """Return the routes, bound to the models. None of them wakes an engine."""
    router = APIRouter()

    @router.get("/", summary="Say what this is")
    async def index() -> dict[str, Any]:
        return {"name": "vivavoce", "version": __version__, "speech": "POST /v1/audio/speech"}

    @router.get("/health", summary="Tell how the server is")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "version": __version__, "models": [_describe(models.default)]}

    @router.get("/ready", summary="Tell whether a request would be served")
    async def ready(response: Response) -> dict[str, Any]:
        model = models.default
        if model.state is ModelState.FAILED:
            response.status_code = 503
            assert model.failure is not None
            return {"ready": False, "reason": model.failure.message}
        return {"ready": True, "model": model.info.id, "state": model.state}

    return router


def _describe(model: Model) -> dict[str, Any]:
    worker = model.worker
    return {
        "id": model.info.id,
        "engine": model.info.engine,
        "state": model.state,
        "failure": model.failure.message if model.failure else None,
        "worker": None
        if worker is None
        else {
            "pid": worker.pid,
            "active_requests": worker.active,
            "engine_requests": worker.engine_active,
            "memory_bytes": worker.memory_bytes,
            "load_s": round(worker.load_s, 3),
        },
    }
