"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

# Else every counter has a second series, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.speech = Counter(
            "vivavoce_speech",
            "Requests for speech by how they ended; generation_runaway: it did not end by itself",
            ["model", "outcome"],
            registry=self._registry,
        )
        self.retries = Counter(
            "vivavoce_segments_retried",
            "Segments that ran away and were made again",
            ["model"],
            registry=self._registry,
        )
        self.audio_s = Counter(
            "vivavoce_audio_seconds", "Audio sent", ["model"], registry=self._registry
        )
        self.codes_per_s = Histogram(
            "vivavoce_codes_per_second",
            "Codes an engine made per second for a request; 200 are real time",
            ["model"],
            buckets=(25, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800),
            registry=self._registry,
        )
        self.voice_cache = Counter(
            "vivavoce_voice_cache",
            "Reference clips looked up, by result: hit, miss",
            ["result"],
            registry=self._registry,
        )

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
