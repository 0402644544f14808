"""What the index lacks, found by comparing it with the tables: after an import, at the first start,
and from time to time for what no event tells (popularity, offers that begin by themselves)."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from models.search import SLOTS, SearchKind
from services.search.documents import BUILDERS
from services.search.indexing import CHUNK, index_entities, take_turn

FIRST = UUID(int=0)
POPULARITY_DRIFT = 0.05
"""Popularity is a logarithm: so much is a twentieth more or less, which moves hardly any order."""
BEGUN_MAX = 2_000
"""Titles whose offers begin, in one sweep: the next one goes on."""


class Swept(NamedTuple):
    """Things of a kind that were compared and written anew, and the place after them; None where
    there are no more."""

    written: int
    after: UUID | None


def _lacking(slot: int, kind: SearchKind) -> Any:
    return text(
        f"""
        SELECT id FROM (
            SELECT x.id FROM ({BUILDERS[kind].seen}) AS x
            LEFT JOIN search_document_{slot} AS d
                ON d.slot = {slot} AND d.kind = '{kind}' AND d.entity_id = x.id
            WHERE x.id > :after AND (d.id IS NULL OR d.version IS DISTINCT FROM x.version
                OR abs(d.popularity - ln(1 + x.popularity)) > {POPULARITY_DRIFT})
            UNION ALL
            SELECT d.entity_id FROM search_document_{slot} AS d
            LEFT JOIN ({BUILDERS[kind].seen}) AS x ON x.id = d.entity_id
            WHERE d.slot = {slot} AND d.kind = '{kind}' AND d.entity_id > :after AND x.id IS NULL
        ) AS lacking ORDER BY id LIMIT :limit
        """
    )


_LACKING = {(slot, kind): _lacking(slot, kind) for slot in SLOTS for kind in BUILDERS}
_PEOPLE_OF = text(
    """
    SELECT DISTINCT person_id FROM credit WHERE title_id = ANY (CAST(:titles AS uuid[]))
    """
)
_MISSING = {
    slot: text(
        " UNION ALL ".join(
            f"SELECT '{kind}', count(*) FROM ({builder.seen}) AS x WHERE NOT EXISTS ("
            f" SELECT FROM search_document_{slot} AS d WHERE d.slot = {slot} AND d.kind = '{kind}'"
            f" AND d.entity_id = x.id)"
            for kind, builder in BUILDERS.items()
        )
    )
    for slot in SLOTS
}
_BEGUN = text(
    """
    SELECT DISTINCT a.title_id FROM availability AS a, search_slot AS g
    WHERE g.state = 'ACTIVE' AND a.available AND a.available_from > g.swept_at
      AND a.available_from <= CAST(:now AS timestamptz)
    ORDER BY a.title_id OFFSET :skip LIMIT :limit
    """
)
_NOW = text("SELECT clock_timestamp()")
_SWEPT = text("UPDATE search_slot SET swept_at = :now WHERE state = 'ACTIVE'")


async def sweep_kind(tx: Transaction, *, kind: SearchKind, after: UUID = FIRST) -> Swept:
    """Write the next 500 things of a kind that the index lacks, has in an old state, or should not
    have."""
    slots = await take_turn(tx)
    asked = {"after": after, "limit": CHUNK}
    ids = list((await tx.execute(_LACKING[slots.active, kind], asked)).scalars())
    await index_entities(tx, ((kind, id) for id in ids))
    if kind == "TITLE" and ids:
        await _write_known_people(tx, slots.active, ids)
    return Swept(len(ids), ids[-1] if len(ids) == CHUNK else None)


async def _write_known_people(tx: Transaction, slot: int, title_ids: list[UUID]) -> None:
    """People's documents name their titles. Those who have none yet are found by themselves."""
    people = (await tx.execute(_PEOPLE_OF, {"titles": title_ids})).scalars()
    known = await tx.execute(_KNOWN[slot], {"ids": list(people)})
    await index_entities(tx, (("PERSON", id) for id in known.scalars()))


_KNOWN = {
    slot: text(
        f"""
        SELECT entity_id FROM search_document_{slot}
        WHERE slot = {slot} AND kind = 'PERSON' AND entity_id = ANY (CAST(:ids AS uuid[]))
        """
    )
    for slot in SLOTS
}


# Names of platforms and of whatever else no event tells of, as facets show them.
_LABELS = text(
    """
    UPDATE search_facet_value AS v SET label = n.name FROM (
        SELECT 'PLATFORM' AS facet, slug, name FROM platform
        UNION ALL SELECT 'GENRE', slug, name FROM genre
    ) AS n
    WHERE v.facet = n.facet AND v.value = n.slug AND v.label <> n.name
    """
)


async def sweep_labels(tx: Transaction) -> None:
    """Show platforms and genres by the names that they have now."""
    await take_turn(tx)
    await tx.execute(_LABELS)


async def count_missing(tx: Transaction) -> int:
    """How many things everyone may see and nobody finds: a pass over all tables."""
    slots = await take_turn(tx)
    return sum(count for _, count in await tx.execute(_MISSING[slots.active]))


async def sweep_begun_offers(tx: Transaction, *, skip: int = 0) -> int:
    """Write titles of which an offer has begun since the last sweep, after the first `skip`; how
    many, `BEGUN_MAX` where there may be more."""
    await take_turn(tx)
    now = await tx.scalar(_NOW)
    ids = list((await tx.execute(_BEGUN, {"now": now, "skip": skip, "limit": BEGUN_MAX})).scalars())
    await index_entities(tx, (("TITLE", id) for id in ids))
    if len(ids) < BEGUN_MAX:
        await tx.execute(_SWEPT, {"now": now})
    return len(ids)
