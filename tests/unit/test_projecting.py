"""Objects made by generated code are those that graphql-core makes, of rows that keep what their
class promises and of rows with something odd that it does not promise."""

from datetime import datetime
from uuid import UUID

import pytest
import strawberry

from core.certain import BEYOND, Certain, certain_of
from loaders.auctions import AuctionRow
from loaders.rows import Money as MoneyRow
from loaders.rows import narrowed
from schema.auctions.types import AuctionStatus
from schema.common import Money
from schema.fields import attribute

COLUMNS = ("id", "title", "region", "asset", "starting_price_minor", "buy_now_minor")
NARROW = narrowed(AuctionRow, (*COLUMNS, "ends_at::text", "status", "bid_count"))
AT = "2026-01-31T12:00:00Z"
TEXT = """{ lots { a: id title region status __typename endsAt bidCount twice
  startingPrice { minorUnits asset amount } sum: startingPrice { minorUnits __typename } } }"""


@strawberry.type
class Lot:
    public_id: strawberry.ID = attribute("Its id.", name="id")
    title: str = attribute("Its title.")
    region: str | None = attribute("May be null.")
    status: AuctionStatus = attribute("An enum.")
    ends_at: datetime = attribute("A moment.")
    bid_count: int = attribute("A number.")
    starting_price: Money = attribute("Made of two columns.")

    @strawberry.field
    def twice(root: strawberry.Parent[AuctionRow]) -> str:
        return root.title * 2


@strawberry.type
class Query:
    @strawberry.field
    def lots(self, info: strawberry.Info) -> list[Lot | None]:
        return info.context


def lot(n: int, **odd):
    values = {
        "id": UUID(int=n), "title": f'"{n}" é', "region": None if n % 2 else "FR", "asset": "EUR",
        "starting_price_minor": 2**40 + n, "buy_now_minor": None, "ends_at": AT, "status": "OPEN",
        "bid_count": n,
    } | odd  # fmt: skip
    return NARROW([values[name] for name in NARROW._fields])


@pytest.fixture(scope="module")
def schemas(through_both):
    return through_both(Query)


def test_a_narrowed_class_promises_what_its_table_does_of_the_columns_it_has():
    assert certain_of(NARROW)["bid_count"] == Certain("int32")
    assert certain_of(NARROW)["region"] == Certain("text", nullable=True)
    assert certain_of(NARROW)["ends_at"] == Certain("moment")
    assert certain_of(NARROW)["buy_now_minor"] == Certain("int", nullable=True)
    assert "description" not in certain_of(NARROW)
    assert certain_of(AuctionRow) == {}
    assert certain_of(MoneyRow)["asset"] == Certain("text")


@pytest.mark.parametrize("odd", [{}, {"ends_at": BEYOND}, {"status": "NONE"}])
async def test_generated_objects_are_those_of_graphql_core(schemas, odd, late_fields, caplog):
    caplog.set_level("CRITICAL")
    rows = [lot(n) for n in range(5)] + [lot(7, **odd)]
    text = TEXT + " " * len(str(odd))  # a document of its own: plans are kept by document
    found, expected = [await each.execute(text, context_value=rows) for each in schemas]
    assert found.data == expected.data
    assert [str(e) for e in found.errors or ()] == [str(e) for e in expected.errors or ()]
    assert bool(found.errors) == bool(odd)
    assert found.data["lots"][1]["a"] == f"auc_{UUID(int=1).hex}"
    assert list(found.data["lots"][0]) == list(expected.data["lots"][0])
    # `twice` and the price with its `amount` alone come as columns.
    assert late_fields[0] == (7, 8)
