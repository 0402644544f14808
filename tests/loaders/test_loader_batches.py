"""Each loader reads a batch in one statement and answers each key, in order."""

import asyncio

import pytest
from sqlalchemy import text

from core.ids import new_id
from core.pagination import PageRequest
from loaders import auctions
from loaders.base import MAX_BATCH, Computed, Loaders, ManyBy, OneBy, PageBy, depends_on_viewer
from loaders.rows import Money
from models.auctions import AuctionWatch

FIRST = PageRequest(limit=2, forward=True)
LAST = PageRequest(limit=2, forward=False)


def ask(loaders, loader, *keys):
    return asyncio.gather(*(loaders.load(loader, key) for key in keys))


async def test_rows_come_in_the_order_of_their_keys_in_one_statement(db, lots, statements):
    ids = await lots(5)
    wanted = [ids[3], new_id(), ids[0], ids[3], ids[4]]
    statements.clear()
    rows = await ask(Loaders(db), auctions.auction_by_id, *wanted)
    assert [row and row.id for row in rows] == [ids[3], None, ids[0], ids[3], ids[4]]
    assert len(statements) == 1


@pytest.mark.parametrize("name", ["stall_by_id", "product_by_id", "auction_by_id", "bid_by_id"])
async def test_single_rows_take_one_statement(db, stand, lots, bids, statements, name):
    [lot] = await lots(1)
    [bid] = await bids(lot, [(stand["seller_id"], 100, 200)])
    known = {
        "stall_by_id": stand["stall_id"],
        "product_by_id": stand["product_id"],
        "auction_by_id": lot,
        "bid_by_id": bid,
    }[name]
    statements.clear()
    found = await ask(Loaders(db), getattr(auctions, name), known, new_id(), known)
    assert [row and row.id for row in found] == [known, None, known]
    assert len(statements) == 1


async def test_a_deleted_product_is_still_referred_to_and_not_listed(db, stand, statements):
    known = stand["product_id"]
    loaders = Loaders(db)
    [listed] = await ask(loaders, auctions.listed_product_by_id, known)
    assert listed.id == known
    async with db.engine.begin() as connection:
        statement = text("UPDATE product SET deleted_at = now() WHERE id = :id")
        await connection.execute(statement, {"id": known})
    statements.clear()
    assert await ask(Loaders(db), auctions.listed_product_by_id, known, new_id()) == [None, None]
    [row] = await ask(Loaders(db), auctions.product_by_id, known)
    assert (row.id, row.deleted_at is None) == (known, False)
    assert len(statements) == 2


async def test_stalls_by_slug_take_one_statement(db, stand, statements):
    statements.clear()
    found = await ask(Loaders(db), auctions.stall_by_slug, "none", "stand", "STAND")
    assert [row and row.id for row in found] == [None, stand["stall_id"], None]
    assert len(statements) == 1


async def test_a_batch_of_more_than_a_thousand_is_split(db, lots, statements):
    ids = await lots(30)
    wanted = [new_id() for _ in range(MAX_BATCH)] + ids
    statements.clear()
    rows = await ask(Loaders(db), auctions.auction_by_id, *wanted)
    assert [row and row.id for row in rows] == [None] * MAX_BATCH + ids
    assert len(statements) == 2


async def test_what_was_loaded_is_remembered_and_only_here(db, lots, statements):
    [lot] = await lots(1)
    loaders = Loaders(db)
    first = await loaders.load(auctions.auction_by_id, lot)
    statements.clear()
    assert await loaders.load(auctions.auction_by_id, lot) is first
    assert statements == []
    anew = await Loaders(db).load(auctions.auction_by_id, lot)
    assert anew == first
    assert anew is not first
    assert len(statements) == 1


async def test_a_primed_row_is_not_read(db, lots, statements):
    [lot] = await lots(1)
    row = await Loaders(db).load(auctions.auction_by_id, lot)
    loaders = Loaders(db)
    loaders.prime(auctions.auction_by_id, lot, row)
    statements.clear()
    assert await loaders.load(auctions.auction_by_id, lot) is row
    assert statements == []


async def test_top_bids_are_each_lots_own_in_order_and_as_many_as_asked(
    db, people, lots, bids, statements
):
    ada, bob = await people(2)
    one, two, three = await lots(3)
    made = await bids(one, [(ada, 100, 300), (bob, 300, 300), (ada, 300, 900), (bob, 200, 200)])
    await bids(two, [(bob, 500, 500)])
    statements.clear()
    found = await ask(
        Loaders(db),
        auctions.top_bids_by_auction_id,
        (one, 3),
        (two, 20),
        (three, 3),
        (one, 1),
        (one, 0),
    )
    assert [[bid.amount_minor for bid in each] for each in found] == [
        [300, 300, 200],
        [500],
        [],
        [300],
        [],
    ]
    assert [bid.id for bid in found[0]] == [made[1], made[2], made[3]]  # of equals, the earlier
    assert len(statements) == 1


async def test_top_bids_never_exceed_the_loaders_limit(db, people, lots, bids):
    [ada] = await people(1)
    [lot] = await lots(1)
    await bids(lot, [(ada, 100 + n, 1_000) for n in range(auctions.TOP_BIDS_MAX + 5)])
    [found] = await ask(Loaders(db), auctions.top_bids_by_auction_id, (lot, 1_000))
    assert len(found) == auctions.TOP_BIDS_MAX


async def test_pages_of_one_request_share_a_statement_and_others_take_their_own(
    db, people, lots, bids, statements
):
    [ada] = await people(1)
    one, two, three = await lots(3)
    await bids(one, [(ada, 100 + n, 1_000) for n in range(3)])
    await bids(two, [(ada, 100, 1_000)])
    statements.clear()
    loaders = Loaders(db)
    pages = await ask(
        loaders,
        auctions.bids_by_auction_id,
        (one, FIRST),
        (two, FIRST),
        (three, FIRST),
        (one, LAST),
    )
    assert [[bid.sequence for bid in page.nodes] for page in pages] == [[3, 2], [1], [], [2, 1]]
    assert [page.has_next_page for page in pages] == [True, False, False, False]
    assert [page.has_previous_page for page in pages] == [False, False, False, True]
    assert len(statements) == 2


async def test_counts_are_read_when_asked_and_in_one_statement(db, people, lots, bids, statements):
    [ada] = await people(1)
    one, two = await lots(2)
    await bids(one, [(ada, 100 + n, 1_000) for n in range(3)])
    loaders = Loaders(db)
    statements.clear()
    pages = await ask(loaders, auctions.bids_by_auction_id, (one, FIRST), (two, FIRST))
    assert len(statements) == 1
    assert await asyncio.gather(*(page.count() for page in pages)) == [3, 0]
    assert len(statements) == 2


PAGES = {
    "auctions_by_seller_id": "seller_id",
    "auctions_by_stall_id": "stall_id",
    "auctions_by_product_id": "product_id",
    "products_by_stall_id": "stall_id",
    "stalls_by_owner_id": "seller_id",
}


@pytest.mark.parametrize("name", PAGES)
async def test_pages_of_a_parents_rows_take_one_statement(db, stand, lots, statements, name):
    ids = await lots(3)
    key = stand[PAGES[name]]
    statements.clear()
    found, none = await ask(Loaders(db), getattr(auctions, name), (key, FIRST), (new_id(), FIRST))
    assert none.nodes == []
    assert len(statements) == 1
    if name.startswith("auctions"):
        assert [row.id for row in found.nodes] == sorted(ids, reverse=True)[:2]
    else:
        assert len(found.nodes) == 1


async def test_own_bids_take_one_statement(db, people, lots, bids, statements):
    ada, bob = await people(2)
    [lot] = await lots(1)
    await bids(lot, [(ada, 100, 900), (bob, 200, 900), (ada, 300, 900)])
    statements.clear()
    pages = await ask(Loaders(db), auctions.bids_by_bidder_id, (ada, FIRST), (bob, FIRST))
    assert [[bid.sequence for bid in page.nodes] for page in pages] == [[3, 1], [2]]
    assert len(statements) == 1


async def test_maxima_are_the_viewers_own_and_the_highest(db, people, lots, bids, statements):
    ada, bob = await people(2)
    one, two = await lots(2)
    await bids(one, [(ada, 100, 500), (bob, 600, 700), (ada, 700, 900), (bob, 900, 950)])
    loader, keys = auctions.viewer_maximum_by_auction_id, (one, two, one)
    statements.clear()
    own = Money(900, "USD")
    assert await ask(Loaders(db, ada), loader, *keys) == [own, None, own]
    assert len(statements) == 1
    assert (await ask(Loaders(db, bob), loader, *keys))[0] == Money(950, "USD")
    statements.clear()
    assert await ask(Loaders(db), loader, *keys) == [None, None, None]
    assert statements == []


async def test_what_seals_hold_is_told_after_the_end_and_the_winners_to_few(
    db, people, lots, bids, write, statements
):
    """A winner's maximum above the price is the winner's and the moderators' alone."""
    ada, bob = await people(2)
    running, sold = await lots(2)
    [untold] = await bids(running, [(ada, 100, 500)])
    lost, won = await bids(sold, [(ada, 100, 500), (bob, 550, 900)])
    ended = (
        "UPDATE auction SET status = 'SOLD', winner_id = :who, leader_id = :who, bid_count = 2,"
        " leader_bid_id = :bid, leader_maximum_minor = 900, current_price_minor = 550,"
        " closed_at = now() WHERE id = :lot"
    )
    async with db.engine.begin() as connection:
        await connection.execute(text(ended), {"who": bob, "bid": won, "lot": sold})
    loader, keys = auctions.opening_by_bid_id, (won, untold, lost)

    def told(openings):
        return [each and each.maximum.minor_units for each in openings]

    statements.clear()
    assert told(await ask(Loaders(db, ada), loader, *keys)) == [None, None, 500]
    assert len(statements) == 1
    assert told(await ask(Loaders(db), loader, *keys)) == [None, None, 500]
    assert told(await ask(Loaders(db, bob), loader, *keys)) == [900, None, 500]
    statements.clear()
    moderators = auctions.moderator_opening_by_bid_id
    assert told(await ask(Loaders(db, ada), moderators, *keys)) == [900, None, 500]
    assert len(statements) == 1


async def test_watching_is_the_viewers_own(db, people, lots, write, statements):
    ada, bob = await people(2)
    one, two = await lots(2)
    await write(AuctionWatch, [{"user_id": ada, "auction_id": one}])
    loader = auctions.viewer_watches_auction_id
    statements.clear()
    assert await ask(Loaders(db, ada), loader, two, one, new_id()) == [False, True, False]
    assert len(statements) == 1
    assert await ask(Loaders(db, bob), loader, two, one) == [False, False]
    assert await ask(Loaders(db), loader, two, one) == [False, False]


async def test_common_loaders_are_shared_but_for_what_depends_on_who_asks(
    db, people, lots, bids, statements
):
    ada, bob = await people(2)
    [lot] = await lots(1)
    await bids(lot, [(ada, 100, 500), (bob, 600, 700)])
    common = Loaders(db)
    both = [Loaders(db, viewer, common) for viewer in (ada, bob)]
    statements.clear()
    rows = [await each.load(auctions.auction_by_id, lot) for each in both]
    assert rows[0] is rows[1]
    assert len(statements) == 1
    maxima = [await each.load(auctions.viewer_maximum_by_auction_id, lot) for each in both]
    assert [money.minor_units for money in maxima] == [500, 700]
    assert await common.load(auctions.viewer_maximum_by_auction_id, lot) is None


async def test_one_who_stops_waiting_stops_no_other(db, lots):
    [lot] = await lots(1)
    common = Loaders(db)
    first = asyncio.ensure_future(Loaders(db, None, common).load(auctions.auction_by_id, lot))
    second = asyncio.ensure_future(Loaders(db, None, common).load(auctions.auction_by_id, lot))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(5):
        assert (await second).id == lot
    assert first.cancelled()


def test_no_row_has_a_column_that_is_secret():
    secrets = {"reserve_minor", "leader_maximum_minor", "runner_up_maximum_minor"}
    assert not secrets & set(auctions.AuctionRow._fields)
    assert not {"maximum_minor", "nonce"} & set(auctions.BidRow._fields)


TESTED = {
    "stall_by_id", "product_by_id", "auction_by_id", "bid_by_id", "stall_by_slug",
    "listed_product_by_id", "top_bids_by_auction_id", "bids_by_auction_id", "bids_by_bidder_id",
    "viewer_maximum_by_auction_id", "viewer_watches_auction_id", "opening_by_bid_id",
    "moderator_opening_by_bid_id", *PAGES,
}  # fmt: skip


def test_each_loader_of_auctions_is_tested_here():
    kinds = OneBy | ManyBy | PageBy | Computed
    made = {name: each for name, each in vars(auctions).items() if isinstance(each, kinds)}
    assert made.keys() == TESTED
    assert {name for name, each in made.items() if each.name != name} == set()
    viewers = {name for name, each in made.items() if depends_on_viewer(each)}
    assert viewers == {
        "bid_by_id",  # a sealed bid is its bidder's alone
        "bids_by_auction_id",
        "viewer_maximum_by_auction_id",
        "viewer_watches_auction_id",
        "opening_by_bid_id",
        "moderator_opening_by_bid_id",
    }
