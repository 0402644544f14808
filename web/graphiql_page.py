"""GraphiQL's routes: the page at the GraphQL address, its hashed assets, its configuration.

Nothing here builds anything (`web/graphiql_build.py` does) and nothing here knows the schema.
"""

import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

DIST: Final = Path(__file__).parent / "graphiql" / "dist"
CONFIG_PATH: Final = "/graphiql/config.json"
ASSETS_PATH: Final = "/graphiql/assets"

# A Host header is the client's: it goes into the policy only in this shape.
_HOST: Final = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")

_OPERATION: Final = frozenset({"query", "documentId", "extensions"})

_TITLE: Final = "<title>Mela</title>"

_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>The GraphQL API works: send it <code>POST</code> requests at <code>{endpoint}</code>.</p>
<p>GraphiQL, the page to explore it with, has not been built on this machine. To build it, run
<code>make graphiql</code> in the repository and reload this page; no restart is needed. It needs
Node.js 20.19 or newer with npm (without them it fetches Node.js as a Python package) and, the
first time, access to the npm registry.</p>
</body>
</html>
"""


@dataclass(frozen=True, kw_only=True)
class GraphiQLConfig:
    """What the page is told; everything here is public, so a password is a demo's or `None`."""

    title: str = "Mela"
    endpoint: str = "/graphql"
    demo_auction_id: str | None = None
    demo_username: str | None = None
    demo_password: str | None = None
    notice: str | None = None
    """A few words shown beside the title until somebody signs in."""


ConfigSource = Callable[[], Awaitable[GraphiQLConfig]]


def graphiql_built(dist: Path = DIST) -> bool:
    """Whether there is a page to serve; looked up each time, so a build needs no restart."""
    return (dist / "index.html").is_file()


def wants_graphiql(request: Request) -> bool:
    """Whether a request to the GraphQL address is a browser's visit, not an operation by GET."""
    if request.method not in {"GET", "HEAD"}:
        return False
    if not _OPERATION.isdisjoint(request.query_params):
        return False
    return "text/html" in request.headers.get("accept", "")


def graphiql_response(
    request: HTTPConnection,
    *,
    title: str = "Mela",
    endpoint: str = "/graphql",
    dist: Path = DIST,
) -> Response:
    """The page, or plain words on what is missing (503) when it has not been built."""
    page = dist / "index.html"
    names = {"title": html.escape(title), "endpoint": html.escape(endpoint)}
    headers = _page_headers(request.headers.get("host", ""))
    if not page.is_file():
        return HTMLResponse(_NOT_BUILT.format(**names), 503, headers)
    text = page.read_text("utf-8")
    return HTMLResponse(text.replace(_TITLE, _TITLE.replace("Mela", names["title"])), 200, headers)


def graphiql_routes(config: ConfigSource, *, dist: Path = DIST) -> list[BaseRoute]:
    """The page's assets and its configuration, for the application's route list.

    `config` is awaited for each visit and its fields reach the page in camel case.
    """

    async def configuration(request: Request) -> Response:
        fields = asdict(await config())
        return JSONResponse(
            {_camel(name): value for name, value in fields.items()},
            headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        )

    return [
        Route(CONFIG_PATH, configuration, methods=["GET"], name="graphiql_config"),
        Mount(ASSETS_PATH, _HashedFiles(dist / "assets"), name="graphiql_assets"),
    ]


class _HashedFiles(StaticFiles):
    """Files whose names change with their contents: a browser may keep them for ever."""

    def __init__(self, directory: Path) -> None:
        # The folder may appear later, when somebody runs the build beside a live server.
        super().__init__(directory=directory, check_dir=False)

    async def check_config(self) -> None:
        """A missing folder is a 404 here, not the RuntimeError that Starlette raises."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code in {200, 206, 304}:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _page_headers(host: str) -> dict[str, str]:
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _content_security_policy(host),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }


def _content_security_policy(host: str) -> str:
    # 'self' covers WebSockets in new browsers only, so this host's are named too.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            # Monaco writes its theme into style elements; a style cannot run code.
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "img-src 'self' data:",
            f"connect-src 'self'{sockets}",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
