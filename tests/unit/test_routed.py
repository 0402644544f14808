"""What is answered where no route answers, or one fails."""

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from web.route_errors import Routed


async def greet(request: Request) -> Response:
    return PlainTextResponse("hello")


async def close(request: Request) -> Response:
    raise HTTPException(410, "it was here", headers={"X-Was": "here"})


async def crash(request: Request) -> Response:
    raise RuntimeError("secret of alice@example.org")


async def crash_midway(request: Request) -> Response:
    async def body():
        yield b"half"
        raise RuntimeError("midway")

    return StreamingResponse(body())


ROUTES = [
    Route("/greet", greet),
    Route("/close", close),
    Route("/crash", crash),
    Route("/midway", crash_midway),
]


def client(*, raises: bool = False) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=Routed(Router(ROUTES)), raise_app_exceptions=raises)
    return httpx.AsyncClient(transport=transport, base_url="http://here")


async def test_a_route_answers_by_itself():
    async with client(raises=True) as http:
        assert (await http.get("/greet")).text == "hello"


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "said"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND", "there is nothing at this address"),
        ("POST", "/greet", 405, "BAD_USER_INPUT", "this method is not for this address"),
        ("GET", "/close", 410, "NOT_FOUND", "it was here"),
    ],
)
async def test_refusals_are_json_and_not_raised(method, path, status, code, said):
    async with client(raises=True) as http:
        response = await http.request(method, path)
    [error] = response.json()["errors"]
    assert response.status_code == status
    assert (error["message"], error["extensions"]["code"]) == (said, code)
    assert response.headers["cache-control"] == "no-store"
    if status == 405:
        assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    if status == 410:
        assert response.headers["x-was"] == "here"


async def test_a_crash_is_answered_without_what_it_says_and_raised_for_the_log():
    async with client() as http:
        response = await http.get("/crash")
    assert response.status_code == 500
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "alice" not in response.text
    async with client(raises=True) as http:
        with pytest.raises(RuntimeError, match="alice"):
            await http.get("/crash")


async def test_a_crash_amid_an_answer_is_raised_and_nothing_more_is_said():
    async with client(raises=True) as http:
        with pytest.raises(RuntimeError, match="midway"):
            await http.get("/midway")
