"""The real schema on a small seeded world in this process, and operations grown over it: read by
somebody with every right and by nobody, through both executors."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLInputType,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_object_type,
    parse_value,
    value_from_ast_untyped,
)
from sqlalchemy import text as sql

from app import make_server
from bench.growing import Grower
from core.clock import utc_now
from core.ids import encode_id
from core.settings import Settings
from core.tokens import ensure_keys, issue_access_token, verify_access_token
from execution.limits import Limits
from loaders.base import Loaders
from resolvers.context import OperationContext, Server
from schema.build import DOMAINS, build_schema
from services.seed.world import seed_world
from services.users.access import Viewer, scopes_of, session_public_id, viewer_of
from tests.conformance.cases import REAL, Case
from tests.conformance.comparing import alike, encoded, told

ROOMY = Limits(
    max_tokens=20_000,
    max_depth=20,
    max_aliases=500,
    max_directives=500,
    max_breadth=1_000,
    max_fields=20_000,
)
SEED, SCALE, IDS = 7, 0.01, 6
TABLES = {"auction": "auc", "user_account": "usr", "stall": "stl", "product": "prd"}
OWN = "user_account:0"
"""Whose eyes are used: an id that operations ask for as well."""
MARK = re.compile(r"%([a-z_]+:\d+)%")
# What moves with the clock, and what counts its own reading.
MOVING = {
    *("timeLeft", "serverTime", "tookMs"),
    *("ImpactSummary.since", "ImpactSummary.until", "Leaderboard.readAt"),
}
SANE = {
    "Int": "3",
    "Boolean": "true",
    "String": '"pot"',
    "DateTime": '"2026-01-31T12:00:00Z"',
    "Decimal": '"12.50"',
    "BigInt": '"7"',
}


class Reader(Grower):
    """Grows queries alone, wide ones, without what moves by itself: with fragments, variables,
    @skip and @include, and entities asked for by reference."""

    def __init__(self, schema: Any, references: Any, seed: int) -> None:
        marks = [f"%{table}:{n}%" for table in TABLES for n in range(IDS)]
        super().__init__(schema, random.Random(seed), marks)
        self.references = references
        self.fragments: list[str] = []
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self.asked = ""
        self.begin_at = self.dice.choice((0, 2, 3, 3))
        """The depth that the root is taken to have: what begins deeper ends sooner."""

    def grow(self) -> tuple[str, dict[str, Any]]:
        """A query's text and its variables."""
        root = self.schema.query_type
        assert root is not None
        names = [name for name in root.fields if not name.startswith("_")]
        chosen = self.dice.choices(names, k=self.dice.choice((1, 2, 3)))
        fields = [
            f"f{n}: {self._field(root.fields[name], name, self.begin_at)}"
            for n, name in enumerate(chosen)
        ]
        if self.dice.random() < 0.15:
            fields.append(self._entities())
        head = f"query Q({', '.join(self.declared)})" if self.declared else "query Q"
        return f"{head} {{ {' '.join(fields)} }} {' '.join(self.fragments)}", self.variables

    def _entities(self) -> str:
        """References to several types, some of them to nothing."""
        names = self.dice.choices(sorted(self.references), k=self.dice.randint(1, 5))
        given = [self._reference(name) for name in names]
        if self.dice.random() < 0.1:
            given.append(self.dice.choice(['{__typename: "Nobody", id: "x"}', "{}", "3"]))
        inner = " ".join(
            f"... on {name}{self._selection(self.schema.type_map[name], 2, True)}"
            for name in dict.fromkeys(names)
        )
        return f"_entities(representations: [{', '.join(given)}]) {{ __typename {inner} }}"

    def _reference(self, name: str) -> str:
        reference = self.references[name]
        type_: Any = self.schema.type_map[name]
        key = self.dice.choice(reference.keys)
        given = [f"{k}: {self._key(get_named_type(type_.fields[k].type).name)}" for k in key]
        return f'{{__typename: "{name}", {", ".join(given)}}}'

    def _key(self, scalar: str) -> str:
        return SANE.get(scalar) or self._scalar(scalar)

    def _selection(self, type_: Any, depth: int, in_union: bool = False) -> str:
        if is_object_type(type_):
            moving = MOVING | {
                n.partition(".")[2] for n in MOVING if n.startswith(f"{type_.name}.")
            }
            if moving & set(type_.fields):
                kept = {name: f for name, f in type_.fields.items() if name not in moving}
                type_ = GraphQLObjectType(type_.name, kept)
        body = super()._selection(type_, depth, in_union)
        if not is_object_type(type_) or depth < 1 or self.dice.random() > 0.12:
            return body
        if self.dice.random() < 0.5:
            return f" {{ ... on {type_.name}{self._switch()}{body} }}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {type_.name}{body}")
        return f" {{ __typename ...{name}{self._switch()} }}"

    def _field(self, field: Any, name: str, depth: int) -> str:
        self.asked = name
        text = super()._field(field, name, depth)
        if depth <= self.begin_at or self.dice.random() > 0.06:
            return text
        at = len(re.match(r"\w+", text).group())  # type: ignore[union-attr]
        if text[at : at + 1] == "(":
            return text  # directives stand after arguments, whose end is not looked for
        return text[:at] + self._switch() + text[at:]

    def _switch(self) -> str:
        word = self.dice.choice(("skip", "include"))
        name = self._declare("Boolean!", self.dice.random() < (0.3 if word == "skip" else 0.7))
        return f" @{word}(if: ${name})"

    def _declare(self, type_: str, value: Any) -> str:
        name = f"v{len(self.declared)}"
        self.declared.append(f"${name}: {type_}")
        self.variables[name] = value
        return name

    def _value(self, type_: GraphQLInputType, name: str, depth: int) -> str:
        if self.dice.random() < 0.03:
            bare: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
            return super()._value(bare, name, depth + 1)
        value = self._sane(type_, name, depth)
        if depth or self.dice.random() > 0.2 or "$" in value:
            return value
        # `depth` is 0 for an argument as a whole, whose type a variable can have.
        return "$" + self._declare(str(type_), value_from_ast_untyped(parse_value(value)))

    def _sane(self, type_: GraphQLInputType, name: str, depth: int) -> str:
        """Mostly values that can be meant, so that most queries are answered."""
        if isinstance(type_, GraphQLNonNull):
            return self._sane(type_.of_type, name, depth)
        if name in ("after", "before", "last"):
            return "null"
        if str(type_) == "ID" and self.dice.random() < 0.9:
            return f'"{self._likely(name)}"'
        return SANE.get(str(type_)) or super()._value(type_, name, depth + 1)

    def _likely(self, argument: str) -> str:
        """An id that may stand in this argument, as its name or the field's tells."""
        said = self.asked if argument == "id" else argument
        tables = [t for t in TABLES if t.split("_")[0] in said.lower()]
        meant = [id for id in self.ids if any(table in id for table in tables)]
        return self.dice.choice(meant or self.ids)


@dataclass(frozen=True, slots=True)
class RealWorld:
    """Both executors over the same rows, documents parsed and validated once for both."""

    server: Server
    viewer: Viewer
    ids: dict[str, str]
    levels: Any
    core: Any

    def grow(self, seed: int) -> Case:
        """The case of a seed: the same seed and schema, the same case."""
        text, variables = Reader(self.core._schema, self.core.references, seed).grow()
        return Case(REAL, seed, "query", text, variables)

    async def answers(self, case: Case) -> tuple[Any, Any]:
        """By levels and by graphql-core; every fourth seed's case is nobody's."""
        text, variables = self.asked(case)
        viewer = self.viewer_of(case)
        found, expected = [
            await schema.execute(
                text, variable_values=variables, context_value=self.context(viewer)
            )
            for schema in (self.levels, self.core)
        ]
        return found, expected

    def asked(self, case: Case) -> tuple[str, dict[str, Any]]:
        """A case's text and variables with this world's ids."""
        variables = {
            name: MARK.sub(self._id, value) if isinstance(value, str) else value
            for name, value in case.variables.items()
        }
        return MARK.sub(self._id, case.text), variables

    def viewer_of(self, case: Case) -> Viewer | None:
        """Whose eyes a case is seen with."""
        return self.viewer if case.seed % 4 else None

    async def compared(self, case: Case) -> tuple[Any, str | None]:
        """graphql-core's answer, and what the executors tell differently of a case, or None."""
        found, expected = await self.answers(case)
        return expected, None if alike(found, expected) else said(found, expected)

    def _id(self, found: re.Match[str]) -> str:
        return self.ids.get(found[1], found[1])

    def context(self, viewer: Viewer | None) -> OperationContext:
        """Of an operation of its own."""
        return OperationContext(
            server=self.server,
            viewer=viewer,
            request_id="compared",
            address="192.0.2.1",
            user_agent="tests/1",
            loaders=Loaders(self.server.db, viewer.user_id if viewer else None),
        )


def said(found: Any, expected: Any) -> str:
    """Two answers, one over the other."""
    return (
        f"levels answer {encoded(found.data)!r} {told(found)}\n"
        f"graphql-core answers {encoded(expected.data)!r} {told(expected)}"
    )


def both_schemas() -> tuple[Any, Any]:
    """The whole schema with `_entities`, by levels and by graphql-core."""
    levels, core = (
        build_schema(DOMAINS, limits=ROOMY, executor=name) for name in ("levels", "graphql-core")
    )
    core.documents = levels.documents
    return levels, core


@asynccontextmanager
async def real_world(settings: Settings) -> AsyncIterator[RealWorld]:
    """Seed the migrated database of `settings` and start a server's parts on it."""
    ensure_keys(Path(settings.signing_keys_dir), settings.signing_algorithm)
    url = settings.database_url.get_secret_value()
    await seed_world(url, scale=SCALE, seed=SEED, password_hash="!")
    server = make_server(settings)
    await server.hub.start(server.db)
    await server.revocations.start()
    try:
        async with server.live.running():
            ids, viewer = await _ids(server), await _viewer(server)
            yield RealWorld(server, viewer, ids, *both_schemas())
    finally:
        await server.bids.close()
        await server.revocations.close()
        await server.hub.close()
        await server.throttle.close()
        server.passwords.close()
        await server.db.close()


async def _ids(server: Server) -> dict[str, str]:
    ids = {}
    async with server.db.engine.begin() as connection:
        for table, prefix in TABLES.items():
            found = await connection.execute(sql(f"SELECT id FROM {table} ORDER BY id LIMIT {IDS}"))
            for n, id in zip(count(), found.scalars()):
                ids[f"{table}:{n}"] = encode_id(prefix, id)
    return ids


async def _viewer(server: Server) -> Viewer:
    """The first of all users, with the rights of a moderator who sells."""
    async with server.db.engine.begin() as connection:
        found = await connection.execute(sql("SELECT id FROM user_account ORDER BY id LIMIT 1"))
        id = found.scalar_one()
    now = utc_now()
    issued = issue_access_token(
        server.keys,
        server.tokens,
        subject=encode_id("usr", id),
        session_id=session_public_id(id),
        scopes=scopes_of(("MODERATOR", "ARTISAN")),
        tier="FREE",
        now=now,
    )
    return viewer_of(verify_access_token(server.keys, server.tokens, issued.token, now=now))
