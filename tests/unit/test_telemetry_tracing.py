"""Spans reach a collector when there is one, and cost no import when there is none."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from core.settings import Settings
from core.tracing import configure_tracing, trace_statements, traced, tracing_is_on
from web.middleware import wrap

ROOT = Path(__file__).parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector() -> Iterator[tuple[str, list]]:
    spans: list = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()
    thread.join(5)


def attributes(span: object) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def test_spans_of_blocks_and_statements_arrive(collector: tuple[str, list]) -> None:
    endpoint, spans = collector
    stop = configure_tracing(Settings(otlp_endpoint=endpoint))
    engine = create_engine("sqlite://")
    trace_statements(engine)
    with traced("graphql.query", outcome="ok"), engine.connect() as connection:
        connection.execute(text("SELECT :secret"), {"secret": "hunter2"})
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT x FROM nowhere"))
    engine.dispose()
    stop()
    by_name = {span.name: span for span in spans}
    parent = by_name["graphql.query"]
    assert attributes(parent) == {"outcome": "ok"}
    statements = [span for span in spans if span.name == "SELECT"]
    assert len(statements) == 2
    assert all(span.parent_span_id == parent.span_id for span in statements)
    assert attributes(statements[0])["db.query.text"] == "SELECT ?"
    assert attributes(statements[1])["error.type"] == "OperationalError"
    assert "hunter2" not in str(spans)
    assert not tracing_is_on()


async def test_a_request_continues_its_callers_trace(collector: tuple[str, list]) -> None:
    endpoint, spans = collector
    stop = configure_tracing(Settings(otlp_endpoint=f"{endpoint}/v1/traces"))

    async def app(scope: dict, receive: object, send: object) -> None:
        with traced("inside"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(wrap(app, Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        await client.post("/private", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    stop()
    by_name = {span.name: span for span in spans}
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert by_name["inside"].parent_span_id == by_name["POST unmatched"].span_id


def test_without_an_endpoint_nothing_is_imported() -> None:
    code = (
        "import sys; from core.settings import Settings; from core.telemetry import *\n"
        "from core.tracing import traced\n"
        "stop = start_telemetry(Settings())\n"
        "with traced('x', a=1): pass\n"
        "stop(); print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
