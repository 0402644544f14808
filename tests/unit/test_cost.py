"""Cost by federation's rules, each case counted by hand; and what is counted of answers."""

from typing import Any

import pytest
from graphql import (
    FragmentDefinitionNode,
    GraphQLSchema,
    build_schema,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import get_variable_values

from core.errors import BadUserInput
from execution import cost as costs
from execution.cost import OperationCost, price
from execution.counting import actual_cost
from execution.limits import TooLarge

SCHEMA = build_schema("""
directive @cost(weight: Int!) on
  ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR
directive @listSize(
  assumedSize: Int, slicingArguments: [String!], sizedFields: [String!],
  requireOneSlicingArgument: Boolean = true
) on FIELD_DEFINITION

scalar Heavy @cost(weight: 4)
enum Mood @cost(weight: 2) { GLAD SAD }
interface Named { name: String }
type Book implements Named {
  name: String, author: Author, pages: [Page!] @listSize(assumedSize: 3)
}
type Author implements Named @cost(weight: 5) { name: String, books: [Book!], friends: [Author!] }
type Page { text: String @cost(weight: 1) }
union Thing = Book | Author | Page
type Connection { edges: [Edge!]!, nodes: [Book!]!, others: [Book!], count: Int @cost(weight: 7) }
type Edge { cursor: String, node: Book! }
input Filter { word: String @cost(weight: 3), moods: [Mood!], inner: Filter, plain: Int }
type Query {
  leaf: String, heavy: Heavy, mood: Mood, free: Book @cost(weight: 0), dear: Int @cost(weight: 6)
  book: Book, sure: Book!, author: Author, named: Named, thing: Thing, things: [Thing!]
  words: [String!], heavies: [Heavy!] @listSize(assumedSize: 3)
  books: [Book!], few: [Book!] @listSize(assumedSize: 5)
  asked(first: Int, last: Int = 4, by: Filter): [Book!]
    @listSize(assumedSize: 8, slicingArguments: ["first", "last"], requireOneSlicingArgument: false)
  one(first: Int, last: Int): [Book!] @listSize(slicingArguments: ["first", "last"])
  page(first: Int): Connection
    @listSize(assumedSize: 20, slicingArguments: ["first"], sizedFields: ["edges", "nodes"],
      requireOneSlicingArgument: false)
  found(
    by: Filter, all: [Filter!], dear: Filter @cost(weight: 9), weighed: Int @cost(weight: 8)
  ): String
  _entities(representations: [String!]!): [Thing]!
}
type Mutation { change(by: Filter): Book @cost(weight: 10), other: Book, leaf: Int }
type Subscription { seen: Book }
""")


def priced(
    text: str, variables: dict[str, Any], schema: GraphQLSchema = SCHEMA
) -> tuple[OperationCost, dict[str, Any]]:
    document = parse(text)
    assert validate(schema, document) == []
    operation = get_operation_ast(document)
    assert operation is not None
    values = get_variable_values(schema, operation.variable_definitions or (), variables)
    assert not isinstance(values, list), values
    fragments = {
        node.name.value: FragmentDetails(node)
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    return price(schema, operation, fragments, values), values.coerced


def requested(text: str, **variables: Any) -> int:
    cost, coerced = priced(text, variables)
    return cost.requested(coerced)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("{ leaf }", 0),
        ("{ __typename leaf t: leaf }", 0),
        ("{ heavy mood }", 4 + 2),
        ("{ dear }", 6),
        ("{ book { name } }", 1),
        ("{ book { name author { name } } }", 1 + 5),
        ("{ free { author { name } } }", 0 + 5),
        ("{ book { name } book { author { name } } }", 1 + 5),
        ("{ a: book { name } b: book { name } }", 2),
        ("{ words }", 0),
        ("{ heavies }", 3 * 4),
        ("{ books { name } }", 100),
        ("{ few { name author { name } } }", 5 * (1 + 5)),
        ("{ few { pages { text } } }", 5 * (1 + 3 * (1 + 1))),
        ("mutation { other { name } }", 10 + 1),
        ("mutation { change { name } }", 10 + 10),
        ("mutation { change { name } other { name } leaf }", 10 + 10 + 1),
        ("subscription { seen { name } }", 1),
        ("{ __schema { types { name fields { name } } } }", 0),
    ],
)
def test_fields_weigh_what_they_declare_else_their_types_else_one_for_objects(text, points):
    assert requested(text) == points


@pytest.mark.parametrize(
    ("text", "variables", "points"),
    [
        ("{ asked(first: 7) { name } }", {}, 7),
        ("{ asked { name } }", {}, 4),
        ("{ asked(first: 3) { name } }", {}, 4),
        ("{ asked(first: 2, last: 9) { name } }", {}, 9),
        ("{ asked(last: null) { name } }", {}, 8),
        ("query($n: Int) { asked(first: $n, last: null) { name } }", {"n": 6}, 6),
        ("query($n: Int) { asked(first: $n, last: null) { name } }", {}, 8),
        ("query($n: Int = 5) { asked(first: $n, last: null) { name } }", {}, 5),
        ("query($n: Int = 5) { asked(first: $n, last: null) { name } }", {"n": None}, 8),
        ("query($n: Int) { asked(first: 1, last: $n) { name } }", {}, 4),
        ("{ asked(first: -7, last: -2) { name } }", {}, 0),
        ("query($n: Int) { asked(first: $n, last: -1) { name } }", {"n": -9}, 0),
        ("{ page(first: 10) { edges { cursor node { name } } } }", {}, 1 + 10 * (1 + 1)),
        ("{ page(first: 10) { nodes { author { name } } } }", {}, 1 + 10 * (1 + 5)),
        ("{ page { edges { cursor } nodes { name } count } }", {}, 1 + 20 + 20 + 7),
        ("{ page(first: 2) { others { name } } }", {}, 1 + 100),
        ("query($n: Int) { page(first: $n) { nodes { author { name } } } }", {"n": 3}, 1 + 18),
        ("{ page(first: 2) { ...F } } fragment F on Connection { nodes { name } }", {}, 1 + 2),
        ("{ one(first: 3) { name } }", {}, 3),
    ],
)
def test_lists_are_as_long_as_arguments_declarations_or_the_field_above_say(
    text, variables, points
):
    assert requested(text, **variables) == points


def test_what_no_reader_of_json_could_take_is_told_as_the_largest_number():
    friends = "friends { " * 5 + "name" + " }" * 5
    asked = f"query($n: Int) {{ asked(first: $n, last: null) {{ author {{ {friends} }} }} }}"
    assert requested(asked, n=1) == 1 + 5 * sum(100**level for level in range(6))
    assert requested(asked, n=2**31 - 1) == 2**53 - 1


@pytest.mark.parametrize("arguments", ["", "(first: 1, last: 1)", "(first: null)"])
def test_where_one_slicing_argument_is_required_there_must_be_exactly_one(arguments):
    cost, coerced = priced(f"{{ one{arguments} {{ name }} }}", {})
    with pytest.raises(BadUserInput, match="one needs exactly one of first, last"):
        cost.requested(coerced)


@pytest.mark.parametrize(
    ("text", "variables", "points"),
    [
        ("{ found(weighed: 3) }", {}, 8),
        ("{ found(weighed: null) }", {}, 0),
        ("query($n: Int) { found(weighed: $n) }", {"n": 1}, 8),
        ("query($n: Int) { found(weighed: $n) }", {}, 0),
        ("{ found(by: {plain: 1}) }", {}, 1),
        ('{ found(by: {word: "a", moods: [GLAD, SAD]}) }', {}, 1 + 3 + 2 + 2 * 2),
        ('{ found(by: {inner: {inner: {word: "a"}}}) }', {}, 1 + 1 + 1 + 3),
        ("{ found(all: [{plain: 1}, {plain: 2}]) }", {}, 2),
        ('{ found(dear: {word: "a"}) }', {}, 9 + 3),
        ("query($f: Filter) { found(by: $f) }", {"f": {"word": "a"}}, 4),
        ("query($w: String) { found(by: {word: $w}) }", {"w": "a"}, 4),
        ("query($w: String) { found(by: {word: $w}) }", {}, 1),
        ("query($f: Filter) { asked(first: 5, by: $f) { name } }", {"f": {"word": "a"}}, 5 + 4),
    ],
)
def test_arguments_weigh_once_whatever_is_in_them(text, variables, points):
    assert requested(text, **variables) == points


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("{ named { name } }", 1),
        ("{ thing { ... on Book { author { name } } ... on Page { text } } }", 1 + 5),
        ("{ thing { ... on Author { friends { name } } ... on Book { name } } }", 1 + 100 * 5),
        ("{ things { ... on Page { text } } }", 100 * (1 + 1)),
        ("{ named { ... on Book { author { name } } ...A } } fragment A on Author { name }", 6),
    ],
)
def test_of_an_interface_or_a_union_the_dearest_type_counts(text, points):
    assert requested(text) == points


def test_entities_are_as_many_as_their_references():
    text = "query($r: [String!]!) { _entities(representations: $r) { ... on Book { name } } }"
    assert requested(text, r=["a", "b", "c"]) == 3
    assert requested('{ _entities(representations: ["a"]) { ... on Book { name } } }') == 1


def test_what_is_skipped_costs_nothing():
    text = "query($no: Boolean!) { book @skip(if: $no) { name } author @include(if: $no) { name } }"
    assert requested(text, no=True) == 5
    assert requested(text, no=False) == 1


def test_what_would_take_long_to_price_is_refused(monkeypatch):
    monkeypatch.setattr(costs, "MAX_PRICED", 3)
    with pytest.raises(TooLarge) as refused:
        priced("{ book { name } a: book { name } }", {})
    assert refused.value.details == {"limit": "fields", "found": 4, "maximum": 3}


def actual(text: str, data: Any, **variables: Any) -> int:
    cost, coerced = priced(text, variables)
    found = actual_cost(cost, data, coerced)
    assert found <= cost.requested(coerced)
    return found


@pytest.mark.parametrize(
    ("text", "data", "points"),
    [
        ("{ book { name } }", {"book": {"name": "a"}}, 1),
        ("{ book { author { name } } }", {"book": None}, 1),
        ("{ book { author { name } } }", {"book": {"author": None}}, 1 + 5),
        ("{ few { author { name } } }", {"few": []}, 0),
        ("{ few { author { name } } }", {"few": None}, 0),
        ("{ few { author { name } } }", {"few": [{"author": {"name": "a"}}] * 2}, 2 * 6),
        (
            "{ page(first: 9) { nodes { pages { text } } count } }",
            {"page": {"nodes": [{"pages": [{"text": "a"}] * 3}, {"pages": None}], "count": 1}},
            1 + 2 + 3 * 2 + 7,
        ),
        ("{ heavies }", {"heavies": ["a"]}, 4),
        ('{ asked(by: {word: "a"}) { name } }', {"asked": []}, 4),
        ("mutation { other { author { name } } }", {"other": None}, 10 + 1),
        ("{ few { name } }", None, 5),
    ],
)
def test_an_answer_costs_what_came(text, data, points):
    assert actual(text, data) == points


THINGS = """{ things { __typename ... on Author { friends { name } } ... on Page { text }
  ... on Book { author { name } } } }"""
UNNAMED = "{ things { ... on Author { friends { name } } ... on Page { text } } }"


def test_types_of_an_answer_are_told_apart_by_name_or_by_what_was_selected_of_them():
    author = {"__typename": "Author", "friends": [{"name": "a"}] * 2}
    page = {"__typename": "Page", "text": "a"}
    book = {"__typename": "Book", "author": None}
    assert actual(THINGS, {"things": [author, page, book]}) == 3 + 2 * 5 + 1 + 5
    nameless = [{k: v for k, v in one.items() if k != "__typename"} for one in (author, page)]
    assert actual(UNNAMED, {"things": [*nameless, {}]}) == 3 + 2 * 5 + 1
