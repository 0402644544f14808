"""GraphiQL's routes over a page written by the test: headers, caching, words when unbuilt."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.graphiql_page import (
    GraphiQLConfig,
    graphiql_built,
    graphiql_response,
    graphiql_routes,
    wants_graphiql,
)

PAGE = "<!doctype html><title>Mela</title><script src=/graphiql/assets/index-1a2b.js></script>"


def write_page(dist: Path) -> None:
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text(PAGE)
    (dist / "assets" / "index-1a2b.js").write_text("1")
    (dist / "secret.txt").write_text("no")


def client_for(dist: Path, **page: str) -> httpx.AsyncClient:
    async def visit(request: Request) -> Response:
        return graphiql_response(request, dist=dist, **page)

    async def config() -> GraphiQLConfig:
        return GraphiQLConfig(demo_auction_id="auc_1", demo_username="ada")

    app = Starlette(routes=[Route("/graphql", visit), *graphiql_routes(config, dist=dist)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mela.test:8000")


def directives(response: httpx.Response) -> dict[str, str]:
    policy = response.headers["content-security-policy"]
    return dict(part.split(" ", 1) for part in policy.split("; "))


async def test_page_has_a_policy_that_names_its_own_origin_alone(tmp_path: Path) -> None:
    write_page(tmp_path)
    async with client_for(tmp_path) as client:
        response = await client.get("/graphql")
    assert response.status_code == 200
    assert response.text == PAGE
    policy = directives(response)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["worker-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://mela.test:8000 wss://mela.test:8000"
    assert policy["frame-ancestors"] == "'none'"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "host", ["evil.test; script-src *", "a b", "*", "", "x:999999", "a,b", "[::1"]
)
async def test_a_strange_host_never_enters_the_policy(tmp_path: Path, host: str) -> None:
    write_page(tmp_path)
    async with client_for(tmp_path) as client:
        response = await client.get("/graphql", headers={"host": host})
    assert directives(response)["connect-src"] == "'self'"
    assert directives(response)["script-src"] == "'self'"


async def test_an_ipv6_host_enters_the_policy(tmp_path: Path) -> None:
    write_page(tmp_path)
    async with client_for(tmp_path) as client:
        response = await client.get("/graphql", headers={"host": "[::1]:8000"})
    assert directives(response)["connect-src"] == "'self' ws://[::1]:8000 wss://[::1]:8000"


async def test_title_is_escaped(tmp_path: Path) -> None:
    write_page(tmp_path)
    async with client_for(tmp_path, title="<b>Fair</b>") as client:
        response = await client.get("/graphql")
    assert "<title>&lt;b&gt;Fair&lt;/b&gt;</title>" in response.text


async def test_assets_are_kept_for_ever_and_missing_ones_are_not(tmp_path: Path) -> None:
    write_page(tmp_path)
    async with client_for(tmp_path) as client:
        found = await client.get("/graphiql/assets/index-1a2b.js")
        missing = await client.get("/graphiql/assets/index-9f9f.js")
        outside = await client.get("/graphiql/assets/%2e%2e/secret.txt")
    assert found.status_code == 200
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert missing.status_code == 404
    assert "cache-control" not in missing.headers
    assert outside.status_code == 404


async def test_without_a_build_the_page_says_what_is_missing(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    async with client_for(dist) as client:
        page = await client.get("/graphql")
        asset = await client.get("/graphiql/assets/index-1a2b.js")
        assert not graphiql_built(dist)
        write_page(dist)
        later = await client.get("/graphql")
    assert page.status_code == 503
    assert "make graphiql" in page.text
    assert "Node.js 20.19" in page.text
    assert "<code>/graphql</code>" in page.text
    assert asset.status_code == 404
    assert later.status_code == 200


async def test_configuration_reaches_the_page_in_camel_case(tmp_path: Path) -> None:
    async with client_for(tmp_path) as client:
        response = await client.get("/graphiql/config.json")
    assert response.json() == {
        "title": "Mela",
        "endpoint": "/graphql",
        "demoAuctionId": "auc_1",
        "demoUsername": "ada",
        "demoPassword": None,
        "notice": None,
    }
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "query", "accept", "wanted"),
    [
        ("GET", "", "text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("HEAD", "", "text/html", True),
        ("GET", "query=%7Ba%7D", "text/html", False),
        ("GET", "", "application/json", False),
        ("GET", "", "*/*", False),
        ("POST", "", "text/html", False),
    ],
)
def test_only_a_browsers_visit_wants_the_page(
    method: str, query: str, accept: str, wanted: bool
) -> None:
    scope = {
        "type": "http",
        "method": method,
        "query_string": query.encode(),
        "headers": [(b"accept", accept.encode())],
    }
    assert wants_graphiql(Request(scope)) is wanted
