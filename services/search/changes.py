"""Whom a change of the index concerns: what documents were and became, read as it comes, and judged
against what somebody waits for. In doubt it concerns them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession
from models.search import FACETS
from services.search.contract import SearchFilters, SearchQuery
from services.search.filters import selected_values
from services.search.postings import LANGUAGE, WHOLE_LANGUAGE

NEAR = 0.25
"""Share of trigrams from which a name may be found in spite of its mistakes: below what any search
takes for near, so that none is missed."""
CHANGES_MAX = 2_000
"""Changes of one look; more, and everything counts as changed."""

# By transaction, not by number: numbers are given before the commit, so a lower one may come to be
# seen later. What was seen of transactions that are not all over is left out by its number.
_CHANGES = text(
    f"""
    WITH now AS (
        SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS since
    )
    SELECT now.since, c.id, c.xact, c.document, c.kind, c.terms, c.viewers,
        ARRAY(SELECT search_key(n) FROM unnest(c.names[1:20]) AS n) AS keys,
        ARRAY(SELECT v.facet || chr(31) || v.value FROM search_facet_value AS v
            WHERE v.id = ANY (c.facets)) AS facets
    FROM now LEFT JOIN LATERAL (
        SELECT * FROM search_change AS c
        WHERE c.xact >= :since AND c.id <> ALL (CAST(:seen AS bigint[]))
        ORDER BY c.id LIMIT {CHANGES_MAX}
    ) AS c ON true
    """
)
_NOW = text(
    """
    SELECT n.since, ARRAY(SELECT id FROM search_change WHERE xact >= n.since ORDER BY id),
        ARRAY(SELECT xact FROM search_change WHERE xact >= n.since ORDER BY id)
    FROM (
        SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS since
    ) AS n
    """
)
_WORDS = text(
    f"""
    SELECT tsvector_to_array(to_tsvector('{LANGUAGE}', search_words(:words))
            || to_tsvector('{WHOLE_LANGUAGE}', search_words(:words))),
        search_key(:words)
    """
)


@dataclass(frozen=True, slots=True)
class Place:
    """How far changes were read: all of transactions before `since`, and those `seen` of later
    ones, with the transaction of each."""

    since: int
    seen: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A document as it was, or as it became. `document` None: anything may have changed, for
    `viewers` alone if there are any. `names` are the trigrams of each, `facets` are `facet`, a
    separator and the value."""

    document: int | None
    kind: str | None = None
    terms: frozenset[str] = frozenset()
    names: tuple[frozenset[str], ...] = ()
    facets: frozenset[str] = frozenset()
    viewers: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a search waits for: words by their stems and a name by its trigrams (neither: whatever
    passes the filters), values of facets of which a hit has one each, and `shown`, the documents of
    its page. With `lifted`, one filter may fail: facets are counted without their own."""

    terms: frozenset[str] = frozenset()
    name: frozenset[str] = frozenset()
    fuzzy: bool = True
    kinds: frozenset[str] = frozenset()
    facets: Mapping[str, frozenset[str]] | None = None
    lifted: bool = False
    shown: frozenset[int] = frozenset()
    viewer: UUID | None = None


async def place_of_now(session: ReadSession) -> Place:
    """Where to begin: after all that is committed."""
    since, ids, xacts = (await session.execute(_NOW)).one()
    return Place(since, dict(zip(ids, xacts, strict=True)))


async def read_changes(session: ReadSession, place: Place) -> tuple[list[Change], Place]:
    """What changed since, in one statement, and the new place."""
    asked = {"since": place.since, "seen": list(place.seen)}
    rows = (await session.execute(_CHANGES, asked)).all()
    since, found = rows[0].since, [row for row in rows if row.id is not None]
    if len(found) == CHANGES_MAX:
        return [Change(None)], await place_of_now(session)
    seen = dict(place.seen) | {row.id: row.xact for row in found}
    left = {number: xact for number, xact in seen.items() if xact >= since}
    return [_change(row) for row in found], Place(since, left)


async def words_of(session: ReadSession, words: str) -> tuple[frozenset[str], frozenset[str]]:
    """The stems of what is looked for, and its trigrams."""
    terms, key = (await session.execute(_WORDS, {"words": words})).one()
    return frozenset(terms), trigrams(key)


def _change(row: Any) -> Change:
    return Change(
        row.document,
        row.kind,
        frozenset(row.terms),
        tuple(trigrams(key) for key in row.keys),
        frozenset(row.facets),
        frozenset(row.viewers),
    )


def awaited(
    query: SearchQuery,
    understood: SearchFilters,
    terms: frozenset[str],
    name: frozenset[str],
    shown: Iterable[int],
) -> Awaited:
    """What a search waits for, by what was asked and what was understood of it."""
    chosen = [selected_values(query.filters), selected_values(understood)]
    facets: dict[str, frozenset[str]] = {}
    for facet in chosen[0].keys() | chosen[1].keys():
        # Whether the two narrow or widen each other is the search's matter: either may do here.
        facets[facet] = frozenset().union(*(one.get(facet, frozenset()) for one in chosen))
    kinds = facets.pop("TYPE", frozenset())
    return Awaited(
        terms=terms,
        name=name,
        fuzzy=query.mode in ("ALL", "FUZZY"),
        kinds=kinds,
        facets=facets,
        lifted=bool(query.facets),
        shown=frozenset(shown),
        viewer=query.viewer_id,
    )


def concerns(change: Change, wanted: Awaited) -> bool:
    """Whether the answer may differ by this change: false only where it surely does not."""
    if change.viewers:
        return wanted.viewer in change.viewers
    if change.document is None or change.document in wanted.shown:
        return True
    said = wanted.terms or wanted.name
    if said and wanted.terms.isdisjoint(change.terms) and not _named(change, wanted):
        return False
    failed = 1 if wanted.kinds and change.kind not in wanted.kinds else 0
    for name, values in (wanted.facets or {}).items():
        own = f"{name}\x1f"
        of_facet = [value[len(own) :] for value in change.facets if value.startswith(own)]
        if name in FACETS and values.isdisjoint(of_facet):
            failed += 1
    return failed <= (1 if wanted.lifted else 0)


def _named(change: Change, wanted: Awaited) -> bool:
    return wanted.fuzzy and any(near(wanted.name, name) for name in change.names)


def concerned(changes: Sequence[Change], wanted: Awaited) -> bool:
    """Whether the answer may differ by any of these."""
    return any(concerns(change, wanted) for change in changes)


def near(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two names are alike but for mistakes, by their trigrams."""
    both = len(one & other)
    return both > 0 and both >= NEAR * (len(one) + len(other) - both)


def trigrams(key: str) -> frozenset[str]:
    """A name's trigrams as PostgreSQL has them."""
    padded = (f"  {word} " for word in key.split())
    return frozenset(word[n : n + 3] for word in padded for n in range(len(word) - 2))
