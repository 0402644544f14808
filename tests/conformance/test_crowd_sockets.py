"""Many sockets that ask the same: one execution and one text an event, each one's own words kept
from the others, and nobody harmed by who does not read."""

import asyncio
import hashlib
import socket
from contextlib import AsyncExitStack

import psutil
import pytest

from core.database import Database
from core.events import NewEvent
from core.ids import new_id
from core.settings import Settings
from execution.store import PreparedDocuments
from subscriptions.cursors import decode_cursor
from tests.concurrency.racing import make_lots
from tests.concurrency.serving import open_socket, serve_here, start_server, token_for
from tests.conformance.worlds import values_for
from web import outlets

BIDS = """subscription Bids($auction: ID!, $after: Cursor) {
  bidPlaced(auctionId: $auction, after: $after) { cursor bid { sequence bidder { username } } } }"""
MINE = """subscription ($auction: ID!) { bidPlaced(auctionId: $auction) {
  bid { sequence auction { viewerIsLeading viewerMaximum { amount } } } } }"""
CHANGES = """subscription ($auction: ID!, $after: Cursor) {
  auctionChanged(auctionId: $auction, after: $after) { cursor status } }"""
PLACE_BID = """mutation($input: PlaceBidInput!) { placeBid(input: $input) { __typename } }"""
SIGN_UP = """mutation { signUp(input:
    {email: "ada@example.org", username: "ada", password: "correct horse"}) {
    ... on AuthSuccess { accessToken } } }"""
SIGN_OUT = "mutation { signOut(input: {}) { __typename } }"
CURSOR = "query($id: ID!) { auction(id: $id) { eventCursor } }"
WIDE = CHANGES.replace("status", " ".join(f"a{n}: cursor" for n in range(20)))
"""More text an event: what the kernel keeps for a client counts in bytes."""
MANY = 600
BUFFER = 40
IDLE_KIB = 48
"""Measured: 30 with what the allocator keeps; the bound leaves room for other machines."""
IDLE_SOCKETS = 200


@pytest.fixture
def values(database_url, redis_url, redis_prefix, tmp_path):
    changes = {"bus_prefix": redis_prefix, "subscriber_buffer": BUFFER, "heads_interval_s": 0.2}
    return values_for(database_url, redis_url, tmp_path, **changes)


@pytest.fixture
async def server(values):
    async with serve_here(Settings(**values)) as here:
        yield here


@pytest.fixture
async def lot(database_url):
    [lot] = await make_lots(database_url, 3, lots=1)
    return lot


@pytest.fixture
def bid(server, lot):
    """`await bid(n, "12.00")`: bidder n bids."""

    async def place(n, maximum):
        given = {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": new_id().hex}
        token = token_for(server.ring, lot.bidders[n])
        data = await server.ask(PLACE_BID, token=token, input=given)
        assert data["placeBid"]["__typename"] == "PlaceBidSuccess"

    return place


@pytest.fixture
async def follow(server, lot):
    """`await follow(BIDS, bidder=1)`: a socket whose operation "a" is live, with what options of
    the handshake are given."""
    async with AsyncExitStack() as stack:

        async def begin(query, id="a", bidder=None, **options):
            token = None if bidder is None else token_for(server.ring, lot.bidders[bidder])
            opened = open_socket(server.socket_url, token=token, **options)
            followed = await stack.enter_async_context(opened)
            await followed.subscribe(id, query, auction=lot.public_id)
            # A subscription is not acknowledged; what comes after it on a socket is.
            await server.follows(1)
            await followed.subscribe("then", "{ __typename }")
            assert (await followed.receive())["id"] == "then"
            assert (await followed.receive())["type"] == "complete"
            return followed

        yield begin


async def next_of(followed, id="a"):
    message = await followed.receive()
    assert (message["type"], message["id"]) == ("next", id), message
    return message["payload"]


async def test_an_event_is_executed_and_encoded_once_for_all_sockets(follow, bid, monkeypatch):
    made = []

    class Counted(outlets.Answer):
        def __init__(self, result):
            made.append(result)
            super().__init__(result)

    monkeypatch.setattr(outlets, "Answer", Counted)
    followed = [(await follow(BIDS, f"op {n}", n % 3 or None), f"op {n}") for n in range(8)]
    for number in (1, 2):
        await bid(number, f"{10 * number}.00")
        told = [await next_of(each, id) for each, id in followed]
        assert all(payload == told[0] for payload in told)
        assert told[0]["data"]["bidPlaced"]["bid"]["sequence"] == number
        assert told[0]["data"]["bidPlaced"]["bid"]["bidder"]["username"] == f"user{number + 1}"
    assert len(made) == 2


async def test_what_is_a_viewers_own_is_told_to_them_alone(follow, bid):
    alike = [await follow(BIDS, bidder=n) for n in (0, 1, None)]
    own = [await follow(MINE, bidder=n) for n in (0, 1, None, None)]
    await bid(0, "30.00")
    told = [(await next_of(each))["data"]["bidPlaced"]["bid"]["auction"] for each in own]
    nothing = {"viewerIsLeading": False, "viewerMaximum": None}
    assert told == [
        {"viewerIsLeading": True, "viewerMaximum": {"amount": "30.00"}},
        nothing,
        nothing,
        nothing,
    ]
    for each in alike:
        assert (await next_of(each))["data"]["bidPlaced"]["bid"]["sequence"] == 1


async def test_several_operations_of_a_socket_end_one_by_one(follow, bid, lot):
    first = await follow(BIDS)
    other = await follow(BIDS)
    await first.subscribe("b", CHANGES, auction=lot.public_id)
    await first.subscribe("c", BIDS, auction=lot.public_id)
    await first.subscribe("then", "{ __typename }")
    for _ in range(2):
        assert (await first.receive())["id"] == "then"
    await bid(0, "10.00")
    assert {(await first.receive())["id"] for _ in range(3)} == {"a", "b", "c"}
    await first.send(id="a", type="complete")
    await first.subscribe("a", CHANGES, auction=lot.public_id)
    await first.subscribe("then", "{ __typename }")
    for _ in range(2):
        assert (await first.receive())["id"] == "then"
    await bid(1, "20.00")
    messages = {m["id"]: m["payload"]["data"] for m in [await first.receive() for _ in range(3)]}
    assert [*messages["a"], *messages["c"]] == ["auctionChanged", "bidPlaced"]
    for number in (1, 2):
        told = (await next_of(other))["data"]["bidPlaced"]
        assert told["bid"]["sequence"] == number


async def test_extensions_of_results_are_sent_in_crowds_and_alone(follow, bid, monkeypatch):
    monkeypatch.setattr(PreparedDocuments, "get_results", lambda self: {"cost": 3}, raising=False)
    shared, own = await follow(BIDS), await follow(MINE, bidder=1)
    await bid(0, "10.00")
    for each in (shared, own):
        payload = await next_of(each)
        assert payload["extensions"] == {"cost": 3}
        assert payload["data"]["bidPlaced"]["bid"]["sequence"] == 1


async def test_who_has_named_a_document_goes_on_alone_where_a_crowd_ends(
    server, follow, lot, bid, monkeypatch
):
    """Its text is looked for once; a crowd ends where an answer is for each to make."""
    monkeypatch.setattr(outlets, "Answer", lambda result: None)
    followed = await follow(CHANGES)
    sha = hashlib.sha256(BIDS.encode()).hexdigest()
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": sha}}
    await followed.send(id="r", type="subscribe", payload={"query": BIDS, "extensions": extensions})
    assert (await followed.receive())["type"] == "error"  # it lacks its variable, and is kept
    payload = {"documentId": f"sha256:{sha}", "variables": {"auction": lot.public_id}}
    await followed.send(id="b", type="subscribe", payload=payload)
    await followed.subscribe("then", "{ __typename }")
    assert [(await followed.receive())["id"] for _ in range(2)] == ["then", "then"]
    await bid(0, "10.00")
    told = {m["id"]: m["payload"] for m in [await followed.receive() for _ in range(2)]}
    assert told["b"]["data"]["bidPlaced"]["bid"]["sequence"] == 1


async def test_a_request_that_cannot_run_is_told_by_an_error_message(follow):
    followed = await follow(BIDS)
    await followed.subscribe("b", "subscription { nothing }")
    message = await followed.receive()
    assert (message["type"], message["id"]) == ("error", "b")
    assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_no_compression_is_agreed_to(server):
    async with open_socket(server.socket_url, compression="deflate") as followed:
        assert followed.connection.protocol.extensions == []


async def narrow_socket(server):
    """Connected to the server, with little room for what nobody reads."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.setblocking(False)
    port = int(server.url.split(":")[2].split("/")[0])
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", port))
    return narrow


async def test_a_socket_that_reads_nothing_is_ended_alone_and_resumes(
    server, lot, follow, database_url
):
    """Real buffers are between: what waits in them is the client's, what waits here is bounded."""
    start = (await server.ask(CURSOR, id=lot.public_id))["auction"]["eventCursor"]
    quick = await follow(WIDE)
    deaf = await follow(WIDE, sock=await narrow_socket(server), max_queue=1)
    deaf.connection.transport.pause_reading()
    await say_much(lot, database_url)
    for _ in range(MANY):
        await next_of(quick)
    deaf.connection.transport.resume_reading()
    cursors = [start]
    while (message := await deaf.receive())["payload"].get("errors") is None:
        cursors.append(message["payload"]["data"]["auctionChanged"]["cursor"])
    [error] = message["payload"]["errors"]
    assert error["extensions"]["code"] == "SLOW_CONSUMER"
    assert error["extensions"]["details"]["lastCursor"] == cursors[-1]
    assert (await deaf.receive()) == {"id": "a", "type": "complete"}
    places = [decode_cursor(cursor, lot.topic) for cursor in cursors]
    assert places == list(range(places[0], places[0] + len(places)))
    await deaf.subscribe("a", WIDE, auction=lot.public_id, after=cursors[-1])
    rest = [await next_of(deaf) for _ in range(MANY - len(places) + 1)]
    last = rest[-1]["data"]["auctionChanged"]["cursor"]
    assert decode_cursor(last, lot.topic) == places[0] + MANY


async def test_a_revoked_session_is_closed_whether_its_client_reads_or_not(
    server, lot, follow, database_url
):
    """Not even the close frame can be handed to it: the socket is broken off."""
    token = (await server.ask(SIGN_UP))["signUp"]["accessToken"]
    quick = await follow(WIDE)
    options = {"sock": await narrow_socket(server), "max_queue": 1}
    async with open_socket(server.socket_url, token=token, **options) as deaf:
        for n in range(3):
            await deaf.subscribe(str(n), WIDE, auction=lot.public_id)
        await deaf.subscribe("then", "{ __typename }")
        assert [(await deaf.receive())["id"] for _ in range(2)] == ["then", "then"]
        deaf.connection.transport.pause_reading()
        await say_much(lot, database_url)
        for _ in range(MANY):
            await next_of(quick)
        await server.ask(SIGN_OUT, token=token)
        async with asyncio.timeout(5):
            while len(open_connections(server)) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        deaf.connection.transport.abort()


def open_connections(server):
    """Those that the server has, of this process's."""
    port = int(server.url.split(":")[2].split("/")[0])
    found = psutil.Process().net_connections()
    return [one for one in found if one.laddr.port == port and one.status == "ESTABLISHED"]


async def say_much(lot, database_url):
    """Commit events that the server finds in the log."""
    payload = {"endsAt": "2030-01-01T00:00:00+00:00", "status": "CANCELLED"}

    async def say(tx):
        for _ in range(MANY):
            tx.collect(NewEvent(lot.topic, "AuctionCancelled", payload))

    db = Database(database_url)
    try:
        await db.transaction(say)
    finally:
        await db.close()


async def test_an_idle_subscriber_takes_little_memory(values, lot, tmp_path):
    # None of them answers pings; each has the timer of the next.
    given = values | {"database_url": str(values["database_url"]), "socket_ping_s": 3600}
    process = await start_server(given, tmp_path / "server.log")
    try:
        async with AsyncExitStack() as stack:

            async def open_one():
                opened = open_socket(process.socket_url, compression=None, ping_interval=None)
                followed = await stack.enter_async_context(opened)
                await followed.subscribe("a", BIDS, auction=lot.public_id)
                await followed.subscribe("then", "{ __typename }")
                await followed.receive()

            async def open_some(count):
                for _ in range(0, count, 25):
                    await asyncio.gather(*(open_one() for _ in range(25)))
                return psutil.Process(process.process.pid).memory_info().rss / 1024

            before_kib = await open_some(25)
            after_kib = await open_some(IDLE_SOCKETS)
            assert (after_kib - before_kib) / IDLE_SOCKETS < IDLE_KIB
    finally:
        await process.stop()
