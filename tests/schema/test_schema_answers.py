"""Answers about the schema: kept, and byte for byte graphql-core's."""

import time

import orjson
import pytest
from graphql import GraphQLError, get_introspection_query, parse
from graphql.execution import experimental_execute_incrementally as core_execute

from execution.introspection import SchemaAnswers
from execution.limits import Limits
from schema.build import build_schema
from schema.executing import MelaSchema

WHOLE = get_introspection_query()
TYPE = "query ($name: String!) { __type(name: $name) { name kind } __typename }"


async def answered(schema: MelaSchema, text, **variables):
    result = await schema.execute(text, variable_values=variables)
    assert result.errors is None
    return result.data


async def test_the_whole_schema_is_answered_once_and_kept(schema):
    expected = core_execute(schema._schema, parse(WHOLE)).data
    first = await answered(schema, WHOLE)
    assert orjson.dumps(first) == orjson.dumps(expected)
    began = time.process_time()
    again = await answered(schema, WHOLE)
    assert time.process_time() - began < 0.05  # anew, it takes ten times that
    assert again is first
    assert again.encoded == orjson.dumps(expected)


async def test_answers_are_kept_for_each_document_and_variables(schema):
    user = await answered(schema, TYPE, name="User")
    bid = await answered(schema, TYPE, name="Bid")
    assert [one["__type"]["name"] for one in (user, bid)] == ["User", "Bid"]
    assert await answered(schema, TYPE, name="User") is user
    assert await answered(schema, TYPE, name="User", other=1) is user
    assert await answered(schema, TYPE + " ", name="User") is not user


async def test_what_asks_for_more_than_the_schema_is_run_each_time(schema, context_for):
    text = "{ me { id } __schema { queryType { name } } }"
    results = [await schema.execute(text, context_value=context_for()) for _ in range(2)]
    expected = {"me": None, "__schema": {"queryType": {"name": "Query"}}}
    assert [result.data for result in results] == [expected] * 2
    assert results[0].data is not results[1].data


async def test_where_it_is_refused_nothing_is_kept():
    prod = build_schema(limits=Limits(introspection=False))
    for _ in range(2):
        result = await prod.execute("{ __schema { queryType { name } } }")
        assert result.data is None
        assert "introspection" in result.errors[0].message
    assert not prod.answers._kept


async def test_errors_are_not_kept(schema):
    before = len(schema.answers._kept)
    result = await schema.execute(TYPE, variable_values={"name": 5})
    assert isinstance(result.errors[0], GraphQLError)
    assert len(schema.answers._kept) == before


async def test_as_much_is_kept_as_there_is_room_for():
    answers = SchemaAnswers(max_bytes=100)
    operations = [parse("{ __typename }").definitions[0] for _ in range(10)]
    for n, operation in enumerate(operations):
        answers.keep(operation, "", {"n": "x" * 20 + str(n)})
    kept = [answers.find(operation, "") for operation in operations]
    assert [bool(one) for one in kept] == [False] * 7 + [True] * 3
    assert kept[-1] == {"n": "x" * 20 + "9"}
    large = answers.keep(operations[0], "", {"n": "x" * 200})
    assert large == {"n": "x" * 200}
    assert answers.find(operations[0], "") is None


async def test_over_http_the_kept_bytes_are_sent(client):
    first, again = [
        (await client.post("/graphql", json={"query": WHOLE})).content for _ in range(2)
    ]
    assert first == again
    assert orjson.loads(first)["data"]["__schema"]["queryType"]["name"] == "Query"


@pytest.mark.parametrize("text", ["{ ...F } fragment F on Query { __typename }"])
async def test_fragments_at_the_root_are_no_harm(schema, text):
    assert await answered(schema, text) == {"__typename": "Query"}
