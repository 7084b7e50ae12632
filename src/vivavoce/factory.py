"""The composition root: settings in, working parts out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce.engine import registry
from vivavoce.service.models import Model, Models
from vivavoce.service.speech import SpeechService
from vivavoce.service.voices import Voices
from vivavoce.worker.handle import WorkerHandle, WorkerLimits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from vivavoce.settings import Settings


def choose_engine(settings: Settings) -> str:
    """Return the engine's name; `auto` is the best this version can run here."""
    return "embedded" if settings.engine == "auto" else settings.engine


def build_service(settings: Settings) -> SpeechService:
    """Return the use case with everything it needs. Starts nothing yet."""
    info = registry.describe(choose_engine(settings))
    limits = WorkerLimits(
        start_s=settings.worker_start_timeout_s, stall_s=settings.worker_stall_timeout_s
    )

    def new_worker() -> WorkerHandle:
        return WorkerHandle(info.engine, info.capabilities.sample_rate_hz, limits)

    models = Models(
        Model(info, new_worker), unknown_means_default=settings.unknown_model == "default"
    )
    return SpeechService(models, Voices(settings.voice_aliases))


def build_app(settings: Settings) -> FastAPI:
    """Return the whole server as an ASGI application."""
    from vivavoce.api.app import ApiLimits, create_app

    limits = ApiLimits(
        max_input_chars=settings.max_input_chars,
        max_body_bytes=settings.max_body_bytes,
        cors_origins=settings.cors_origins,
    )
    return create_app(build_service(settings), limits)
