"""Bids that are taken together over GraphQL: one transaction, one look at the lot after it, and to
each bidder what is theirs."""

import asyncio

from sqlalchemy import text

from core.ids import decode_id

PLACE_BID = """
    mutation PlaceBid($input: PlaceBidInput!) {
      placeBid(input: $input) {
        __typename
        ... on PlaceBidSuccess {
          bid { sequence }
          auction { bidCount currentPrice { amount } viewerIsLeading viewerMaximum { amount } }
        }
      }
    }
"""


def bids(lot, *maxima):
    return [
        {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": f"key {maximum}"}
        for maximum in maxima
    ]


async def until_in_line(server, lot, count):
    key = decode_id(lot.public_id, "auc")
    async with asyncio.timeout(5):
        while len(server.bids._waiting.get(key, " " * 999)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_bids_taken_together_read_the_lot_once_and_each_bidder_sees_their_own(
    ask, open_lot, make_user, server, statements
):
    lot, people = await open_lot(), [await make_user(f"bidder_{n}") for n in range(4)]
    head, *rest = bids(lot, "2", "10", "20", "30")
    async with server.db.engine.connect() as connection:
        wanted = {"id": decode_id(lot.public_id, "auc")}
        await connection.execute(text("SELECT 1 FROM auction WHERE id = :id FOR UPDATE"), wanted)
        first = asyncio.create_task(ask(PLACE_BID, people[0], input=head))
        await until_in_line(server, lot, 0)
        waiting = []
        for n, given in enumerate(rest):
            waiting.append(asyncio.create_task(ask(PLACE_BID, people[n + 1], input=given)))
            await until_in_line(server, lot, n + 1)
        statements.clear()
    assert (await first)["placeBid"]["auction"]["bidCount"] == 1
    answers = [answer["placeBid"] for answer in await asyncio.gather(*waiting)]
    assert [answer["bid"]["sequence"] for answer in answers] == [2, 3, 4]
    assert [answer["auction"] for answer in answers] == [
        {
            "bidCount": 4,
            "currentPrice": {"amount": "20.50"},
            "viewerIsLeading": leads,
            "viewerMaximum": {"amount": maximum},
        }
        for leads, maximum in ((False, "10.00"), (False, "20.00"), (True, "30.00"))
    ]
    looks = [sent for sent in statements if sent.startswith("SELECT auction.id")]
    assert len(looks) == 2  # one for the first bid, one for all that waited


async def test_a_bid_on_a_lot_that_others_bid_on_reads_nothing_before_it_stands_in_line(
    ask, open_lot, make_user, statements
):
    lot, ada, ben = await open_lot(), await make_user("ada"), await make_user("ben")
    one, two = bids(lot, "5", "9")
    await ask(PLACE_BID, ada, input=one)
    statements.clear()
    answer = (await ask(PLACE_BID, ben, input=two))["placeBid"]
    assert answer["auction"]["bidCount"] == 2
    assert "FOR UPDATE" in statements[0]


async def test_those_who_bid_at_once_on_a_lot_nobody_bid_on_share_the_look_for_its_asset(
    ask, open_lot, make_user, statements
):
    lot, people = await open_lot(), [await make_user(f"bidder_{n}") for n in range(4)]
    statements.clear()
    given = bids(lot, "5", "10", "20", "30")
    answers = await asyncio.gather(
        *(ask(PLACE_BID, person, input=bid) for person, bid in zip(people, given, strict=True))
    )
    assert {answer["placeBid"]["__typename"] for answer in answers} == {"PlaceBidSuccess"}
    assert len([sent for sent in statements if sent.startswith("SELECT asset")]) == 1


async def test_a_bid_on_no_lot_is_refused(ask, make_user):
    ada = await make_user("ada")
    given = {"auctionId": "auc_" + "0" * 32, "maximum": "5", "idempotencyKey": "key"}
    assert (await ask(PLACE_BID, ada, input=given))["placeBid"] == {"__typename": "NotFound"}
