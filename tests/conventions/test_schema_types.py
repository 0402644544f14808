"""What every type and field of the schema keeps to: words, costs, bounds, pages, ids."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    parse,
    validate,
)
from strawberry.federation.schema_directives import Cost, Key, ListSize

from web.graphiql_build import PROJECT as GRAPHIQL

PAGE_ARGUMENTS = {"first": "Int", "after": "Cursor", "last": "Int", "before": "Cursor"}
WORDS_MIN = 10
EXAMPLES = sorted((GRAPHIQL / "examples").glob("*.graphql"))


def objects(types) -> Iterator[tuple[str, GraphQLObjectType | GraphQLInterfaceType]]:
    for name, kind in types.items():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            yield name, kind


def said(types) -> Iterator[tuple[str, str, str | None]]:
    """Place, name and description of everything that is to be described."""
    for name, kind in types.items():
        yield name, name, kind.description
        if isinstance(kind, GraphQLEnumType):
            members = kind.values
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            members = {n: f for n, f in kind.fields.items() if not n.startswith("_")}
        else:
            members = {}
        for member, value in members.items():
            yield f"{name}.{member}", member, value.description
            for argument, given in getattr(value, "args", {}).items():
                yield f"{name}.{member}({argument}:)", argument, given.description


def test_everything_is_described_in_words_of_its_own(own_types):
    places = list(said(own_types))
    assert len(places) > 400  # the walk itself works
    bad = [
        f"{place}: {words!r}"
        for place, name, words in places
        if words is None
        or len(words) < WORDS_MIN
        or words.replace(" ", "").strip(".").lower() == name.lower()
    ]
    assert bad == []


def test_schema_adds_no_directive_without_a_description(schema, core_schema):
    federation = {"key", "link", "cost", "listSize", "authenticated", "requiresScopes", "tag"}
    federation |= {"shareable", "external", "composeDirective", "interfaceObject", "extends"}
    graphql = {"include", "skip", "deprecated", "specifiedBy", "oneOf", "defer", "stream"}
    ours = [d for d in core_schema.directives if d.name not in federation | graphql]
    assert [d.name for d in ours if len(d.description or "") < WORDS_MIN] == []
    assert [type(directive).__name__ for directive in schema.schema_directives] == ["Link"]


def interfaces_fields(types) -> set[str]:
    """Fields of interfaces, there and where they are inherited: composers take no @cost there."""
    found = set()
    for name, kind in objects(types):
        of_interfaces = [kind] if isinstance(kind, GraphQLInterfaceType) else kind.interfaces
        found |= {f"{name}.{field}" for interface in of_interfaces for field in interface.fields}
    return found


def test_every_field_declares_its_cost(own_types, declared):
    assert len(declared) > 150
    without = {str(field) for field in declared if field.directive(Cost) is None}
    assert without - interfaces_fields(own_types) == set()


def test_fields_without_a_declared_cost_are_leaves_which_cost_nothing(own_types):
    for place in interfaces_fields(own_types):
        name, field = place.split(".")
        assert is_leaf_type(get_named_type(own_types[name].fields[field].type)), place


def test_costs_are_not_negative_and_mutations_cost_more_than_reads(declared):
    costs = {str(field): field.directive(Cost) for field in declared}
    weights = {name: cost.weight for name, cost in costs.items() if cost is not None}
    assert [name for name, weight in weights.items() if weight < 0] == []
    mutations = [w for name, w in weights.items() if name.startswith("Mutation.")]
    assert min(mutations) >= 10


def test_every_list_says_how_long_it_may_get(own_types, declared):
    directives = {str(field): field.directive(ListSize) for field in declared}
    lists = [
        f"{name}.{field}"
        for name, kind in objects(own_types)
        for field, given in kind.fields.items()
        if isinstance(get_nullable_type(given.type), GraphQLList) and not field.startswith("_")
    ]
    assert len(lists) > 10
    bad = [name for name in lists if directives[name] is None]
    unbounded = [name for name in lists if name not in bad and not directives[name].assumed_size]
    assert (bad, unbounded) == ([], [])


def test_items_of_lists_are_never_null(own_types):
    bad = []
    for name, kind in objects(own_types):
        for field, given in kind.fields.items():
            bare = get_nullable_type(given.type)
            if isinstance(bare, GraphQLList) and not isinstance(bare.of_type, GraphQLNonNull):
                bad.append(f"{name}.{field}")
    assert set(bad) == {"Query.nodes", "Query._entities"} & set(bad)


def test_connections_are_relays_with_a_count(own_types):
    connections = {n: t for n, t in objects(own_types) if n.endswith("Connection")}
    assert {"AuctionConnection", "BidConnection", "UserConnection"} <= connections.keys()
    # Of hits, not of nodes, and with facets: its shape stands in tests/schema/search.
    connections.pop("SearchConnection")
    for name, kind in connections.items():
        edge, node = name.replace("Connection", "Edge"), name.removesuffix("Connection")
        shape = {field: str(given.type) for field, given in kind.fields.items()}
        assert shape == {
            "edges": f"[{edge}!]!",
            "nodes": f"[{node}!]!",
            "pageInfo": "PageInfo!",
            "totalCount": "Int!",
        }, name
        assert {f: str(g.type) for f, g in own_types[edge].fields.items()} == {
            "cursor": "Cursor!",
            "node": f"{node}!",
        }, edge


def test_fields_that_give_connections_take_relays_arguments(own_types, declared):
    directives = {str(field): field.directive(ListSize) for field in declared}
    found = 0
    for name, kind in objects(own_types):
        for field, given in kind.fields.items():
            if get_named_type(given.type).name.endswith("Connection"):
                found += 1
                arguments = {n: str(a.type) for n, a in given.args.items() if n in PAGE_ARGUMENTS}
                assert arguments == PAGE_ARGUMENTS, f"{name}.{field}"
                size = directives[f"{name}.{field}"]
                assert size is not None, f"{name}.{field}"
                assert size.slicing_arguments == ["first", "last"], f"{name}.{field}"
                assert size.sized_fields == ["edges", "nodes"], f"{name}.{field}"
    assert found > 8


def test_lists_of_nodes_are_connections_but_for_those_that_rules_bound(own_types):
    """A plain list of entities is allowed only where a rule keeps it short."""
    plain = {
        f"{name}.{field}"
        for name, kind in objects(own_types)
        for field, given in kind.fields.items()
        if isinstance(get_nullable_type(given.type), GraphQLList)
        and "Node" in {i.name for i in getattr(get_named_type(given.type), "interfaces", ())}
        and not name.endswith("Connection")
    }
    allowed = {
        "Auction.topBids": "its `first` is 20 at most",
        "User.sessions": "50 live sessions a person; one more ends the oldest",
        "Query.nodes": "as many as there are ids, which are bounded",
        "Query.platforms": "200 platforms at most",
        "Preferences.platforms": "50 at most",
        "Preferences.memberships": "50 at most",
        "Wallet.accounts": "one for each asset",
        "Wallet.linkedAddresses": "20 addresses a person",
        "Order.transfers": "20 an order, by a CHECK",
        "TransferFundsSuccess.transfers": "as many as there were legs, 100 at most",
        "Title.similar": "the 50 that go best with it are all that is kept",
    }
    assert plain - allowed.keys() == set()


def test_no_float_anywhere(core_schema):
    assert "Float" not in core_schema.type_map


NO_NODES = {"Session": "its owner alone sees it, in a list of 50, and nothing else refers to it"}


def test_whatever_has_an_id_is_a_node_and_an_entity(schema, own_types):
    with_id = [n for n, t in objects(own_types) if "id" in t.fields]
    with_id = [name for name in with_id if name != "Node" and name not in NO_NODES]
    assert {"Auction", "Bid", "Product", "Stall", "User"} <= set(with_id)
    for name in with_id:
        definition = schema.schema_converter.type_map[name].definition
        assert "Node" in {i.name for i in own_types[name].interfaces}, name
        assert str(own_types[name].fields["id"].type) == "ID!", name
        keys = [d.fields for d in definition.directives or () if isinstance(d, Key)]
        assert [str(key) for key in keys] == ["id"], name
        assert callable(getattr(definition.origin, "resolve_reference", None)), name
        assert definition.is_type_of is not None, name


def test_ids_are_of_type_id_wherever_they_are_named(own_types):
    bad = []
    for name, kind in own_types.items():
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType | GraphQLInterfaceType):
            for field, given in kind.fields.items():
                named = field == "id" or field.endswith("Id")
                if named and get_named_type(given.type).name != "ID":
                    bad.append(f"{name}.{field}")
    assert bad == []


def test_moments_are_datetimes_and_cursors_are_cursors(own_types):
    for name, kind in objects(own_types):
        for field, given in kind.fields.items():
            scalar = get_named_type(given.type).name
            if field.endswith("At"):
                assert scalar == "DateTime", f"{name}.{field}"
            if field.lower().endswith("cursor"):
                assert scalar == "Cursor", f"{name}.{field}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_graphiqls_examples_are_valid_operations(core_schema, path):
    assert validate(core_schema, parse(path.read_text(encoding="utf-8"))) == []


def test_graphiql_has_examples():
    assert len(EXAMPLES) >= 4
