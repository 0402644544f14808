"""Sessions on PostgreSQL: short reads, and units of work that commit, retry and publish.

Only this module commits, writes the event log, and calls the after-commit hook.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
import structlog
from sqlalchemy import event as sa_event
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)

from core.events import CommittedEvent, NewEvent
from core.ids import new_id
from core.jsontext import to_json
from core.metrics import count_transaction_retried
from core.reading import Reader, refuse_to_wait

log = structlog.get_logger(__name__)

T = TypeVar("T")
AfterCommit = Callable[[Sequence[CommittedEvent]], Awaitable[None]]

MAX_TOPICS = 10
"""Topics one transaction may touch: wider fan-out is a job (realtime.md, the event log)."""

RETRYABLE = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected: the whole unit may be tried again."""

PREPARED_STATEMENTS = 200
"""Of `fetch`, kept by each connection; the least recently used one is prepared anew."""

OUTAGES = ("08", "53", "55P03", "57")
"""Connections, resources, lock timeouts, cancelled statements and shutdowns, by SQLSTATE."""

# Counters are taken in name order, whatever order the service collected in: two transactions
# that touch the same two topics would deadlock otherwise. They stay locked until the commit, so
# the sequence is gapless and in commit order.
_WRITE_EVENTS = text(
    """
    WITH input AS (
        SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e(
            n int, topic text, id uuid, type text, payload jsonb, actor_id uuid,
            occurred_at timestamptz)
    ), counts AS (
        SELECT topic, count(*) AS raised FROM input GROUP BY topic ORDER BY topic
    ), heads AS (
        INSERT INTO event_topic AS t (topic, head)
        SELECT topic, raised FROM counts ORDER BY topic
        ON CONFLICT (topic) DO UPDATE SET head = t.head + excluded.head
        RETURNING topic, head
    )
    INSERT INTO event (topic, sequence, id, type, payload, actor_id, occurred_at)
    SELECT topic,
           head - raised + row_number() OVER (PARTITION BY topic ORDER BY n),
           id, type, payload, actor_id, coalesce(occurred_at, clock_timestamp())
    FROM input JOIN counts USING (topic) JOIN heads USING (topic)
    ORDER BY n
    RETURNING id, sequence, occurred_at
    """
)


ReadSession = AsyncConnection
"""A session for reads: each statement is its own snapshot, nothing may be written. A connection and
no ORM session: reads want rows, and the ORM's bookkeeping cost more than most queries."""


class Transaction(AsyncSession):
    """A session of one unit of work. Services `collect` events; the commit writes them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.collected: list[NewEvent] = []
        self.committed: list[CommittedEvent] = []

    def collect(self, event: NewEvent) -> None:
        """Add an event to this unit; it is numbered and published only if the unit commits."""
        self.collected.append(event)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Bounds of the connection pool; see `core.settings.Settings`. Connections are opened when
    needed and kept; who finds all in use waits for `pool_timeout_s` at most."""

    maximum: int = 20
    pool_timeout_s: float = 10.0
    connect_timeout_s: float = 2.0
    idle_timeout_s: float = 30.0
    statement_timeout_s: float = 5.0
    slow_statement_s: float = 0.1
    transaction_tries: int = 5


class Database:
    """The pool, and the two ways to use it. Made by `app.py` and `cli.py`, passed down."""

    def __init__(
        self,
        url: str,
        *,
        pool: PoolSettings | None = None,
        after_commit: AfterCommit | None = None,
    ) -> None:
        self.pool = pool or PoolSettings()
        self.after_commit = after_commit
        self.engine = _engine(url, self.pool)
        self._reader = Reader(self.engine)
        self._reads = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """A short session for reads. Never share it between concurrent resolvers."""
        async with self._reads.connect() as session:
            yield session

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> list[Any]:
        """The driver's records of a statement that is PostgreSQL's text; see `core.reading`."""
        return await self._reader.fetch(statement, arguments)

    async def transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction, commit, publish its events, return its result.

        A serialisation failure or deadlock runs the whole unit again, up to
        `transaction_tries` times with jittered pauses: `work` must have no effect outside its
        session. Any other exception rolls back and is raised; nothing is published.
        """
        for attempt in range(1, self.pool.transaction_tries + 1):
            try:
                result, events = await self._attempt(work)
            except DBAPIError as error:
                if attempt == self.pool.transaction_tries or not is_retryable(error):
                    raise
                count_transaction_retried(_sqlstate(error))
                log.info("transaction_retried", attempt=attempt, sqlstate=_sqlstate(error))
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
                continue
            if events and self.after_commit is not None:
                await self.after_commit(events)
            return result
        raise AssertionError("unreachable: transaction_tries is at least 1")

    async def _attempt(
        self, work: Callable[[Transaction], Awaitable[T]]
    ) -> tuple[T, list[CommittedEvent]]:
        async with Transaction(self.engine, autoflush=False, expire_on_commit=False) as tx:
            result = await work(tx)
            await tx.flush()
            if tx.collected:
                tx.committed = await _write_events(tx, tx.collected)
            await tx.commit()
            return result, tx.committed

    async def close(self) -> None:
        """Close every connection; sessions in flight fail."""
        self._reader.let_go()
        await self.engine.dispose()


async def _write_events(tx: Transaction, collected: Sequence[NewEvent]) -> list[CommittedEvent]:
    topics = Counter(event.topic for event in collected)
    if len(topics) > MAX_TOPICS:
        raise ValueError(f"{len(topics)} topics in one transaction; {MAX_TOPICS} at most")
    ids = [new_id() for _ in collected]
    rows = [
        _event_row(n, id, event) for n, (id, event) in enumerate(zip(ids, collected, strict=True))
    ]
    result = await tx.execute(_WRITE_EVENTS, {"events": to_json(rows)})
    numbered = {row.id: row for row in result}
    return [
        CommittedEvent(
            topic=event.topic,
            sequence=numbered[id].sequence,
            id=id,
            type=event.type,
            payload=event.payload,
            actor_id=event.actor_id,
            occurred_at=numbered[id].occurred_at,
        )
        for id, event in zip(ids, collected, strict=True)
    ]


def _event_row(n: int, id: UUID, event: NewEvent) -> Mapping[str, object]:
    return {
        "n": n,
        "topic": event.topic,
        "id": id,
        "type": event.type,
        "payload": event.payload,
        "actor_id": event.actor_id,
        "occurred_at": event.occurred_at,
    }


def is_retryable(error: DBAPIError) -> bool:
    """Whether the database says that the same transaction may succeed when run again."""
    return _sqlstate(error) in RETRYABLE


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be reached, or not in time: nothing is known to be wrong with
    what was asked, and asking again may succeed."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if (state := _sqlstate(error)) is not None:
        return state.startswith(OUTAGES)
    return isinstance(error, PoolTimeout | ConnectionError | TimeoutError)


def violated_constraint(error: DBAPIError) -> str | None:
    """The name of the constraint or unique index that refused a write, if one did."""
    cause = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None)


async def database_now(session: ReadSession | Transaction) -> datetime:
    """The database's clock at this moment, not at the transaction's start."""
    moment: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return moment.astimezone(UTC)


def async_url(url: str) -> str:
    """`postgresql://…` as SQLAlchemy's asyncpg dialect wants it; other drivers are replaced."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def plain_url(url: str) -> str:
    """The URL for asyncpg itself and for libpq."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _sqlstate(error: BaseException) -> str | None:
    """Of SQLAlchemy's errors and of the driver's own."""
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)


def _engine(url: str, pool: PoolSettings) -> AsyncEngine:
    engine = create_async_engine(
        async_url(url),
        # Not `minimum` and an overflow: SQLAlchemy closes overflow connections when they are given
        # back, and a busy server would connect anew for each request. It opens them as needed.
        pool_size=pool.maximum,
        max_overflow=0,
        pool_timeout=pool.pool_timeout_s,
        pool_recycle=1_800,
        json_serializer=to_json,
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": pool.connect_timeout_s,
            "statement_cache_size": PREPARED_STATEMENTS,
            "server_settings": {
                "application_name": "mela",
                "statement_timeout": str(int(pool.statement_timeout_s * 1000)),
                "idle_in_transaction_session_timeout": str(int(pool.idle_timeout_s * 1000)),
                "timezone": "UTC",
                "datestyle": "ISO",
            },
        },
    )
    refuse_to_wait(engine)
    _log_slow_statements(engine, pool.slow_statement_s)
    return engine


def _log_slow_statements(engine: AsyncEngine, limit_s: float) -> None:
    def begin(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        conn.info["mela_began"] = time.perf_counter()

    def end(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        took_s = time.perf_counter() - conn.info["mela_began"]
        if took_s > limit_s:
            log.warning("slow_statement", took_ms=round(took_s * 1000), statement=statement[:500])

    sa_event.listen(engine.sync_engine, "before_cursor_execute", begin)
    sa_event.listen(engine.sync_engine, "after_cursor_execute", end)
