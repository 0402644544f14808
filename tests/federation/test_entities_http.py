"""`_entities` of a real subgraph over HTTP: what a gateway may send, and what others might."""

from __future__ import annotations

from typing import Any

import pytest

from schema.projection import MAX_ENTITIES
from tests.federation.gateway_world import GatewayWorld

ENTITIES = """query ($of: [_Any!]!) { _entities(representations: $of) {
  __typename ... on User { stalls { nodes { name } } } ... on Auction { id title } } }"""
DEEP = 500


@pytest.fixture(scope="module")
def world(gateway_world_of_session: GatewayWorld) -> GatewayWorld:
    return gateway_world_of_session


def entities(world: GatewayWorld, of: Any) -> Any:
    """What the auctions' subgraph answers."""
    return world.ask(world.sides.subgraphs["auctions"], ENTITIES, of=of)


def auction(id: object) -> dict[str, object]:
    return {"__typename": "Auction", "id": id}


def test_entities_of_several_types_come_in_the_order_asked(world: GatewayWorld) -> None:
    first, second, third = world.ids["auction"][:3]
    person = {"__typename": "User", "id": world.ids["user_account"][0]}
    answer = entities(world, [auction(third), person, auction(first), auction(second)])
    assert "errors" not in answer
    found = answer["data"]["_entities"]
    assert [one.get("id") for one in found] == [third, None, first, second]
    assert found[1]["__typename"] == "User"


def test_one_that_is_absent_is_null_and_one_asked_twice_comes_twice(world: GatewayWorld) -> None:
    there = world.ids["auction"][0]
    absent = "auc_" + "0" * 32
    answer = entities(world, [auction(there), auction(absent), auction(there)])
    assert "errors" not in answer
    ids = [one and one["id"] for one in answer["data"]["_entities"]]
    assert ids == [there, None, there]


@pytest.mark.parametrize(
    ("representation", "told"),
    [
        ({"__typename": "Nobody", "id": "x"}, "no entity 'Nobody' can be resolved here"),
        ({"__typename": "Quest", "id": "x"}, "no entity 'Quest' can be resolved here"),
        ({"id": "x"}, "no entity None can be resolved here"),
        ({"__typename": 7, "id": "x"}, "no entity 7 can be resolved here"),
        ({"__typename": "Auction"}, "a representation of Auction needs id"),
        (auction(None), "a representation of Auction needs id"),
        (auction({"a": 1}), "Auction.id: ID cannot represent"),
        (auction(["auc"]), "Auction.id: ID cannot represent"),
        (auction(1.5), "Auction.id: ID cannot represent"),
        ("auc_1", "a representation must be an object"),
        (3, "a representation must be an object"),
        ([], "a representation must be an object"),
    ],
)
def test_a_bad_representation_fails_alone(
    world: GatewayWorld, representation: object, told: str
) -> None:
    there = world.ids["auction"][0]
    answer = entities(world, [auction(there), representation])
    assert [one and one["id"] for one in answer["data"]["_entities"]] == [there, None]
    (error,) = answer["errors"]
    assert error["message"].startswith(told)
    assert error["path"] == ["_entities", 1]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["requestId"]


@pytest.mark.parametrize("id", ["", "nonsense", "auc_", "usr_" + "1" * 32, "\u0000", "auc_" * 400])
def test_an_id_that_is_none_is_nobodys(world: GatewayWorld, id: str) -> None:
    answer = entities(world, [auction(id)])
    assert answer["data"]["_entities"] == [None]
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    assert codes <= {"BAD_USER_INPUT"}


@pytest.mark.parametrize("of", [None, "x", 3, [None], {"a": 1}])
def test_what_is_no_list_of_representations_is_refused(world: GatewayWorld, of: object) -> None:
    answer = entities(world, of)
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}


def test_more_than_the_limit_resolve_nothing(world: GatewayWorld) -> None:
    there = auction(world.ids["auction"][0])
    assert "errors" not in entities(world, [there] * MAX_ENTITIES)
    answer = entities(world, [there] * (MAX_ENTITIES + 1))
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["message"] == f"{MAX_ENTITIES + 1} representations; the limit is {MAX_ENTITIES}"
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def test_deep_json_in_a_representation_harms_nothing(world: GatewayWorld) -> None:
    deep: Any = "x"
    for _ in range(DEEP):
        deep = [deep]
    answer = entities(world, [auction(world.ids["auction"][0]) | {"extra": deep}, auction(deep)])
    codes = {error["extensions"]["code"] for error in answer["errors"]}
    assert codes == {"BAD_USER_INPUT"}
