"""Levels against graphql-core over the real schema and real rows: what is asked through both is
answered alike, for somebody and for nobody."""

import random

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType, is_object_type

from bench.fuzz import Grower
from core.ids import encode_id
from execution.limits import Limits
from schema.build import build_schema
from services.seed.world import seed_world

ROOMY = Limits(max_tokens=20_000, max_depth=20, max_aliases=500)
OPERATIONS = 240
# What moves with the clock, and what counts its own reading.
SANE = {
    "Int": "3",
    "Boolean": "true",
    "String": '"pot"',
    "DateTime": '"2026-01-31T12:00:00Z"',
    "Decimal": '"12.50"',
    "BigInt": '"7"',
}
MOVING = {"timeLeft", "serverTime"}


@pytest.fixture(scope="module")
def executors():
    """The same schema run by levels, and by graphql-core."""
    return [build_schema(limits=ROOMY, executor=name) for name in ("levels", "graphql-core")]


@pytest.fixture
async def known_ids(database_url, server, sql):
    await seed_world(database_url, scale=0.01, seed=7, password_hash="!")
    prefixes = {"auction": "auc", "user_account": "usr", "stall": "stl", "product": "prd"}
    ids = []
    for table, prefix in prefixes.items():
        rows = await sql(f"SELECT id FROM {table} ORDER BY id LIMIT 6")
        ids += [encode_id(prefix, row.id) for row in rows]
    return ids


class Reader(Grower):
    """Grows queries alone, wide ones, without what moves by itself."""

    def query(self) -> str:
        root = self.schema.query_type
        assert root is not None
        names = [name for name in root.fields if not name.startswith("_")]
        chosen = self.dice.choices(names, k=self.dice.choice((1, 2, 3)))
        fields = [f"f{n}: {self._field(root.fields[x], x, 0)}" for n, x in enumerate(chosen)]
        return f"{{ {' '.join(fields)} }}"

    def _selection(self, type_, depth, in_union=False):
        if is_object_type(type_) and MOVING & set(type_.fields):
            kept = {name: f for name, f in type_.fields.items() if name not in MOVING}
            type_ = GraphQLObjectType(type_.name, kept)
        return super()._selection(type_, depth, in_union)

    def _value(self, type_, name, depth):
        return (
            super()._value(type_, name, depth)
            if self.dice.random() < 0.05
            else self._sane(type_, name, depth)
        )

    def _sane(self, type_, name, depth):
        """Mostly values that can be meant, so that most queries are answered."""
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name, depth)
        if name in ("after", "before", "last"):
            return "null"
        return SANE.get(str(type_)) or super()._value(type_, name, depth)

    def _scalar(self, name):
        if name == "ID" and self.dice.random() < 0.9:
            return f'"{self.dice.choice(self.ids)}"'
        return super()._scalar(name)


def told(result):
    """Errors as clients see them, by path."""
    return {
        (tuple(error.path or ()), error.message, error.extensions["code"])
        for error in result.errors or []
    }


def null_around(data, path):
    """The path to the null that stands in place of what is above `path`; None where there is none,
    or where it is at `path` itself."""
    for n, key in enumerate(path):
        if data is None:
            return path[:n]
        data = data[key]
    return None


def alike(found, expected):
    """The same data, and the same errors. Of several that would make one place null, which are met
    before the first of them stops the rest depends on time under graphql-core: there one is enough.
    """
    if found.data != expected.data:
        return False
    ours, theirs = told(found), told(expected)
    for path, *_ in ours ^ theirs:
        place = null_around(found.data, path)
        if place is None:
            return False
        if not all(any(p[: len(place)] == place for p, *_ in some) for some in (ours, theirs)):
            return False
    return True


# graphql-core leaves coroutines behind where an error ends a selection before they began.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_real_schema_answers_alike_through_both(
    executors, context_for, make_user, open_lot, bid, known_ids
):
    ada, lot = await make_user("ada", roles=("MODERATOR",)), await open_lot()
    await bid(ada, lot, 500)
    ids = [*known_ids, lot.public_id, ada.public_id]
    levels, core = executors
    reader = Reader(core._schema, random.Random(20_261_121), ids)
    answered = failed = 0
    for n in range(OPERATIONS):
        text, person = reader.query(), ada if n % 2 else None
        found = await levels.execute(text, context_value=context_for(person))
        expected = await core.execute(text, context_value=context_for(person))
        assert alike(found, expected), (text, found, expected)
        answered += found.data is not None and any(found.data.values())
        failed += bool(found.errors)
    # Otherwise it would have compared nothing.
    assert answered > OPERATIONS / 4
    assert failed > OPERATIONS / 20
