"""Rows that are only shown are read with the columns that are shown, by texts made once."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Text, cast, func, select, text

from core.ids import encode_id, new_id
from core.pagination import PageRequest
from loaders import auctions, base, compiled, running
from loaders.base import Loaders, one_by, page_by, read_page
from loaders.beside import Shown
from loaders.rows import BEYOND, MissingColumn, columns_behind, narrowed
from models.auctions import Auction

FIRST = PageRequest(limit=2, forward=True)
MOMENT = datetime(2031, 5, 1, tzinfo=UTC)


def needing(db, viewer_id=None, **needs):
    """Loaders of an operation that reads these attributes of each type."""
    return Loaders(db, viewer_id, needs={name: frozenset(each) for name, each in needs.items()})


def all_rows():
    """The row classes of this tree that loaders make."""
    import loaders.content.posts
    import loaders.content.titles
    import loaders.content.viewing
    import loaders.orders
    import loaders.users
    import loaders.wallets

    modules = (
        auctions,
        loaders.users,
        loaders.wallets,
        loaders.orders,
        loaders.content.posts,
        loaders.content.titles,
        loaders.content.viewing,
    )
    kinds = base.OneBy | base.ManyBy | base.PageBy
    return {
        each.row for module in modules for each in vars(module).values() if isinstance(each, kinds)
    }


def test_columns_behind_are_an_attributes_own():
    assert columns_behind(auctions.BidRow, frozenset({"amount", "public_id"})) == (
        "id",
        "asset",
        "amount_minor",
    )
    assert columns_behind(auctions.BidRow, frozenset({"sequence"}), "id") == ("id", "sequence")
    assert columns_behind(auctions.BidRow, frozenset()) == ("id",)  # there is no empty row
    assert columns_behind(auctions.BidRow, None) is None
    assert columns_behind(auctions.BidRow, frozenset({"nobody_knows"})) is None
    assert columns_behind(auctions.BidRow, frozenset(auctions.BidRow._fields)) is None


def test_every_property_of_a_row_says_which_columns_it_reads():
    found = 0
    for row in all_rows():
        names = [n for n in dir(row) if isinstance(getattr(row, n, None), property)]
        for name in names:
            if name == "public_id" and "id" not in row._fields:
                continue
            behind = columns_behind(row, frozenset({name}))
            assert behind is not None, (row, name)
            found += 1
    assert found > 20


def test_no_property_stands_in_the_place_of_a_column():
    for row in all_rows():
        assert not [n for n in row._fields if isinstance(getattr(row, n), property)], row


def test_a_column_that_was_not_read_raises_and_is_never_absent():
    row = narrowed(auctions.BidRow, ("id", "sequence"))._make((UUID(int=5), 3))
    assert isinstance(row, auctions.BidRow)
    assert (row.public_id, row.sequence) == (encode_id("bid", UUID(int=5)), 3)
    for name in ("asset", "amount"):
        with pytest.raises(MissingColumn, match="BidRow was read without"):
            getattr(row, name)
        with pytest.raises(MissingColumn):
            getattr(row, name, None)
    with pytest.raises(MissingColumn):
        row._replace(sequence=4)
    assert repr(row) == f"BidRow(id={UUID(int=5)!r}, sequence=3, …)"


async def test_one_row_has_what_is_shown_and_its_key(db, lots, statements):
    [lot] = await lots(1)
    loaders = needing(db, Auction={"title", "starting_price"})
    statements.clear()
    row = await loaders.show(auctions.auction_by_id, lot, "Auction")
    assert (row.title, row.starting_price.minor_units, row.id) == ("lot 0", 100, lot)
    with pytest.raises(MissingColumn):
        _ = row.description
    [sent] = statements
    assert sent.startswith(
        "SELECT auction.id, auction.title, auction.asset, auction.starting_price_minor \nFROM"
    )


async def test_what_code_looks_at_is_whole_beside_what_is_shown(db, lots, statements):
    [lot] = await lots(1)
    loaders = needing(db, Auction={"title"})
    statements.clear()
    shown = await loaders.show(auctions.auction_by_id, lot, "Auction")
    whole = await loaders.load(auctions.auction_by_id, lot)
    assert (len(shown), whole.status, type(whole)) == (2, "OPEN", auctions.AuctionRow)
    assert len(statements) == 2
    assert await loaders.load(auctions.auction_by_id, lot) is whole


@pytest.mark.parametrize("needs", [{}, {"Auction": None}, {"Bid": {"sequence"}}])
async def test_without_needs_rows_are_whole(db, lots, needs):
    [lot] = await lots(1)
    loaders = Loaders(db, needs={n: e and frozenset(e) for n, e in needs.items()})
    row = await loaders.show(auctions.auction_by_id, lot, "Auction")
    assert type(row) is auctions.AuctionRow


async def test_lists_and_pages_have_what_is_shown_and_their_places(
    db, people, lots, bids, statements
):
    [ada] = await people(1)
    one, two = await lots(2)
    await bids(one, [(ada, 100, 500), (ada, 200, 500), (ada, 300, 500)])
    loaders = needing(db, Bid={"amount"}, PageInfo={"end_cursor"})
    statements.clear()
    top = await loaders.show_all(auctions.top_bids_by_auction_id, [(one, 2), (two, 2)], "Bid")
    assert [[bid.amount.minor_units for bid in each] for each in top] == [[300, 200], []]
    assert top[0][0]._fields == ("asset", "amount_minor")
    asked = [(one, FIRST), (two, FIRST)]
    [page, none] = await loaders.show_all(auctions.bids_by_auction_id, asked, "Bid")
    assert page.nodes[0]._fields == ("id", "sequence", "asset", "amount_minor")
    assert page.end_cursor == page.edges[1].cursor
    assert (page.has_next_page, none.nodes) == (True, [])
    assert len(statements) == 2
    assert not [s for s in statements if "commitment" in s or "placed_at" in s]


async def test_without_cursors_rows_need_no_places(db, people, lots, bids):
    [ada] = await people(1)
    [lot] = await lots(1)
    await bids(lot, [(ada, 100, 500)])
    loaders = needing(db, Bid={"amount"}, PageInfo={"has_next_page"})
    [page] = await loaders.show_all(auctions.bids_by_auction_id, [(lot, FIRST)], "Bid")
    assert page.nodes[0]._fields == ("asset", "amount_minor")
    with pytest.raises(MissingColumn):
        _ = page.end_cursor


async def test_a_moment_of_which_the_text_is_wanted_is_read_as_text(db, lots, statements):
    [lot] = await lots(1)
    statements.clear()
    shown = needing(db, Auction={"starts_at::text", "ends_at::text", "title::text", "ends_at"})
    row = await shown.show(auctions.auction_by_id, lot, "Auction")
    assert row.starts_at == "2031-05-01T00:00:00Z"
    assert row.ends_at == datetime(2031, 5, 1, 1, tzinfo=UTC)  # somebody looks at it
    assert row.title == "lot 0"
    assert "replace(to_char(auction.starts_at," in statements[0]


async def test_moments_that_no_datetime_can_be_are_not_told(db, lots):
    [lot] = await lots(1)
    for moment in ("infinity", "-infinity", "0044-03-15 00:00+00 BC", "10000-01-01 00:00+00"):
        async with db.engine.begin() as connection:
            await connection.execute(text(f"UPDATE auction SET created_at = '{moment}'"))
        row = await needing(db, Auction={"created_at::text"}).show(
            auctions.auction_by_id, lot, "Auction"
        )
        assert row.created_at == BEYOND, moment


async def test_what_only_dutch_lots_have_is_null_in_others(db, lots):
    [english, dutch] = await lots(
        2,
        format=lambda n: ("ENGLISH", "DUTCH")[n],
        **{
            name: lambda n, value=value: value if n else None
            for name, value in {
                "price_step_minor": 5,
                "step_interval_s": 60,
                "floor_minor": 50,
            }.items()
        },
    )
    rows = await Loaders(db).show_all(auctions.auction_by_id, [english, dutch], None)
    moments = [(row.read_at, row.falls_from, row.priced_at) for row in rows]
    assert moments[0] == (None, None, None)
    read_at, falls_from, priced_at = moments[1]
    assert (falls_from, priced_at) == (MOMENT, min(read_at, rows[1].ends_at))


async def test_rows_read_on_another_way_answer_what_shows_no_more(db, lots, statements):
    ids = await lots(2)
    loaders = needing(db, Auction={"title"}, AuctionEdge={"cursor"})
    shown = loaders.shown(auctions.AuctionRow, "Auction", auctions.AUCTION_ORDERS["NEWEST"])
    page = await auctions.auctions_page(db, auctions.AuctionFilter(), "NEWEST", FIRST, shown)
    statements.clear()
    loaders.prime_shown(auctions.auction_by_id, page.nodes, "Auction")
    assert await loaders.show(auctions.auction_by_id, ids[0], "Auction") in page.nodes
    assert statements == []
    assert (await loaders.load(auctions.auction_by_id, ids[0])).status == "OPEN"
    assert len(statements) == 1


async def test_loaders_that_people_share_read_whole_rows(db, lots, statements):
    [lot] = await lots(1)
    common = Loaders(db)
    shares = Loaders(db, None, common, needs={"Auction": frozenset({"title"})})
    row = await shares.show(auctions.auction_by_id, lot, "Auction")
    assert type(row) is auctions.AuctionRow
    assert await common.load(auctions.auction_by_id, lot) is row


async def test_a_text_is_made_once_and_is_the_same_from_then_on(db, people, lots, bids, statements):
    ada, bob = await people(2)
    one, two = await lots(2)
    [bid, *_] = await bids(one, [(ada, 100, 500), (bob, 600, 700)])
    request = PageRequest(limit=1, forward=True, after=(2, new_id()))
    asked = (
        (auctions.auction_by_id, one, two),
        (auctions.bid_by_id, bid, new_id()),
        (auctions.top_bids_by_auction_id, (one, 3), (two, 1)),
        (auctions.bids_by_auction_id, (one, request), (two, request)),
        (auctions.bids_by_auction_id.counter, one, two),
    )
    statements.clear()
    for loader, key, other in asked:
        await Loaders(db, ada).load(loader, key)
        await Loaders(db, bob).load(loader, other)
    first, second = statements[::2], statements[1::2]
    assert len(first) == len(asked)
    assert all(a is b for a, b in zip(first, second, strict=True))


async def test_one_text_serves_all_viewers_and_each_sees_their_own(
    db, people, lots, write, statements
):
    ada, bob, eve = await people(3)
    [lot] = await lots(1)
    sealed = [{
        "id": new_id(), "auction_id": lot, "bidder_id": bidder, "sequence": n, "asset": "USD",
        "amount_minor": None, "maximum_minor": 100, "nonce": b"n" * 16, "commitment": b"c" * 32,
        "placed_at": MOMENT,
    } for n, bidder in enumerate((ada, bob), 1)]  # fmt: skip
    keys = await write(auctions.Bid, sealed)
    statements.clear()
    seen = []
    for viewer in (ada, bob, eve):
        loaders = needing(db, viewer, Bid={"sequence"})
        rows = await loaders.show_all(auctions.bid_by_id, keys, "Bid")
        seen.append([row and row.sequence for row in rows])
    assert seen == [[1, None], [None, 2], [None, None]]
    assert statements[0] is statements[1] is statements[2]
    assert await Loaders(db).load(auctions.bid_by_id, keys[0]) is None
    assert statements[3] is not statements[0]  # nobody has a text of their own


async def test_a_rule_that_makes_something_of_the_viewers_id_is_asked_anew(db, people, lots):
    ada, bob = await people(2)
    [lot] = await lots(1)
    theirs = one_by(
        "theirs",
        auctions.AuctionRow,
        Auction.id,
        visible=lambda viewer: (
            func.length(cast(Auction.id, Text)) > 0
            if viewer is None
            else cast(Auction.title, Text) == f"lot {int(viewer == ada) - 1}"
        ),
    )
    derived = one_by(
        "derived",
        auctions.AuctionRow,
        Auction.id,
        visible=lambda viewer: cast(Auction.seller_id, Text) != viewer.hex,
    )
    make = lambda viewer: select(Auction.id).where(derived.visible(viewer))  # noqa: E731
    with pytest.raises(compiled.NotOneText):
        compiled.compiled_for_viewers(make, tuple, ada)
    assert (await Loaders(db, bob).load(derived, lot)).id == lot
    assert await Loaders(db, bob).load(theirs, lot) is None
    assert (await Loaders(db).load(theirs, lot)).id == lot


async def test_lists_of_values_in_a_filter_are_left_to_sqlalchemy(db, lots, statements):
    await lots(3)
    statements.clear()
    for statuses, count in ((["OPEN"], 2), (["SOLD", "UNSOLD"], 0), (["SOLD", "OPEN"], 2)):
        wanted = auctions.AuctionFilter(statuses=statuses)
        shown = Shown(("id", "created_at"))
        page = await auctions.auctions_page(db, wanted, "NEWEST", FIRST, shown)
        assert len(page.nodes) == count
    assert len(statements) == 3


async def test_values_of_a_filter_are_the_requests_own(db, lots, statements):
    await lots(4, category=lambda n: "odd' \\ \U0001f600" if n % 2 else "even")
    statements.clear()
    found = []
    for category in ("odd' \\ \U0001f600", "even", "none"):
        wanted = auctions.AuctionFilter(category=category, price_from_minor=1)
        page = await auctions.auctions_page(db, wanted, "NEWEST", FIRST)
        found.append({row.category for row in page.nodes})
    assert found == [{"odd' \\ \U0001f600"}, {"even"}, set()]
    assert statements[0] is statements[1] is statements[2]


async def test_forms_of_a_page_have_texts_of_their_own(db, people, lots, bids):
    [ada] = await people(1)
    [lot] = await lots(1)
    await bids(lot, [(ada, 100 * n, 5_000) for n in range(1, 6)])
    by_sequence = {row.sequence: row.id for row in await _all_bids(db)}

    def at(n):
        return (n, by_sequence[n])

    asked = {
        PageRequest(2, True): [5, 4],
        PageRequest(2, False): [2, 1],
        PageRequest(2, True, after=at(4)): [3, 2],
        PageRequest(2, False, before=at(2)): [4, 3],
        PageRequest(9, True, after=at(5), before=at(2)): [4, 3],
        PageRequest(0, True): [],
    }
    for request, expected in asked.items():
        page = await Loaders(db).load(auctions.bids_by_auction_id, (lot, request))
        assert [bid.sequence for bid in page.nodes] == expected


async def _all_bids(db):
    page = await read_page(db, auctions.BidRow, auctions.NEWEST_BIDS, PageRequest(99, True), ())
    return page.nodes


async def test_rows_are_what_sqlalchemy_makes_of_them(db, people, lots, bids, stand):
    [ada] = await people(1)
    [lot, *_] = await lots(2, tags=lambda n: ["a", "naïve '\\"], increments=lambda n: [[1, 2]])
    await bids(lot, [(ada, 100, 500)])
    compared = 0
    for row in all_rows():
        statement = select(*row.__columns__).limit(5)
        made = compiled.compiled(statement, row)
        async with db.read() as session:
            expected = [row._make(each) for each in await session.execute(statement)]
        found = await made.run(db, {})
        assert found == expected
        assert [[*map(type, each)] for each in found] == [[*map(type, each)] for each in expected]
        compared += len(found)
    assert compared > 5


async def test_a_batch_that_fails_fails_for_its_own_keys_alone(db, lots):
    [lot] = await lots(1)
    broken = one_by(
        "broken", auctions.AuctionRow, Auction.id, where=1 / (Auction.bid_count * 0) > 0
    )
    loaders = Loaders(db)
    failed, alike, fine = await asyncio.gather(
        loaders.load(broken, lot),
        loaders.load(broken, lot),
        loaders.load(auctions.auction_by_id, lot),
        return_exceptions=True,
    )
    assert failed is alike
    assert failed.sqlstate == "22012"
    assert fine.id == lot
    [again] = await loaders.show_all(broken, [lot], "Auction")
    assert again is failed


async def test_the_number_of_texts_that_are_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(compiled, "MAX_STATEMENTS", 3)
    kept, made = compiled.Statements(), []

    def make(n):
        made.append(n)
        return n

    for n in (1, 2, 3, 1, 4, 1, 2):
        assert kept.get(n, lambda n=n: make(n)) == n
    assert made == [1, 2, 3, 4, 2]
    assert isinstance(running.STATEMENTS, compiled.Statements)


def test_pages_of_other_orders_are_other_loaders():
    order = auctions.AUCTION_ORDERS["PRICE"]
    made = page_by("by_price", auctions.AuctionRow, Auction.seller_id, order=order)
    assert made.order.names == ("current_price_minor", "id")
