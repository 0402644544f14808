"""What a client may rely on, whatever the transport: the same cases over each of them."""

import asyncio
from contextlib import aclosing
from functools import partial

import asyncpg
import pytest
import pytest_asyncio

from core.ids import encode_id, new_id
from subscriptions.cursors import decode_cursor
from tests.concurrency.racing import make_lots
from tests.concurrency.serving import BID_PLACED, serve_here, token_for
from tests.conformance.stream_drivers import STREAM_DRIVERS
from tests.conformance.streaming import cursor_of, say
from tests.conformance.transports import SOCKET_DRIVERS, Left, Refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRIVERS = [*SOCKET_DRIVERS, *STREAM_DRIVERS]
PLACE_BID = """mutation($input: PlaceBidInput!) { placeBid(input: $input) { __typename
    ... on PlaceBidSuccess { bid { sequence } } ... on Error { code } } }"""
WIDE = " ".join(f"a{n}: cursor" for n in range(20))
CHANGES = f"""subscription ($auction: ID!, $after: Cursor) {{
  auctionChanged(auctionId: $auction, after: $after) {{ cursor {WIDE} }} }}"""
TWO = "query A { __typename } query B { a: __typename }"
LOTS = 30
BUFFER = 40
MANY = 600
"""Events of CHANGES that no system keeps for who does not read."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lots(module_database):
    return await make_lots(module_database, 3, lots=LOTS * len(DRIVERS))


@pytest.fixture(scope="module")
def settings(served):
    """`settings()`: of a server with room for BUFFER events that a client has not read."""
    return partial(served, subscriber_buffer=BUFFER, heads_interval_s=0.2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(settings):
    async with serve_here(settings()) as here:
        yield here


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def driver(request):
    return request.param


@pytest.fixture
def bid(server, lot):
    """`await bid(n, "12.00")`: bidder n bids, by a POST."""

    async def place(n, maximum):
        token = token_for(server.ring, lot.bidders[n])
        data = await server.ask(PLACE_BID, token=token, input=bid_input(lot, maximum))
        assert data["placeBid"]["__typename"] == "PlaceBidSuccess"

    return place


def bid_input(lot, maximum):
    return {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": new_id().hex}


async def results(connection, query, variables=None, **options):
    """All results of an operation, which must end within ten seconds."""
    async with asyncio.timeout(10):
        return [each async for each in connection.subscribe(query, variables, **options)]


async def next_of(stream):
    async with asyncio.timeout(10):
        return await anext(stream)


async def bids_of(stream, count):
    """The bids of the next results, with the last one's cursor."""
    told = [await next_of(stream) for _ in range(count)]
    assert all("errors" not in result for result in told), told
    events = [result["data"]["bidPlaced"] for result in told]
    return [event["bid"]["sequence"] for event in events], events[-1]["cursor"]


def code_of(result):
    """The code of the only error of a result."""
    [error] = result["errors"]
    assert {"code", "requestId", "timestamp", "details"} <= set(error["extensions"])
    return error["extensions"]["code"]


async def test_a_query_has_one_result(driver, server):
    async with driver.connect(server.url) as connection:
        told = await results(connection, TWO, operation_name="B")
        assert [result["data"] for result in told] == [{"a": "Query"}]
        assert "errors" not in told[0]


async def test_a_mutation_is_made_once(driver, server, lot):
    token = token_for(server.ring, lot.bidders[0])
    async with driver.connect(server.url, token) as connection:
        [told] = await results(connection, PLACE_BID, {"input": bid_input(lot, "12.00")})
        assert told["data"]["placeBid"] == {
            "__typename": "PlaceBidSuccess",
            "bid": {"sequence": 1},
        }
        query = "query($id: ID!) { auction(id: $id) { bidCount } }"
        [told] = await results(connection, query, {"id": lot.public_id})
        assert told["data"]["auction"] == {"bidCount": 1}


async def test_live_bids_are_seen_once_and_in_order(driver, server, lot, bid):
    async with driver.connect(server.url) as connection:
        variables = {"auction": lot.public_id}
        async with aclosing(connection.subscribe(BID_PLACED, variables)) as stream:
            first = asyncio.create_task(bids_of(stream, 3))
            await server.follows(1)
            for n in range(3):
                await bid(n, f"{10 + n}.00")
            assert (await first)[0] == [1, 2, 3]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.1)
    await server.follows(0)


async def test_a_stream_goes_on_after_a_cursor(driver, server, lot, bid):
    variables = {"auction": lot.public_id, "after": await cursor_of(server, lot)}
    await bid(0, "10.00")
    await bid(1, "11.00")
    async with (
        driver.connect(server.url) as connection,
        aclosing(connection.subscribe(BID_PLACED, variables)) as stream,
    ):
        seen, cursor = await bids_of(stream, 2)
        assert seen == [1, 2]
    await bid(2, "12.00")
    async with driver.connect(server.url) as connection:
        again = connection.subscribe(BID_PLACED, variables | {"after": cursor})
        async with aclosing(again) as stream:
            await bids_of_are(stream, [3])
            await bid(0, "13.00")
            await bids_of_are(stream, [4])


async def bids_of_are(stream, expected):
    assert (await bids_of(stream, len(expected)))[0] == expected


async def test_a_cursor_older_than_the_log_is_said_to_be_so(driver, server, lot, bid):
    start = await cursor_of(server, lot)
    for n in range(3):
        await bid(n, f"{10 + n}.00")
    connection = await asyncpg.connect(lot.database_url)
    deleted = await connection.execute(
        "DELETE FROM event WHERE topic = $1 AND sequence <= 2", lot.topic
    )
    await connection.close()
    assert deleted == "DELETE 2"
    async with driver.connect(server.url) as connection:
        variables = {"auction": lot.public_id, "after": start}
        [told] = await results(connection, BID_PLACED, variables)
        assert code_of(told) == "CURSOR_EXPIRED"
        assert told.get("data") is None


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("{ ", {}),
        ("{ nothing }", {}),
        ("subscription { nothing }", {}),
        (TWO, {"operation_name": "C"}),
        (TWO, {}),
        ("query($n: Int!) { __typename @skip(if: false) nodes(ids: []) { id } }", {}),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"variables": {"ids": [[1]]}}),
        (BID_PLACED, {"variables": {"auction": None}}),
    ],
    ids=["syntax", "field", "subscribed", "name", "no name", "unused", "variable", "its variable"],
)
async def test_what_cannot_run_is_told_and_the_connection_goes_on(driver, server, query, options):
    async with driver.connect(server.url) as connection:
        [told] = await results(connection, query, **options)
        assert code_of(told) == "BAD_USER_INPUT"
        assert "data" not in told
        [told] = await results(connection, "{ __typename }")
        assert told["data"] == {"__typename": "Query"}
    await server.follows(0)


async def test_an_error_of_execution_comes_with_the_data(driver, server, lot):
    async with driver.connect(server.url) as connection:
        query = "query($id: ID!) { me { id } auction(id: $id) { bidCount } }"
        [told] = await results(connection, query, {"id": lot.public_id})
        assert told["data"]["auction"] == {"bidCount": 0}


async def test_a_subscription_to_nothing_is_told(driver, server):
    async with driver.connect(server.url) as connection:
        [told] = await results(connection, BID_PLACED, {"auction": encode_id("auc", new_id())})
        assert code_of(told) == "BAD_USER_INPUT"
        assert told.get("data") is None


async def test_who_is_not_signed_in_is_told_so(driver, server, lot):
    async with driver.connect(server.url) as connection:
        [told] = await results(connection, PLACE_BID, {"input": bid_input(lot, "9.00")})
        assert code_of(told) == "UNAUTHENTICATED"


async def test_a_token_that_does_not_hold_is_refused(driver, server):
    with pytest.raises(Refused):
        async with driver.connect(server.url, "forged") as connection:
            await results(connection, "{ __typename }")


async def test_an_expired_token_ends_the_stream(driver, server, lot):
    token = token_for(server.ring, lot.bidders[0], lifetime_s=1)
    async with driver.connect(server.url, token) as connection:
        [told] = await results(connection, BID_PLACED, {"auction": lot.public_id})
        assert code_of(told) == "UNAUTHENTICATED"
        assert told["errors"][0]["extensions"]["details"]["reason"] == "TOKEN_EXPIRED"
    await server.follows(0)


async def test_a_plan_is_told_to_who_asks(driver, server):
    async with driver.connect(server.url) as connection:
        [told] = await results(connection, "{ __typename }", extensions={"plan": True})
        assert "plan" in told["extensions"]


async def test_operations_beside_each_other_get_each_its_own(driver, server, lot, bid):
    async with driver.connect(server.url) as connection:
        variables = {"auction": lot.public_id, "after": await cursor_of(server, lot)}

        async def follow():
            async with aclosing(connection.subscribe(BID_PLACED, variables)) as stream:
                return (await bids_of(stream, 2))[0]

        following = [asyncio.create_task(follow()) for _ in range(8)]
        asked = (results(connection, f"{{ a{n}: __typename }}") for n in range(8))
        told = await asyncio.gather(*asked)
        assert [result["data"] for [result] in told] == [{f"a{n}": "Query"} for n in range(8)]
        for n in range(2):
            await bid(n, f"{10 + n}.00")
        assert await asyncio.gather(*following) == [[1, 2]] * 8
    await server.follows(0)


async def test_giving_up_ends_the_work_on_the_server(driver, server, lot):
    async with driver.connect(server.url) as connection:
        stream = connection.subscribe(BID_PLACED, {"auction": lot.public_id})
        first = asyncio.create_task(anext(stream))
        await server.follows(1)
        first.cancel()
        await asyncio.wait({first})
        await stream.aclose()
        await server.follows(0)
        [told] = await results(connection, "{ __typename }")
        assert told["data"] == {"__typename": "Query"}


async def test_a_client_that_goes_ends_the_work_on_the_server(driver, server, lot):
    async with driver.connect(server.url) as connection:
        stream = connection.subscribe(BID_PLACED, {"auction": lot.public_id})
        first = asyncio.create_task(anext(stream))
        await server.follows(1)
        first.cancel()
        await asyncio.wait({first})
    await stream.aclose()
    await server.follows(0)


async def test_who_does_not_read_is_ended_and_goes_on_after_the_last_cursor(driver, server, lot):
    start = await cursor_of(server, lot)
    variables = {"auction": lot.public_id, "after": start}
    async with driver.connect(server.url, narrow=True) as connection:
        async with aclosing(connection.subscribe(CHANGES, variables)) as stream:
            await say(lot, 1)
            cursors = [start, (await next_of(stream))["data"]["auctionChanged"]["cursor"]]
            await say(lot, MANY)
            await left_behind(server, lot)
            while (told := await next_of(stream)).get("errors") is None:
                cursors.append(told["data"]["auctionChanged"]["cursor"])
            assert code_of(told) == "SLOW_CONSUMER"
            assert told["errors"][0]["extensions"]["details"]["lastCursor"] == cursors[-1]
            with pytest.raises(StopAsyncIteration):
                await next_of(stream)
        places = [decode_cursor(cursor, lot.topic) for cursor in cursors]
        assert places == list(range(places[0], places[0] + len(places)))
        assert len(places) < MANY
    async with driver.connect(server.url) as connection:  # a narrow one would take long
        again = connection.subscribe(CHANGES, variables | {"after": cursors[-1]})
        async with aclosing(again) as stream:
            for _ in range(MANY + 2 - len(places)):
                last = (await next_of(stream))["data"]["auctionChanged"]["cursor"]
    assert decode_cursor(last, lot.topic) == places[0] + MANY + 1


async def left_behind(server, lot):
    """Return when the server has handed out all that was said: another client has it."""
    driver, variables = SOCKET_DRIVERS[0], {"auction": lot.public_id}
    head = decode_cursor(await cursor_of(server, lot), lot.topic)
    async with driver.connect(server.url) as connection:
        variables["after"] = await cursor_of(server, lot)
        async with aclosing(connection.subscribe(CHANGES, variables)) as stream:
            first = asyncio.create_task(anext(stream))
            await say(lot, 1)
            event = (await asyncio.wait_for(first, 10))["data"]["auctionChanged"]
            assert decode_cursor(event["cursor"], lot.topic) == head + 1


async def test_a_server_that_goes_down_ends_streams_in_good_order(driver, settings, lot):
    async with serve_here(settings()) as server, driver.connect(server.url) as connection:
        stream = connection.subscribe(BID_PLACED, {"auction": lot.public_id})
        first = asyncio.create_task(anext(stream))
        await server.follows(1)
        server.leave()
        try:
            told = await asyncio.wait_for(first, 10)
        except Left:
            told = None
        if told is not None:
            assert code_of(told) == "UNAVAILABLE"
            with pytest.raises((StopAsyncIteration, Left)):
                await next_of(stream)
        await asyncio.wait_for(asyncio.shield(server.task), 10)
