"""Writes the index: what a thing looks like now is built from its tables, compared with what the
index has of it, and whatever differs is written, by statements over whole sets.

Writers take turns (one advisory lock, before any other), so there is one order of locks and the
counts stay exact. Who may be found is decided in documents.py, what a word weighs in postings.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from models.search import SEARCH_KINDS, SLOTS, SearchKind
from services.search.documents import BUILDERS, DOCUMENT_COLUMNS
from services.search.postings import document_terms, impact_of, weighed_terms

Thing = tuple[SearchKind, UUID]
CHUNK = 500
"""Things written by one round of statements."""
FACETS_MAX = 2_000

_NAMES = ", ".join(DOCUMENT_COLUMNS)
_TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('mela.search.index', 0))")
_SLOTS = text(
    """
    SELECT (SELECT slot FROM search_slot WHERE state = 'ACTIVE'),
        (SELECT slot FROM search_slot
         WHERE state = 'BUILDING' AND builds_until > clock_timestamp()),
        to_regclass('search_vector') IS NOT NULL
    """
)
_STAGE = text(
    f"""
    CREATE TEMP TABLE IF NOT EXISTS search_stage (
        {", ".join(f"{name} {kind}" for name, kind in DOCUMENT_COLUMNS.items())},
        kind text, terms tsvector, length real, digest bytea, id int, facets int[], fresh boolean
    ) ON COMMIT DELETE ROWS
    """
)
_CLEAR = text("DELETE FROM search_stage")
_TERMS = document_terms("d.name", "array_to_string(d.names, ' ')", "d.details", "d.body")
_FILL = {
    kind: text(
        f"""
        INSERT INTO search_stage ({_NAMES}, kind, terms, length, digest)
        SELECT {", ".join(f"d.{name}" for name in DOCUMENT_COLUMNS)}, '{kind}', w.terms,
            (SELECT coalesce(sum(weight), 0) FROM ({weighed_terms("w.terms")}) AS x),
            sha256(convert_to(concat_ws(chr(31), d.name, array_to_string(d.names, chr(30)),
                d.details, d.body), 'UTF8'))
        FROM ({builder.documents}) AS d({_NAMES})
        CROSS JOIN LATERAL (SELECT {_TERMS} AS terms OFFSET 0) AS w
        """
    )
    for kind, builder in BUILDERS.items()
}
_NUMBER = text(
    """
    INSERT INTO search_entity (kind, entity_id)
    SELECT s.kind, s.entity_id FROM search_stage AS s
    WHERE NOT EXISTS (
        SELECT FROM search_entity AS e WHERE e.kind = s.kind AND e.entity_id = s.entity_id)
    ORDER BY s.entity_id ON CONFLICT DO NOTHING
    """
)
_NAME_VALUES = text(
    """
    INSERT INTO search_facet_value AS v (facet, value, label)
    SELECT DISTINCT ON (t.facet, t.value) t.facet, t.value, t.label
    FROM search_stage AS s
    CROSS JOIN LATERAL unnest(s.tokens) AS k(token)
    CROSS JOIN LATERAL (SELECT split_part(token, chr(31), 1) AS facet,
        split_part(token, chr(31), 2) AS value, split_part(token, chr(31), 3) AS label) AS t
    WHERE NOT EXISTS (SELECT FROM search_facet_value AS h
        WHERE h.facet = t.facet AND h.value = t.value AND h.label = t.label)
    ORDER BY t.facet, t.value, t.label
    ON CONFLICT (facet, value) DO UPDATE SET label = excluded.label
    """
)


def _compare(slot: int) -> Any:
    return text(
        f"""
        UPDATE search_stage AS s SET id = e.id,
            facets = (coalesce((
                SELECT array_agg(DISTINCT v.id ORDER BY v.id) FROM unnest(s.tokens) AS k(token)
                JOIN search_facet_value AS v ON v.facet = split_part(k.token, chr(31), 1)
                    AND v.value = split_part(k.token, chr(31), 2)), '{{}}'))[1:{FACETS_MAX}],
            fresh = NOT EXISTS (
                SELECT FROM search_document_{slot} AS d
                WHERE d.slot = {slot} AND d.id = e.id AND d.digest = s.digest)
        FROM search_entity AS e WHERE e.kind = s.kind AND e.entity_id = s.entity_id
        """
    )


def _withdraw(slot: int) -> Any:
    """Take back the words of what is gone or reads differently; what there was before of all."""
    return text(
        f"""
        WITH had AS MATERIALIZED (
            SELECT d.id, d.terms, d.length, s.id IS NULL AS gone, coalesce(s.fresh, true) AS fresh
            FROM search_document_{slot} AS d LEFT JOIN search_stage AS s ON s.id = d.id
            WHERE d.slot = {slot} AND d.kind = :kind AND d.entity_id = ANY (CAST(:ids AS uuid[]))
        ), word AS MATERIALIZED (
            SELECT had.id, l.lexeme COLLATE "C" AS term
            FROM had, unnest(tsvector_to_array(had.terms)) AS l(lexeme) WHERE had.fresh
        ), counted AS MATERIALIZED (
            SELECT term, count(*) AS documents FROM word GROUP BY term
        ), posting AS (
            DELETE FROM search_posting_{slot} AS p USING word
            WHERE p.slot = {slot} AND p.term = word.term AND p.document = word.id
        ), last AS (
            DELETE FROM search_term_{slot} AS t USING counted AS c
            WHERE t.slot = {slot} AND t.term = c.term AND t.documents <= c.documents
        ), fewer AS (
            UPDATE search_term_{slot} AS t SET documents = t.documents - c.documents
            FROM counted AS c
            WHERE t.slot = {slot} AND t.term = c.term AND t.documents > c.documents
        ), name AS (
            DELETE FROM search_name_{slot} AS n USING had
            WHERE n.slot = {slot} AND n.document = had.id AND had.fresh
        )
        SELECT count(*) AS documents, coalesce(sum(length), 0) AS length,
            array_remove(array_agg(id) FILTER (WHERE gone), NULL) AS gone
        FROM had
        """
    )


def _forget(slot: int) -> Any:
    return text(
        f"DELETE FROM search_document_{slot} WHERE slot = {slot}"
        " AND id = ANY (CAST(:documents AS int[]))"
    )


_FORGET_VECTORS = text("DELETE FROM search_vector WHERE document = ANY (CAST(:documents AS int[]))")
# What a reader sees; `changed_at` moves with them alone.
_KEPT = [*(name for name in DOCUMENT_COLUMNS if name not in ("entity_id", "tokens")), "facets"]
_KEPT += ["length", "terms", "digest"]


def _write(slot: int) -> Any:
    columns = ", ".join(_KEPT)
    stored = ", ".join(f"d.{name}" for name in _KEPT)
    given = ", ".join(f"excluded.{name}" for name in _KEPT)
    return text(
        f"""
        INSERT INTO search_document_{slot} AS d (slot, id, kind, entity_id, {columns})
        SELECT {slot}, id, kind, entity_id, {columns} FROM search_stage ORDER BY id
        ON CONFLICT (slot, id) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in _KEPT)},
            changed_at = clock_timestamp()
        WHERE ({stored}) IS DISTINCT FROM ({given})
        """
    )


def _post(slot: int) -> Any:
    impact = impact_of("w.weight", "s.length", "g.mean_length")
    return text(
        f"""
        WITH word AS MATERIALIZED (
            SELECT w.term COLLATE "C" AS term, s.id, {impact} AS impact
            FROM search_stage AS s
            CROSS JOIN (SELECT mean_length FROM search_slot WHERE slot = {slot}) AS g
            CROSS JOIN LATERAL ({weighed_terms("s.terms")}) AS w
            WHERE s.fresh
        ), posting AS (
            INSERT INTO search_posting_{slot} (slot, term, document, impact)
            SELECT {slot}, term, id, impact FROM word ORDER BY term, id
        )
        INSERT INTO search_term_{slot} AS t (slot, term, documents)
        SELECT {slot}, term, count(*) FROM word GROUP BY term ORDER BY term
        ON CONFLICT (slot, term) DO UPDATE SET documents = t.documents + excluded.documents
        """
    )


def names_of(slot: int, source: str) -> str:
    """SQL that writes the names of documents of a source (a table with their columns, as `s`)."""
    return f"""
        INSERT INTO search_name_{slot} (slot, document, place, key, kind, owner_id, popularity)
        SELECT {slot}, id, min(place) - 1, key, kind, owner_id, popularity FROM (
            SELECT s.id, s.kind, s.owner_id, s.popularity, n.place, search_key(n.name) AS key
            FROM {source} AS s
            CROSS JOIN LATERAL unnest(ARRAY[s.name] || s.names) WITH ORDINALITY AS n(name, place)
        ) AS named
        WHERE key <> '' GROUP BY id, kind, owner_id, popularity, key ORDER BY id
    """


def _name(slot: int) -> Any:
    return text(names_of(slot, "(SELECT * FROM search_stage WHERE fresh)"))


def _weigh_names(slot: int) -> Any:
    return text(
        f"""
        UPDATE search_name_{slot} AS n SET popularity = s.popularity, owner_id = s.owner_id
        FROM search_stage AS s WHERE NOT s.fresh AND n.slot = {slot} AND n.document = s.id
          AND (n.popularity, n.owner_id) IS DISTINCT FROM (s.popularity, s.owner_id)
        """
    )


class _Writing(NamedTuple):
    """The statements of one slot, in their order."""

    compare: Any
    withdraw: Any
    forget: Any
    write: Any
    post: Any
    name: Any
    weigh_names: Any


_WRITING = {
    slot: _Writing(
        *(make(slot) for make in (_compare, _withdraw, _forget, _write, _post, _name, _weigh_names))
    )
    for slot in SLOTS
}
_STAGED = text("SELECT count(*), coalesce(sum(length), 0) FROM search_stage")
_COUNT = text(
    """
    UPDATE search_slot SET documents = documents + :documents,
        total_length = total_length + :length WHERE slot = :slot
    """
)
_TOUCH = text(
    """
    INSERT INTO search_touched (kind, entity_id)
    SELECT :kind, id FROM unnest(CAST(:ids AS uuid[])) AS id
    """
)


class Slots(NamedTuple):
    """Which slot is read and which is being built, if one is; whether there are vectors."""

    active: int
    building: int | None
    vectors: bool


async def index_entities(tx: Transaction, things: Iterable[Thing]) -> int:
    """Bring the index up to what these things are now: written, changed, or taken out where not
    everyone may see them any more. Safe to repeat; how many of them are in the index.

    Things are written 500 at a time; a few thousand are meant at most, in one transaction that does
    nothing else: it waits for other writers, and they for it.
    """
    batches = list(_batches(things))
    if not batches:
        return 0
    slots = await take_turn(tx)
    found = 0
    for kind, ids in batches:
        found += await write_entities(tx, slots, slots.active, kind, ids)
        if slots.building is not None:
            await tx.execute(_TOUCH, {"kind": kind, "ids": ids})
    return found


async def take_turn(tx: Transaction) -> Slots:
    """Wait for other writers of the index; they wait for this transaction from here on."""
    await tx.execute(_TAKE_TURN)
    return Slots(*(await tx.execute(_SLOTS)).one())


async def write_entities(
    tx: Transaction, slots: Slots, slot: int, kind: SearchKind, ids: Sequence[UUID]
) -> int:
    """Bring one slot up to some things of a kind; how many of them are in it. The caller has taken
    its turn."""
    writing = _WRITING[slot]
    staged = await stage_entities(tx, kind, ids, compare=writing.compare)
    had = (await tx.execute(writing.withdraw, {"kind": kind, "ids": ids})).one()
    if had.gone:
        await tx.execute(writing.forget, {"documents": had.gone})
        if slots.vectors:
            await tx.execute(_FORGET_VECTORS, {"documents": had.gone})
    documents, length = staged
    if documents:
        for statement in (writing.write, writing.post, writing.name, writing.weigh_names):
            await tx.execute(statement)
    if documents != had.documents or length != had.length:
        change = {"documents": documents - had.documents, "length": length - had.length}
        await tx.execute(_COUNT, {"slot": slot, **change})
    return documents


async def stage_entities(
    tx: Transaction, kind: SearchKind, ids: Sequence[UUID], *, compare: Any
) -> tuple[int, float]:
    """Build the documents of things of a kind in `search_stage`, with their numbers; how many
    there are, and their length together."""
    await tx.execute(_STAGE)
    await tx.execute(_CLEAR)
    await tx.execute(_FILL[kind], {"ids": ids})
    documents, length = (await tx.execute(_STAGED)).one()
    if documents:
        for statement in (_NUMBER, _NAME_VALUES, compare):
            await tx.execute(statement)
    return int(documents), float(length)


def compare_with(slot: int) -> Any:
    """The statement that numbers what is staged, and finds what differs in a slot."""
    return _WRITING[slot].compare


def write_into(slot: int) -> Any:
    """The statement that writes what is staged into a slot, without its words and names."""
    return _WRITING[slot].write


def _batches(things: Iterable[Thing]) -> Iterator[tuple[SearchKind, list[UUID]]]:
    """Each thing once, by kind, the kinds always in one order."""
    ordered = sorted(set(things), key=lambda thing: (SEARCH_KINDS.index(thing[0]), thing[1]))
    for kind, some in groupby(ordered, key=lambda thing: thing[0]):
        ids = [id for _, id in some]
        for i in range(0, len(ids), CHUNK):
            yield kind, ids[i : i + CHUNK]
