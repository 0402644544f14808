"""References of a gateway: a batch for each type, in the order asked, and each bad one alone; the
same through both executors. And what unions are made of, told apart by their rows' classes."""

from collections import namedtuple

import pytest
import strawberry

from core.ids import encode_id, new_id
from execution.levels import level_executor
from schema.build import build_schema

ASK = """query ($of: [_Any!]!) { _entities(representations: $of) { __typename
  ... on User { id username } ... on Stall { id }
  ... on Auction { id title seller { username } } } }"""


@pytest.fixture(scope="module", params=["levels", "graphql-core"])
def either(request, schema):
    """The schema run by levels, and by graphql-core."""
    return schema if request.param == "levels" else build_schema(executor="graphql-core")


@pytest.fixture
def refer(either, context_for):
    async def run(of, person=None):
        return await either.execute(
            ASK, variable_values={"of": of}, context_value=context_for(person)
        )

    return run


async def test_a_batch_a_type_in_the_order_asked(refer, make_user, open_lot, statements):
    ada, bob = await make_user("ada"), await make_user("bob")
    lot = await open_lot(ada)
    user = [{"__typename": "User", "id": one.public_id} for one in (bob, ada)]
    auction = {"__typename": "Auction", "id": lot.public_id}
    stall = {"__typename": "Stall", "id": encode_id("stl", lot.stall_id)}
    gone = {"__typename": "User", "id": encode_id("usr", new_id())}
    statements.clear()
    result = await refer([user[0], auction, gone, user[1], stall, user[0]])
    assert result.errors is None
    shown = [user[0] | {"username": "bob"}, user[1] | {"username": "ada"}]
    assert [one and one.pop("title", None) for one in result.data["_entities"]][2] is None
    assert result.data["_entities"] == [
        shown[0],
        auction | {"seller": {"username": "ada"}},
        None,
        shown[1],
        stall,
        shown[0],
    ]
    assert len(statements) == 3  # users, auctions, stalls; the seller is among the users


async def test_a_bad_reference_is_an_error_at_its_own_place(refer, make_user):
    ada = await make_user("ada")
    good = {"__typename": "User", "id": ada.public_id}
    bad = [
        {"__typename": "Nobody", "id": "x"},
        {"id": ada.public_id},
        {"__typename": "User"},
        {"__typename": "User", "id": ["x"]},
        "usr_1",
    ]
    result = await refer([good, *bad, {"__typename": "User", "id": "auc_1"}, good])
    assert [one and one["username"] for one in result.data["_entities"]] == [
        "ada",
        *[None] * 6,
        "ada",
    ]
    assert [error.path for error in result.errors] == [["_entities", n] for n in range(1, 6)]
    assert {error.extensions["code"] for error in result.errors} == {"BAD_USER_INPUT"}
    assert result.errors[0].message.startswith("no entity 'Nobody' can be resolved here")


async def test_more_references_than_the_limit_resolve_nothing(refer, statements):
    statements.clear()
    result = await refer([{"__typename": "User", "id": "usr_1"}] * 101)
    assert result.data is None
    assert [error.message for error in result.errors] == ["101 representations; the limit is 100"]
    assert statements == []


Cell = namedtuple("Cell", "kind value")
Other = namedtuple("Other", "value")
Odd = namedtuple("Odd", "value")


@strawberry.type
class Wet:
    value: int

    @classmethod
    def is_type_of(cls, obj, info):
        return isinstance(obj, Cell) and obj.kind == "wet"


@strawberry.type
class Dry:
    value: int

    @classmethod
    def is_type_of(cls, obj, info):
        if isinstance(obj, Cell) and obj.kind == "raises":
            raise ValueError("no type at all")
        return isinstance(obj, Cell) and obj.kind == "dry"


@strawberry.type
class Plain:
    value: int

    @classmethod
    def is_type_of(cls, obj, info):
        return isinstance(obj, Other)


KINDS = ["wet", "dry", "wet", "nothing", "raises", "dry", "wet"]


@strawberry.type
class Query:
    @strawberry.field
    def cells(self, turned: bool) -> list[Wet | Dry | Plain | None]:
        made = [Cell(kind, n) for n, kind in enumerate(KINDS)]
        made += [Other(7), Odd(8), Plain(value=9), None]
        return [*reversed(made)] if turned else made


@pytest.mark.parametrize("turned", [False, True])
async def test_rows_of_one_class_may_be_of_several_types(turned):
    answers = []
    for executor in (level_executor(), None):
        made = strawberry.Schema(Query, execution_context_class=executor)
        result = await made.execute(
            "query ($turned: Boolean!) { cells(turned: $turned) { __typename "
            "... on Wet { value } ... on Dry { value } ... on Plain { value } } }",
            variable_values={"turned": turned},
        )
        told = sorted((error.path[1], error.message) for error in result.errors)
        answers.append((result.data["cells"][:: -1 if turned else 1], told))
    assert answers[0] == answers[1]
    cells, errors = answers[0]
    wet, dry, plain = ({"__typename": name} for name in ("Wet", "Dry", "Plain"))
    assert cells == [
        wet | {"value": 0},
        dry | {"value": 1},
        wet | {"value": 2},
        None,
        None,
        dry | {"value": 5},
        wet | {"value": 6},
        plain | {"value": 7},
        None,
        None,
        None,
    ]
    wrong = (3, 4, 8, 9)
    assert [n for n, _ in errors] == sorted(10 - n if turned else n for n in wrong)
