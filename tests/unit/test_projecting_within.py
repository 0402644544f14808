"""Objects that generated code makes of rows within rows are those that graphql-core makes of the
rows that a loader finds."""

from datetime import datetime
from types import SimpleNamespace
from uuid import UUID

import pytest
import strawberry

from core.certain import BEYOND, record_of
from loaders.auctions import AuctionRow
from loaders.base import Loaders
from loaders.beside import Beside, Reference, Wide
from loaders.users import UserRow, user_by_id
from schema.fields import attribute, loaded

AT = "2026-01-31T12:00:00Z"
COLUMNS = ("id", "username", "avatar_url", "created_at")
PERSON = ("id", "username", "avatar_url", "created_at::text")
REFERENCES = (
    Reference("seller_id", user_by_id, PERSON, True),
    Reference("winner_id", user_by_id, PERSON, True),
    Reference("product_id", user_by_id, PERSON, False),
)
COLUMNS_OF_LOTS = ("title", "seller_id", "winner_id", "product_id")
WIDE = Wide(AuctionRow, COLUMNS_OF_LOTS, REFERENCES, placed=False).kind
TEXT = """{ lots { title seller { id name: username avatarUrl createdAt __typename }
  winner { id username createdAt } keeper { id avatarUrl } watcher { username } } }"""
ADA, BOB, NOBODY = UUID(int=1), UUID(int=2), UUID(int=9)


@strawberry.type
class Person:
    public_id: strawberry.ID = attribute("Its id.", name="id")
    username: str = attribute("A name.")
    avatar_url: str | None = attribute("May be null.")
    created_at: datetime = attribute("A moment.")


@strawberry.type
class Lot:
    title: str = attribute("Its title.")
    seller: Person = loaded(user_by_id, key="seller_id", description="Is always there.")
    winner: Person | None = loaded(user_by_id, key="winner_id", description="May be nobody.")
    keeper: Person = loaded(user_by_id, key="product_id", description="No table vouches for it.")
    watcher: Person | None = loaded(user_by_id, key="product_id", description="So is this.")


@strawberry.type
class Query:
    @strawberry.field
    def lots(self, info: strawberry.Info) -> list[Lot | None]:
        return info.context.rows


def person(key: UUID, beyond: UUID | None = None):
    """The columns of a person as the database tells them; of one `beyond` what a moment can be."""
    avatar_url = None if key == ADA else "https://img.example/b"
    created_at = BEYOND if key == beyond else AT
    return dict(zip(COLUMNS, (key, f'"{key.int}" é', avatar_url, created_at), strict=True))


def lot(seller=ADA, winner=BOB, keeper=BOB, beyond=None):
    """A row with those it refers to within it."""
    values = {"title": "Bowl", "seller_id": seller, "winner_id": winner, "product_id": keeper}
    for n, key in enumerate((seller, winner, keeper)):
        there = {} if key in (None, NOBODY) else person(key, beyond)
        values |= {f"beside_{n}_{name}": there.get(name) for name in COLUMNS}
    return tuple.__new__(WIDE, [values[name] for name in record_of(WIDE)])


def context(rows, beyond=None):
    """What the loaders of an operation know, without a database: to ask it would fail."""
    loaders = Loaders(None)
    for key in (ADA, BOB):
        told = dict.fromkeys(UserRow._fields) | person(key, beyond)
        loaders.prime(user_by_id, key, UserRow(**told))
    loaders.prime(user_by_id, NOBODY, None)
    Beside(REFERENCES, loaders._offer).tell(rows, REFERENCES)
    loaders._offer(REFERENCES[2], lambda: {NOBODY: None})
    return SimpleNamespace(rows=rows, loaders=loaders)


@pytest.fixture(scope="module")
def schemas(through_both):
    return through_both(Query)


@pytest.mark.parametrize(
    "rows",
    [
        [lot(), lot(seller=BOB, winner=None), lot(keeper=ADA)],
        [lot(), lot(keeper=NOBODY)],
        [lot(), lot(keeper=None)],
    ],
    ids=["all there", "no such keeper", "no key of a keeper"],
)
async def test_rows_within_rows_are_shown_as_those_a_loader_finds(
    schemas, late_fields, rows, caplog
):
    caplog.set_level("CRITICAL")
    text = TEXT + " " * len(rows) + "\n" * repr(rows).count("None")  # a document of its own
    found, expected = [await each.execute(text, context_value=context(rows)) for each in schemas]
    assert found.data == expected.data
    assert [str(e) for e in found.errors or ()] == [str(e) for e in expected.errors or ()]
    assert bool(found.errors) == (rows[-1].product_id in (None, NOBODY))
    assert list(found.data["lots"][0]) == ["title", "seller", "winner", "keeper", "watcher"]
    assert found.data["lots"][0]["seller"] == {
        "id": f"usr_{ADA.hex}",
        "name": '"1" é',
        "avatarUrl": None,
        "createdAt": AT,
        "__typename": "Person",
    }
    assert late_fields[0] == ()


async def test_what_is_odd_about_one_within_is_looked_at_one_by_one(schemas, late_fields, caplog):
    caplog.set_level("CRITICAL")
    rows = [lot(winner=None), lot(seller=BOB, winner=None, beyond=BOB)]
    known = context(rows, beyond=BOB)
    found, expected = [await each.execute(TEXT, context_value=known) for each in schemas]
    assert [str(e) for e in found.errors] == [str(e) for e in expected.errors]
    assert [e.path for e in found.errors] == [["lots", 1, "seller", "createdAt"]]
    assert found.data == expected.data
    assert found.data["lots"][0]["seller"]["createdAt"] == AT
    assert late_fields[0] == ()


async def test_a_class_is_told_with_all_that_it_has(schemas):
    assert "beside_0_username='\"1\" é'" in repr(lot())
    assert "beside_0_id" not in record_of(WIDE)  # a key that a table vouches for is told once
    assert "beside_2_id" in record_of(WIDE)
    assert lot().seller_id == ADA
