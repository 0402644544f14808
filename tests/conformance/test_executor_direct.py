"""Levels against graphql-core where resolvers are called directly: what they are given, what they
answer and what they raise is what it would be by Strawberry's own call."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest

from execution.direct import direct_of
from execution.levels import level_executor
from execution.sharing import DEFINITION
from schema.build import build_schema
from tests.conformance.comparing import same
from tests.conformance.direct_schema import World, direct_schema

RUNS = 2
"""Of each: what a plan keeps is used from the second on."""
READER = SimpleNamespace(scopes=frozenset({"read"}))
WRITER = SimpleNamespace(scopes=frozenset({"read", "write"}))
SEEN = '{ look a: look(a: 2, toSee: "y") ...F } fragment F on Query { b: look(toSee: "z") }'
WISH = '{word: "w", many: [{word: "m"}, {}], inner: {mood: null}, odd: "o"}'

LITERAL = (
    SEEN,
    "query Named { look }",
    '{ renamed a: renamed(odd: 3) b: renamed(odd: null, twoWords: "given") }',
    '{ plain(needed: 1) a: plain(needed: 2, id: 7, ratio: 1, flag: true, price: "2.50") }',
    '{ plain(needed: -1, id: "x", flag: null, loud: "soft") }',
    "{ moods a: moods(one: BLUE, few: [GLAD, BLUE], blue: BLUE) b: moods(few: [], blue: null) }",
    "{ unset a: unset(x: null, maybe: null) b: unset(x: 1, maybe: 2, sure: 3) }",
    "{ unset(sure: null) }",
    '{ growing a: growing b: growing(numbers: [5], words: [null, "x"]) c: growing(numbers: 9) }',
    f"{{ grants a: grants(wish: {WISH}) b: grants(wish: {WISH}) c: grants(wish: null) }}",
    '{ grants(wish: {word: "w", leftOut: null, times: 9, perhaps: null}) }',
    f"{{ many(wishes: {WISH}) a: many(wishes: [{WISH}, {WISH}], grid: [[1], [2, 3]]) }}",
    "{ many(wishes: []) a: many(wishes: []) }",
    '{ json(value: {a: [1, {b: null}]}) a: json(value: 1, other: "x") b: json(value: null) }',
    "{ picky(input: {n: 1}) a: picky(input: {n: -1}) }",
    '{ node(id: "Um93OjE=") } ',
    '{ node(id: "nonsense") }',
    '{ raises a: raises(how: "graphql") b: raises(how: "stops") c: raises(how: "value") }',
    "{ raisesAtOnce }",
    '{ raisesAtOnce(how: "stops") }',
    '{ raisesAtOnce(how: "value") }',
    "{ later a: later(n: 2) flowing a2: flowing(count: 0) bare }",
    "{ later(n: -1) }",
    "{ static ofClass wrapped a: static(n: 1) b: ofClass(n: 2) c: wrapped(n: 3) }",
    '{ signedIn(loud: "a") }',
    '{ signedIn(loud: "a", input: {n: -1}) }',
    "{ scoped a: scoped(n: 2) }",
    "{ clashing }",
    "{ rare }",
    "{ rare(input: {n: -1}) }",
    "{ a: rare b: rare }",
    "{ rareAtOnce }",
    "{ extended a: extended(n: 3) doubted }",
    "{ rows { n atOnce a: atOnce(by: 5) } }",
    "{ rows { n sure } }",
    '{ rows(first: 2) { sure b: sure(of: "b") atOnce } }',
    f"{{ rows {{ guarded(wish: {WISH}) }} }}",
    "{ rows { error a: error(raised: true) } }",
    "{ rows(first: 0) { sure } a: rows(first: 1) { error sure atOnce } }",
)
"""Whose arguments are the same in each execution."""

NUMBERS: tuple[dict[str, Any], ...] = ({}, {"n": None}, {"n": 4})
VARIABLE: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    ('query($n: Int) { look(a: 1, toSee: "$n") renamed(odd: $n) }', NUMBERS),
    ("query($n: Int = 5) { look renamed(odd: $n) unset(x: $n, maybe: $n) }", NUMBERS),
    ("query($n: Int) { unset(x: $n, maybe: $n, sure: $n) }", NUMBERS),
    ("query($n: Int = 1) { rows(first: $n) { n atOnce(by: $n) } }", NUMBERS),
    ("query($n: Int = null) { plain(needed: 1) rows(first: 2) { atOnce(by: $n) } }", NUMBERS),
    ("query($n: Int) { growing(numbers: [1, $n]) }", NUMBERS),
    ("query($n: Int) { many(wishes: [], grid: [[$n]]) }", NUMBERS),
    (
        'query($n: Int!) { picky(input: {n: $n}) signedIn(loud: "a", input: {n: $n}) }',
        ({"n": 1}, {"n": -1}, {}),
    ),
    ("query($l: Loud!) { signedIn(loud: $l) }", ({"l": "x"}, {"l": "refused"}, {"l": 3})),
    ("query($l: Loud) { plain(needed: 0, loud: $l) }", ({"l": "x"}, {"l": None}, {})),
    (
        "query($p: Decimal) { plain(needed: 0, price: $p) }",
        ({"p": "3.10"}, {"p": "no"}, {"p": None}, {}),
    ),
    (
        "query($i: ID, $f: Boolean = true) { plain(needed: 0, id: $i, flag: $f) }",
        ({"i": 5}, {"i": "x", "f": None}, {}),
    ),
    (
        "query($m: Mood, $f: [Mood!]) { moods(blue: $m, few: $f) }",
        ({"m": "BLUE", "f": ["BLUE", "GLAD"]}, {"m": "SAD"}, {"m": None, "f": None}, {}),
    ),
    ("query($m: Mood = BLUE) { moods(one: $m) }", ({}, {"m": "GLAD"}, {"m": None})),
    (
        "query($w: Wish) { grants(wish: $w) a: grants(wish: $w) }",
        ({"w": {"word": "w", "inner": {}, "many": [{}]}}, {"w": None}, {}, {"w": {"times": 1}}),
    ),
    (
        'query($o: String, $x: Int) { grants(wish: {word: "w", odd: $o, leftOut: $x}) }',
        ({}, {"o": None, "x": None}, {"o": "o", "x": 1}),
    ),
    (
        "query($w: [Wish!]!) { many(wishes: $w) }",
        ({"w": []}, {"w": {"word": "one"}}, {"w": [{"word": "a"}, {"word": "b", "times": None}]}),
    ),
    (
        "query($j: JSON!) { json(value: $j) a: json(value: {in: $j}) }",
        ({"j": {"a": 1}}, {"j": [1]}, {"j": "x"}),
    ),
    ("query($id: ID!) { node(id: $id) }", ({"id": "Um93OjE="}, {"id": "nonsense"})),
    (
        "query($yes: Boolean!) { look(a: 7) @skip(if: $yes) bare growing @include(if: $yes) }",
        ({"yes": True}, {"yes": False}),
    ),
    ("query($w: Wish!) { rows { n guarded(wish: $w) } }", ({"w": {"word": "w"}}, {"w": {}})),
    ("query($s: Int) { clashing(source: $s) }", ({}, {"s": 2})),
)


@pytest.fixture(scope="module")
def schemas() -> list[Any]:
    return [direct_schema(level_executor()), direct_schema(None)]


async def answered(schema: Any, text: str, variables: Any, viewer: Any) -> tuple[Any, list[str]]:
    world = World(viewer=viewer)
    result = await schema.execute(
        text, variable_values=deepcopy(variables), context_value=world, root_value="the root"
    )
    return result, sorted(world.told + world.server.spending.places)


async def compare(schemas: list[Any], text: str, variables: Any) -> None:
    for viewer in (None, READER, WRITER):
        expected, told = await answered(schemas[1], text, variables, viewer)
        for _ in range(RUNS):
            found, seen = await answered(schemas[0], text, variables, viewer)
            case = text, variables, viewer, found, expected
            assert same(found, expected), case
            kinds = [[type(e.original_error) for e in r.errors or []] for r in (found, expected)]
            assert sorted(map(str, kinds[0])) == sorted(map(str, kinds[1])), case
            assert seen == told, case


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("text", LITERAL)
async def test_literal_arguments_are_what_they_were_and_anew_each_time(text, schemas, caplog):
    caplog.set_level("CRITICAL")
    await compare(schemas, text, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("text", "given"), VARIABLE)
async def test_variables_are_given_as_strawberry_gives_them(text, given, schemas, caplog):
    caplog.set_level("CRITICAL")
    for variables in given:
        await compare(schemas, text, variables)
    for variables in reversed(given):  # a plan that has met others
        await compare(schemas, text, variables)


def directly(schema: Any, type_: Any) -> set[str]:
    return {
        name
        for name, field in type_.fields.items()
        if direct_of(schema, field, field.extensions[DEFINITION]) is not None
    }


def test_only_resolvers_around_which_nothing_else_happens_are_called_directly():
    schema = direct_schema(None)._schema
    fields = set(schema.query_type.fields)
    around = {"clashing", "rareAtOnce", "extended", "doubted", "flowing"}
    assert directly(schema, schema.query_type) == fields - around


def test_replaced_resolvers_are_called_as_they_are():
    schema = direct_schema(None)._schema
    replaced = schema.query_type.fields["bare"]
    replaced.resolve = lambda source, info: "another"
    assert "bare" not in directly(schema, schema.query_type)


def test_nothing_that_answers_with_errors_as_values_is_called_directly():
    schema = build_schema()._schema
    assert {"auctions", "user", "node"} <= directly(schema, schema.query_type)
    answers = {
        name
        for name, field in schema.mutation_type.fields.items()
        if any(
            interface.name == "Error"
            for member in getattr(getattr(field.type, "of_type", field.type), "types", ())
            for interface in member.interfaces
        )
    }
    assert len(answers) > 50
    assert not answers & directly(schema, schema.mutation_type)
    assert not directly(schema, schema.subscription_type)
