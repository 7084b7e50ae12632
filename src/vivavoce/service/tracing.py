"""Traces sent to an OpenTelemetry collector, by OTLP over HTTP. Imported only where one is set.

Spans are made when a request has ended, from the times the server notes anyway: nothing of
OpenTelemetry runs inside a request. Sending is the work of a thread; a collector that is slow or
gone costs the spans that do not fit its queue, and a line in the log once a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from vivavoce import __version__
from vivavoce.errors import SettingsError

try:
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as exc:
    raise SettingsError(
        f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {exc.name} is not installed. "
        "Run: pip install 'vivavoce[otel]'"
    ) from None

if TYPE_CHECKING:
    from vivavoce.service.trace import RequestTrace

log = structlog.get_logger("vivavoce.tracing")

_QUEUE_SPANS = 2048
_BATCH_SPANS = 512
_DELAY_S = 2.0
_EXPORT_LIMIT_S = 5.0
_CLOSE_LIMIT_S = 2.0
_QUIET_S = 60.0
_MAX_PARENT_CHARS = 256  # it has 55; the SDK would log a line about each that is absurd


class OtlpTraces:
    """`Traces` of one collector. Independent of any global tracer provider.

    The SDK reads its own variables from the environment: OTEL_SERVICE_NAME,
    OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and others.
    """

    def __init__(self, endpoint: str) -> None:
        """Start the thread that sends to `endpoint`, a base URL such as http://127.0.0.1:4318."""
        self._collector = urlsplit(endpoint).netloc.rpartition("@")[2]  # no password in the log
        self._quieter = _Quieter(self._collector)
        self._quieter.install()
        self._exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_LIMIT_S
        )
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter,
                max_queue_size=_QUEUE_SPANS,
                max_export_batch_size=_BATCH_SPANS,
                schedule_delay_millis=_DELAY_S * 1000,
            )
        )
        self._tracer = self._provider.get_tracer("vivavoce", __version__)

    def record(self, trace: RequestTrace) -> None:
        """See `Traces.record`. A span for the request, one inside it for each stage."""
        span = self._tracer.start_span(
            trace.name,
            context=_parent(trace.parent),
            kind=SpanKind.SERVER,
            attributes=trace.attributes,
            start_time=_ns(trace.started_at_s),
        )
        inside = set_span_in_context(span)
        for stage in trace.stages:
            started_at_ns = _ns(stage.started_at_s)
            part = self._tracer.start_span(stage.name, context=inside, start_time=started_at_ns)
            part.end(_ns(stage.ended_at_s))
        if trace.error is not None:
            span.set_attribute("error.type", trace.error)
            span.set_status(Status(StatusCode.ERROR, trace.error))
        span.end(_ns(trace.ended_at_s))

    def close(self) -> None:
        """See `Traces.close`."""
        # On a thread: the SDK would wait half a minute for a collector that does not answer.
        closing = threading.Thread(target=self._shut_down, name="close-traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_LIMIT_S)
        if closing.is_alive():
            # Ends its retries, and so the thread.
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
            log.warning("last traces not delivered", collector=self._collector)

    def _shut_down(self) -> None:
        self._provider.shutdown()
        self._quieter.remove()


class _Quieter(logging.Handler):
    """Stands between the SDK's loggers and the log: the SDK has a line for every attempt."""

    _sdk = logging.getLogger("opentelemetry")

    def __init__(self, collector: str) -> None:
        super().__init__(logging.WARNING)
        self._collector = collector
        self._quiet_until = 0.0
        self._unsaid = 0

    def install(self) -> None:
        """Take over what the SDK logs."""
        self._sdk.addHandler(self)
        self._sdk.propagate = False

    def remove(self) -> None:
        """Leave the SDK's lines to whoever wants them."""
        self._sdk.removeHandler(self)
        self._sdk.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one line on, then none for a minute; the next tells how many were not."""
        now = time.monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        self._quiet_until = now + _QUIET_S
        log.warning(
            "opentelemetry warns",
            reason=record.getMessage(),
            collector=self._collector,
            unsaid=self._unsaid,
            exc_info=record.exc_info,
        )
        self._unsaid = 0


def _resource() -> Resource:
    """Say who sends; what the environment says wins."""
    ours = {"service.name": "vivavoce", "service.version": __version__}
    return Resource.create(ours).merge(OTELResourceDetector().detect())


def _parent(header: str | None) -> Context:
    """Return the trace to continue; an empty context, so a new trace, if that is none."""
    if header is None or len(header) > _MAX_PARENT_CHARS:
        return Context()
    return TraceContextTextMapPropagator().extract({"traceparent": header}, Context())


def _ns(at_s: float) -> int:
    # By way of microseconds: a float of Unix time is no more exact than that.
    return round(at_s * 1_000_000) * 1000
