"""The composition root: settings in, working parts out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vivavoce import machine
from vivavoce.engine import registry
from vivavoce.engine.qwen3.checkpoint import clone_model
from vivavoce.service.models import Model, Models
from vivavoce.service.reference import ReferenceLimits, ReferenceReader
from vivavoce.service.speech import SpeechService
from vivavoce.service.voice_cache import VoiceCache
from vivavoce.service.voices import Voices
from vivavoce.types import Need
from vivavoce.worker.handle import WorkerHandle, WorkerLimits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from vivavoce.engine.base import Options
    from vivavoce.settings import Settings
    from vivavoce.types import ModelInfo


def choose_engine(settings: Settings) -> str:
    """Return the engine's name; `auto` is the best that this machine can run."""
    if settings.engine != "auto":
        return settings.engine
    asked_for = "model_id" in settings.model_fields_set
    gpu = settings.device != "cpu" and machine.has_nvidia_gpu() and machine.has_torch()
    return "qwen3" if asked_for or gpu else "embedded"


def engine_options(settings: Settings, need: Need = Need.PRESET) -> Options:
    """Return what the chosen engine is loaded with for a need."""
    if choose_engine(settings) != "qwen3":
        return {}
    checkpoints = {
        Need.PRESET: settings.model_id,
        Need.CLONE: clone_model(settings.model_id, settings.clone_model_id),
        Need.DESIGN: settings.design_model_id,
    }
    return {
        "model": checkpoints[need],
        "need": need.value,
        "device": settings.device,
        "dtype": settings.dtype,
        "offline": settings.offline,
        "frame_budget": settings.frame_budget,
        "runaway_guard": settings.runaway_guard,
    }


def describe(settings: Settings, need: Need = Need.PRESET) -> ModelInfo:
    """Return what the chosen engine's model for a need is and can do; nothing is loaded.

    Raises:
        EngineUnavailable: the settings name a checkpoint that is not there, or damaged.
    """
    return registry.describe(choose_engine(settings), engine_options(settings, need))


def build_service(settings: Settings) -> SpeechService:
    """Return the use case with everything it needs. Starts nothing yet.

    Raises:
        EngineUnavailable: as `describe`.
    """
    unknown_means_default = settings.unknown_model == "default"
    engine = choose_engine(settings)
    default = _model(settings, Need.PRESET)
    clone = design = None
    if engine == "qwen3":
        clone, design = _model(settings, Need.CLONE), _model(settings, Need.DESIGN)
    elif engine == "fake":  # one engine for every need
        clone = design = default
    return SpeechService(
        Models(default, clone=clone, design=design, unknown_means_default=unknown_means_default),
        Voices(settings.voice_aliases),
        ReferenceReader(ReferenceLimits(max_s=settings.max_reference_s)),
        VoiceCache(settings.voice_cache_max),
    )


def _model(settings: Settings, need: Need) -> Model:
    info = describe(settings, need)
    options = engine_options(settings, need)
    limits = WorkerLimits(
        start_s=settings.worker_start_timeout_s, stall_s=settings.worker_stall_timeout_s
    )

    def new_worker() -> WorkerHandle:
        return WorkerHandle(info.engine, options, info.capabilities.sample_rate_hz, limits)

    return Model(info, new_worker)


def build_app(settings: Settings) -> FastAPI:
    """Return the whole server as an ASGI application."""
    from vivavoce.api.app import ApiLimits, create_app

    limits = ApiLimits(
        max_input_chars=settings.max_input_chars,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        cors_origins=settings.cors_origins,
    )
    return create_app(build_service(settings), limits)
