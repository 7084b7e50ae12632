"""The composition root: settings in, working parts out."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from vivavoce import machine
from vivavoce.engine import registry
from vivavoce.engine.qwen3.checkpoint import clone_model, find
from vivavoce.service.admission import Admission
from vivavoce.service.cache.audio import AudioCache
from vivavoce.service.cache.disk import DiskTier
from vivavoce.service.cache.memory import MemoryCache
from vivavoce.service.gauges import watch
from vivavoce.service.keys import KeyRing
from vivavoce.service.metrics import Metrics
from vivavoce.service.model import Model
from vivavoce.service.models import Models
from vivavoce.service.plan import CacheRules
from vivavoce.service.pronunciations import FILE_NAME, Pronunciations
from vivavoce.service.record import Recorder
from vivavoce.service.reference import ReferenceLimits, ReferenceReader
from vivavoce.service.replicas import Replicas
from vivavoce.service.room import Room
from vivavoce.service.speech import SpeechService
from vivavoce.service.synthesis import Studio
from vivavoce.service.voice_cache import VoiceCache
from vivavoce.service.voice_maker import VoiceRules
from vivavoce.service.voice_store import VoiceStore
from vivavoce.service.voices import Voices
from vivavoce.service.workers import Workers
from vivavoce.types import Need
from vivavoce.worker.handle import WorkerLimits

if TYPE_CHECKING:
    import socket
    from contextlib import AbstractAsyncContextManager

    from fastapi import FastAPI

    from vivavoce.engine.base import Options
    from vivavoce.service.cache.entry import Tier
    from vivavoce.service.served import ServedModel
    from vivavoce.service.trace import Traces
    from vivavoce.settings import Settings
    from vivavoce.types import ModelInfo
    from vivavoce.wyoming.server import WyomingServer


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
        "quantize": settings.quantize,
        "kv_cache_positions": settings.kv_cache_positions,
        "offline": settings.offline,
        "frame_budget": settings.frame_budget,
        "runaway_guard": settings.runaway_guard,
        "warmup": settings.warmup,
        "cuda_graphs": settings.cuda_graphs,
        "tf32": settings.tf32,
        "cudnn_benchmark": settings.cudnn_benchmark,
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
        SettingsError: a folder or library that a setting needs is not there.
    """
    engine = choose_engine(settings)
    metrics = Metrics()
    limits = WorkerLimits(
        start_s=settings.worker_start_timeout_s, stall_s=settings.worker_timeout_s
    )
    workers = Workers(engine, limits, standby=settings.standby)
    devices = settings.devices if engine in ("qwen3", "fake") else ()
    rooms = {
        device: Room(settings.max_loaded_models, settings.request_timeout_s)
        for device in devices or (settings.device,)
    }

    def model(need: Need) -> ServedModel:
        info, fingerprint = describe(settings, need), _fingerprint(settings, need)
        options = engine_options(settings, need)
        each = [
            Model(
                info,
                {**options, "device": device} if options else {},
                workers,
                room,
                metrics,
                idle_timeout_s=settings.idle_timeout_s,
                fingerprint=fingerprint,
            )
            for device, room in rooms.items()
        ]
        return each[0] if len(each) == 1 else Replicas(each)

    default = model(Need.PRESET)
    clone = design = None
    if engine == "qwen3":
        clone, design = model(Need.CLONE), model(Need.DESIGN)
    elif engine == "fake":  # one engine for every need
        clone = design = default
    store = VoiceStore(settings.data_folder)
    studio = Studio(
        Admission(settings.max_concurrent_requests, settings.max_queue_depth),
        _audio_cache(settings, metrics),
        VoiceCache(settings.voice_cache_max),
        store,
        ReferenceReader(ReferenceLimits(max_s=settings.max_reference_s)),
        metrics,
        settings.request_timeout_s,
    )
    service = SpeechService(
        Models(
            default,
            clone=clone,
            design=design,
            unknown_means_default=settings.unknown_model == "default",
        ),
        Voices(settings.voice_aliases, store),
        studio,
        workers,
        Recorder(metrics, _traces(settings)),
        CacheRules(
            enabled=settings.audio_cache_max > 0,
            unseeded=settings.cache_unseeded,
            clones=settings.cache_clones,
        ),
        settings.loudness_lufs or None,
        Pronunciations(settings.data_folder / FILE_NAME),
    )
    watch(metrics, service)
    return service


def _fingerprint(settings: Settings, need: Need) -> str:
    """Return what tells a model's audio from any other's, across restarts and upgrades."""
    options = engine_options(settings, need)
    facts: dict[str, object] = {"engine": choose_engine(settings)}
    if "model" in options:
        name = str(options["model"])
        names = ("model", "device", "dtype", "quantize", "tf32", "cuda_graphs")
        facts |= {name: options[name] for name in names}
        folder = find(name)
        weights = folder / "model.safetensors" if folder else None
        if weights and weights.exists():  # a folder's weights may be replaced by others
            facts["weights"] = (weights.stat().st_size, weights.stat().st_mtime_ns)
    else:
        facts["voice"] = version("hibari-tts")
    return repr(facts)


def _audio_cache(settings: Settings, metrics: Metrics) -> AudioCache:
    def on_failure(tier: str, doing: str) -> None:
        metrics.audio_cache_failures.labels(tier, doing).inc()

    memory = MemoryCache(settings.audio_cache_max, settings.audio_cache_mb * 1_000_000)
    tiers: list[Tier] = []
    if settings.audio_cache_dir:
        folder = Path(settings.audio_cache_dir).expanduser()
        tiers.append(DiskTier(folder, settings.audio_cache_dir_mb * 1_000_000, on_failure))
    if settings.audio_cache_url:
        from vivavoce.service.cache.shared import SharedTier

        tiers.append(SharedTier(settings.audio_cache_url, settings.audio_cache_ttl_s, on_failure))
    return AudioCache(memory, tuple(tiers))


def _traces(settings: Settings) -> Traces | None:
    if not settings.otlp_endpoint:
        return None
    from vivavoce.service.tracing import OtlpTraces

    return OtlpTraces(settings.otlp_endpoint)


def build_wyoming(
    settings: Settings, service: SpeechService, listener: socket.socket
) -> WyomingServer:
    """Return the server that speaks Wyoming, to be entered beside the application."""
    from vivavoce.wyoming.protocol import WyomingLimits
    from vivavoce.wyoming.server import WyomingServer

    limits = WyomingLimits(
        max_input_chars=settings.max_input_chars,
        max_event_bytes=settings.max_body_bytes,
        idle_s=settings.request_timeout_s,
        receive_timeout_s=settings.receive_timeout_s,
        send_timeout_s=settings.send_timeout_s,
    )
    return WyomingServer(service, listener, limits, settings.shutdown_timeout_s)


def build_app(
    settings: Settings,
    service: SpeechService | None = None,
    beside: AbstractAsyncContextManager[object] | None = None,
) -> tuple[FastAPI, SpeechService]:
    """Return the whole server as an ASGI application, and the service inside it.

    `beside` is another server of the same service, which lives as long as the application.
    """
    from vivavoce.api.app import ApiAccess, create_app
    from vivavoce.api.limits import ApiLimits

    limits = ApiLimits(
        max_input_chars=settings.max_input_chars,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        receive_timeout_s=settings.receive_timeout_s,
        send_timeout_s=settings.send_timeout_s,
        live_timeout_s=settings.live_timeout_s,
    )
    access = ApiAccess(
        KeyRing.load(settings.api_keys, settings.api_keys_file),
        settings.public_lists,
        settings.cors_origins,
        settings.allowed_hosts,
    )
    service = service or build_service(settings)
    gpus = machine.nvidia_gpus()
    app = create_app(
        service,
        limits,
        access,
        voice_rules=VoiceRules(settings.max_reference_s, settings.require_consent),
        gpus=gpus,
        preload=settings.preload,
        beside=beside,
    )
    return app, service
