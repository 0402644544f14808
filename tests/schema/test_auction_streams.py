"""Subscriptions by `schema.stream`: from what a query showed on, nothing missed, nothing twice."""

import asyncio
from contextlib import aclosing

LOT = "query ($id: ID!) { auction(id: $id) { eventCursor bidCount currentPrice { amount } } }"
BIDS = """subscription ($id: ID!, $after: Cursor) { bidPlaced(auctionId: $id, after: $after) {
  cursor occurredAt
  bid { sequence amount { amount } bidder { username } auction { bidCount } } } }"""
CHANGES = """subscription ($id: ID!, $after: Cursor) {
  auctionChanged(auctionId: $id, after: $after) {
  cursor kinds status endsAt currentPrice { amount } auction { id status } } }"""
DEADLINE_S = 10


async def take(results, number):
    """The next `number` results; fails when they do not come in time."""
    found = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < number:
            result = await anext(results)
            assert result.errors is None, result.errors
            found.append(result.data)
    return found


async def test_nothing_is_missed_between_a_query_and_its_subscription(
    ask, stream, open_lot, make_user, bid
):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    await bid(ada, lot, 1_000)
    shown = (await ask(LOT, id=lot.public_id))["auction"]
    assert shown["bidCount"] == 1
    await bid(bob, lot, 2_000)  # in between
    await bid(ada, lot, 3_000)
    results = await stream(BIDS, id=lot.public_id, after=shown["eventCursor"])
    async with aclosing(results):
        between = await take(results, 2)
        await bid(bob, lot, 4_000)  # and after
        [after] = await take(results, 1)
    sequences = [event["bidPlaced"]["bid"]["sequence"] for event in (*between, after)]
    assert sequences == [2, 3, 4]
    assert [event["bidPlaced"]["bid"]["bidder"]["username"] for event in between] == ["bob", "ada"]
    assert len({event["bidPlaced"]["cursor"] for event in (*between, after)}) == 3


async def test_the_cursor_of_any_event_goes_on_after_it(ask, stream, open_lot, make_user, bid):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    start = (await ask(LOT, id=lot.public_id))["auction"]["eventCursor"]
    for step, person in enumerate((ada, bob, ada, bob)):
        await bid(person, lot, 1_000 * (step + 1))
    results = await stream(BIDS, id=lot.public_id, after=start)
    async with aclosing(results):
        events = await take(results, 4)
    for number, event in enumerate(events[:-1]):
        results = await stream(BIDS, id=lot.public_id, after=event["bidPlaced"]["cursor"])
        async with aclosing(results):
            assert await take(results, 3 - number) == events[number + 1 :]


async def test_a_lot_shown_before_any_bid_has_a_cursor_too(ask, stream, open_lot, make_user, bid):
    lot, ada = await open_lot(), await make_user("ada")
    shown = (await ask(LOT, id=lot.public_id))["auction"]
    await bid(ada, lot, 1_000)
    results = await stream(BIDS, id=lot.public_id, after=shown["eventCursor"])
    async with aclosing(results):
        [event] = await take(results, 1)
    assert event["bidPlaced"]["bid"] == {
        "sequence": 1,
        "amount": {"amount": "1.00"},
        "bidder": {"username": "ada"},
        "auction": {"bidCount": 1},
    }


async def test_changes_tell_price_and_cancelling(ask, stream, open_lot, make_user, bid, execute):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    start = (await ask(LOT, id=lot.public_id))["auction"]["eventCursor"]
    results = await stream(CHANGES, id=lot.public_id, after=start)
    async with aclosing(results):
        await bid(ada, lot, 1_000)
        await bid(bob, lot, 500)
        [event] = await take(results, 1)
        while event["auctionChanged"]["currentPrice"] != {"amount": "5.50"}:
            [event] = await take(results, 1)
        assert event["auctionChanged"]["kinds"] == ["PRICE"]
        assert event["auctionChanged"]["status"] == "OPEN"
        moderator = await make_user(roles=("MODERATOR",))
        cancel = "mutation ($id: ID!) { cancelAuction(input: {auctionId: $id}) { __typename } }"
        await ask(cancel, moderator, id=lot.public_id)
        [event] = await take(results, 1)
    assert event["auctionChanged"]["kinds"] == ["CANCELLED"]
    assert event["auctionChanged"]["auction"] == {"id": lot.public_id, "status": "CANCELLED"}


async def test_streams_of_what_is_not_there_and_foreign_cursors_are_refused(
    ask, stream, open_lot, shapes
):
    lot, other = await open_lot(), await open_lot()
    foreign = (await ask(LOT, id=other.public_id))["auction"]["eventCursor"]
    refused = [
        {"id": "auc_01930c5e000070008000000000000000"},
        {"id": "auc_1"},
        {"id": lot.public_id, "after": foreign},
        {"id": lot.public_id, "after": ""},
        {"id": lot.public_id, "after": "garbage"},
        {"id": lot.public_id, "after": "\0"},
        {"id": lot.public_id, "after": "a" * 512},
        {"id": lot.public_id, "after": "a" * 513},
    ]
    for given in refused:
        results = await stream(BIDS, **given)
        async with aclosing(results), asyncio.timeout(DEADLINE_S):
            result = await anext(results)
        assert shapes.codes(result) == ["BAD_USER_INPUT"], given


async def test_a_stream_reads_the_lot_afresh_for_each_event(ask, stream, open_lot, make_user, bid):
    """Loaders that lived as long as the stream would show the first event's lot for ever."""
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    results = await stream(
        BIDS, id=lot.public_id, after=(await ask(LOT, id=lot.public_id))["auction"]["eventCursor"]
    )
    async with aclosing(results):
        for count, person in enumerate((ada, bob, ada), 1):
            await bid(person, lot, 1_000 * count)
            [event] = await take(results, 1)
            assert event["bidPlaced"]["bid"]["auction"]["bidCount"] == count
