"""Values of variables that are taken as they are, are those that graphql-core makes of them, with
where each came from; of all others nothing is made here."""

import pytest
from graphql import build_schema, parse
from graphql.execution.values import get_variable_values
from hypothesis import given
from hypothesis import strategies as st

from execution.levels import LevelExecutor, level_executor
from execution.limits import Limits
from execution.store import DocumentStore
from execution.variables import plain_values, plain_variables

SCHEMA = build_schema(
    """enum E { ONE } scalar Odd scalar _Any input In { a: Int }
    type Query {
      f(s: String i: Int b: Boolean d: ID o: Odd e: E n: In l: [Int] x: Float): Int
      g(ids: [ID!], words: [String], all: [_Any!]!): Int }"""
)
PLAIN = "query Q($s: String, $i: Int!, $b: Boolean, $d: ID!) { f(s: $s, i: $i, b: $b, d: $d) }"
LISTS = "query Q($ids: [ID!], $words: [String], $all: [_Any!]!) { g(ids: $ids, all: $all) }"
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**33), 2**33),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), -(2**31) - 1]),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=1), st.booleans()), max_size=3),
    st.dictionaries(st.just("a"), st.integers(), max_size=1),
)


def operation(text):
    return parse(text).definitions[0]


def told(values):
    """The values and where they came from; types of lists are made anew for each look."""
    sources = {
        name: (str(each.signature.type), each.signature.default, each.value)
        for name, each in values.sources.items()
    }
    return values.coerced, sources, [*values.coerced]


@given(st.dictionaries(st.sampled_from([*"sibdz"]), VALUES))
def test_what_is_taken_as_it_is_is_what_graphql_core_makes_of_it(variables):
    node = operation(PLAIN)
    found = plain_values(plain_variables(SCHEMA, node), variables)
    expected = get_variable_values(SCHEMA, node.variable_definitions, variables)
    kinds = {"s": str, "i": int, "b": bool, "d": str}
    plain = all(
        type(variables.get(name)) is kind or (name in "sb" and variables.get(name) is None)
        for name, kind in kinds.items()
    )
    if plain and -(2**31) <= variables["i"] < 2**31:
        assert told(found) == told(expected)
    else:
        assert found is None


@given(st.dictionaries(st.sampled_from(["ids", "words", "all"]), VALUES))
def test_lists_of_what_is_plain_are_plain_and_anything_may_be_in_those_of_anything(variables):
    node = operation(LISTS)
    found = plain_values(plain_variables(SCHEMA, node), variables)
    expected = get_variable_values(SCHEMA, node.variable_definitions, variables)
    ids, words, everything = (variables.get(name) for name in ("ids", "words", "all"))
    if (
        (ids is None or (type(ids) is list and all(type(each) is str for each in ids)))
        and (words is None or (type(words) is list and {*map(type, words)} <= {str, type(None)}))
        and (type(everything) is list and None not in everything)
    ):
        assert told(found) == told(expected)
    else:
        assert found is None


@pytest.mark.parametrize(
    ("variables", "coerced"),
    [
        ({"i": 1, "d": "x"}, {"i": 1, "d": "x"}),
        ({"s": None, "i": -(2**31), "d": ""}, {"s": None, "i": -(2**31), "d": ""}),
        ({"i": True, "d": "x"}, None),
        ({"i": 2**31, "d": "x"}, None),
        ({"i": 1.0, "d": "x"}, None),
        ({"i": 1, "d": 7}, None),
        ({"i": 1}, None),
        ({"i": None, "d": "x"}, None),
    ],
)  # fmt: skip
def test_it_is_known_which_values_are_plainly_right(variables, coerced):
    found = plain_values(plain_variables(SCHEMA, operation(PLAIN)), variables)
    assert (found and found.coerced) == coerced


@pytest.mark.parametrize(
    "type_",
    [
        *("Odd", "_Any", "E", "In", "[Int]", "[[ID]]", "[Odd]", "Float", "Nothing"),
        *('String = "a"', "Int! = 1", "[ID] = []"),
    ],
)
def test_variables_of_other_types_and_with_defaults_are_graphql_cores(type_):
    assert plain_variables(SCHEMA, operation(f"query Q($v: {type_}) {{ f }}")) is None


async def test_an_execution_takes_plain_values_and_has_others_looked_at():
    prepared = DocumentStore(Limits()).prepare(SCHEMA, PLAIN)
    for variables, said in (
        ({"i": 3, "d": "x"}, None),
        ({"i": 3, "d": 7}, None),  # an id may be given as a number, and is text then
        ({"i": "3", "d": "x"}, "Variable '$i' has invalid value"),
    ):
        begun = level_executor().begin(
            SCHEMA, prepared, prepared.operations[0], variables=variables, context_value=None
        )
        if said is None:
            assert isinstance(begun, LevelExecutor)
            assert begun.variable_values.coerced == {"i": 3, "d": str(variables["d"])}
        else:
            assert [str(error.message).startswith(said) for error in begun] == [True]
