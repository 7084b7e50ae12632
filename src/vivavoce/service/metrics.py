"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# Else every counter has a second series, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10, 20, 40, 80, 160, 320)


class Metrics:
    """The counters of one server, in a registry of their own.

    Labels are models, outcomes and names of keys: there are few of each, whatever is sent.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.speech = self._counter(
            "speech",
            "Requests for speech by how they ended; generation_runaway: it did not end by itself",
            "model",
            "outcome",
        )
        self.first_audio_s = self._histogram(
            "first_audio_seconds",
            "From a request to its first bytes of audio; cache: hit, joined, miss, off",
            _SECONDS,
            "model",
            "cache",
        )
        self.request_s = self._histogram(
            "request_seconds", "From a request to the end of its answer", _SECONDS, "model", "cache"
        )
        self.real_time_factor = self._histogram(
            "real_time_factor",
            "Seconds of work for a second of audio; below 1 is faster than real time",
            (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 5, 10),
            "model",
        )
        self.audio_s = self._counter("audio_seconds", "Audio sent", "model")
        self.codes_per_s = self._histogram(
            "codes_per_second",
            "Codes an engine made per second for a request; 200 are real time",
            (25, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800),
            "model",
        )
        self.retries = self._counter(
            "segments_retried", "Segments that ran away and were made again", "model"
        )
        self.underruns = self._counter(
            "underruns", "Chunks made later than who plays them as they come had need of", "model"
        )
        self.queue_s = self._histogram("queue_seconds", "How long requests waited", _SECONDS)
        self.queue_depth = self._gauge("queue_depth", "Requests that wait")
        self.running = self._gauge("running", "Answers being made")
        self.tasks = self._gauge("tasks", "Tasks of the event loop: at rest, always as many")
        self.refused = self._counter("queue_refused", "Requests refused since the server was full")
        self.loads = self._counter(
            "model_loads", "Loads by how they ended: ready, or the error's code", "model", "outcome"
        )
        self.load_s = self._histogram(
            "model_load_seconds", "How long loads took", _SECONDS, "model"
        )
        self.unloads = self._counter(
            "model_unloads", "Unloads by reason: idle, room, memory, asked", "model", "reason"
        )
        self.model_loaded = self._gauge("model_loaded", "1 while a model is loaded", "model")
        self.worker_bytes = self._gauge("worker_bytes", "Memory of a model's process", "model")
        self.gpu_bytes = self._gauge("gpu_bytes", "GPU memory of a model's process", "model")
        self.audio_cache = self._counter(
            "audio_cache",
            "Requests by what the cache of finished audio did: hit, joined, miss, off",
            "result",
        )
        self.audio_cache_failures = self._counter(
            "audio_cache_failures",
            "Times a slower cache of finished audio failed: disk, shared; at what",
            "tier",
            "doing",
        )
        self.audio_cache_bytes = self._gauge("audio_cache_bytes", "Finished audio in memory")
        self.audio_cache_entries = self._gauge("audio_cache_entries", "Finished answers in memory")
        self.voice_cache = self._counter(
            "voice_cache", "Reference clips looked up, by result: hit, miss", "result"
        )
        self.key_refused = self._counter(
            "key_refused", "Requests refused for their key, by reason", "key", "reason"
        )

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"vivavoce_{name}", what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"vivavoce_{name}", what, labels, registry=self._registry)

    def _histogram(
        self, name: str, what: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"vivavoce_{name}", what, labels, buckets=buckets, registry=self._registry)
