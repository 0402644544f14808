"""What needs no server, in a process of its own: the executor over rows at hand, a cached operation
without HTTP, entities by reference, and how many statements operations take.

Reads a JSON spec from stdin, writes JSON to stdout. Times are the process' own processor time, the
best of several rounds, for nothing but the machine makes one longer.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import strawberry
import uvloop
from graphql import parse
from graphql.execution import execute
from sqlalchemy import event

from app import limits_of, make_server
from bench.guards import guards_us
from bench.publish import quiet
from bench.workloads import QUERIES, REFERENCES, id_in
from core.clock import utc_now
from core.settings import Settings
from core.tokens import ensure_keys, issue_access_token, verify_access_token
from execution.levels import level_executor
from loaders.base import Loaders
from resolvers.context import OperationContext, Server
from schema.build import DOMAINS, build_schema
from schema.users import queries as user_queries
from services.users.access import scopes_of, session_public_id, viewer_of

ROWS, FIELDS = 5_000, 7
ROUNDS = 5
EXECUTORS = ("levels", "graphql-core")
NODES = {"w1": 1, "w2": 4, "w3": 2, "entities": 1}
"""Keyed and paged nodes of each workload: the statements that it may take."""


@strawberry.type
class Row:
    a: str
    b: str
    c: int
    d: str
    e: str | None
    f: bool
    g: int


async def best(work: Callable[[], Awaitable[Any]], times: int) -> float:
    """Seconds of processor time that `work` takes, the least of the rounds; each does it so many
    times."""
    found = []
    await work()
    for _ in range(ROUNDS):
        gc.collect()
        gc.disable()
        began = time.process_time()
        for _ in range(times):
            await work()
        found.append((time.process_time() - began) / times)
        gc.enable()
    return min(found)


async def executor_alone(times: int) -> dict[str, float]:
    """Microseconds a field, by executor: so many rows of attributes alone."""
    made = [SimpleNamespace(a=f"a{n}", b="b", c=n, d="d", e=None, f=True, g=7) for n in range(ROWS)]

    @strawberry.type
    class Query:
        @strawberry.field
        def rows(self) -> list[Row]:
            return made  # type: ignore[return-value]

    schema = strawberry.Schema(Query)._schema
    document = parse("{ rows { a b c d e f g } }")

    async def run(executor: Any) -> None:
        result: Any = execute(schema, document, **executor)
        result = await result if hasattr(result, "__await__") else result
        assert not result.errors
        assert len(result.data["rows"]) == ROWS

    classes = {"levels": {"executor_class": level_executor()}, "graphql-core": {}}
    return {
        name: await best(lambda given=given: run(given), times) / (ROWS * FIELDS) * 1e6
        for name, given in classes.items()
    }


def context(server: Server, user_id: UUID) -> OperationContext:
    """Somebody signed in."""
    now = utc_now()
    issued = issue_access_token(
        server.keys,
        server.tokens,
        subject=id_in("mela", "usr", user_id),
        session_id=session_public_id(user_id),
        scopes=scopes_of(()),
        tier="FREE",
        now=now,
    )
    viewer = viewer_of(verify_access_token(server.keys, server.tokens, issued.token, now=now))
    return OperationContext(
        server=server,
        viewer=viewer,
        request_id="bench",
        address="127.0.0.1",
        user_agent="bench",
        loaders=Loaders(server.db, user_id),
    )


async def me(schemas: dict[str, Any], asking: OperationContext, times: int) -> dict[str, Any]:
    """Microseconds of `{ me { id } }`, by executor: with the row at hand, and with its read."""

    async def run(schema: Any) -> None:
        result = await schema.execute("{ me { id } }", context_value=asking)
        assert result.data["me"]["id"]

    async def timed() -> dict[str, float]:
        return {n: await best(lambda s=s: run(s), times) * 1e6 for n, s in schemas.items()}

    read = await timed()
    row = await user_queries.resolvers.me(asking.fresh())

    async def at_hand(_: Any) -> Any:
        return row

    kept, user_queries.resolvers.me = user_queries.resolvers.me, at_hand
    try:
        return {"read": read, "at_hand": await timed()}
    finally:
        user_queries.resolvers.me = kept


async def entities(
    schemas: dict[str, Any], asking: OperationContext, ids: list[UUID], times: int
) -> dict[str, float]:
    """Microseconds a reference besides the one statement, by executor: what the driver takes for
    the same rows is subtracted."""
    [query] = [query for query in QUERIES if query.asks == "entities"]
    [body] = query.bodies(ids, "mela")
    found = {}

    async def run(schema: Any) -> None:
        result = await schema.execute(
            body["query"], variable_values=body["variables"], context_value=asking
        )
        assert not result.errors
        assert len(result.data["_entities"]) == REFERENCES

    async def bare() -> None:
        await asking.server.db.fetch(
            "SELECT id, username, display_name, status FROM user_account WHERE id = ANY($1)",
            [ids[:REFERENCES]],
        )

    statement_s = await best(bare, times)
    for name, schema in schemas.items():
        whole_s = await best(lambda schema=schema: run(schema), times)
        found[name] = (whole_s - statement_s) / REFERENCES * 1e6
    return found | {"statement": statement_s / REFERENCES * 1e6}


@contextmanager
def counted(server: Server) -> Iterator[list[str]]:
    """The statements that are sent; what runs on the driver itself fires SQLAlchemy's event too."""
    sent: list[str] = []

    def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    engine = server.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", before)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", before)


async def statements(schema: Any, asking: OperationContext, ids: list[UUID]) -> dict[str, Any]:
    """How many statements each workload takes."""
    found = {}
    with counted(asking.server) as sent:
        for query in QUERIES:
            [body, *_] = query.bodies(ids, "mela")
            sent.clear()
            result = await schema.execute(
                body["query"], variable_values=body.get("variables"), context_value=asking
            )
            assert not result.errors, result.errors
            found[query.key] = {"sent": len(sent), "nodes": NODES[query.key]}
    return found


async def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """All of it, on the database that the environment names."""
    settings = Settings(jobs=False, demo=False)
    if settings.signing_keys_dir is not None:
        ensure_keys(settings.signing_keys_dir, settings.signing_algorithm)
    server = make_server(settings)
    ids = [UUID(id) for id in spec["user_ids"]]
    schemas = {
        name: build_schema(DOMAINS, limits=limits_of(settings), executor=name) for name in EXECUTORS
    }
    for schema in schemas.values():
        schema.max_entities = REFERENCES
    try:
        asking = context(server, ids[0])
        stretch = spec["stretch"]
        return {
            "executor_us_per_field": await executor_alone(max(1, round(5 * stretch))),
            "me_us": await me(schemas, asking, max(100, round(1_000 * stretch))),
            "guards_us": await guards_us(
                schemas["levels"], asking, best, max(100, round(1_000 * stretch))
            ),
            "entities_us_each": await entities(schemas, asking, ids, max(3, round(20 * stretch))),
            "statements": await statements(schemas["levels"], asking, ids),
        }
    finally:
        await server.spending.budgets.close()
        await server.db.close()


def main() -> None:
    """As the bench starts it."""
    quiet()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(json.load(sys.stdin)))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
