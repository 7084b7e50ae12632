"""How the server is: alive, ready, and in what state its models are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from vivavoce import __version__
from vivavoce.service.metrics import CONTENT_TYPE
from vivavoce.service.models import ModelState

if TYPE_CHECKING:
    from vivavoce.service.models import Model
    from vivavoce.service.speech import SpeechService
    from vivavoce.types import LoadProgress


def health_router(service: SpeechService) -> APIRouter:
    """Return the routes, bound to a service. None of them wakes an engine."""
    router = APIRouter()
    models, voice_cache = service.models, service.voice_cache

    @router.get("/", summary="Say what this is")
    async def index() -> dict[str, Any]:
        return {"name": "vivavoce", "version": __version__, "speech": "POST /v1/audio/speech"}

    @router.get("/health", summary="Tell how the server is")
    async def health() -> dict[str, Any]:
        described = [_describe(model) for model in models.all]
        return {
            "status": "ok",
            "version": __version__,
            "models": described,
            "voice_cache_size": len(voice_cache),
            "voice_cache_max": voice_cache.max_entries,
            "voice_cache_hits": voice_cache.hits,
        }

    @router.get("/metrics", summary="Tell what was counted, for Prometheus")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @router.get("/ready", summary="Tell whether a request would be served")
    async def ready(response: Response) -> dict[str, Any]:
        model = models.default
        if model.state is ModelState.FAILED:
            response.status_code = 503
            assert model.failure is not None
            return {"ready": False, "reason": model.failure.message}
        return {"ready": True, "model": model.info.id, "state": model.state}

    return router


def _progress(loading: LoadProgress | None) -> dict[str, Any] | None:
    if loading is None:
        return None
    return {
        "stage": loading.stage,
        "done_bytes": loading.done_bytes,
        "total_bytes": loading.total_bytes,
    }


def _describe(model: Model) -> dict[str, Any]:
    worker = model.worker
    return {
        "id": model.info.id,
        "engine": model.info.engine,
        "state": model.state,
        "failure": model.failure.message if model.failure else None,
        "loading": _progress(model.loading),
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
