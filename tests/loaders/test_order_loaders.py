"""Loaders of orders and parameters: one statement a batch, and nobody else's rows in it."""

from datetime import UTC, datetime, timedelta

import pytest

from core.ids import new_id
from core.pagination import page_request
from loaders import orders, parameters
from loaders.base import Computed, Loaders, ManyBy, OneBy, PageBy, depends_on_viewer
from models.auctions import StallMember
from models.parameters import PlatformParameterChange
from models.shop import SaleOrder

MOMENT = datetime(2031, 5, 1, tzinfo=UTC)


@pytest.fixture
async def sold(stand, lots, people, write):
    """Two lots sold to two people, one each, and a third person who shares the stall."""
    buyers = await people(3)
    made = await lots(2)
    rows = [
        {
            "id": new_id(),
            "auction_id": lot,
            **stand,
            "buyer_id": buyer,
            "quantity": 1,
            "unit_price_minor": 100,
            "price_minor": 100,
            "fee_minor": 2,
            "asset": "USD",
        }
        for lot, buyer in zip(made, buyers, strict=False)
    ]
    await write(SaleOrder, rows)
    await write(StallMember, [{"stall_id": stand["stall_id"], "user_id": buyers[2]}])
    return {**stand, "lots": made, "buyers": buyers, "orders": [row["id"] for row in rows]}


async def test_orders_are_their_parties_alone_in_one_statement(db, statements, sold, people):
    first, second = sold["orders"]
    [stranger] = await people(1)
    seen = {
        sold["buyers"][0]: [first, None],
        sold["buyers"][1]: [None, second],
        sold["buyers"][2]: [first, second],  # shares the stall
        sold["seller_id"]: [first, second],
        stranger: [None, None],
        None: [None, None],
    }
    for viewer, wanted in seen.items():
        for loader, keys in (
            (orders.own_order_by_id, sold["orders"]),
            (orders.own_order_by_auction_id, sold["lots"]),
        ):
            statements.clear()
            rows = await load_all(Loaders(db, viewer), loader, keys)
            assert [None if row is None else row.id for row in rows] == wanted
            assert len(statements) == 1


async def load_all(loaders, loader, keys):
    waiting = [loaders.load(loader, key) for key in keys]
    return [await each for each in waiting]


async def test_moderators_loaders_see_every_order(db, statements, sold):
    for loader, keys in (
        (orders.order_by_id, sold["orders"]),
        (orders.order_by_auction_id, sold["lots"]),
    ):
        statements.clear()
        rows = await load_all(Loaders(db), loader, [*keys, new_id()])
        assert [None if row is None else row.id for row in rows] == [*sold["orders"], None]
        assert len(statements) == 1


async def test_pages_of_orders_for_many_keys_take_one_statement(db, statements, sold):
    page = page_request(
        orders.NEWEST_ORDERS.key,
        first=5,
        after=None,
        last=None,
        before=None,
        default=20,
        maximum=100,
    )
    statements.clear()
    keys = [(buyer, page) for buyer in sold["buyers"]]
    pages = await load_all(Loaders(db), orders.orders_by_buyer_id, keys)
    assert [[row.id for row in found.nodes] for found in pages] == [
        [sold["orders"][0]],
        [sold["orders"][1]],
        [],
    ]
    assert len(statements) == 1
    [found] = await load_all(Loaders(db), orders.orders_by_stall_id, [(sold["stall_id"], page)])
    assert [row.id for row in found.nodes] == sold["orders"][::-1]
    assert len(statements) == 2


async def test_who_sells_at_a_stall_is_one_statement(db, statements, sold):
    keys = [sold["stall_id"], new_id()]
    for viewer, sells in (
        (sold["seller_id"], True),
        (sold["buyers"][2], True),
        (sold["buyers"][0], False),
    ):
        statements.clear()
        found = await load_all(Loaders(db, viewer), orders.viewer_sells_at_stall_id, keys)
        assert found == [sells, False]
        assert len(statements) == 1
    assert await load_all(Loaders(db), orders.viewer_sells_at_stall_id, keys) == [False, False]


async def test_the_last_changes_of_each_parameter_take_one_statement(db, statements, people, write):
    [actor] = await people(1)
    most = parameters.CHANGES_MAX
    rows = [
        {
            "id": new_id(),
            "key": "fee_basis_points",
            "old_value": n,
            "new_value": n + 1,
            "reason": "x",
            "actor_id": actor,
            "changed_at": MOMENT + timedelta(seconds=n),
        }
        for n in range(most + 5)
    ]
    await write(PlatformParameterChange, rows)
    statements.clear()
    loader = parameters.changes_by_parameter_key
    found, none = await load_all(Loaders(db), loader, ["fee_basis_points", "soft_close_window_s"])
    assert [change.new_value for change in found] == list(range(most + 5, 5, -1))
    assert none == []
    assert len(statements) == 1


def test_each_loader_of_orders_is_tested_here():
    kinds = OneBy | ManyBy | PageBy | Computed
    made = {name: each for name, each in vars(orders).items() if isinstance(each, kinds)}
    assert {name for name, each in made.items() if each.name != name} == set()
    viewers = {name for name, each in made.items() if depends_on_viewer(each)}
    assert viewers == {
        "own_order_by_id",
        "own_order_by_auction_id",
        "viewer_sells_at_stall_id",
    }
    assert made.keys() - viewers == {
        "order_by_id",
        "order_by_auction_id",
        "orders_by_buyer_id",
        "orders_by_stall_id",
    }
