"""graphql-transport-ws over real sockets: what operations are told, to whom, and for how long."""

import asyncio
import time

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed

from core.database import Database
from core.ids import encode_id, new_id
from tests.concurrency.racing import checked_outcome, make_lots
from tests.concurrency.serving import BID_PLACED, Follower, open_socket, serve_here, token_for
from tests.conformance.worlds import settings_for

CURSOR = "query($id: ID!) { auction(id: $id) { eventCursor } }"
MINE = """query($id: ID!) { auction(id: $id) {
    bidCount currentPrice { amount } viewerMaximum { amount } viewerIsLeading } }"""
WITH_AUCTION = """subscription($auction: ID!, $after: Cursor) {
    bidPlaced(auctionId: $auction, after: $after) { bid {
    sequence auction { bidCount viewerMaximum { amount } viewerIsLeading } } } }"""
PLACE_BID = """mutation($input: PlaceBidInput!) { placeBid(input: $input) { __typename
    ... on PlaceBidSuccess { bid { sequence } } ... on Error { code } } }"""
SIGN_UP = """mutation { signUp(input:
    {email: "ada@example.org", username: "ada", password: "correct horse"}) {
    ... on AuthSuccess { accessToken } } }"""
SIGN_OUT = "mutation { signOut(input: {}) { __typename } }"


@pytest.fixture
def settings(database_url, redis_url, redis_prefix, tmp_path):
    changes = {"bus_prefix": redis_prefix, "max_operations_per_socket": 5}
    return settings_for(database_url, redis_url, tmp_path, **changes)


@pytest.fixture
async def server(settings):
    async with serve_here(settings) as here:
        yield here


@pytest.fixture
async def lots(database_url):
    return await make_lots(database_url, 5, lots=2)


@pytest.fixture
def lot(lots):
    return lots[0]


@pytest.fixture
def bid(server, lot):
    """`await bid(n, "12.00")`: bidder n bids over HTTP; what placeBid said."""

    async def place(n, maximum):
        token = token_for(server.ring, lot.bidders[n])
        data = await server.ask(PLACE_BID, token=token, input=bid_input(lot, maximum))
        return data["placeBid"]

    return place


@pytest.fixture
def cursor(server, lot):
    """`await cursor()`: the auction's cursor now."""

    async def read(of=lot):
        return (await server.ask(CURSOR, id=of.public_id))["auction"]["eventCursor"]

    return read


def bid_input(lot, maximum):
    return {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": new_id().hex}


def code_and_reason(error):
    return error["extensions"]["code"], error["extensions"]["details"].get("reason")


async def sequences(socket, count):
    """The bids of the next messages; asserts that these are all `next` without errors."""
    found = []
    while len(found) < count:
        message = await socket.receive()
        assert message["type"] == "next", message
        found.append(message["payload"]["data"]["bidPlaced"]["bid"]["sequence"])
    return found


async def test_after_the_cursor_of_a_query_every_bid_comes_once(server, lot, bid, cursor):
    start = await cursor()
    for n in range(3):
        await bid(n, f"{10 + n}.00")
    later = await cursor()
    async with open_socket(server.socket_url) as socket:
        await socket.subscribe("all", BID_PLACED, auction=lot.public_id, after=start)
        assert await sequences(socket, 3) == [1, 2, 3]
        await socket.send(id="all", type="complete")
        await socket.subscribe("later", BID_PLACED, auction=lot.public_id, after=later)
        await bid(3, "20.00")
        assert await sequences(socket, 1) == [4]


async def test_bids_while_one_subscribes_leave_no_hole(server, lot, bid, cursor):
    start = await cursor()
    bids = asyncio.gather(*(bid(n % 5, f"{10 + n}.00") for n in range(40)))
    followers = []
    while not bids.done():
        followers.append(Follower(lot.public_id, start, lambda _: server.socket_url))
        await asyncio.sleep(0.02)
    placed = sum(answer["__typename"] == "PlaceBidSuccess" for answer in await bids)
    expected = [
        (bid["sequence"], encode_id("bid", bid["id"])) for bid in (await checked_outcome(lot)).bids
    ]
    assert len(expected) == placed > 5
    async with asyncio.timeout(10):
        while any(len(follower.seen) < placed for follower in followers):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for follower in followers:
        await follower.stop()
        assert follower.seen == expected


@pytest.mark.parametrize("wrong", ["forged", "expired", "scheme", "no string", "revoked"])
async def test_a_bad_token_closes_the_socket_as_forbidden(server, lot, wrong, tmp_path):
    good = token_for(server.ring, lot.bidders[0])
    header, _, rest = good.partition(".")
    sent = {
        "forged": f"Bearer {header}.{rest[::-1]}",
        "expired": f"Bearer {token_for(server.ring, lot.bidders[0], lifetime_s=-1)}",
        "scheme": f"Basic {good}",
        "no string": [good],
    }
    if wrong == "revoked":
        token = (await server.ask(SIGN_UP))["signUp"]["accessToken"]
        await server.ask(SIGN_OUT, token=token)
        sent[wrong] = f"Bearer {token}"
    with pytest.raises(ConnectionClosed) as closed:
        async with open_socket(server.socket_url, authorization=sent[wrong]):
            pass
    assert closed.value.rcvd.code == 4403


async def test_an_expired_token_ends_its_operations_and_not_the_socket(server, lot, bid, cursor):
    token = token_for(server.ring, lot.bidders[0], lifetime_s=2)
    async with open_socket(server.socket_url, token=token) as socket:
        for id in ("a", "b"):
            await socket.subscribe(id, BID_PLACED, auction=lot.public_id)
        began = time.monotonic()
        ended = [await socket.receive(), await socket.receive()]
        assert 0.5 < time.monotonic() - began < 3
        assert sorted(message["id"] for message in ended) == ["a", "b"]
        for message in ended:
            [error] = message["payload"]
            assert message["type"] == "error"
            assert code_and_reason(error) == ("UNAUTHENTICATED", "TOKEN_EXPIRED")
            assert set(error["extensions"]) == {"code", "requestId", "timestamp", "details"}
        await server.follows(0)

        # Nobody is signed in any more; what is public is still served.
        await socket.subscribe("c", PLACE_BID, input=bid_input(lot, "50.00"))
        [error] = (await socket.receive())["payload"]["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        assert (await socket.receive()) == {"id": "c", "type": "complete"}
        await socket.subscribe("d", BID_PLACED, auction=lot.public_id, after=await cursor())
        await bid(1, "10.00")
        assert await sequences(socket, 1) == [1]


async def test_signing_out_closes_the_sessions_sockets_at_once(server, lot):
    token = (await server.ask(SIGN_UP))["signUp"]["accessToken"]
    other = token_for(server.ring, lot.bidders[0])
    async with (
        open_socket(server.socket_url, token=token) as socket,
        open_socket(server.socket_url, token=other) as bystander,
    ):
        await socket.subscribe("a", BID_PLACED, auction=lot.public_id)
        await bystander.subscribe("a", BID_PLACED, auction=lot.public_id)
        await server.follows(1)
        began = time.monotonic()
        await server.ask(SIGN_OUT, token=token)
        message = await socket.receive(within_s=5)
        assert (message["id"], message["type"]) == ("a", "error")
        assert code_and_reason(message["payload"][0]) == ("UNAUTHENTICATED", "REVOKED")
        assert await socket.closed(within_s=5) == 4403
        assert time.monotonic() - began < 2
        await bystander.send(type="ping")
        assert await bystander.receive() == {"type": "pong"}


async def test_a_revocation_that_redis_lost_closes_the_socket_within_five_seconds(
    server, database_url
):
    token = (await server.ask(SIGN_UP))["signUp"]["accessToken"]
    db = Database(database_url)
    async with open_socket(server.socket_url, token=token) as socket:
        began = time.monotonic()
        await db.transaction(
            lambda tx: tx.execute(text("UPDATE user_session SET revoked_at = clock_timestamp()"))
        )
        assert await socket.closed(within_s=8) == 4403
        assert time.monotonic() - began < 5.5  # five, and what a busy machine adds
    await db.close()


async def test_anyone_may_follow_a_public_auction(server, lot, bid, cursor):
    async with open_socket(server.socket_url) as socket:
        await socket.subscribe("a", BID_PLACED, auction=lot.public_id, after=await cursor())
        await bid(0, "10.00")
        await bid(1, "11.00")
        assert await sequences(socket, 2) == [1, 2]


async def test_a_bid_over_the_socket_and_what_other_operations_there_see_of_it(server, lot, bid):
    """One context for all operations would answer the second question from the first's memory."""
    token = token_for(server.ring, lot.bidders[0])
    async with open_socket(server.socket_url, token=token) as socket:

        async def ask(query, **variables):
            await socket.subscribe("q", query, **variables)
            message = await socket.receive()
            assert (await socket.receive()) == {"id": "q", "type": "complete"}
            assert "errors" not in message["payload"], message
            return message["payload"]["data"]

        before = (await ask(MINE, id=lot.public_id))["auction"]
        assert (before["bidCount"], before["viewerMaximum"]) == (0, None)
        placed = await ask(PLACE_BID, input=bid_input(lot, "12.00"))
        assert placed["placeBid"]["__typename"] == "PlaceBidSuccess"
        assert (await ask(MINE, id=lot.public_id))["auction"] == {
            "bidCount": 1,
            "currentPrice": {"amount": "1.00"},
            "viewerMaximum": {"amount": "12.00"},
            "viewerIsLeading": True,
        }
        await bid(1, "20.00")
        assert (await ask(MINE, id=lot.public_id))["auction"] == {
            "bidCount": 2,
            "currentPrice": {"amount": "12.01"},
            "viewerMaximum": {"amount": "12.00"},
            "viewerIsLeading": False,
        }


async def test_followers_of_one_event_each_see_it_with_their_own_eyes(server, lot, bid, cursor):
    """They share the event and its loaders, save for what depends on who asks."""
    await bid(0, "10.00")
    start = await cursor()
    viewers = [token_for(server.ring, lot.bidders[n]) for n in (0, 1)]
    async with (
        open_socket(server.socket_url, token=viewers[0]) as first,
        open_socket(server.socket_url, token=viewers[1]) as second,
        open_socket(server.socket_url) as nobody,
    ):
        for socket in (first, second, nobody):
            await socket.subscribe("a", WITH_AUCTION, auction=lot.public_id, after=start)
            await socket.subscribe("probe", "{ __typename }")  # answered once "a" is under way
            assert [(await socket.receive())["id"] for _ in range(2)] == ["probe", "probe"]
        await bid(1, "15.00")
        seen = [
            (await socket.receive())["payload"]["data"]["bidPlaced"]["bid"]
            for socket in (first, second, nobody)
        ]
    assert [bid["sequence"] for bid in seen] == [2, 2, 2]
    assert [bid["auction"]["bidCount"] for bid in seen] == [2, 2, 2]
    assert [bid["auction"]["viewerMaximum"] for bid in seen] == [
        {"amount": "10.00"},
        {"amount": "15.00"},
        None,
    ]
    assert [bid["auction"]["viewerIsLeading"] for bid in seen] == [False, True, False]


@pytest.mark.parametrize("id", ["unknown", "nonsense", "of a bid"])
async def test_following_no_auction_is_an_error_of_the_clients(server, lot, id):
    ids = {
        "unknown": encode_id("auc", new_id()),
        "nonsense": "auc_1",
        "of a bid": encode_id("bid", lot.id),
    }
    async with open_socket(server.socket_url) as socket:
        await socket.subscribe("a", BID_PLACED, auction=ids[id])
        await refused(socket, "a", "there is no such auction")


async def test_a_cursor_that_is_none_of_this_auction_is_an_error_of_the_clients(
    server, lots, cursor
):
    lot, other = lots
    foreign = await cursor(other)
    cases = {
        "!!": "not a cursor",
        "": "not a cursor",
        "MTIz": "not a cursor",
        foreign: "another subscription",
    }
    async with open_socket(server.socket_url) as socket:
        for number, (cursor, words) in enumerate(cases.items()):
            await socket.subscribe(str(number), BID_PLACED, auction=lot.public_id, after=cursor)
            await refused(socket, str(number), words)
        await server.follows(0)


async def refused(socket, id, words):
    """The operation ends with one BAD_USER_INPUT that has these words, and the socket lives."""
    message = await socket.receive()
    assert message["id"] == id
    if message["type"] == "next":
        [error] = message["payload"]["errors"]
        assert (await socket.receive()) == {"id": id, "type": "complete"}
    else:
        assert message["type"] == "error"
        [error] = message["payload"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert words in error["message"]
    await socket.send(type="ping")
    assert await socket.receive() == {"type": "pong"}
