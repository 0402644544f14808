"""Documents made to take long: within the limits none takes more than half a second of processor
time to refuse or to prepare, and others are served meanwhile."""

import asyncio
import gc
import time
from contextlib import suppress

import pytest
from graphql import GraphQLError

from execution.limits import Limits
from execution.store import MAX_KEPT_LENGTH, MAX_SHORT_LENGTH, DocumentStore

STATED_S = 0.5
SLACK = 4
"""The machine that tests run on may be slower, and others use it: what grows with the square of a
document's size takes many times more."""


def spreads(count, body):
    fragments = (f"fragment F{n} on Query {{ {body(n)} }}" for n in range(count))
    return f"{{ {' '.join(f'...F{n}' for n in range(count))} }} {' '.join(fragments)}"


def crossed(count):
    first = (
        f"fragment F{n} on User {{ followers {{ nodes {{ ...G{n} }} }} }}" for n in range(count)
    )
    then = (f"fragment G{n} on User {{ following {{ nodes {{ id }} }} }}" for n in range(count))
    spread = " ".join(f"...F{n}" for n in range(count))
    return f"{{ me {{ {spread} }} }} {' '.join(first)} {' '.join(then)}"


DOCUMENTS = {
    "one object again and again": f"{{ {'me { id } ' * 490} }}",
    "one leaf again and again": f"{{ me {{ {'id ' * 1_980} }} }}",
    "in inline fragments": f"{{ {'... on Query { me { id } } ' * 190} }}",
    "in fragments": spreads(150, lambda n: "me { id }"),
    "in a chain of fragments": spreads(
        120, lambda n: f"me {{ id }} ...F{n + 1}" if n < 119 else "me { id }"
    ),
    "fragments that spread all later ones": spreads(
        38, lambda n: " ".join(["me { id }", *(f"...F{m}" for m in range(n + 1, min(38, n + 16)))])
    ),
    "pairs of fragments": crossed(60),
    "fragments that go round": spreads(140, lambda n: f"...F{(n + 1) % 140} ...F{(n + 7) % 140}"),
    "fields that conflict": "{ " + " ".join(f'user(id: "{n}") {{ id }}' for n in range(210)) + " }",
    "many members of an interface": '{ node(id: "x") { '
    + "... on User { id username } ... on Auction { id title } " * 130
    + "} }",
    "levels of the same": "{ me { " + "followers { ...C } " * 80 + "} } "
    "fragment C on UserConnection { " + "nodes { ...D } " * 80 + "} "
    "fragment D on User { " + "id username " * 150 + "}",
    "names that nobody knows": "{ " + " ".join(f"nonsense{n}" for n in range(1_980)) + " }",
    "arguments that nobody knows": "{ user("
    + " ".join(f"usernam{n}: 1" for n in range(600))
    + ") { id } }",
    "directives": "{ me " + "@skip(if: true) " * 280 + "{ id } }",
    "variables": "query(" + " ".join(f"$v{n}: ID" for n in range(450)) + ") { me { id } }",
    "a long list": "{ nodes(ids: [" + '"a" ' * 1_980 + "]) { id } }",
    "lists in lists": "{ nodes(ids: " + "[" * 900 + "]" * 900 + ") { id } }",
    "objects in objects": "{ user(id: " + "{a: " * 450 + "1" + "}" * 450 + ") { id } }",
    "brackets": "{ a " * 990,
    "a long string": '{ user(id: "' + "a" * 99_000 + '") { id } }',
    "escapes": '{ user(id: "' + "\\u0041" * 16_000 + '") { id } }',
    "a block string": '{ user(id: """' + "\n a" * 33_000 + '""") { id } }',
    "a long name": "{ " + "a" * 99_000 + " }",
    "commas": "{ me { id } } " + "," * 99_000,
    "comments": "{ me { id } } " + "#x\n" * 600,
    "a megabyte": "{ me { id } } " + " " * 1_000_000,
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_within_the_limits_takes_long(schema, name):
    store = DocumentStore(Limits())
    began = time.process_time()
    with suppress(GraphQLError):
        store.prepare(schema._schema, DOCUMENTS[name])
    assert time.process_time() - began < STATED_S * SLACK


def test_a_text_that_is_too_long_is_refused_before_it_is_read(schema):
    with pytest.raises(GraphQLError, match="1000014 characters; the limit is 100000"):
        DocumentStore(Limits()).prepare(schema._schema, DOCUMENTS["a megabyte"])


async def test_others_are_served_while_a_document_is_looked_at(schema):
    """A short text is answered before a hostile one that was asked for first is prepared."""
    store = DocumentStore(Limits())
    slow = asyncio.ensure_future(
        store.prepare_aside(schema._schema, DOCUMENTS["in inline fragments"])
    )
    await asyncio.sleep(0)
    again = asyncio.ensure_future(
        store.prepare_aside(schema._schema, DOCUMENTS["in inline fragments"])
    )
    quick = await store.prepare_aside(schema._schema, "{ me { id } }")
    assert quick.errors == []
    assert not slow.done()
    assert await slow is await again


async def test_a_text_that_is_too_long_to_keep_is_still_looked_at_once(schema):
    text = "{ me { id } } #" + "x" * MAX_KEPT_LENGTH
    store = DocumentStore(Limits())
    first = await store.prepare_aside(schema._schema, text)
    assert store.prepare(schema._schema, text) is first
    assert len(store._kept) == 0
    assert store.prepare(schema._schema, text + "x") is not first


async def test_what_is_wrong_with_a_long_document_reaches_everyone_who_asked(schema):
    text = "{ me { id } " + " " * MAX_SHORT_LENGTH
    store = DocumentStore(Limits())
    found = await asyncio.gather(
        *(store.prepare_aside(schema._schema, text) for _ in range(2)), return_exceptions=True
    )
    assert [type(error).__name__ for error in found] == ["GraphQLSyntaxError"] * 2


def test_documents_are_forgotten_by_what_they_take(schema):
    """Each of the texts has about 500 tokens: 200,000 bytes by the store's count."""
    store = DocumentStore(Limits(documents_bytes=1_000_000))
    for n in range(20):
        store.prepare(schema._schema, f"query N{n} {{ me {{ {'id ' * 500} }} }}")
        assert store.bytes <= 1_000_000
    assert 2 <= len(store._kept) <= 5
    assert store.bytes == sum(kept.bytes for kept in store._kept.values())


async def test_plans_count_and_go_with_their_document(schema, context_for):
    text = "query Counted { me { id username } }"
    await schema.execute(text, context_value=context_for())
    before = schema.documents.prepare(schema._schema, text).bytes
    await schema.execute(text, context_value=context_for())
    kept = schema.documents.prepare(schema._schema, text)
    assert kept.bytes >= before > kept.tokens * 400
    operation = id(kept.operations[0])
    assert operation in schema.documents.plans._known
    del schema.documents._kept[text], kept
    gc.collect()
    assert operation not in schema.documents.plans._known
