"""What is read of many rows at once is what is read of each."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pagination import OrderKey, decode_cursor, encode_cursor, encode_cursors
from core.reads import by_rows, whole_of
from execution.classes import looks_at_class_alone
from loaders.auctions import AUCTION_ORDERS, AuctionRow, BidRow, ProductRow
from loaders.pages import Edge
from loaders.rows import Money, narrowed
from schema.auctions import prices
from schema.auctions.types import Auction

NEWEST = OrderKey("newest", (datetime, UUID))
MOMENTS = st.datetimes(timezones=st.just(UTC))


def of(row, **values):
    """A row with these columns alone."""
    return narrowed(row, tuple(values))(values.values())


def whole(row, name):
    return whole_of(getattr(row, name).fget)


TYPES = {
    datetime: MOMENTS
    | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.sampled_from(["],[", "]", "", "ü", '"']) | st.text(max_size=5),
    UUID: st.uuids(),
}


@st.composite
def positions_of(draw):
    """An order, and positions in it."""
    types = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=3))
    name = draw(st.sampled_from(["newest", "a", "],[", "ü"]))
    row = st.tuples(*(TYPES[each] for each in types))
    return OrderKey(name, tuple(types)), draw(st.lists(row, max_size=5))


@given(positions_of())
def test_cursors_of_many_are_those_of_each(given):
    order, positions = given
    columns = list(zip(*positions, strict=True))
    assert encode_cursors(order, columns) == [encode_cursor(order, each) for each in positions]


@given(st.lists(st.tuples(MOMENTS, st.uuids()), max_size=4))
def test_cursors_of_many_lead_back_to_their_positions(positions):
    cursors = encode_cursors(NEWEST, list(zip(*positions, strict=True)))
    assert [decode_cursor(NEWEST, cursor) for cursor in cursors] == positions


def test_a_column_of_several_kinds_is_taken_value_by_value():
    order, columns = OrderKey("odd", (int, UUID)), [[1, True, "x"], [UUID(int=7)] * 3]
    rows = list(zip(*columns, strict=True))
    assert encode_cursors(order, columns) == [encode_cursor(order, each) for each in rows]


def test_edges_of_several_orders_have_cursors_of_their_own():
    newest, price = AUCTION_ORDERS["NEWEST"], AUCTION_ORDERS["PRICE"]
    values = {"id": UUID(int=7), "current_price_minor": 5}
    row = of(AuctionRow, **values, created_at=datetime(2031, 5, 1, tzinfo=UTC))
    for edges in ([Edge(row, newest)] * 2, [Edge(row, newest), Edge(row, price)]):
        assert whole(Edge, "cursor")(edges) == [edge.cursor for edge in edges]


@given(st.lists(st.uuids(), min_size=1, max_size=4))
def test_ids_of_many_are_those_of_each(ids):
    rows = [of(BidRow, id=each) for each in ids]
    assert whole(BidRow, "public_id")(rows) == [row.public_id for row in rows]
    assert rows[0].public_id == f"bid_{ids[0].hex}"


@pytest.mark.parametrize(
    ("row", "name", "column", "amounts"),
    [
        (BidRow, "amount", "amount_minor", [5, None, 0]),
        (ProductRow, "price", "price_minor", [None, 7]),
        (AuctionRow, "starting_price", "starting_price_minor", [1, 0]),
    ],
)
def test_amounts_of_many_are_those_of_each(row, name, column, amounts):
    rows = [of(row, asset="USD", **{column: amount}) for amount in amounts]
    found = whole(row, name)(rows)
    assert found == [getattr(each, name) for each in rows]
    assert found == [None if amount is None else Money(amount, "USD") for amount in amounts]
    assert {type(value) for value in found} <= {Money, type(None)}


def lot(kind, *, winner=None):
    """A lot at 900 whose price, if it falls, has fallen from 1,000 to 600."""
    began = datetime(2031, 5, 1, tzinfo=UTC)
    return SimpleNamespace(
        format=kind,
        winner_id=winner,
        asset="USD",
        current_price_minor=900,
        starting_price_minor=1_000,
        price_step_minor=100,
        step_interval_s=60,
        floor_minor=50,
        falls_from=began,
        priced_at=began + timedelta(seconds=4 * 60 + 1),
    )


def test_prices_of_many_are_those_of_each_dutch_ones_too():
    english, sealed = lot("ENGLISH"), lot("SEALED_SECOND_PRICE")
    dutch, taken = lot("DUTCH"), lot("DUTCH", winner=UUID(int=1))
    for lots in ([english, sealed], [english, dutch, taken], [dutch], []):
        found = prices.current_prices(lots)
        assert found == [prices.current_price(each) for each in lots]
    assert [m.minor_units for m in prices.current_prices([english, dutch, taken])] == [
        900,
        600,
        900,
    ]


def test_a_function_is_read_at_once_only_where_somebody_said_how():
    def one(row):
        return row.a

    assert whole_of(one) is None
    assert by_rows(lambda rows: [])(one) is one
    assert whole_of(one) is not None


def test_only_a_type_that_asks_for_the_class_is_asked_once_for_a_class():
    def by_class(value, info):
        return isinstance(value, AuctionRow)

    def by_value(value, info):
        return isinstance(value, AuctionRow) and value.bid_count > 0

    def by_info(value, info):
        return isinstance(value, AuctionRow) and info.field_name == "auction"

    assert looks_at_class_alone(by_class)
    assert looks_at_class_alone(Auction.is_type_of)
    assert not looks_at_class_alone(by_value)
    assert not looks_at_class_alone(by_info)
    assert not looks_at_class_alone(print)
