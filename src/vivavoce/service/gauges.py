"""What is not counted but looked up when somebody asks for the metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vivavoce.service.metrics import Metrics
    from vivavoce.service.served import ServedModel
    from vivavoce.service.speech import SpeechService


def watch(metrics: Metrics, service: SpeechService) -> None:
    """Have the gauges show this service from now on."""
    admission, memory = service.studio.admission, service.studio.audio_cache.memory
    metrics.queue_depth.set_function(lambda: admission.waiting)
    metrics.running.set_function(lambda: admission.running)
    metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))
    metrics.audio_cache_bytes.set_function(lambda: memory.bytes)
    metrics.audio_cache_entries.set_function(lambda: len(memory))
    for model in service.models.all:
        _watch_model(metrics, model)


def _watch_model(metrics: Metrics, model: ServedModel) -> None:
    def worker_bytes() -> float:
        return sum(worker.memory_bytes for worker in model.workers)

    def gpu_bytes() -> float:
        return sum(worker.gpu_bytes for worker in model.workers)

    name = model.info.id
    metrics.model_loaded.labels(name).set_function(lambda: float(bool(model.workers)))
    metrics.worker_bytes.labels(name).set_function(worker_bytes)
    metrics.gpu_bytes.labels(name).set_function(gpu_bytes)
