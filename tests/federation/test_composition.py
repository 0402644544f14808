"""The proof of the split: subgraphs compose, without a warning, into the monolith's API."""

from collections.abc import Callable
from typing import Any

import pytest
from graphql import (
    REMOVE,
    DirectiveNode,
    Node,
    TypeDefinitionNode,
    Visitor,
    build_ast_schema,
    lexicographic_sort_schema,
    parse,
    print_ast,
    print_schema,
    visit,
)
from graphql.language import DirectiveDefinitionNode, SchemaDefinitionNode, SchemaExtensionNode

from schema.committed import FOLDER, routing_urls
from schema.projection import project, subgraph_sdl

API_DIRECTIVES = {"deprecated", "specifiedBy"}  # composers lose @oneOf
MACHINERY = {"_service", "_entities", "_Service", "_Entity", "_Any"}


class ApiOnly(Visitor):
    """Leaves of a schema document what a client of a gateway can see."""

    def enter(self, node: Node, *_: Any) -> Any:
        if isinstance(node, DirectiveDefinitionNode | SchemaDefinitionNode | SchemaExtensionNode):
            return REMOVE
        if isinstance(node, DirectiveNode):
            return None if node.name.value in API_DIRECTIVES else REMOVE
        directives = {one.name.value for one in getattr(node, "directives", None) or ()}
        name = getattr(getattr(node, "name", None), "value", None)
        return REMOVE if name in MACHINERY or "inaccessible" in directives else None

    def leave(self, node: Node, *_: Any) -> Any:
        empty = isinstance(node, TypeDefinitionNode) and getattr(node, "fields", None) == ()
        return REMOVE if empty else None


class Without(Visitor):
    """Cuts the fields of one name out of a document."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def enter_field_definition(self, node: Node, *_: Any) -> Any:
        return REMOVE if node.name.value == self.name else None


def api(sdl: str) -> str:
    """The API in `sdl`: sorted, without federation and without directives of our own."""
    document = visit(parse(sdl, no_location=True), ApiOnly())
    return print_schema(lexicographic_sort_schema(build_ast_schema(document)))


def partitions(domains: tuple[str, ...]) -> dict[str, list[frozenset[str]]]:
    """Ways to split: one process, one a domain, and each domain against the rest."""
    every = frozenset(domains)
    ways = {"one": [every], "each": [frozenset({domain}) for domain in domains]}
    return ways | {f"{d} and the rest": [frozenset({d}), every - {d}] for d in domains}


@pytest.fixture(scope="session")
def composed(split: Any, compose: Callable[..., Any]) -> dict[str, Any]:
    return compose(
        {
            name: {"_".join(sorted(part)): subgraph_sdl(split.schema, part) for part in parts}
            for name, parts in partitions(split.domains).items()
        }
    )


@pytest.mark.parametrize("composer", ["apollo", "guild"])
def test_every_split_composes_without_a_warning(composed: dict[str, Any], composer: str) -> None:
    complaints = {
        name: [*answer[composer].errors, *answer[composer].warnings]
        for name, answer in composed.items()
    }
    assert complaints == {name: [] for name in complaints}


@pytest.mark.parametrize("composer", ["apollo", "guild"])
def test_every_split_has_the_api_of_the_monolith(
    composed: dict[str, Any], composer: str, split: Any
) -> None:
    monolith = api(split.schema.as_str())
    assert "type Query" in monolith
    for name, answer in composed.items():
        assert api(answer[composer].api) == monolith, name


def test_what_executes_is_what_the_sdl_says(split: Any) -> None:
    ways = partitions(split.domains)
    # Each domain alone, all together, and one way between: a second or two for each part.
    for name in ("one", "each", f"{split.domains[-1]} and the rest"):
        for part in ways[name]:
            subgraph = project(split.schema, part)
            sdl = subgraph_sdl(split.schema, part)
            assert api(subgraph.as_str()) == api(sdl), sorted(part)
            assert subgraph.service_sdl == sdl


def test_a_lost_field_would_be_seen(toy: Any, compose: Callable[..., Any]) -> None:
    """The comparison above can fail: with one field cut out, the APIs differ."""
    parts = {domain: subgraph_sdl(toy.schema, {domain}) for domain in toy.domains}
    document = parse(parts["toy_auctions"], no_location=True)
    parts["toy_auctions"] = print_ast(visit(document, Without("minimumBid")))
    answer = compose({"cut": parts})["cut"]["apollo"]
    assert answer.errors == []
    assert api(answer.api) != api(toy.schema.as_str())


def test_what_guards_and_prices_fields_reaches_the_supergraph(
    toy: Any, compose: Callable[..., Any]
) -> None:
    parts = {domain: subgraph_sdl(toy.schema, {domain}) for domain in toy.domains}
    supergraph = compose({"each": parts})["each"]["apollo"].supergraph
    place_bid = next(line for line in supergraph.splitlines() if "  placeBid(" in line)
    assert "@cost(weight: 10)" in place_bid
    assert "@authenticated" in place_bid
    assert '@requiresScopes(scopes: [["bid:write"]])' in place_bid
    auctions = next(line for line in supergraph.splitlines() if "  auctions(first" in line)
    assert '@listSize(slicingArguments: ["first"], sizedFields: ["edges"]' in auctions
    badges = next(line for line in supergraph.splitlines() if "  badges:" in line)
    assert "@listSize(assumedSize: 10, requireOneSlicingArgument: false)" in badges


def test_the_committed_supergraph_is_what_the_subgraphs_compose_to(
    compose: Callable[..., Any],
) -> None:
    urls = routing_urls()
    parts = {domain: (FOLDER / f"{domain}.graphql").read_text() for domain in urls}
    answer = compose({"committed": parts}, urls)["committed"]["guild"]
    assert answer.errors == []
    committed = (FOLDER / "supergraph.graphql").read_text()
    assert committed == answer.supergraph.rstrip() + "\n", "run mela schema supergraph"
