"""Levels against graphql-core over a schema that misbehaves: the same data and the same errors."""

import pytest
from graphql import NoUnusedVariablesRule, parse, specified_rules, validate
from graphql.execution import execute

from execution.levels import level_executor
from tests.conformance.hostile import Hostile, Operations

# A grown operation need not use all the variables that it declares.
RULES = [rule for rule in specified_rules if rule is not NoUnusedVariablesRule]


def answer(hostile, document, variables, executor_class=None):
    options = {} if executor_class is None else {"executor_class": executor_class}
    return execute(
        hostile.schema,
        document,
        root_value={},
        variable_values=variables,
        field_resolver=hostile.resolve,
        type_resolver=hostile.type_of,
        **options,
    )


def told(result):
    """Data, and errors as clients see them, in document order of no importance."""
    errors = sorted((repr(e.path), e.message, repr(e.locations)) for e in result.errors or [])
    return result.data, errors


async def settled(result):
    return await result if hasattr(result, "__await__") else result


@pytest.mark.parametrize("block", range(10))
async def test_levels_answer_as_graphql_core_does_whatever_resolvers_do(block):
    levels = level_executor()
    compared = 0
    for seed in range(block * 50, block * 50 + 50):
        hostile = Hostile(seed)
        text, variables = Operations(hostile.schema, seed).grow()
        document = parse(text)
        assert validate(hostile.schema, document, RULES) == []
        expected = answer(hostile, document, variables)
        found = await settled(answer(hostile, document, variables, levels))
        assert told(found) == told(expected), (seed, text, variables)
        compared += 1
        late = Hostile(seed, late=True)
        found = await settled(answer(late, document, variables, levels))
        assert told(found) == told(expected), ("late", seed, text, variables)
    assert compared == 50
