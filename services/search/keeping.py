"""Keeps the columns in memory as the tables are: read whole once, then what changed, before each
answer. So what was taken out of the index a moment ago is in no count of the next search."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import structlog
from sqlalchemy import text

from core.database import Database, ReadSession
from models.search import SEARCH_KINDS, SLOTS
from services.search.columns import NEVER, NOBODY, UNKNOWN, Columns, Floats, Ints, Longs, Rows
from services.search.facet_values import FacetValues
from services.search.name_index import NameIndex

log = structlog.get_logger(__name__)

CHUNK = 10_000
"""Documents read in one statement."""
CHANGES_KEPT_S = 3_600
"""Changes are told for so long; who looked last before then reads everything anew."""
CHANGED_MAX = 20_000
"""More changes than these, and everything is read anew."""
LABELS_S = 30.0
"""A facet value's label that was changed is shown so much later at most."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the columns have come: all changes of transactions before `since` are in them, and
    those `seen` (their number and the highest) of later ones."""

    slot: int
    generation: int
    since: int
    seen: tuple[int, int]

    def is_all(self, slot: int, generation: int, seen: tuple[int, int]) -> bool:
        """Whether there was no more to see: `seen` are the changes that a statement saw since
        `since`."""
        return (slot, generation, seen) == (self.slot, self.generation, self.seen)


NOTHING_READ = Mark(0, -1, 0, (0, 0))


@dataclass(slots=True)
class Keeper:
    """One process's columns of the index. Give it to every search of that process."""

    columns: Columns = field(default_factory=Columns)
    values: FacetValues = field(default_factory=FacetValues)
    names: NameIndex = field(default_factory=NameIndex)
    mark: Mark = NOTHING_READ
    looked_at: float = 0.0
    labels_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def keeps(self, mark: Mark) -> bool:
        """Whether the columns are still of the slot of an earlier mark, and have at least what they
        had then."""
        return (self.mark.slot, self.mark.generation) == (mark.slot, mark.generation)


_KEPT: WeakKeyDictionary[Database, Keeper] = WeakKeyDictionary()


def keeper_of(db: Database) -> Keeper:
    """The columns of a database in this process: nothing at first, see `bring_up`."""
    return _KEPT.setdefault(db, Keeper())


async def bring_up(keeper: Keeper, session: ReadSession) -> None:
    """Read what changed since the last look, or everything where that is too long ago."""
    async with keeper.lock:
        state = (await session.execute(_STATE, {"since": keeper.mark.since})).one()
        stale = time.monotonic() - keeper.looked_at > CHANGES_KEPT_S / 2
        whole = (state.slot, state.generation) != (keeper.mark.slot, keeper.mark.generation)
        if whole or stale or state.changes > CHANGED_MAX:
            await _read_whole(keeper, session, state)
        elif not keeper.mark.is_all(state.slot, state.generation, (state.changes, state.last)):
            await _read_changes(keeper, session, state)
        keeper.looked_at = time.monotonic()
        if keeper.looked_at - keeper.labels_at > LABELS_S:
            keeper.values = await read_values(session)
            keeper.labels_at = keeper.looked_at
        await _read_unknown_values(keeper, session)


async def read_values(session: ReadSession) -> FacetValues:
    """Every value of every facet."""
    found = FacetValues()
    found.add(tuple(row) for row in await session.execute(_VALUES, {"above": 0}))
    return found


_STATE = text(
    """
    WITH now AS (
        SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS since
    )
    SELECT s.slot, s.generation, s.documents, now.since, c.*
    FROM search_slot AS s CROSS JOIN now CROSS JOIN LATERAL (
        SELECT count(*) AS changes, coalesce(max(id), 0) AS last,
            count(*) FILTER (WHERE xact >= now.since) AS later,
            coalesce(max(id) FILTER (WHERE xact >= now.since), 0) AS later_last
        FROM search_column_change WHERE xact >= :since
    ) AS c
    WHERE s.state = 'ACTIVE'
    """
)
_CHANGED = text(
    "SELECT DISTINCT document FROM search_column_change WHERE xact >= :since ORDER BY document"
)
_VALUES = text(
    "SELECT id, facet, value, label FROM search_facet_value WHERE id > :above ORDER BY id"
)
_VALUES_BY_ID = text(
    "SELECT id, facet, value, label FROM search_facet_value WHERE id = ANY(CAST(:ids AS integer[]))"
)
_KIND = " ".join(f"WHEN '{kind}' THEN {code}" for code, kind in enumerate(SEARCH_KINDS))


_COLUMNS = (
    "id, kind, year, runtime_minutes, maturity, price_asset, popularity, price_minor, starts_at,"
    " ends_at, published_at, owner_id, facets"
)


def _moment(column: str) -> str:
    return f"coalesce(CAST(extract(epoch FROM {column}) * 1000000 AS bigint), {NEVER})"


def _rows(slot: int, which: str) -> Any:
    """A statement of one row: each column of the documents as one array in its binary form, which
    NumPy reads as it is. As rows they would take twenty times as long to make."""
    columns = {
        "documents": "id",
        "kinds": f"CASE kind {_KIND} END",
        "year": f"coalesce(CAST(year AS integer), {UNKNOWN})",
        "runtime": f"coalesce(runtime_minutes, {UNKNOWN})",
        "maturity": f"coalesce(CAST(maturity AS integer), {UNKNOWN})",
        "asset": "coalesce(CAST(CAST('x' || left(md5(price_asset), 8) AS bit(32)) AS integer), 0)",
        "popularity": "popularity",
        "price": f"coalesce(price_minor, {NEVER})",
        "starts": _moment("starts_at"),
        "ends": _moment("ends_at"),
        "published": _moment("published_at"),
        "owner": f"coalesce(owner_id, CAST('{NOBODY}' AS uuid))",
        "sizes": "cardinality(facets)",
    }
    arrays = ", ".join(f"array_send(array_agg({sql})) AS {name}" for name, sql in columns.items())
    return text(
        f"""
        WITH wanted AS MATERIALIZED (
            SELECT {_COLUMNS} FROM search_document_{slot}
            WHERE slot = {slot} AND {which} ORDER BY id
        )
        SELECT {arrays},
            (SELECT array_send(array_agg(v)) FROM wanted, unnest(facets) AS v) AS values
        FROM wanted
        """
    )


_SOME = {slot: _rows(slot, "id = ANY(CAST(:documents AS integer[]))") for slot in SLOTS}
_BETWEEN = {slot: _rows(slot, f"id > :above AND id <= :above + {CHUNK}") for slot in SLOTS}
_NAMES = {
    slot: text(
        f"""
        SELECT string_agg(key, E'\\n') AS keys, array_send(array_agg(document)) AS documents
        FROM (SELECT key, document FROM search_name_{slot} WHERE slot = {slot}
            AND (document = ANY(CAST(:documents AS integer[]))
                OR document > CAST(:above AS integer)
                    AND document <= CAST(:above AS integer) + {CHUNK})
            ORDER BY document, place) AS n
        """
    )
    for slot in SLOTS
}
_LAST = {slot: text(f"SELECT coalesce(max(id), 0) FROM search_document_{slot}") for slot in SLOTS}


async def _read_whole(keeper: Keeper, session: ReadSession, state: Any) -> None:
    began, columns, names = time.monotonic(), Columns(), NameIndex()
    last = (await session.execute(_LAST[state.slot])).scalar_one()
    for above in range(0, last, CHUNK):
        read = await session.execute(_BETWEEN[state.slot], {"above": above})
        columns.put(rows_of(read.one()))
        await _read_names(names, session, state.slot, above=above)
    keeper.columns, keeper.names, keeper.mark = columns, names, _mark(state)
    log.info("search_columns_read", documents=last, took_s=round(time.monotonic() - began, 2))


async def _read_changes(keeper: Keeper, session: ReadSession, state: Any) -> None:
    found = await session.execute(_CHANGED, {"since": keeper.mark.since})
    changed = list(found.scalars())
    read = await session.execute(_SOME[state.slot], {"documents": changed})
    rows = rows_of(read.one())
    gone = np.setdiff1d(np.asarray(changed, np.int64), rows.documents)
    keeper.columns.take_out(gone.tolist())
    keeper.columns.put(rows)
    keeper.names.take_out(np.asarray(changed, np.int32))
    await _read_names(keeper.names, session, state.slot, documents=changed)
    keeper.mark = _mark(state)


async def _read_names(
    names: NameIndex,
    session: ReadSession,
    slot: int,
    *,
    documents: Sequence[int] = (),
    above: int | None = None,
) -> None:
    asked = {"documents": list(documents), "above": above}
    found = (await session.execute(_NAMES[slot], asked)).one()
    if found.keys is not None:
        names.put(ints(found.documents), found.keys.split("\n"))


def _mark(state: Any) -> Mark:
    """The rows are read after the state, so they hold more than it tells of, never less."""
    return Mark(state.slot, state.generation, state.since, (state.later, state.later_last))


async def _read_unknown_values(keeper: Keeper, session: ReadSession) -> None:
    """Values that documents hold and that came after the last look at all of them."""
    columns = keeper.columns
    if unknown := keeper.values.unknown(columns.values[: columns.used]):
        found = await session.execute(_VALUES_BY_ID, {"ids": unknown})
        keeper.values.add(tuple(row) for row in found)


def rows_of(read: Any) -> Rows:
    """The arrays of one statement of `_rows`."""
    high, low = _halves_of(read.owner)
    columns: dict[str, Any] = {name: ints(getattr(read, name)) for name in _INTS}
    columns |= {name: numbers(getattr(read, name), ">i8").astype(np.int64) for name in _LONGS}
    return Rows(
        popularity=floats(read.popularity),
        owner_high=high,
        owner_low=low,
        **columns,
    )


_INTS = ("documents", "kinds", "year", "runtime", "maturity", "asset", "sizes", "values")
_LONGS = ("price", "starts", "ends", "published")
_HEADER_BYTES = 20


def numbers(packed: bytes | None, kind: str) -> Any:
    """The numbers of a one-dimensional array without NULLs in PostgreSQL's binary form: after a
    header, each behind its length."""
    if packed is None or len(packed) < _HEADER_BYTES:
        return np.zeros(0, kind)
    form = np.dtype([("length", ">i4"), ("value", kind)])
    return np.frombuffer(packed, form, offset=_HEADER_BYTES)["value"]


def ints(packed: bytes | None) -> Ints:
    """An array of int4."""
    found: Ints = numbers(packed, ">i4").astype(np.int32)
    return found


def floats(packed: bytes | None) -> Floats:
    """An array of float4."""
    found: Floats = numbers(packed, ">f4").astype(np.float32)
    return found


def _halves_of(packed: bytes | None) -> tuple[Longs, Longs]:
    pairs = numbers(packed, "(2,)>i8").reshape(-1, 2)
    return pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
