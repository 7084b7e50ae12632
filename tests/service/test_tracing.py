"""Traces as a collector gets them: a real one over HTTP, that decodes what OTLP says it is sent."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from structlog.testing import capture_logs

from conftest import running_server
from vivavoce import __version__
from vivavoce.errors import SettingsError
from vivavoce.service import tracing
from vivavoce.service.trace import RequestTrace, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
BEGAN_S = 1_790_000_000.25
LIMIT_S = 20


class Collector(ThreadingHTTPServer):
    """Keeps every request; answers once `open` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: list[str] = []
        self.asked = threading.Event()
        self.open = threading.Event()
        self.open.set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resource(self) -> dict[str, str]:
        attributes = self.requests[0].resource_spans[0].resource.attributes
        return {pair.key: pair.value.string_value for pair in attributes}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["content-type"] == "application/x-protobuf"
        self.server.paths.append(self.path)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.server.asked.set()
        assert self.server.open.wait(LIMIT_S)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        yield server
        server.open.set()
        server.shutdown()
        serving.join()


@contextmanager
def sending_to(endpoint: str) -> Iterator[tracing.OtlpTraces]:
    traces = tracing.OtlpTraces(endpoint)
    try:
        yield traces
    finally:
        traces.close()
        for thread in threading.enumerate():  # what close() did not wait for
            if thread.name == "close-traces":
                thread.join(LIMIT_S)


def request_trace(parent: str | None = None, error: str | None = None) -> RequestTrace:
    return RequestTrace(
        name="speech",
        parent=parent,
        started_at_s=BEGAN_S,
        ended_at_s=BEGAN_S + 2.5,
        stages=(
            Stage("queue", BEGAN_S, BEGAN_S + 0.5),
            Stage("inference", BEGAN_S + 0.5, BEGAN_S + 2.25),
            Stage("encode", BEGAN_S + 0.75, BEGAN_S + 2.5),
        ),
        attributes={"model": "fake", "segments": 3, "audio_s": 1.5, "streamed": True},
        error=error,
    )


def by_name(spans: list[Span]) -> dict[str, Span]:
    found = {span.name: span for span in spans}
    assert len(found) == len(spans)
    return found


def seconds(span: Span) -> tuple[float, float]:
    """Start and end, since the request began."""
    began_ns = round(BEGAN_S * 1000) * 10**6
    return (
        (span.start_time_unix_nano - began_ns) / 10**9,
        (span.end_time_unix_nano - began_ns) / 10**9,
    )


def test_a_request_becomes_a_span_with_its_stages_inside(collector: Collector) -> None:
    with sending_to(f"{collector.endpoint}/") as traces:
        traces.record(request_trace())
        assert collector.asked.wait(LIMIT_S)  # delivered while the server runs on
    assert collector.paths == ["/v1/traces"]
    spans = by_name(collector.spans)
    root = spans["speech"]
    assert root.kind == Span.SPAN_KIND_SERVER
    assert root.parent_span_id == b""
    assert len(root.trace_id) == 16
    assert seconds(root) == (0, 2.5)
    assert root.status.code == Status.STATUS_CODE_UNSET
    values = {pair.key: pair.value for pair in root.attributes}
    assert set(values) == {"model", "segments", "audio_s", "streamed"}
    assert values["model"].string_value == "fake"
    assert values["segments"].int_value == 3
    assert values["audio_s"].double_value == 1.5
    assert values["streamed"].bool_value is True

    stages = {"queue": (0, 0.5), "inference": (0.5, 2.25), "encode": (0.75, 2.5)}
    assert set(spans) == {"speech", *stages}
    for name, expected_s in stages.items():
        assert seconds(spans[name]) == expected_s
        assert spans[name].parent_span_id == root.span_id
        assert spans[name].trace_id == root.trace_id
    resource = collector.resource()
    assert resource["service.name"] == "vivavoce"
    assert resource["service.version"] == __version__


def test_a_failure_is_an_error_with_its_code(collector: Collector) -> None:
    with sending_to(collector.endpoint) as traces:
        traces.record(request_trace(error="worker_died"))
    root = by_name(collector.spans)["speech"]
    assert root.status.code == Status.STATUS_CODE_ERROR
    assert root.status.message == "worker_died"
    values = {pair.key: pair.value.string_value for pair in root.attributes}
    assert values["error.type"] == "worker_died"


def test_the_clients_trace_is_continued(collector: Collector) -> None:
    with sending_to(collector.endpoint) as traces:
        traces.record(request_trace(parent=f"00-{TRACE_ID}-{PARENT_ID}-01"))
    spans = by_name(collector.spans)
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE_ID}
    assert spans["speech"].parent_span_id.hex() == PARENT_ID
    assert spans["queue"].parent_span_id == spans["speech"].span_id


def test_a_client_that_asks_not_to_be_traced_is_not(collector: Collector) -> None:
    with sending_to(collector.endpoint) as traces:
        traces.record(request_trace(parent=f"00-{TRACE_ID}-{PARENT_ID}-00"))
        traces.record(request_trace())
    assert len(collector.spans) == 4
    assert TRACE_ID not in {span.trace_id.hex() for span in collector.spans}


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "rubbish",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{TRACE_ID.upper()}-{PARENT_ID}-01",
        f"cc-{TRACE_ID}-{PARENT_ID}-01-{'x' * 100_000}",
    ],
    ids=["empty", "rubbish", "no trace id", "version ff", "upper case", "absurdly long"],
)
def test_a_traceparent_that_is_none_begins_a_new_trace(collector: Collector, parent: str) -> None:
    with capture_logs() as logged, sending_to(collector.endpoint) as traces:
        traces.record(request_trace(parent=parent))
    root = by_name(collector.spans)["speech"]
    assert root.parent_span_id == b""
    assert root.trace_id.hex() not in (TRACE_ID, "0" * 32)
    assert logged == []  # else clients could fill the log


def test_the_environment_can_name_the_service(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "voice-of-the-house")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=cellar")
    with sending_to(collector.endpoint) as traces:
        traces.record(request_trace())
    resource = collector.resource()
    assert resource["service.name"] == "voice-of-the-house"
    assert resource["deployment.environment.name"] == "cellar"
    assert resource["service.version"] == __version__


def test_a_slow_collector_holds_nobody_up_and_costs_only_what_does_not_fit(
    collector: Collector,
) -> None:
    collector.open.clear()
    with capture_logs() as logged, sending_to(collector.endpoint) as traces:
        for _ in range(128):  # four spans each: a batch, sent at once
            traces.record(request_trace())
        assert collector.asked.wait(LIMIT_S)
        for _ in range(600):
            traces.record(request_trace())
        # All were taken while the first batch still waits for its answer.
        assert len(collector.requests) == 1
        collector.open.set()
    assert 2048 < len(collector.spans) < 4 * 728
    (line,) = logged
    assert line["log_level"] == "warning"
    assert "Queue full" in line["reason"]


class Counting(logging.Handler):
    """What the SDK itself has to say."""

    lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1


def test_a_dead_collector_costs_a_line_in_the_log_and_two_seconds_at_the_end() -> None:
    with Collector() as gone:
        address = f"127.0.0.1:{gone.server_port}"
    all_lines = Counting()
    sdk = logging.getLogger("opentelemetry")
    sdk.addHandler(all_lines)
    with capture_logs() as logged, sending_to(f"http://me:secret@{address}") as traces:
        traces.record(request_trace())
    sdk.removeHandler(all_lines)
    assert all_lines.lines > 1
    first, last = logged
    assert (first["event"], first["collector"]) == ("opentelemetry warns", address)
    assert "refused" in first["reason"]
    assert last["event"] == "last traces not delivered"
    assert "secret" not in str(logged)


def test_a_minute_later_another_line_says_how_many_were_left_out(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(tracing, "time", SimpleNamespace(monotonic=lambda: now_s))
    sdk = logging.getLogger("opentelemetry.sdk")
    with capture_logs() as logged, sending_to(collector.endpoint):
        for _ in range(5):
            sdk.warning("the collector said %d", 404)
        now_s += 61
        sdk.warning("the collector said %d", 500)
    said = [(line["reason"], line["unsaid"]) for line in logged]
    assert said == [("the collector said 404", 0), ("the collector said 500", 4)]


def test_a_server_traces_what_it_speaks(collector: Collector, tmp_path: Path) -> None:
    with (
        running_server(
            tmp_path, ENGINE="fake", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint
        ) as server,
        server.client() as client,
    ):
        answer = client.post(
            "/v1/audio/speech",
            json={"input": "Hello there."},
            headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"},
        )
    assert answer.status_code == 200
    spans = by_name(collector.spans)
    root = spans["speech"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    stages = [span for span in spans.values() if span is not root]
    assert {"inference", "encode"} <= {stage.name for stage in stages}
    for stage in stages:
        assert root.start_time_unix_nano <= stage.start_time_unix_nano
        assert stage.start_time_unix_nano <= stage.end_time_unix_nano


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.delitem(sys.modules, "vivavoce.service.tracing")
    with pytest.raises(SettingsError) as caught:
        import vivavoce.service.tracing  # noqa: F401
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caught.value.message
    assert "pip install 'vivavoce[otel]'" in caught.value.message
