"""How many sockets a process takes: in all, of an address, of a viewer. One too many is told so by
its close code, and there is room again when another leaves."""

from contextlib import AsyncExitStack
from functools import partial
from uuid import uuid4

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from tests.concurrency.serving import open_socket, serve_here, token_for
from tests.conformance.transports import LEGACY_WS, Refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAXIMUM = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(served):
    settings = served(
        max_sockets=MAXIMUM,
        max_sockets_per_address=2,
        max_sockets_per_viewer=2,
        trust_forwarded_for=True,
    )
    async with serve_here(settings) as here:
        yield here


async def refused(opened):
    """The close code and reason that a socket is refused with."""
    with pytest.raises(ConnectionClosed) as closed:
        async with opened:
            pass
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def works(socket):
    await socket.subscribe("a", "{ __typename }")
    assert (await socket.receive())["payload"]["data"] == {"__typename": "Query"}


async def test_a_socket_past_the_processs_limit_is_told_to_come_again(server):
    open_one = partial(open_socket, server.socket_url)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(open_one()) for _ in range(MAXIMUM)]
        assert await refused(open_one()) == (1013, "Too many sockets")
        await works(sockets[0])
        await sockets[0].connection.close()
        await works(await stack.enter_async_context(open_one()))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::ffff"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
    ],
)
async def test_an_address_has_a_limit_of_its_own(server, first, second):
    def open_from(address):
        return open_socket(server.socket_url, additional_headers={"X-Forwarded-For": address})

    async with open_from(first) as one, open_from(second):
        assert await refused(open_from(second)) == (1013, "Too many sockets of this address")
        async with open_from("2001:db8:0:1::1") as other:
            await works(other)
        await works(one)
        await one.connection.close()
        async with open_from(first) as again:
            await works(again)


async def test_a_viewer_has_a_limit_of_their_own(server):
    mine, others = uuid4(), uuid4()

    def open_of(user_id):
        return open_socket(server.socket_url, token=token_for(server.ring, user_id))

    async with open_of(mine) as one, open_of(mine):
        assert await refused(open_of(mine)) == (1013, "Too many sockets of this viewer")
        with pytest.raises(Refused, match="of this viewer"):
            async with LEGACY_WS.connect(server.url, token_for(server.ring, mine)):
                pass
        async with open_of(others) as other:
            await works(other)
        await one.connection.close()
        async with open_of(mine) as again:
            await works(again)


async def test_who_is_signed_in_no_more_counts_no_more(server):
    user_id = uuid4()
    token = token_for(server.ring, user_id, lifetime_s=1)
    async with (
        open_socket(server.socket_url, token=token) as first,
        open_socket(server.socket_url, token=token) as second,
    ):
        for socket in (first, second):
            await socket.subscribe("a", "subscription { auctionEndingSoon { auction { id } } }")
        for socket in (first, second):
            [error] = (await socket.receive())["payload"]
            assert error["extensions"]["details"]["reason"] == "TOKEN_EXPIRED"
        fresh = token_for(server.ring, user_id)
        async with open_socket(server.socket_url, token=fresh) as third:
            await works(third)
