"""The whole index anew, beside the one in use: documents, then words and names, then what changed
meanwhile, and in one short transaction the new one is in use.

A build that was given up leaves nothing but a slot to be emptied: the next one begins again, at
once, for the builder's lock goes with its connection. Every transaction is short, for whoever
follows the event log waits for the oldest that runs.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Database, PoolSettings, Transaction
from core.ids import new_id
from models.search import SLOTS, SearchKind
from services.search.documents import BUILDERS
from services.search.indexing import (
    CHUNK,
    compare_with,
    names_of,
    stage_entities,
    take_turn,
    write_entities,
    write_into,
)
from services.search.postings import impact_of, weighed_terms

POSTED_AT_ONCE = 1_000
"""Documents whose words are written in one transaction."""
GIVEN_UP_S = 300
"""A builder that has said nothing for so long is gone, though its connection may not be: what
changes is no longer noted for it."""
GRACE_S = 6.0
"""Who began to read the old index may do so for as long as a statement may take."""
STATEMENT_TIMEOUT_S = 300.0
_LENGTH_STEP = 1.25
_PARTITIONS = ("search_document", "search_posting", "search_term", "search_name")
# Its rows follow those of search_name, by triggers: so it is emptied with them, too.
_ANALYSED = (*_PARTITIONS, "search_start")

Progress = Callable[[str, int, int], None]
"""Told of each step: its name, how much is done, how much there is."""


class BuildRuns(Exception):
    """Somebody builds the index at the moment, or took over a build that had stopped."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was built, and how long it took."""

    generation: int
    documents: int
    took_s: float


@dataclass(frozen=True, slots=True)
class _Build:
    db: Database
    slot: int
    builder: UUID
    tell: Progress

    async def do(self, work: Callable[[Transaction], Any]) -> Any:
        """One transaction of the build. Raises `BuildRuns` where it is somebody else's by now; that
        is asked last, so that what only reads holds up nobody who follows the log."""

        async def unit(tx: Transaction) -> Any:
            done = await work(tx)
            await self.require(tx)
            return done

        return await self.db.transaction(unit)

    async def require(self, tx: Transaction) -> None:
        """Go on being the builder, or raise `BuildRuns`."""
        mine = {"slot": self.slot, "builder": self.builder, "seconds": GIVEN_UP_S}
        if (await tx.execute(_GO_ON, mine)).first() is None:
            raise BuildRuns


async def reindex(
    database_url: str, *, progress: Progress | None = None, grace_s: float = GRACE_S
) -> Rebuilt:
    """Build the index anew and put it into use; what is found meanwhile is found as before.
    Raises `BuildRuns`."""
    began = time.perf_counter()
    pool = PoolSettings(maximum=2, statement_timeout_s=STATEMENT_TIMEOUT_S, slow_statement_s=60)
    db = Database(database_url, pool=pool)
    try:
        # Its connection is kept for the lock alone, and outside of any transaction.
        async with db.read() as session:
            alone = bool(await session.scalar(_TRY_LOCK))
            build = await _begun(db, alone, progress or (lambda step, done, total: None))
            generation, documents = await _built(build)
            await asyncio.sleep(grace_s)
            await db.transaction(partial(_empty_unused, slot=1 - build.slot))
            await db.transaction(_forget_values)
        return Rebuilt(generation, documents, time.perf_counter() - began)
    finally:
        await db.close()


async def _begun(db: Database, alone: bool, tell: Progress) -> _Build:
    builder = new_id()
    slot = await db.transaction(partial(_begin, builder=builder, alone=alone))
    return _Build(db, slot, builder, tell)


async def _built(build: _Build) -> tuple[int, int]:
    """Every step up to the use of what was built: its generation and its documents."""
    await _write_documents(build)
    await _write_words(build)
    await _vacuum(build)
    await _catch_up(build)
    used: tuple[int, int] = await build.db.transaction(partial(_put_into_use, build=build))
    return used


_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('mela.search.build', 0))")
_SLOTS = text(
    """
    SELECT slot FROM search_slot WHERE state <> 'ACTIVE'
      AND (state = 'EMPTY' OR CAST(:alone AS boolean) OR builds_until < clock_timestamp())
    FOR UPDATE
    """
)
_BEGIN = text(
    """
    UPDATE search_slot SET state = 'BUILDING', builder = :builder, documents = 0, total_length = 0,
        builds_until = clock_timestamp() + make_interval(secs => :seconds),
        begun_at = clock_timestamp(), swept_at = clock_timestamp(), ready_at = NULL
    WHERE slot = :slot
    """
)
_GO_ON = text(
    """
    UPDATE search_slot SET builds_until = clock_timestamp() + make_interval(secs => :seconds)
    WHERE slot = :slot AND builder = :builder AND state = 'BUILDING'
      AND builds_until > clock_timestamp() RETURNING slot
    """
)
_FORGET_TOUCHED = text("DELETE FROM search_touched")


async def _begin(tx: Transaction, *, builder: UUID, alone: bool) -> int:
    """Take the slot that is not in use; one that is being built only where nobody else lives to do
    so (`alone`: the builder's lock was free), or has said nothing for long."""
    await take_turn(tx)
    slot = await tx.scalar(_SLOTS, {"alone": alone})
    if slot is None:
        raise BuildRuns
    await tx.execute(_FORGET_TOUCHED)
    await tx.execute(_truncate(slot))
    await tx.execute(_BEGIN, {"slot": slot, "builder": builder, "seconds": GIVEN_UP_S})
    return int(slot)


def _truncate(slot: int) -> Any:
    return text("TRUNCATE " + ", ".join(f"{table}_{slot}" for table in _PARTITIONS))


_COUNTS = text(
    "SELECT " + ", ".join(f"(SELECT count(*) FROM ({b.seen}) AS x)" for b in BUILDERS.values())
)
_PAGES = {
    kind: text(f"SELECT id FROM ({builder.seen}) AS x WHERE id > :after ORDER BY id LIMIT :limit")
    for kind, builder in BUILDERS.items()
}


async def _write_documents(build: _Build) -> None:
    async with build.db.read() as session:
        total = sum((await session.execute(_COUNTS)).one())
    done = 0
    for kind in BUILDERS:
        after: UUID | None = UUID(int=0)
        while after is not None:
            written, after = await build.do(
                partial(_write_page, slot=build.slot, kind=kind, after=after)
            )
            done += written
            build.tell("documents", min(done, total), total)


async def _write_page(
    tx: Transaction, *, slot: int, kind: SearchKind, after: UUID
) -> tuple[int, UUID | None]:
    await take_turn(tx)
    ids = list((await tx.execute(_PAGES[kind], {"after": after, "limit": CHUNK})).scalars())
    if ids:
        await stage_entities(tx, kind, ids, compare=compare_with(slot))
        await tx.execute(write_into(slot))
    return len(ids), ids[-1] if len(ids) == CHUNK else None


_LENGTHS = {
    slot: text(
        f"""
        SELECT count(*), coalesce(sum(length), 0), coalesce(max(id), 0)
        FROM search_document_{slot} WHERE slot = {slot}
        """
    )
    for slot in SLOTS
}
_MEASURE = text(
    """
    UPDATE search_slot SET documents = :documents, total_length = :length,
        mean_length = :mean WHERE slot = :slot
    """
)


def _post(slot: int) -> Any:
    impact = impact_of("w.weight", "s.length", "g.mean_length")
    return text(
        f"""
        INSERT INTO search_posting_{slot} (slot, term, document, impact)
        SELECT {slot}, w.term COLLATE "C", s.id, {impact}
        FROM search_document_{slot} AS s
        CROSS JOIN (SELECT mean_length FROM search_slot WHERE slot = {slot}) AS g
        CROSS JOIN LATERAL ({weighed_terms("s.terms")}) AS w
        WHERE s.slot = {slot} AND s.id > :after AND s.id <= :after + {POSTED_AT_ONCE}
        ORDER BY 2, 3
        """
    )


def _name(slot: int) -> Any:
    some = f"""(SELECT * FROM search_document_{slot}
        WHERE slot = {slot} AND id > :after AND id <= :after + {POSTED_AT_ONCE})"""
    return text(names_of(slot, some))


_POST = {slot: _post(slot) for slot in SLOTS}
_NAME = {slot: _name(slot) for slot in SLOTS}
_COUNT_TERMS = {
    slot: text(
        f"""
        INSERT INTO search_term_{slot} (slot, term, documents)
        SELECT {slot}, term, count(*) FROM search_posting_{slot} WHERE slot = {slot} GROUP BY term
        """
    )
    for slot in SLOTS
}


def rounded_length(mean: float) -> float:
    """The mean length that impacts are made with, in steps of a quarter: a document more or less
    must not make every other one's impacts old. Pure."""
    return float(_LENGTH_STEP ** round(math.log(max(mean, 1.0), _LENGTH_STEP)))


async def _write_words(build: _Build) -> None:
    slot = build.slot

    async def measure(tx: Transaction) -> int:
        documents, length, last = (await tx.execute(_LENGTHS[slot])).one()
        mean = rounded_length(length / documents if documents else 1.0)
        known = {"slot": slot, "documents": documents, "length": length, "mean": mean}
        await tx.execute(_MEASURE, known)
        return int(last)

    last = await build.do(measure)
    for after in range(0, last, POSTED_AT_ONCE):
        await build.do(partial(_write_words_after, slot=slot, after=after))
        build.tell("words", min(after + POSTED_AT_ONCE, last), last)
    await build.do(lambda tx: tx.execute(_COUNT_TERMS[slot]))


async def _write_words_after(tx: Transaction, *, slot: int, after: int) -> None:
    for statement in (_POST[slot], _NAME[slot]):
        await tx.execute(statement, {"after": after})


async def _vacuum(build: _Build) -> None:
    """So that lists of postings are read from the index alone, and the planner knows the tables."""
    for done, table in enumerate(_ANALYSED, start=1):
        async with build.db.read() as session:
            await session.execute(text(f"VACUUM (ANALYZE) {table}_{build.slot}"))
        await build.db.transaction(build.require)
        build.tell("statistics", done, len(_ANALYSED))


_TOUCHED = text("SELECT id, kind, entity_id FROM search_touched ORDER BY id LIMIT :limit")
_DONE = text("DELETE FROM search_touched WHERE id = ANY (CAST(:ids AS bigint[]))")


async def _catch_up(build: _Build) -> None:
    """Write what was touched since the beginning, until little is left."""
    while await build.do(partial(_write_touched, slot=build.slot)) == CHUNK:
        pass


async def _write_touched(tx: Transaction, *, slot: int) -> int:
    slots = await take_turn(tx)
    rows = (await tx.execute(_TOUCHED, {"limit": CHUNK})).all()
    for kind in BUILDERS:
        ids = sorted({row.entity_id for row in rows if row.kind == kind})
        if ids:
            await write_entities(tx, slots, slot, kind, ids)
    await tx.execute(_DONE, {"ids": [row.id for row in rows]})
    return len(rows)


_RETIRE = text(
    "UPDATE search_slot SET state = 'EMPTY', builder = NULL WHERE state = 'ACTIVE'"
    " RETURNING generation"
)
_USE = text(
    """
    UPDATE search_slot SET state = 'ACTIVE', generation = :generation, builder = NULL,
        builds_until = NULL, ready_at = clock_timestamp()
    WHERE slot = :slot RETURNING generation, documents
    """
)


async def _put_into_use(tx: Transaction, *, build: _Build) -> tuple[int, int]:
    while await _write_touched(tx, slot=build.slot) == CHUNK:
        pass
    await build.require(tx)
    generation = await tx.scalar(_RETIRE)
    used = await tx.execute(_USE, {"slot": build.slot, "generation": int(generation or 0) + 1})
    row = used.one()
    return row.generation, row.documents


_UNUSED = text("SELECT 1 FROM search_slot WHERE slot = :slot AND state = 'EMPTY' FOR UPDATE")
_FORGET_VALUES = {
    slot: text(
        f"""
        DELETE FROM search_facet_value AS v WHERE NOT EXISTS (
            SELECT FROM (
                SELECT DISTINCT unnest(facets) AS id FROM search_document_{slot} WHERE slot = {slot}
            ) AS used WHERE used.id = v.id)
        """
    )
    for slot in SLOTS
}


async def _empty_unused(tx: Transaction, *, slot: int) -> None:
    """Empty a slot that nobody reads or builds."""
    await take_turn(tx)
    if (await tx.execute(_UNUSED, {"slot": slot})).first() is not None:
        await tx.execute(_truncate(slot))


async def _forget_values(tx: Transaction) -> None:
    """Forget values of facets that nothing has."""
    slots = await take_turn(tx)
    if slots.building is None:
        await tx.execute(_FORGET_VALUES[slots.active])
