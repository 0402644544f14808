"""The WebSocket protocols' rules one by one, played with raw frames; what needs a clock or a token;
and frames of any kind, which must neither end the process nor leave anything behind."""

import asyncio
import json
import sys
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.concurrency.serving import open_socket, serve_here, token_for
from tests.conformance.ws_table import (
    BUSY,
    ERROR,
    ERRORS,
    LEGACY,
    SERVED,
    TABLE,
    Closed,
    Hear,
    HearAll,
    Nothing,
    Say,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

GAUGES = ("mela_websockets_open", "mela_subscriptions_active")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(served):
    async with serve_here(served()) as here:
        yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty(served):
    """A server that waits for nobody."""
    changes = {"socket_init_s": 0.2, "socket_ping_s": 0.2, "socket_pong_s": 0.2}
    async with serve_here(served(**changes)) as here:
        yield here


def raw(url, subprotocols=(SERVED,)):
    return connect(url, subprotocols=subprotocols, proxy=None, compression=None, close_timeout=2)


def errors_in(caplog):
    return [r.getMessage() for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")]


async def play(url, rule):
    """Have the conversation of a rule; what was not as it must be, or None."""
    try:
        async with asyncio.timeout(10), raw(url, rule.subprotocols) as connection:
            for step in rule.steps:
                await take(connection, step)
            return None
    except (AssertionError, TimeoutError, ConnectionClosed) as error:
        return f"{rule.says}: {type(error).__name__} {error}"


async def all_of(connection):
    """What is said until the server closes."""
    with suppress(ConnectionClosed):
        while True:
            yield await connection.recv()


async def take(connection, step):
    if isinstance(step, Say):
        connection.transport.set_write_buffer_limits(high=2**24)
        for message in step.messages:
            await connection.send(message if isinstance(message, str | bytes) else to_json(message))
    elif isinstance(step, Hear):
        is_like(json.loads(await connection.recv()), step.parts)
    elif isinstance(step, HearAll):
        left = list(step.messages)
        while left:
            message = json.loads(await connection.recv())
            expected = next(each for each in left if each.parts["id"] == message["id"])
            is_like(message, expected.parts)
            left.remove(expected)
    elif isinstance(step, Nothing):
        await is_quiet(connection)
    elif isinstance(step, Closed):
        with pytest.raises(ConnectionClosed):
            is_like({"said": await connection.recv()}, {"said": "nothing"})
        assert connection.close_code == step.code, connection.close_reason
        assert step.reason in connection.close_reason
        assert len(connection.close_reason.encode()) <= 123


def to_json(message):
    return json.dumps(message, ensure_ascii=False)


async def is_quiet(connection):
    """Nothing is on its way: the answer to what is asked now, of the database, comes next."""
    begin, result = ("subscribe", "next") if connection.subprotocol == SERVED else ("start", "data")
    for id in ("quiet", "still"):
        await connection.send(to_json({"id": id, "type": begin, "payload": BUSY}))
        is_like(json.loads(await connection.recv()), {"id": id, "type": result})
        is_like(json.loads(await connection.recv()), {"id": id, "type": "complete"})


def is_like(message, parts):
    for name, expected in parts.items():
        found = message.get(name)
        if isinstance(expected, dict) and ERRORS in expected.values():
            assert set(found) == set(expected), message
            is_like(found, expected)
        elif expected in (ERRORS, ERROR):
            errors = [found] if expected is ERROR else found
            assert isinstance(errors, list), message
            assert errors, message
            assert all(error["message"] and error["extensions"]["code"] for error in errors)
        else:
            assert found == expected, message
    assert message.get("type") != "pong" or set(message) <= {"type", *parts}, message


async def test_each_rule_of_the_protocols_is_kept(server, caplog, capsys):
    assert len({rule.says for rule in TABLE}) == len(TABLE) > 110
    broken = [said for rule in TABLE if (said := await play(server.socket_url, rule)) is not None]
    with capsys.disabled():
        sys.stdout.write(
            f"\ngraphql-ws protocol: {len(TABLE) - len(broken)} of {len(TABLE)} rules\n"
        )
    assert broken == []
    assert errors_in(caplog) == []
    await nothing_is_left(server)


async def test_who_says_nothing_is_not_waited_for(hasty):
    """Told by the code of the protocol, after the time that the settings give."""
    for subprotocol in (SERVED, LEGACY):
        async with raw(hasty.socket_url, [subprotocol]) as connection:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(connection.recv(), 5)
            assert connection.close_code == 4408
            assert connection.close_reason == "Connection initialisation timeout"
    async with open_socket(hasty.socket_url) as socket:
        for _ in range(3):  # whoever has been acknowledged is past that time's end
            assert json.loads(await socket.connection.recv()) == {"type": "ping"}
            await socket.send(type="pong")


@pytest.mark.parametrize("answer", ["pong", "ping", "complete"])
async def test_who_answers_pings_stays(hasty, answer):
    """Whatever a client says, it is there."""
    async with open_socket(hasty.socket_url) as socket:
        for _ in range(4):
            while json.loads(await socket.connection.recv()) != {"type": "ping"}:
                pass
            await socket.send(type=answer, id="nothing's")


async def test_who_answers_no_ping_is_closed_so_that_it_comes_back(hasty):
    async with open_socket(hasty.socket_url) as socket:
        live = 'subscription { searchChanged(query: "bowl") { totalCount } }'
        await socket.subscribe("a", live)
        async with asyncio.timeout(5):
            told = [json.loads(frame) async for frame in all_of(socket.connection)]
        assert (socket.connection.close_code, socket.connection.close_reason) == (
            4408,
            "Pong timeout",
        )
        assert sorted(message["type"] for message in told) == ["next", "ping"]
    await nothing_is_left(hasty)


async def test_who_does_not_even_read_is_closed(hasty):
    """A socket whose other end is gone without a word."""
    async with open_socket(hasty.socket_url) as socket:
        socket.connection.transport.pause_reading()
        await nothing_is_left(hasty)
        socket.connection.transport.abort()


async def test_older_clients_are_kept_alive_and_pinged_by_frames(hasty):
    async with raw(hasty.socket_url, [LEGACY]) as connection:
        await connection.send(to_json({"type": "connection_init"}))
        heard = [json.loads(await connection.recv()) for _ in range(5)]
        assert heard == [{"type": "connection_ack"}, *[{"type": "ka"}] * 4]
        connection.transport.pause_reading()
        await nothing_is_left(hasty)
        connection.transport.abort()


@pytest.mark.parametrize(
    "payload",
    [
        {"authorization": "?"},
        {"Authorization": "?"},
        {"AUTHORIZATION": "?", "authorization": None},
        {"headers": {"authorization": "?"}},
        {"headers": {"Authorization": "?"}, "authorization": None},
        {"headers": "none"},
        {"headers": {}},
    ],
)
@pytest.mark.parametrize("subprotocol", [SERVED, LEGACY])
async def test_credentials_are_taken_from_where_clients_and_gateways_put_them(
    server, payload, subprotocol
):
    """Each of these by the payload; the last two by the handshake's header."""
    bearer = f"Bearer {token_for(server.ring, uuid4())}"
    sent = json.loads(json.dumps(payload).replace("?", bearer))
    header = {} if sent != payload else {"Authorization": bearer}
    options = {"additional_headers": header, "subprotocols": [subprotocol], "proxy": None}
    async with connect(server.socket_url, **options) as connection:
        await connection.send(to_json({"type": "connection_init", "payload": sent}))
        begin = "subscribe" if subprotocol == SERVED else "start"
        asked = {"query": "subscription { auctionEndingSoon { auction { id } } }"}
        await connection.send(to_json({"id": "a", "type": begin, "payload": asked}))
        await connection.send(to_json({"id": "b", "type": begin, "payload": BUSY}))
        ids = []
        while not ids:  # nobody who is not signed in is let wait for an end
            ids += [id for id in [json.loads(await connection.recv()).get("id")] if id]
        assert ids == ["b"]


@pytest.mark.parametrize("header", ["Bearer forged", "Basic YTpi", "nonsense"])
async def test_a_bad_header_of_the_handshake_is_forbidden(server, header):
    headers = {"Authorization": header}
    async with connect(
        server.socket_url, additional_headers=headers, subprotocols=[SERVED], proxy=None
    ) as connection:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(connection.recv(), 5)
        assert connection.close_code == 4403


async def nothing_is_left(server):
    """Return when no socket and no subscription is counted; fails after five seconds."""
    async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False) as client:
        while True:
            page = (await client.get(server.url.replace("/graphql", "/metrics"))).text
            found = dict(line.split(" ") for line in page.splitlines() if line.startswith(GAUGES))
            if not any(float(value) for value in found.values()):
                return
            await asyncio.sleep(0.02)
