"""How large a document may be, and the store that remembers prepared ones."""

import time

import pytest
from graphql import GraphQLSyntaxError, build_schema, parse

from execution.limits import MAX_TOLD, Limits, limit_errors, variable_errors
from execution.store import MAX_KEPT_LENGTH, DocumentStore

SCHEMA = build_schema("type Query { a: Query! b: Int }")


def errors(document: str, **limits: int) -> list[str]:
    found = limit_errors(parse(document), Limits(**limits))
    return [error.message for error in found]


def nested(levels: int) -> str:
    return "{ a " * (levels - 1) + "{ b }" + " }" * (levels - 1)


def test_depth_counts_fields_from_the_root() -> None:
    assert errors(nested(3), max_depth=3) == []
    assert errors(nested(4), max_depth=3) == ["selections nest 4; the limit is 3"]


def test_fragments_are_as_deep_as_what_they_hold() -> None:
    inline = "{ a { ... on Query { a { b } } } }"
    spread = "{ a { ...F } } fragment F on Query { a { b } }"
    for document in (inline, spread):
        assert errors(document, max_depth=3) == []
        assert errors(document, max_depth=2) == ["selections nest 3; the limit is 2"]


def test_aliases_are_counted_through_each_spread() -> None:
    document = "{ x: b a { ...F } y: a { ...F } } fragment F on Query { p: b q: b }"
    assert errors(document, max_aliases=6) == []
    assert errors(document, max_aliases=5) == ["aliases are 6; the limit is 5"]


def test_each_operation_is_measured_by_itself() -> None:
    document = "query A { x: b } query B { y: b z: b }"
    assert errors(document, max_aliases=1) == ["aliases are 2; the limit is 1"]


def test_the_error_points_at_the_operation() -> None:
    document = parse("query A { b }\nquery B { x: b }")
    [error] = limit_errors(document, Limits(max_aliases=0))
    assert error.locations[0].line == 2


def test_fragments_that_double_are_measured_in_linear_time() -> None:
    """2^40 aliases when unfolded: measuring must not unfold."""
    levels = 40
    parts = ["{ ...F0 }", f"fragment F{levels} on Query {{ x: b }}"]
    parts += [
        f"fragment F{n} on Query {{ a {{ ...F{n + 1} }} c: a {{ ...F{n + 1} }} }}"
        for n in range(levels)
    ]
    began = time.perf_counter()
    found = errors("\n".join(parts), max_depth=100)
    assert time.perf_counter() - began < 1
    assert found[0] == f"aliases are {2**41 - 1}; the limit is 30"
    assert [said.partition(" are ")[0] for said in found] == ["aliases", "fields"]


def details(document: str, **limits: int) -> list[dict[str, object]]:
    found = limit_errors(parse(document), Limits(**limits))
    return [dict(error.original_error.details) for error in found]


@pytest.mark.parametrize(
    ("document", "limit", "found"),
    [
        ("{ b x: b ...F } fragment F on Query { y: b z: b }", "rootFields", 4),
        ("{ ... { b ... { b } } b }", "rootFields", 3),
        ("{ a { b b ...F } } fragment F on Query { b b }", "breadth", 4),
        ("{ a { b b } c: a { b b b } }", "breadth", 3),
        ("{ a { b ...F } c: a { ...F } } fragment F on Query { b a { b } }", "fields", 9),
        ("{ a { b @skip(if: true) ...F @skip(if: true) } }", "directives", 2),
        ("query @x { ...F ...F } fragment F on Query @x { b @x }", "directives", 3),
        ("query($v: Int @x @y) { b @x }", "directives", 3),
        ("{ b @x @y @z a { b @x } }", "directivesEach", 3),
        ("{ b(v: [[1, 2, 3], [4]]) a { b(v: {v: [1, 2, 3, 4]}) } }", "listItems", 4),
        ("query($v: [Int] = [1, 2, 3]) { b }", "listItems", 3),
        ("{ b @x(v: [1, 2]) }", "listItems", 2),
    ],
)
def test_a_limit_is_told_with_what_was_found(document: str, limit: str, found: int) -> None:
    names = {
        "rootFields": "max_root_fields",
        "breadth": "max_breadth",
        "fields": "max_fields",
        "directives": "max_directives",
        "directivesEach": "max_directives_each",
        "listItems": "max_list_items",
    }
    assert details(document, **{names[limit]: found}) == []
    told = details(document, **{names[limit]: found - 1})
    assert told == [{"limit": limit, "found": found, "maximum": found - 1}]


def test_fragments_that_go_round_or_are_not_there_are_left_to_validation() -> None:
    document = (
        "{ a { ...F ...Nowhere } } fragment F on Query { a { ...G } } fragment G on Query { ...F }"
    )
    assert errors(document, max_depth=3) == []


def test_selections_that_nest_beyond_looking_are_too_deep() -> None:
    document = "{ " + "... on Query { " * 160 + "b" + " }" * 160 + " }"
    assert details(document) == [{"limit": "depth", "found": 151, "maximum": 12}]


def test_numbers_that_are_told_fit_into_json() -> None:
    parts = ["{ ...F0 }", "fragment F70 on Query { x: b }"]
    parts += [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(70)]
    assert [told["found"] for told in details("\n".join(parts))] == [MAX_TOLD] * 4


@pytest.mark.parametrize(
    ("variables", "limit", "found"),
    [
        ({"v": ["x"] * 5}, "listItems", 5),
        ({"v": {"w": [{"x": [1] * 5}]}}, "listItems", 5),
        ({"v": "xxxxx"}, "stringLength", 5),
        ({"v": [{"w": "xxxxx"}]}, "stringLength", 5),
        ({"v": [[[[1]]]]}, "inputDepth", 5),
    ],
)
def test_variables_have_limits_too(variables: dict[str, object], limit: str, found: int) -> None:
    def told(maximum: int) -> list[dict[str, object]]:
        limits = Limits(max_list_items=maximum, max_string_length=maximum, max_input_depth=maximum)
        found = variable_errors(variables, limits)
        return [dict(error.original_error.details) for error in found]

    assert told(found) == []
    assert told(found - 1) == [{"limit": limit, "found": found, "maximum": found - 1}]


def test_introspection_counts_as_one_level() -> None:
    document = "{ __schema { types { fields { type { ofType { ofType { name } } } } } } }"
    assert errors(document, max_depth=1) == []


@pytest.fixture
def store() -> DocumentStore:
    return DocumentStore(Limits(max_tokens=50, documents=2))


def test_documents_are_prepared_once(store: DocumentStore) -> None:
    assert store.prepare(SCHEMA, "{ b }") is store.prepare(SCHEMA, "{ b }")


def test_the_least_recently_used_document_makes_room(store: DocumentStore) -> None:
    first = store.prepare(SCHEMA, "{ b }")
    second = store.prepare(SCHEMA, "{ x: b }")
    assert store.prepare(SCHEMA, "{ b }") is first
    store.prepare(SCHEMA, "{ y: b }")
    assert store.prepare(SCHEMA, "{ b }") is first
    assert store.prepare(SCHEMA, "{ x: b }") is not second


def test_of_long_texts_the_last_alone_is_kept(store: DocumentStore) -> None:
    text = "{ b }" + " " * MAX_KEPT_LENGTH
    first = store.prepare(SCHEMA, text)
    assert store.prepare(SCHEMA, text) is first
    store.prepare(SCHEMA, text + " ")
    assert store.prepare(SCHEMA, text) is not first


def test_invalid_documents_are_remembered_with_their_errors(store: DocumentStore) -> None:
    prepared = store.prepare(SCHEMA, "{ nothing }")
    assert "nothing" in prepared.errors[0].message
    assert store.prepare(SCHEMA, "{ nothing }") is prepared


def test_too_many_tokens_are_a_syntax_error(store: DocumentStore) -> None:
    store.prepare(SCHEMA, "{" + " b" * 48 + " }")
    with pytest.raises(GraphQLSyntaxError, match="50 tokens") as refused:
        store.prepare(SCHEMA, "{" + " b" * 49 + " }")
    told = refused.value.original_error.details
    assert told == {"limit": "tokens", "found": 51, "maximum": 50}


@pytest.mark.parametrize(
    "text",
    [
        "{ a " * 660 + "{ b }" + " }" * 660,
        "{ b(x: " + "[" * 990 + "]" * 990 + ") }",
        "{ b(x: " + "{y: " * 660 + "1" + "}" * 660 + ") }",
        "query ($x: " + "[" * 990 + "Int" + "]" * 990 + ") { b }",
        "{ " + "... on Query { " * 500 + "b" + " }" * 500 + " }",
    ],
    ids=["selections", "lists", "objects", "types", "inline fragments"],
)
def test_nesting_beyond_the_stack_is_refused_like_any_other(text: str) -> None:
    """Within the limit of tokens, and deeper than Python's stack."""
    store = DocumentStore(Limits())
    try:
        prepared = store.prepare(SCHEMA, text)
    except GraphQLSyntaxError:
        return
    assert prepared.errors != []


def test_introspection_can_be_switched_off() -> None:
    store = DocumentStore(Limits(introspection=False))
    for text in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
        errors = store.prepare(SCHEMA, text).errors
        assert errors != []
        assert all("introspection has been disabled" in error.message for error in errors)
    assert store.prepare(SCHEMA, "{ __typename b }").errors == []
