"""Rows that others refer to are read beside them, in one statement, as long as they are few; what
is found is what the loader's own statement finds."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import exists

from core.ids import new_id
from core.pagination import PageRequest
from core.reads import Lead
from loaders import auctions, beside, users
from loaders.base import Loaders, many_by, one_by
from loaders.beside import reference_of
from models.auctions import Bid
from models.user_tables import accounts

MOMENT = datetime(2031, 5, 1, tzinfo=UTC)
FIRST = PageRequest(limit=10, forward=True)
SELLER = Lead("seller_id", users.user_by_id, "User")
WINNER = Lead("winner_id", users.user_by_id, "User")
BIDDER = Lead("bidder_id", users.user_by_id, "User")
NEEDS = {
    "User": frozenset({"username"}),
    "Auction": frozenset({"title", "seller_id", "winner_id"}),
    "AuctionEdge": frozenset({"cursor"}),
    "Bid": frozenset({"sequence", "bidder_id"}),
}


def showing(db, *, viewer_id=None, **leads):
    """Loaders of an operation that shows a little of users, auctions and bids, and leads from some
    of these to others."""
    return Loaders(db, viewer_id, needs=NEEDS, leads=leads)


async def page_of_lots(db, loaders, wanted=None, request=FIRST):
    """A page of auctions with what is read beside it."""
    shown = loaders.shown(auctions.AuctionRow, "Auction", auctions.AUCTION_ORDERS["NEWEST"])
    wanted = wanted or auctions.AuctionFilter()
    found = await auctions.auctions_page(db, wanted, "NEWEST", request, shown)
    return found.nodes


async def names(loaders, ids):
    """What the operation shows of these people; None for who is not there."""
    rows = await loaders.show_all(users.user_by_id, ids, "User")
    return [row and row.username for row in rows]


@pytest.mark.parametrize("forward", [True, False])
async def test_a_page_brings_those_it_refers_to(db, lots, stand, statements, forward):
    await lots(3)
    loaders = showing(db, Auction=[SELLER])
    statements.clear()
    found = await page_of_lots(db, loaders, request=PageRequest(limit=2, forward=forward))
    assert len(found) == 2
    assert await names(loaders, [row.seller_id for row in found]) == ["person_1", "person_1"]
    assert len(statements) == 1


async def test_each_reference_brings_its_own_and_none_brings_nobody(db, people, lots, statements):
    ada, bob = await people(2)
    winners = [ada, None, bob]
    await lots(
        3,
        winner_id=lambda n: winners[n],
        status=lambda n: "SOLD" if winners[n] else "OPEN",
        closed_at=lambda n: MOMENT if winners[n] else None,
        created_at=lambda n: MOMENT.replace(hour=n),
    )
    loaders = showing(db, Auction=[SELLER, WINNER])
    statements.clear()
    found = await page_of_lots(db, loaders)
    assert [row.winner_id for row in found] == [bob, None, ada]
    assert await names(loaders, [bob, ada]) == ["person_3", "person_2"]
    assert await names(loaders, [found[0].seller_id]) == ["person_1"]
    assert len(statements) == 1


async def test_lists_of_each_row_bring_those_they_refer_to_in_their_order(
    db, people, lots, bids, statements
):
    ada, bob = await people(2)
    one, two = await lots(2)
    await bids(one, [(ada, 100, 500), (bob, 600, 700), (ada, 800, 900)])
    await bids(two, [(bob, 100, 500)])
    seen = {}
    for leads in ({"Bid": [BIDDER]}, {}):
        loaders = showing(db, **leads)
        statements.clear()
        tops = await loaders.show_all(auctions.top_bids_by_auction_id, [(one, 2), (two, 2)], "Bid")
        pages = await loaders.show_all(
            auctions.bids_by_auction_id, [(one, FIRST), (two, FIRST)], "Bid"
        )
        lists = [*tops, *(page.nodes for page in pages)]
        people_of = [await names(loaders, [bid.bidder_id for bid in each]) for each in lists]
        told = [[bid[: len(bid._fields)] for bid in bids] for bids in lists]
        seen[len(statements)] = told, people_of
    assert [*seen] == [2, 3]
    assert seen[2] == seen[3]
    assert seen[2][1] == [
        ["person_2", "person_3"],
        ["person_3"],
        ["person_2", "person_3", "person_2"],
        ["person_3"],
    ]


async def test_one_row_brings_whom_it_refers_to(db, lots, statements):
    [lot] = await lots(1)
    loaders = showing(db, Auction=[SELLER])
    statements.clear()
    found, absent = await loaders.show_all(auctions.auction_by_id, [lot, new_id()], "Auction")
    assert absent is None
    assert await names(loaders, [found.seller_id]) == ["person_1"]
    assert len(statements) == 1


async def test_among_many_rows_each_is_read_once_by_a_statement_of_its_own(
    db, lots, statements, monkeypatch
):
    await lots(3)
    monkeypatch.setattr(beside, "MAX_VALUES", 6)  # of two columns each
    for limit, sent in ((2, 1), (3, 2)):  # a page reads one row more than it shows
        loaders = showing(db, Auction=[SELLER])
        statements.clear()
        found = await page_of_lots(db, loaders, request=PageRequest(limit=limit, forward=True))
        assert await names(loaders, [row.seller_id for row in found]) == ["person_1"] * limit
        assert len(statements) == sent


async def test_what_is_known_already_stays(db, lots, stand):
    await lots(1)
    loaders = showing(db, Auction=[SELLER])
    before = await loaders.show(users.user_by_id, stand["seller_id"], "User")
    await page_of_lots(db, loaders)
    assert await loaders.show(users.user_by_id, stand["seller_id"], "User") is before


async def test_a_condition_about_the_same_table_means_the_table(db, people, lots, bids):
    """Both select from accounts: the condition's must not become the one beside the rows."""
    ada, bob = await people(2)
    [lot] = await lots(1)
    await bids(lot, [(ada, 100, 500), (bob, 600, 700)])
    named = exists().where(accounts.c.username == "person_3")
    nobody = ~exists().where(accounts.c.username == "nobody")
    for where, count in ((named, 2), (nobody, 2), (~named, 0)):
        loader = many_by(
            "bids", auctions.BidRow, Bid.auction_id, order_by=(Bid.sequence,), limit=9, where=where
        )
        loaders = showing(db, Bid=[BIDDER])
        [found] = await loaders.show_all(loader, [(lot, 9)], "Bid")
        assert len(found) == count
        assert (
            await names(loaders, [row.bidder_id for row in found])
            == ["person_2", "person_3"][:count]
        )


def test_only_who_is_found_by_the_key_alone_is_read_beside_others():
    row, columns = auctions.AuctionRow, ("id", "username")
    assert reference_of(row, "seller_id", users.user_by_id, columns) is not None
    assert reference_of(row, "seller_id", users.visible_user_by_id, columns) is None
    present = one_by("present", users.UserRow, accounts.c.id, where=users.PRESENT)
    assert reference_of(row, "seller_id", present, columns) is None
    assert reference_of(row, "seller_id", users.visible_user_by_username, columns) is None
    assert reference_of(row, "nothing", users.user_by_id, columns) is None
    assert reference_of(row, "seller_id", users.user_by_id, None) is None


async def test_the_texts_are_made_once(db, lots, statements):
    await lots(2)
    statements.clear()
    for _ in range(2):
        await page_of_lots(db, showing(db, Auction=[SELLER]))
    assert statements[0] is statements[1]
    assert "beside_0" in statements[0]


async def test_lists_that_sqlalchemy_runs_itself_bring_them_too(db, lots, statements):
    await lots(3)
    statements.clear()
    loaders = showing(db, Auction=[SELLER])
    wanted = auctions.AuctionFilter(statuses=["OPEN", "SOLD"])
    found = await page_of_lots(db, loaders, wanted)
    assert await names(loaders, [row.seller_id for row in found]) == ["person_1"] * 3
    assert len(statements) == 1


async def test_what_came_beside_is_told_at_once_and_nothing_else(db, lots, statements):
    await lots(2)
    loaders = showing(db, Auction=[SELLER])
    found = await page_of_lots(db, loaders)
    statements.clear()
    seller, stranger = found[0].seller_id, new_id()
    [told] = loaders.known(users.user_by_id, [seller], "User")
    assert told.username == "person_1"
    assert loaders.known(users.user_by_id, [seller, stranger], "User") is None
    assert loaders.known(users.user_by_id, [seller], None) is None  # of whole rows none is known
    assert statements == []


async def test_a_key_that_no_table_vouches_for_is_looked_for(db, lots, stand, statements):
    """A product's id leads to nobody, which the join finds; a seller's is there by its foreign key,
    and told once."""
    await lots(1)
    needs = NEEDS | {"Auction": frozenset({"product_id", "seller_id"})}
    leads = {"Auction": [Lead("product_id", users.user_by_id, "User"), SELLER]}
    loaders = Loaders(db, needs=needs, leads=leads)
    statements.clear()
    [lot] = await page_of_lots(db, loaders)
    assert "beside_0.id AS beside_0_id" in statements[0]
    assert "beside_1.id AS" not in statements[0]
    assert await names(loaders, [lot.seller_id, lot.product_id]) == ["person_1", None]
    assert len(statements) == 2  # nobody came beside the product: the loader's own looks again
