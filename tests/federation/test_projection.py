"""What a projected subgraph carries and how it answers."""

from typing import Any

import pytest
import strawberry
from strawberry.dataloader import DataLoader

from schema.projection import DomainSchema, owner_of, project, subgraph_sdl
from schema.projection_plan import domain_of_module

HERE = ("test_projection",)  # the domain of what this module declares
ENTITIES = "query ($of: [_Any!]!) { _entities(representations: $of) { __typename %s } }"
ON_AUCTION = "... on Auction { id title }"


def context(toy_modules: Any) -> dict[str, Any]:
    """A context whose auction loader records its batches; `auc_gone` is not there."""
    auction = toy_modules["toy_auctions"].auction
    batches: list[list[str]] = []

    async def load(keys: list[str]) -> list[Any]:
        batches.append(list(keys))
        return [None if key == "auc_gone" else auction(key) for key in keys]

    return {"auctions": DataLoader(load_fn=load), "batches": batches}


async def entities(schema: Any, of: list[Any], selection: str, **context: Any) -> Any:
    document = ENTITIES % selection
    return await schema.execute(document, variable_values={"of": of}, context_value=context)


def codes(result: Any) -> list[Any]:
    return [(error.extensions or {}).get("code") for error in result.errors]


def test_the_owner_of_a_field_is_the_module_it_is_written_in(toy: Any) -> None:
    expected = {
        ("User", "handle"): "toy_users",
        ("User", "auctions"): "toy_auctions",  # from a mixin
        ("Auction", "id"): "toy_auctions",  # from a shared interface
        ("User", "score"): "toy_users",  # from another domain's interface
        ("Auction", "seller"): "toy_auctions",
        ("Query", "search"): "toy_search",
        ("Subscription", "auctionChanged"): "toy_auctions",
        ("BidTooLow", "message"): "toy_auctions",
        ("Money", "amount"): None,
        ("AuctionConnection", "totalCount"): None,
    }
    assert {key: owner_of(toy.schema, *key) for key in expected} == expected


def test_a_domain_is_a_file_or_a_folder() -> None:
    domains = ("users", "auctions")
    assert domain_of_module("schema.auctions", domains) == "auctions"
    assert domain_of_module("schema.auctions.bidding", domains) == "auctions"
    assert domain_of_module("schema.common", domains) is None


def test_an_entity_is_owned_extended_or_named(toy: Any) -> None:
    users = subgraph_sdl(toy.schema, {"toy_users"})
    auctions = subgraph_sdl(toy.schema, {"toy_auctions"})
    search = subgraph_sdl(toy.schema, {"toy_search"})
    assert '@key(fields: "id") @key(fields: "handle") {' in users
    assert 'type User implements Node @key(fields: "id") @cacheControl' in auctions
    assert 'type User implements Node @key(fields: "id", resolvable: false) @cache' in search
    assert "type User implements Node & Seller" in users
    assert "handle" not in auctions
    assert "PlaceBidInput" not in users + search


def test_a_subgraph_has_no_root_type_it_would_leave_empty(toy: Any) -> None:
    search = project(toy.schema, {"toy_search"})
    assert search.mutation is None
    assert search.subscription is None
    assert "Mutation" not in search.service_sdl


@pytest.mark.parametrize("domain", ["toy_users", "toy_search"])
async def test_an_entity_that_is_only_named_cannot_be_asked_for(toy: Any, domain: str) -> None:
    schema = project(toy.schema, {domain})
    union = schema._schema.get_type("_Entity")
    members = [member.name for member in union.types] if union else []
    assert members == (["User"] if domain == "toy_users" else [])


async def test_references_are_resolved_in_one_batch_in_the_order_asked(
    toy: Any, toy_modules: Any
) -> None:
    schema = project(toy.schema, {"toy_auctions"})
    asked = ["auc_3", "auc_1", "auc_gone", "auc_2"]
    of: list[Any] = [{"__typename": "Auction", "id": one, "extra": 1} for one in asked]
    of.insert(1, {"__typename": "User", "id": "usr_7"})
    made = context(toy_modules)
    users = "... on User { auctions { edges { node { id } } } }"
    result = await entities(schema, of, ON_AUCTION + users, **made)
    assert result.errors is None
    auctions = {"__typename": "Auction"}
    assert result.data["_entities"] == [
        auctions | {"id": "auc_3", "title": "Lot 3"},
        {"__typename": "User", "auctions": {"edges": [{"node": {"id": "auc_7"}}]}},
        auctions | {"id": "auc_1", "title": "Lot 1"},
        None,
        auctions | {"id": "auc_2", "title": "Lot 2"},
    ]
    assert made["batches"] == [asked]


async def test_a_second_key_is_as_good_as_the_first(toy: Any) -> None:
    schema = project(toy.schema, {"toy_users"})
    of = [{"__typename": "User", "handle": "h4"}, {"__typename": "User", "id": 5}]
    result = await entities(schema, of, "... on User { id }")
    assert [one["id"] for one in result.data["_entities"]] == ["usr_4", "5"]


@pytest.mark.parametrize(
    ("representation", "message"),
    [
        ({"__typename": "Nobody", "id": "1"}, "no entity 'Nobody' can be resolved here"),
        ({"__typename": "Auction", "id": "1"}, "no entity 'Auction' can be resolved here"),
        ({"id": "1"}, "no entity None can be resolved here"),
        ({"__typename": ["User"], "id": "1"}, "no entity"),
        ({"__typename": "User"}, "a representation of User needs id or handle"),
        ({"__typename": "User", "id": None}, "a representation of User needs id or handle"),
        ({"__typename": "User", "id": {"a": 1}}, "User.id: ID cannot represent"),
        ("usr_1", "a representation must be an object"),
    ],
)
async def test_a_bad_representation_fails_alone_and_says_why(
    toy: Any, representation: Any, message: str
) -> None:
    schema = project(toy.schema, {"toy_users"})
    of = [{"__typename": "User", "id": "usr_1"}, representation]
    result = await entities(schema, of, "... on User { id }")
    assert result.data["_entities"] == [{"__typename": "User", "id": "usr_1"}, None]
    assert codes(result) == ["BAD_USER_INPUT"]
    assert result.errors[0].message.startswith(message)
    assert result.errors[0].path == ["_entities", 1]


@pytest.mark.parametrize("domains", [{"toy_auctions"}, None])
async def test_too_many_representations_resolve_nothing(
    toy: Any, toy_modules: Any, domains: set[str] | None
) -> None:
    schema = project(toy.schema, domains) if domains else toy.schema
    made = context(toy_modules)
    of = [{"__typename": "Auction", "id": f"auc_{one}"} for one in range(6)]
    result = await entities(schema, of, ON_AUCTION, **made)
    assert result.data is None
    assert codes(result) == ["BAD_USER_INPUT"]
    assert result.errors[0].message == "6 representations; the limit is 5"
    assert made["batches"] == []


async def test_the_monolith_and_a_subgraph_answer_alike(toy: Any) -> None:
    document = """mutation { placeBid(input: {auctionId: "auc_1", amount: "3"}) {
      __typename ... on BidTooLow { message code minimumBid { amount asset } } } }"""
    whole = await toy.schema.execute(document)
    part = await project(toy.schema, {"toy_auctions"}).execute(document)
    assert whole.errors is None
    assert whole.data["placeBid"]["__typename"] == "BidTooLow"
    assert part.data == whole.data


async def test_exception_handlers_work_in_a_subgraph(toy: Any) -> None:
    document = 'mutation { rename(handle: "x") { ... on NotFound { what } } }'
    result = await project(toy.schema, {"toy_users"}).execute(document)
    assert result.errors is None
    assert result.data == {"rename": {"what": "x"}}


async def test_node_gives_stubs_of_other_domains(toy: Any) -> None:
    users = project(toy.schema, {"toy_users"})
    result = await users.execute('{ node(id: "auc_1") { __typename id } }')
    assert result.data == {"node": {"__typename": "Auction", "id": "auc_1"}}
    refused = await users.execute('{ node(id: "auc_1") { ... on Auction { title } } }')
    assert "Cannot query field 'title' on type 'Auction'" in refused.errors[0].message


async def test_an_interface_sheds_what_stubs_do_not_carry(toy: Any) -> None:
    search = project(toy.schema, {"toy_search"})
    result = await search.execute("{ featured { __typename id } }")
    assert result.data == {"featured": {"__typename": "Auction", "id": "auc_8"}}
    refused = await search.execute("{ featured { title } }")
    assert "Cannot query field 'title' on type 'Titled'" in refused.errors[0].message


async def test_a_union_of_other_domains_entities_gives_stubs(toy: Any) -> None:
    document = """{ search(by: {text: "a"}) { edges { node { found { ... on User { id } } } } } }"""
    result = await project(toy.schema, {"toy_search"}).execute(document)
    assert result.errors is None
    assert result.data["search"]["edges"][0]["node"]["found"] == {"id": "usr_1"}


async def test_subscriptions_run_in_their_subgraph(toy: Any) -> None:
    schema = project(toy.schema, {"toy_auctions"})
    stream = await schema.subscribe('subscription { auctionChanged(id: "auc_9") { title } }')
    events = [event.data async for event in stream]
    assert events == [{"auctionChanged": {"title": "Lot 9"}}]


async def test_service_gives_the_sdl(toy: Any) -> None:
    for schema, domains in (
        (toy.schema, set(toy.domains)),
        (project(toy.schema, {"toy_users"}), {"toy_users"}),
    ):
        result = await schema.execute("{ _service { sdl } }")
        assert result.data == {"_service": {"sdl": subgraph_sdl(toy.schema, domains)}}


def test_a_projection_can_be_projected_again(toy: Any) -> None:
    users = project(toy.schema, {"toy_users"})
    assert project(users, {"toy_auctions"}).service_sdl == subgraph_sdl(users, {"toy_auctions"})


@pytest.mark.parametrize("domains", [set(), {"toy_users", "nowhere"}])
def test_unknown_domains_are_refused(toy: Any, domains: set[str]) -> None:
    with pytest.raises(ValueError, match="no such domains"):
        project(toy.schema, domains)


def test_a_root_field_outside_the_domains_is_refused() -> None:
    @strawberry.type
    class Query:
        lost: int = 1

    with pytest.raises(ValueError, match=r"Query\.lost is written in .*write it in one of users"):
        DomainSchema(query=Query, domains=("users",))


def test_an_undecorated_mixin_is_refused() -> None:
    class Forgotten:
        @strawberry.field
        def lost(self) -> int:
            return 1

    @strawberry.type
    class Query(Forgotten):
        found: int = 1

    with pytest.raises(ValueError, match=r"Forgotten.* has fields for Query: decorate it"):
        DomainSchema(query=Query, domains=HERE)


@strawberry.federation.type(keys=["id"])
class Thing:
    id: strawberry.ID


def test_an_entity_without_resolve_reference_is_refused() -> None:
    @strawberry.type
    class Query:
        thing: Thing | None = None

    with pytest.raises(ValueError, match=r"Thing has a @key.*resolve_reference"):
        DomainSchema(query=Query, domains=HERE)


@strawberry.federation.type(keys=["thing { id }"])
class Nested(Thing):
    thing: Thing | None = None


def test_a_nested_key_is_refused() -> None:
    @strawberry.type
    class Query:
        nested: Nested | None = None

    with pytest.raises(ValueError, match=r"of Nested must name plain fields"):
        DomainSchema(query=Query, domains=HERE)
