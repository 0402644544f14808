"""Spans for an OpenTelemetry collector, when `Settings.otlp_endpoint` names one.

While tracing is off, OpenTelemetry is not imported and `traced` gives back one shared object.
Spans carry no arguments of operations and no parameters of statements.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event as sa_event
from sqlalchemy.engine import Engine

from core.redaction import redact_text
from core.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

MAX_STATEMENT: Final = 2_000
EXPORT_TIMEOUT_S: Final = 5.0
QUEUE_SPANS: Final = 4_096
"""Spans waiting for the collector; further ones are dropped, never the requests."""

_OFF: Final[AbstractContextManager[None]] = nullcontext()
_tracer: Tracer | None = None


def configure_tracing(settings: Settings) -> Callable[[], None]:
    """Start exporting if an endpoint is set; returns what flushes and stops (blocks ≤ 5 s)."""
    global _tracer
    if settings.otlp_endpoint is None:
        return _nothing
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(_traces_url(settings.otlp_endpoint), timeout=EXPORT_TIMEOUT_S)
    provider = TracerProvider(
        resource=Resource.create({"service.name": "mela"}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS))
    _tracer = provider.get_tracer("mela")

    def stop() -> None:
        global _tracer
        _tracer = None
        provider.shutdown()

    return stop


def tracing_is_on() -> bool:
    """Whether spans are recorded in this process."""
    return _tracer is not None


def traced(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[Any]:
    """A span around a block, a child of the span in which it runs. Errors are recorded.

    `name` and attributes come from code: `traced("graphql.mutation", outcome="ok")`.
    """
    if _tracer is None:
        return _OFF
    return _tracer.start_as_current_span(name, attributes=attributes)


@contextlib.contextmanager
def traced_request(name: str, headers: Mapping[str, str]) -> Iterator[Any]:
    """A server's span that continues the caller's trace (`traceparent`). Only if tracing is on."""
    assert _tracer is not None, "ask tracing_is_on() first"
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract(headers)
    with _tracer.start_as_current_span(name, context=context, kind=SpanKind.SERVER) as span:
        yield span


def trace_statements(engine: Engine) -> None:
    """A span for each statement of the engine, with its text and never its parameters."""
    if _tracer is None:
        return

    def begin(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if _tracer is not None:
            span = _tracer.start_span(statement.split(None, 1)[0].upper()[:16] or "SQL")
            span.set_attribute("db.system.name", "postgresql")
            span.set_attribute("db.query.text", redact_text(statement[:MAX_STATEMENT]))
            conn.info["mela_span"] = span

    def end(conn: Any, *rest: Any) -> None:
        span = conn.info.pop("mela_span", None)
        if span is not None:
            span.end()

    def fail(context: Any) -> None:
        span = context.connection and context.connection.info.pop("mela_span", None)
        if span:
            span.set_attribute("error.type", type(context.original_exception).__name__)
            span.end()

    sa_event.listen(engine, "before_cursor_execute", begin)
    sa_event.listen(engine, "after_cursor_execute", end)
    sa_event.listen(engine, "handle_error", fail)


def _traces_url(endpoint: str) -> str:
    base = endpoint.rstrip("/")
    return base if base.endswith("/v1/traces") else f"{base}/v1/traces"


def _nothing() -> None:
    pass
