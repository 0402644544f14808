"""Parts of the edge by themselves: what is compressed, and whose pages may call in development."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.settings import Settings
from web.cors import may_open_socket
from web.middleware import wrap

LOCAL = ["http://localhost:5173", "https://localhost", "http://127.0.0.1:3000", "http://[::1]:80"]
FOREIGN = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://localhost:1@evil",
    "null",
]


async def sized(request: Request) -> Response:
    size, kind = request.path_params["size"], request.query_params["kind"]
    return Response(b"x" * size, media_type=kind)


def client_of(**given: object) -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/{size:int}", sized)])
    settings = Settings(**given)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(wrap(app, settings))
    headers = {"Accept-Encoding": "gzip"}
    return httpx.AsyncClient(transport=transport, base_url="http://mela.test", headers=headers)


@pytest.mark.parametrize(
    ("kind", "size", "packed"),
    [
        ("application/json", 1_024, True),
        ("application/json", 1_023, False),
        ("application/graphql-response+json; charset=utf-8", 2_000, True),
        ("text/html", 2_000, True),
        ("text/event-stream", 2_000, False),
        ('multipart/mixed; boundary="-"', 2_000, False),
        ("image/webp", 2_000, False),
        ("application/zip", 2_000, False),
        ("application/pdf", 2_000, False),
    ],
)
async def test_larger_text_is_compressed_and_nothing_else(kind, size, packed):
    async with client_of() as client:
        response = await client.get(f"/{size}", params={"kind": kind})
    assert (response.headers.get("content-encoding") == "gzip") is packed
    assert len(response.content) == size


async def test_compression_can_be_switched_off():
    async with client_of(compress=False) as client:
        response = await client.get("/2000", params={"kind": "application/json"})
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("profile", ["dev", "test"])
@pytest.mark.parametrize("origin", [*LOCAL, *FOREIGN])
async def test_local_pages_may_call_outside_of_prod(profile, origin):
    async with client_of(profile=profile) as client:
        response = await client.get("/1", params={"kind": "a/b"}, headers={"Origin": origin})
    allowed = origin if origin in LOCAL else None
    assert response.headers.get("access-control-allow-origin") == allowed
    assert may_open_socket(Settings(profile=profile), origin) is (origin in LOCAL)


async def test_all_pages_may_call_where_the_list_says_so():
    async with client_of(cors_origins="*") as client:
        origin = {"Origin": "https://any.example"}
        response = await client.get("/1", params={"kind": "a/b"}, headers=origin)
    assert response.headers["access-control-allow-origin"] == "*"
    assert may_open_socket(Settings(cors_origins="*"), "https://any.example")
