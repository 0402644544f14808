"""Parts of the edge by themselves: what is compressed, and whose pages may call in development."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.settings import Settings
from web.cors import EXPOSED, may_open_socket
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


async def varied(request: Request) -> Response:
    response = Response(b"x")
    for value in request.query_params.getlist("by"):
        response.headers.append("Vary", value)
    response.headers.append("Link", "</a>")
    response.headers.append("Link", "</b>")
    return response


def client_of(**given: object) -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/{size:int}", sized), Route("/varied", varied)])
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


@pytest.mark.parametrize("origin", [None, LOCAL[0], FOREIGN[0]])
@pytest.mark.parametrize(
    ("by", "told"),
    [([], "Origin"), (["Accept"], "Accept, Origin"), (["A", "B, C"], "A, B, C, Origin")],
)
async def test_answers_vary_by_origin_whether_one_is_sent_or_not(origin, by, told):
    async with client_of() as client:
        headers = {} if origin is None else {"Origin": origin}
        response = await client.get("/varied", params={"by": by}, headers=headers)
    assert response.headers.get_list("vary") == [told]
    assert response.headers.get_list("link") == ["</a>", "</b>"]
    exposed = response.headers.get("access-control-expose-headers")
    assert exposed == (None if origin is None else ", ".join(EXPOSED))


async def test_all_pages_may_call_where_the_list_says_so():
    async with client_of(cors_origins="*") as client:
        origin = {"Origin": "https://any.example"}
        response = await client.get("/1", params={"kind": "a/b"}, headers=origin)
    assert response.headers["access-control-allow-origin"] == "*"
    assert may_open_socket(Settings(cors_origins="*"), "https://any.example")
