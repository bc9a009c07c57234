"""OpenTelemetry: a span for the run, for each change and for each request (the extra ``otel``).

Everything is configured by the standard variables: ``OTEL_TRACES_EXPORTER``, ``OTEL_EXPORTER_OTLP_*``,
``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_TRACES_SAMPLER``, ``OTEL_SDK_DISABLED``. A
parent comes from ``TRACEPARENT`` and ``TRACESTATE`` (W3C Trace Context).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from reconciler import __version__
from reconciler.errors import ConfigError
from reconciler.observer import Exchange
from reconciler.redaction import Redactor

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

_INSTALL = "Install it with: pip install 'chekt-reconciler[otel]'"
_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


class Spans:
    """An observer that makes spans. ``env``: where the parent stands."""

    def __init__(self, provider: TracerProvider, env: Mapping[str, str], redactor: Redactor) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name: env[name.upper()] for name in ("traceparent", "tracestate") if name.upper() in env}
        self._tracer = provider.get_tracer("reconciler", __version__)
        self._root: Context = TraceContextTextMapPropagator().extract(carrier)
        self._redactor = redactor

    @property
    def detailed(self) -> bool:
        return False

    @contextmanager
    def run(self, command: str) -> Iterator[None]:
        """The span that all others of this process lie in."""
        from opentelemetry import context

        before = self._root
        with self.doing(f"reconciler {command}"):
            self._root = context.get_current()
            try:
                yield
            finally:
                self._root = before

    @contextmanager
    def doing(self, what: str, /, **facts: str) -> Iterator[None]:
        from opentelemetry.trace import Status, StatusCode

        attributes = {f"reconciler.{name}": self._redactor(value) for name, value in facts.items()}
        with self._tracer.start_as_current_span(
            what, self._parent(), attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as exc:  # its text may hold what no attribute may
                span.set_status(Status(StatusCode.ERROR, type(exc).__name__))
                raise

    def exchanged(self, exchange: Exchange) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        ended = time.time_ns()
        attributes: dict[str, str | int] = {
            "http.request.method": exchange.method,
            "server.address": exchange.host,
            "url.path": self._redactor(exchange.path),
            "chekt.trace_id": exchange.trace_id,
        }
        if exchange.attempt > 1:
            attributes["http.request.resend_count"] = exchange.attempt - 1
        if exchange.status is not None:
            attributes["http.response.status_code"] = exchange.status
        span = self._tracer.start_span(
            exchange.method,
            self._parent(),
            SpanKind.CLIENT,
            attributes,
            start_time=ended - int(exchange.seconds * 1e9),
        )
        if exchange.status is None or exchange.status >= 400:
            span.set_status(Status(StatusCode.ERROR, self._redactor(exchange.problem)))
        span.end(ended)

    def _parent(self) -> Context | None:
        """The span this thread is in, else the run's: a pool's threads begin without one."""
        from opentelemetry import trace

        return None if trace.get_current_span().get_span_context().is_valid else self._root


@contextmanager
def spans(env: Mapping[str, str], redactor: Redactor) -> Iterator[Spans]:
    """Spans for as long as the block lasts, sent where ``env`` says. Raises ConfigError without the extra."""
    try:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise ConfigError("--otel needs OpenTelemetry, which is not installed", hint=_INSTALL) from exc
    provider = TracerProvider()
    for name in env.get("OTEL_TRACES_EXPORTER", "otlp").split(","):
        if name.strip() not in ("none", ""):
            provider.add_span_processor(BatchSpanProcessor(_exporter(name.strip(), env)))
    try:
        yield Spans(provider, env, redactor)
    finally:
        provider.shutdown()


def _exporter(name: str, env: Mapping[str, str]) -> Any:
    """The exporter that the variables call ``name``, set up by its own variables."""
    if name == "otlp":
        protocol = env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or env.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        name = _PROTOCOLS.get(protocol or "http/protobuf", str(protocol))
    found = tuple(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        raise ConfigError(f"there is no OpenTelemetry exporter {name!r} on this machine", hint=_INSTALL)
    return found[0].load()()
