"""Encoding documents for search by meaning: in batches, from wherever it stopped, and going on as
the index changes. What is kept of it stands in services/search/vectors.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import text

from core.database import Database, Transaction
from core.ports import Embedder
from core.tasks import stop_all
from services.search.vectors import (
    StaleDocument,
    VectorsMissing,
    activate_model,
    checked_name,
    count_stale,
    forget_vectors,
    has_vectors,
    make_table,
    register_model,
    stale_documents,
    text_of,
    write_vectors,
)

log = structlog.get_logger(__name__)

BATCH = 32
"""Documents of one call of the model and of one transaction: a second of one processor."""
EVERY_S = 60.0
"""Pause between looks that nothing hurried; after a failure too."""
WHOLE_S = 600.0
"""Pause between looks at all documents; the others are at what changed since the last."""
MARGIN_S = 30.0
"""Changes are looked at again for so long: their transaction may have committed late."""
GATHER_S = 1.0
"""What changes in quick succession is encoded together."""
INDEX_MEMORY = "256MB"

Progress = Callable[[int, int], None]
Stopping = Callable[[], bool]
Listen = Callable[[Callable[[], None]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Encoding:
    """What one run did. `busy`: another process is at it."""

    documents: int = 0
    encoded: int = 0
    busy: bool = False


async def encode(
    db: Database,
    embedder: Embedder,
    *,
    progress: Progress = lambda done, total: None,
    stopping: Stopping = bool,
) -> Encoding:
    """Encode what lacks a vector of this model, then let searches use it. What was done stays done
    when it is stopped, and one process does it at a time.

    Raises `VectorsMissing` where the database has no pgvector.
    """
    await _prepare(db, embedder)
    async with _turn(db, embedder) as mine:
        if not mine:
            return Encoding(busy=True)
        done = await _encode_all(db, embedder, progress, stopping)
        if not stopping():
            await _make_index(db, embedder)
            await db.transaction(partial(activate_model, model=embedder.name))
        return done


async def encode_lately(
    db: Database, embedder: Embedder, *, ago_s: float, stopping: Stopping = bool
) -> int:
    """Encode what changed in the last seconds; how many documents. For a model that is ready; does
    nothing where another process is at it."""
    async with _turn(db, embedder) as mine:
        if not mine:
            return 0
        return await _encode_pages(db, embedder, lambda done: None, stopping, ago_s=ago_s)


@asynccontextmanager
async def _turn(db: Database, embedder: Embedder) -> AsyncIterator[bool]:
    """Whether no other process encodes by this model, as long as the context lasts."""
    key = {"key": f"search-encode:{checked_name(embedder.name)}"}
    async with db.read() as held:
        mine = bool(await held.scalar(_TRY_LOCK, key))
        try:
            yield mine
        finally:
            if mine:
                await held.execute(_UNLOCK, key)


async def _prepare(db: Database, embedder: Embedder) -> None:
    async with db.read() as session:
        missing = not await has_vectors(session)
    if missing:
        await db.transaction(make_table)
    await db.transaction(partial(register_model, embedder=embedder))


async def _encode_all(
    db: Database, embedder: Embedder, progress: Progress, stopping: Stopping
) -> Encoding:
    async with db.read() as session:
        documents, stale = await count_stale(session, embedder.name)
    progress(0, stale)

    def tell(done: int) -> None:
        progress(done, max(stale, done))

    done = await _encode_pages(db, embedder, tell, stopping)
    forgotten = 1
    while forgotten and not stopping():
        forgotten = await db.transaction(forget_vectors)
    return Encoding(documents, done)


async def _encode_pages(
    db: Database,
    embedder: Embedder,
    tell: Callable[[int], None],
    stopping: Stopping,
    *,
    ago_s: float | None = None,
) -> int:
    after, done, name = -1, 0, embedder.name
    while not stopping():
        async with db.read() as session:
            page = await stale_documents(session, name, after=after, limit=BATCH, ago_s=ago_s)
        if not page:
            break
        vectors = await asyncio.to_thread(embedder.embed, [text_of(one) for one in page])
        await db.transaction(partial(_write, embedder, page, vectors))
        after, done = page[-1].document, done + len(page)
        tell(done)
    return done


async def _write(
    embedder: Embedder, page: Sequence[StaleDocument], vectors: Any, tx: Transaction
) -> None:
    await write_vectors(tx, embedder, page, vectors)


_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))")
_INDEX = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)")


def index_name(model: str) -> str:
    """The index of a model's vectors."""
    return "ix_search_vector_" + checked_name(model).translate(str.maketrans("-.", "__"))[:40]


async def _make_index(db: Database, embedder: Embedder) -> None:
    """The model's index, beside whatever is written meanwhile. One that broke off is made anew."""
    index = index_name(embedder.name)
    async with db.read() as session:
        valid = await session.scalar(_INDEX, {"index": index})
        if valid:
            return
        # A minute or two, which no request waits for; the connection is given back as it was.
        await session.execute(text("SET statement_timeout = 0"))
        await session.execute(text(f"SET maintenance_work_mem = '{INDEX_MEMORY}'"))
        try:
            if valid is not None:
                await session.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {index}"))
            await session.execute(
                text(
                    f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON search_vector USING hnsw"
                    f" ((embedding::vector({int(embedder.dimension)})) vector_cosine_ops)"
                    f" WHERE model = '{embedder.name}'"
                )
            )
        finally:
            await session.execute(text("RESET maintenance_work_mem"))
            await session.execute(text("RESET statement_timeout"))


@asynccontextmanager
async def run_encoder(
    db: Database, embedder: Embedder | None, *, listen: Listen | None = None
) -> AsyncIterator[None]:
    """Keep vectors up to date while the context lasts, if there is a model. `listen` says when the
    index has changed."""
    if embedder is None:
        yield
        return
    stopping, changed = asyncio.Event(), asyncio.Event()
    with nullcontext() if listen is None else listen(changed.set):
        task = asyncio.create_task(_keep_up(db, embedder, stopping, changed), name="vectors")
        try:
            yield
        finally:
            stopping.set()
            changed.set()
            await asyncio.wait({task}, timeout=5.0)
            await stop_all([task])


async def _keep_up(
    db: Database, embedder: Embedder, stopping: asyncio.Event, changed: asyncio.Event
) -> None:
    whole_at, looked_at = -WHOLE_S, 0.0
    while not stopping.is_set():
        changed.clear()
        now = time.monotonic()
        try:
            if now - whole_at >= WHOLE_S:
                await encode(db, embedder, stopping=stopping.is_set)
                whole_at = now
            else:
                ago_s = now - looked_at + MARGIN_S
                await encode_lately(db, embedder, ago_s=ago_s, stopping=stopping.is_set)
            looked_at = now
        except VectorsMissing as error:
            # Once is enough: who installs pgvector starts the worker anew.
            log.warning("no_vectors", reason=str(error))
            return
        except Exception as error:
            # Whatever it was, a later look may do better; meanwhile search goes by words.
            log.warning("documents_not_encoded", model=embedder.name, reason=repr(error)[:300])
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), EVERY_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), GATHER_S)
