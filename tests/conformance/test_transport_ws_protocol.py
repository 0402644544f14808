"""graphql-transport-ws over real sockets: bounds, clients that vanish or do not read, and a server
that goes down. The protocol's own rules are `ws_table.py`'s."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack, suppress

import pytest

from core.ids import new_id
from core.settings import Settings
from core.tokens import ensure_keys
from tests.concurrency.racing import checked_outcome, make_lot
from tests.concurrency.serving import (
    BID_PLACED,
    open_socket,
    serve_here,
    start_server,
    token_for,
)
from tests.conformance.worlds import values_for

PLACE_BID = """mutation($input: PlaceBidInput!) { placeBid(input: $input) { __typename
    ... on PlaceBidSuccess { bid { sequence } } ... on Error { code } } }"""
LIMIT = 3


@pytest.fixture
def values(database_url, redis_url, redis_prefix, tmp_path):
    changes = {"bus_prefix": redis_prefix, "max_operations_per_socket": LIMIT}
    return values_for(database_url, redis_url, tmp_path, **changes)


@pytest.fixture
async def server(values):
    async with serve_here(Settings(**values)) as here:
        yield here


@pytest.fixture
async def lot(database_url):
    return await make_lot(database_url, 5)


def errors_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


async def test_operations_on_a_socket_are_bounded(server, lot):
    async with open_socket(server.socket_url) as client:
        for n in range(LIMIT + 1):
            await client.subscribe(str(n), BID_PLACED, auction=lot.public_id)
        message = await client.receive()
        assert (message["id"], message["type"]) == (str(LIMIT), "error")
        extensions = message["payload"][0]["extensions"]
        assert extensions["code"] == "BAD_USER_INPUT"
        assert extensions["details"] == {"maximum": LIMIT}

        await client.send(id="0", type="complete")  # makes room
        await client.subscribe("q", "{ __typename }")
        assert (await client.receive())["type"] == "next"


async def test_a_message_that_is_too_large_closes_the_socket(values):
    async with (
        serve_here(Settings(**values, max_body_bytes=1_000)) as server,
        open_socket(server.socket_url) as client,
    ):
        await client.subscribe("a", "{ __typename }" + " " * 1_000)
        assert await client.closed() == 1009


async def test_clients_that_vanish_leave_nothing_behind(server, lot, caplog):
    """Cut off without a close frame while events are on their way to them."""
    tokens = [token_for(server.ring, bidder) for bidder in lot.bidders]
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(open_socket(server.socket_url, token=token))
            for token in tokens * 4
        ]
        for client in sockets:
            for id in ("a", "b"):
                await client.subscribe(id, BID_PLACED, auction=lot.public_id)
        await server.follows(1)
        for n, client in enumerate(sockets):
            if n % 4 == 0:
                placed = {"auctionId": lot.public_id, "maximum": f"{10 + n}.00"}
                placed["idempotencyKey"] = new_id().hex
                await server.ask(PLACE_BID, token=tokens[n % 5], input=placed)
            client.connection.transport.abort()
    await server.follows(0)
    assert errors_in(caplog) == []


async def test_a_server_that_goes_down_closes_sockets_so_that_clients_come_back(server, lot):
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(open_socket(server.socket_url)) for _ in range(10)
        ]
        for client in sockets:
            await client.subscribe("a", BID_PLACED, auction=lot.public_id)
        await server.follows(1)
        began = time.monotonic()
        server.leave()
        assert {await client.closed() for client in sockets} == {1012}
        await asyncio.wait_for(asyncio.shield(server.task), 10)
        assert time.monotonic() - began < 3


async def test_a_client_that_reads_nothing_does_not_hold_the_server_up(values, lot, caplog):
    """Its socket is full, so that not even the close frame can be handed to it."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.setblocking(False)
    async with serve_here(Settings(**values), drain_s=2) as server:
        address = ("127.0.0.1", int(server.url.split(":")[2].split("/")[0]))
        await asyncio.get_running_loop().sock_connect(narrow, address)
        async with open_socket(server.socket_url, sock=narrow) as deaf:
            deaf.connection.transport.pause_reading()
            for n in range(LIMIT):
                await deaf.subscribe(str(n), BID_PLACED, auction=lot.public_id)
            # Each of these is refused, by its long id; until neither side can write any more.
            with suppress(TimeoutError):
                while True:
                    await asyncio.wait_for(deaf.subscribe("x" * 500_000, BID_PLACED), 1)
            began = time.monotonic()
            server.leave()
            await asyncio.wait_for(asyncio.shield(server.task), 10)
            assert time.monotonic() - began < 5
            deaf.connection.transport.abort()
    assert any("timeout graceful shutdown exceeded" in error for error in errors_in(caplog))


async def test_sigterm_in_the_midst_of_bids_ends_a_process_cleanly_within_ten_seconds(
    values, lot, tmp_path
):
    process = await start_server(values, tmp_path / "server.log")
    ring = ensure_keys(tmp_path / "keys", "EdDSA")
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                open_socket(process.socket_url, token=token_for(ring, bidder))
            )
            for bidder in lot.bidders
        ]
        for client in sockets:
            await client.subscribe("a", BID_PLACED, auction=lot.public_id)
        for n, client in enumerate(sockets):
            placed = {"auctionId": lot.public_id, "maximum": f"{10 + n}.00"}
            await client.subscribe("b", PLACE_BID, input=placed | {"idempotencyKey": "k"})
        began = time.monotonic()
        stopped = asyncio.create_task(process.stop())
        assert {await client.closed() for client in sockets} == {1012}
        assert await stopped == 0
        assert time.monotonic() - began < 10
    assert not process.said('"level":"error"')
    await checked_outcome(lot)
