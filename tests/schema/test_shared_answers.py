"""An event is executed once for all who ask the same of it, and shows nobody what is another's."""

import asyncio
from contextlib import AsyncExitStack, aclosing

import pytest

BIDS = """subscription ($id: ID!, $after: Cursor) { bidPlaced(auctionId: $id, after: $after) {
  cursor bid { id sequence amount { amount } bidder { username } auction { title } } } }"""
OWN = """subscription ($id: ID!) { bidPlaced(auctionId: $id) {
  bid { sequence auction { viewerIsLeading viewerMaximum { amount } } } } }"""
TOP = """subscription ($id: ID!, $n: Int!) { bidPlaced(auctionId: $id) {
  bid { auction { topBids(first: $n) { sequence } } } } }"""
DEADLINE_S = 10


@pytest.fixture
async def watch(stream):
    """`await watch(query, person, **variables)`: a subscription that has begun; `next_of(it)`."""
    async with AsyncExitStack() as stack:

        async def begin(query, person=None, **variables):
            results = await stream(query, person, **variables)
            await stack.enter_async_context(aclosing(results))
            watching = [asyncio.ensure_future(anext(results)), results]
            stack.push_async_callback(stop, watching)
            return watching

        yield begin


async def stop(watching):
    watching[0].cancel()
    await asyncio.wait({watching[0]})


async def next_of(watching):
    async with asyncio.timeout(DEADLINE_S):
        result = await watching[0]
    watching[0] = asyncio.ensure_future(anext(watching[1]))
    assert result.errors is None, result.errors
    return result.data["bidPlaced"]


async def live(server, number):
    """Until so many follow their topics."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if server.hub.status().live == number:
                return
            await asyncio.sleep(0.01)


async def test_one_execution_answers_all_who_ask_the_same(
    server, watch, open_lot, make_user, bid, statements
):
    lot, ada = await open_lot(), await make_user("ada")
    people = [None, ada, await make_user("bob"), None, lot.seller]
    watching = [await watch(BIDS, person, id=lot.public_id) for person in people]
    await live(server, len(people))
    statements.clear()
    await bid(ada, lot, 1_000)
    found = [await next_of(each) for each in watching]
    assert {id(data) for data in found} == {id(found[0])}
    assert found[0]["bid"]["bidder"] == {"username": "ada"}
    reads = [text for text in statements if text.startswith("SELECT user_account")]
    assert len(reads) == 1


async def test_where_an_answer_depends_on_the_viewer_each_gets_their_own(
    server, watch, open_lot, make_user, bid
):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    await bid(bob, lot, 500)
    watching = [await watch(OWN, person, id=lot.public_id) for person in (ada, bob, None, ada)]
    await live(server, 4)
    await bid(ada, lot, 9_000)
    mine, bobs, nobodys, again = [(await next_of(each))["bid"]["auction"] for each in watching]
    assert mine == again == {"viewerIsLeading": True, "viewerMaximum": {"amount": "90.00"}}
    assert mine is again
    assert bobs == {"viewerIsLeading": False, "viewerMaximum": {"amount": "5.00"}}
    assert nobodys == {"viewerIsLeading": False, "viewerMaximum": None}


async def test_other_variables_below_the_root_are_another_question(
    server, watch, open_lot, make_user, bid
):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    await bid(bob, lot, 500)
    watching = [await watch(TOP, None, id=lot.public_id, n=n) for n in (1, 2)]
    await live(server, 2)
    await bid(ada, lot, 9_000)
    one, two = [(await next_of(each))["bid"]["auction"]["topBids"] for each in watching]
    assert [len(one), len(two)] == [1, 2]


async def test_another_start_in_the_log_is_the_same_question(
    server, watch, open_lot, make_user, bid, ask
):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    shown = await ask("query ($id: ID!) { auction(id: $id) { eventCursor } }", id=lot.public_id)
    await bid(bob, lot, 500)
    early = await watch(BIDS, None, id=lot.public_id, after=shown["auction"]["eventCursor"])
    assert (await next_of(early))["bid"]["sequence"] == 1
    late = await watch(BIDS, None, id=lot.public_id)
    await live(server, 2)
    await bid(ada, lot, 9_000)
    assert await next_of(early) is await next_of(late)


async def test_who_leaves_takes_the_answer_from_nobody(server, watch, open_lot, make_user, bid):
    lot, ada = await open_lot(), await make_user("ada")
    watching = [await watch(BIDS, None, id=lot.public_id) for _ in range(3)]
    await live(server, 3)
    await bid(ada, lot, 1_000)
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait({watching[1][0]})  # the answer is under way or there
    watching[0][0].cancel()
    assert (await next_of(watching[1]))["bid"]["sequence"] == 1
    assert (await next_of(watching[2]))["bid"]["sequence"] == 1
