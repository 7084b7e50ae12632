"""How the server is: alive, ready, and in what state its models are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from vivavoce import __version__
from vivavoce.api.speech import ERROR
from vivavoce.service.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from vivavoce.service.models import Models
    from vivavoce.service.served import ServedModel
    from vivavoce.service.speech import SpeechService
    from vivavoce.types import LoadProgress
    from vivavoce.worker.handle import WorkerHandle


def health_router(service: SpeechService, gpus: tuple[str, ...]) -> APIRouter:
    """Return the routes, bound to a service on a machine with these GPUs. None wakes an engine."""
    router = APIRouter()
    models, studio = service.models, service.studio
    names = _voice_names(models)

    @router.get("/health", summary="Tell how the server is")
    async def health() -> dict[str, Any]:
        loaded = [model for model in models.all if model.workers]
        audio, voices = studio.audio_cache, studio.voice_cache
        return {
            "status": "ok",
            "version": __version__,
            "model_loaded": bool(loaded),
            "model_id": models.default.info.id,
            "engine": models.default.info.engine,
            "cuda": bool(gpus),
            "gpu_name": gpus[0] if gpus else None,
            "gpu_allocated_mb": round(sum(_gpu_bytes(model) for model in loaded) / 1e6, 1),
            "voices": names,
            "running": studio.admission.running,
            "queue_depth": studio.admission.waiting,
            "max_queue_depth": studio.admission.max_waiting,
            "audio_cache_size": len(audio.memory),
            "audio_cache_max": audio.memory.max_entries,
            "audio_cache_bytes": audio.memory.bytes,
            "audio_cache_hits": audio.hits,
            "voice_cache_size": len(voices),
            "voice_cache_max": voices.max_entries,
            "voice_cache_hits": voices.hits,
            "draining": service.leaving,
            "standby": _standby(service),
            "models": [_describe(model) for model in models.all],
        }

    @router.get(
        "/metrics",
        summary="Tell what was counted, for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, "4XX": ERROR},
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @router.get(
        "/ready",
        summary="Tell whether a request would be served",
        responses={503: {"description": "It would not, and why"}},
    )
    async def ready(response: Response) -> dict[str, Any]:
        reason = _unready(service)
        if reason is not None:
            response.status_code = 503
            return {"ready": False, "reason": reason}
        model = models.default
        return {"ready": True, "model": model.info.id, "state": model.state}

    return router


def _unready(service: SpeechService) -> str | None:
    """Return why a request would not be served now, if so. A full queue is no reason: it passes."""
    model = service.models.default
    if service.leaving:
        return "The server is shutting down."
    if service.preloading is not None and not service.preloading.done():
        return f"Model {model.info.id} is being loaded."
    if model.failed_lately and model.failure is not None:
        return model.failure.message
    return None


def _voice_names(models: Models) -> list[str]:
    """Return every name that a preset voice answers to."""
    voices = models.default.info.voices
    return list(dict.fromkeys(name for v in voices for name in (v.id, *v.aliases)))


def _gpu_bytes(model: ServedModel) -> int:
    return sum(worker.gpu_bytes for worker in model.workers)


def _standby(service: SpeechService) -> dict[str, Any] | None:
    worker = service.workers.waiting
    return None if worker is None else {"pid": worker.pid, "memory_bytes": worker.memory_bytes}


def _progress(loading: LoadProgress | None) -> dict[str, Any] | None:
    if loading is None:
        return None
    return {
        "stage": loading.stage,
        "done_bytes": loading.done_bytes,
        "total_bytes": loading.total_bytes,
    }


def _describe(model: ServedModel) -> dict[str, Any]:
    workers = [_describe_worker(worker) for worker in model.workers]
    return {
        "id": model.info.id,
        "engine": model.info.engine,
        "state": model.state,
        "failure": model.failure.message if model.failure else None,
        "loading": _progress(model.loading),
        "worker": workers[0] if workers else None,
        "workers": workers,
    }


def _describe_worker(worker: WorkerHandle) -> dict[str, Any]:
    return {
        "pid": worker.pid,
        "active_requests": worker.active,
        "engine_requests": worker.engine_active,
        "memory_bytes": worker.memory_bytes,
        "gpu_bytes": worker.gpu_bytes,
        "load_s": round(worker.load_s, 3),
    }
