"""The edge around the application, over a real uvicorn server and raw sockets."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator

import httpx
import orjson
import pytest
import structlog
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from core.logging import configure_logging, current_request_id
from core.metrics import render_metrics
from core.settings import Settings
from web.middleware import wrap
from web.ports import pick_port, port_of, uvicorn_options

LIMIT = 1_000
log = structlog.get_logger("test")


async def echo_size(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body()), "id": current_request_id()})


async def swallow(request: Request) -> Response:
    try:
        await request.body()
    except BaseException:
        return JSONResponse({"swallowed": True})
    return JSONResponse({})


async def crash(request: Request) -> Response:
    raise RuntimeError("secret of alice@example.org")


async def crash_midway(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("midway")

    return StreamingResponse(body())


async def framed(request: Request) -> Response:
    policy = {"content-security-policy": "default-src 'self'; frame-ancestors 'self'"}
    return HTMLResponse("x", headers=policy)


async def policied(request: Request) -> Response:
    return HTMLResponse("x", headers={"content-security-policy": "default-src 'self'"})


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{text} {current_request_id()}")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(Settings(access_log=True, log_format="json"), stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
async def address(logged: io.StringIO) -> AsyncIterator[str]:
    routes = [
        Route("/size/{n:int}", echo_size, methods=["GET", "POST"]),
        Route("/swallow", swallow, methods=["POST"]),
        Route("/crash", crash),
        Route("/midway", crash_midway),
        Route("/framed", framed),
        Route("/policied", policied),
        WebSocketRoute("/socket", socket),
    ]
    settings = Settings(max_body_bytes=LIMIT, access_log=True)
    app = wrap(Starlette(routes=routes), settings)
    options = uvicorn_options(settings) | {"lifespan": "off", "ws": "websockets-sansio"}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    listening = pick_port("127.0.0.1", 0)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"127.0.0.1:{port_of(listening)}"
    server.should_exit = True
    await asyncio.wait_for(task, 10)


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=5) as client:
        yield client


def sample(line: str) -> float:
    page = render_metrics()[0].decode()
    found = [text for text in page.splitlines() if text.startswith(f"{line} ")]
    return float(found[0].split()[-1]) if found else 0.0


def log_lines(stream: io.StringIO) -> list[dict]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


async def test_a_request_gets_a_uuid7_and_its_handler_sees_it(http: httpx.AsyncClient) -> None:
    response = await http.get("/size/1")
    given = response.headers["x-request-id"]
    assert len(given) == 36
    assert given[14] == "7"
    assert response.json() == {"size": 0, "id": given}


@pytest.mark.parametrize("wanted", ["abc-DEF_123", "x" * 64])
async def test_a_callers_id_is_kept(http: httpx.AsyncClient, wanted: str) -> None:
    response = await http.get("/size/1", headers={"X-Request-Id": wanted})
    assert response.headers.get_list("x-request-id") == [wanted]
    assert response.json()["id"] == wanted


@pytest.mark.parametrize("wanted", ["", "x" * 65, "a b", 'a"}', "a.b", "é"])
async def test_an_unfit_id_is_replaced(http: httpx.AsyncClient, wanted: str) -> None:
    response = await http.get("/size/1", headers={"X-Request-Id": wanted.encode()})
    assert len(response.json()["id"]) == 36


async def test_ids_do_not_leak_between_requests_of_one_connection(
    http: httpx.AsyncClient, logged: io.StringIO
) -> None:
    first = await http.get("/size/1", headers={"X-Request-Id": "first"})
    second = await http.get("/size/1")
    assert (first.json()["id"], len(second.json()["id"])) == ("first", 36)
    assert current_request_id() is None
    access = [line for line in log_lines(logged) if line["logger"] == "uvicorn.access"]
    assert [line["request_id"] for line in access] == ["first", second.json()["id"]]


async def test_a_socket_keeps_its_id_and_is_counted(address: str) -> None:
    before = sample("mela_websockets_open")
    url = f"ws://{address}/socket"
    async with websockets.connect(url, additional_headers={"X-Request-Id": "sock"}) as one:
        assert one.response is not None
        assert one.response.headers["x-request-id"] == "sock"
        await one.send("hi")
        assert await one.recv() == "hi sock"
        assert sample("mela_websockets_open") == before + 1
    await until(lambda: sample("mela_websockets_open") == before)


async def test_a_socket_message_above_the_limit_closes_it(address: str) -> None:
    async with websockets.connect(f"ws://{address}/socket") as one:
        await one.send("x" * (LIMIT + 1))
        with pytest.raises(websockets.ConnectionClosed):
            await one.recv()
        assert one.close_code == 1009


async def test_a_body_at_the_limit_passes(http: httpx.AsyncClient) -> None:
    declared = await http.post("/size/1", content=b"x" * LIMIT)
    streamed = await http.post("/size/1", content=chunks(LIMIT))
    assert (declared.json()["size"], streamed.json()["size"]) == (LIMIT, LIMIT)


@pytest.mark.parametrize("path", ["/size/1", "/swallow"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_larger_body_is_refused(http: httpx.AsyncClient, path: str, streamed: bool) -> None:
    content = chunks(LIMIT + 1) if streamed else b"x" * (LIMIT + 1)
    response = await http.post(path, content=content)
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["connection"] == "close"
    assert response.headers["x-content-type-options"] == "nosniff"
    (error,) = response.json()["errors"]
    assert error["message"] == "the request's body is larger than 1000 bytes"
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    assert error["extensions"]["details"] == {"maxBodyBytes": LIMIT}


async def test_a_declared_length_is_refused_before_the_body_arrives(address: str) -> None:
    head = await exchange(
        address, b"POST /size/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 413 ")


async def test_an_endless_body_is_cut_off(address: str) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /size/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        writer.write(b"1f4\r\n" + b"x" * 500 + b"\r\n")
    assert (await asyncio.wait_for(reader.read(4096), 5)).startswith(b"HTTP/1.1 413 ")
    await asyncio.wait_for(reader.read(), 5)  # and the server closes
    writer.close()


async def test_graphql_clients_get_their_content_type(http: httpx.AsyncClient) -> None:
    accept = {"accept": "application/graphql-response+json, application/json;q=0.9"}
    response = await http.post("/size/1", content=b"x" * (LIMIT + 1), headers=accept)
    assert response.headers["content-type"].startswith("application/graphql-response+json")


async def test_security_headers_and_no_banner(http: httpx.AsyncClient) -> None:
    for path in ("/size/1", "/nowhere"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
        assert "server" not in headers


async def test_a_pages_own_framing_policy_holds(http: httpx.AsyncClient) -> None:
    policies = (await http.get("/framed")).headers.get_list("content-security-policy")
    assert policies == ["default-src 'self'; frame-ancestors 'self'"]
    policies = (await http.get("/policied")).headers.get_list("content-security-policy")
    assert policies == ["default-src 'self'", "frame-ancestors 'none'"]


async def test_a_crash_is_masked_logged_with_its_id_and_not_logged_twice(
    http: httpx.AsyncClient, logged: io.StringIO
) -> None:
    response = await http.get("/crash", headers={"X-Request-Id": "boom"})
    assert response.status_code == 500
    assert response.headers["x-request-id"] == "boom"
    assert "alice" not in response.text
    errors = [line for line in log_lines(logged) if line["level"] == "error"]
    assert [(line["event"], line["request_id"]) for line in errors] == [("request_failed", "boom")]
    assert "secret of a***@example.org" in errors[0]["exception"]


async def test_a_crash_without_starlettes_own_answer_is_a_graphql_error() -> None:
    async def app(scope: dict, receive: object, send: object) -> None:
        raise RuntimeError("hidden")

    transport = httpx.ASGITransport(wrap(app, Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.get("/", headers={"X-Request-Id": "boom"})
    assert response.status_code == 500
    (error,) = response.json()["errors"]
    assert error["message"] == "internal server error"
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["requestId"] == "boom"


async def test_half_an_answer_is_cut_off_not_passed_as_whole(http: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get("/midway")


async def test_requests_are_counted_by_route_not_by_path(http: httpx.AsyncClient) -> None:
    ok = 'mela_http_requests_total{method="GET",route="/size/{n:int}",status="2xx"}'
    lost = 'mela_http_requests_total{method="GET",route="unmatched",status="4xx"}'
    wrong = 'mela_http_requests_total{method="GET",route="/swallow",status="4xx"}'
    odd = 'mela_http_requests_total{method="other",route="unmatched",status="4xx"}'
    failed = 'mela_http_requests_total{method="GET",route="/crash",status="5xx"}'
    before = [sample(line) for line in (ok, lost, wrong, odd, failed)]
    for path in ("/size/1", "/size/2", "/no/1", "/no/2", "/swallow", "/crash"):
        await http.get(path)
    await http.request("TRACE", "/no")
    after = [sample(line) for line in (ok, lost, wrong, odd, failed)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 2, 1, 1, 1]


async def chunks(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 100):
        yield b"x" * min(100, size - start)


async def exchange(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    return head


async def until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (the server tells nobody)
            await asyncio.sleep(0.01)
