"""Spans of a run: nested, sent where the OTEL_* variables say, without a secret."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export import in_memory_span_exporter as memories

from reconciler.cli.telemetry import Spans
from reconciler.observer import Exchange
from reconciler.redaction import Redactor
from reconciler.sandbox import CLIENT_SECRET
from tests.integration.conftest import ONE_SITE, Cli, Served

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(ThreadingHTTPServer):
    """Keeps the spans that are sent to it, by name, and the bytes they came in."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Export)
        self.bodies: list[bytes] = []

    def spans(self) -> list[object]:
        found = []
        for body in self.bodies:
            for resource in wire.ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found


class _Export(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        yield server
        server.shutdown()
        thread.join(5)


def test_an_apply_is_one_trace_of_run_changes_and_requests(
    served: Served,
    cli: Cli,
    project: Callable[..., Path],
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT)
    done = cli("--otel", "apply", project(account_yaml=ONE_SITE), "--yes")
    assert done.code == 0, done.err
    spans = collector.spans()
    assert {span.trace_id.hex() for span in spans} == {PARENT.split("-")[1]}
    (run,) = [span for span in spans if span.name == "reconciler apply"]
    assert run.parent_span_id.hex() == PARENT.split("-")[2]
    (change,) = [span for span in spans if span.name == "change"]
    assert change.parent_span_id == run.span_id
    assert {each.key: each.value.string_value for each in change.attributes} == {
        "reconciler.address": "site:acme/hq",
        "reconciler.operation": "create",
    }
    requests = [span for span in spans if span.name in ("GET", "POST", "PATCH", "PUT")]
    assert len(requests) == len(served.log())
    (create,) = [span for span in requests if span.parent_span_id == change.span_id]
    assert create.name == "POST"
    assert create.start_time_unix_nano < create.end_time_unix_nano
    assert {span.parent_span_id for span in requests} == {run.span_id, change.span_id}
    assert CLIENT_SECRET.encode() not in b"".join(collector.bodies)


def test_the_extra_is_needed_only_where_it_is_asked_for(
    cli: Cli, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    directory = project(account_yaml=ONE_SITE)
    assert cli("validate", directory).code == 0
    refused = cli("--otel", "validate", directory)
    assert refused.code == 1
    assert "--otel needs OpenTelemetry, which is not installed" in refused.err
    assert "pip install 'chekt-reconciler[otel]'" in refused.err


def test_an_exporter_that_is_not_there_is_named(
    cli: Cli, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    assert (
        "no OpenTelemetry exporter 'zipkin'" in cli("--otel", "validate", project(account_yaml=ONE_SITE)).err
    )


def test_no_attribute_holds_a_secret_and_failures_are_marked() -> None:
    memory = memories.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(memory))
    redactor = Redactor()
    redactor.add("planted-secret")
    spans = Spans(provider, {}, redactor)

    def fail() -> None:
        with spans.run("plan"):
            with spans.doing("change", address="site:acme/planted-secret"):
                spans.exchanged(Exchange("GET", "h", "/planted-secret", None, 0.1, 3, "t", "planted-secret"))
            raise ValueError("planted-secret")

    with pytest.raises(ValueError, match="planted"):
        fail()
    request, change, run = memory.get_finished_spans()
    assert "planted" not in "".join(span.to_json() for span in (request, change, run))
    assert [span.status.is_ok for span in (request, change, run)] == [False, True, False]
    assert request.attributes["http.request.resend_count"] == 2
    assert run.status.description == "ValueError"
