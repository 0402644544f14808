"""`/metrics`: the numbers of all processes of a server. Keep it from the public at the proxy."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.metrics import render_metrics


def metrics_routes() -> list[Route]:
    """`GET /metrics` in Prometheus's text format."""
    return [Route("/metrics", _metrics, methods=["GET"])]


async def _metrics(request: Request) -> Response:
    page, content_type = await to_thread.run_sync(render_metrics)
    return Response(page, media_type=content_type)
