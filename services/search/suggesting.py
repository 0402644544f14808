"""Suggestions while somebody types: names that begin so, or have a word that does, the popular
first; then popular queries. One statement. Blocks hold in both directions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import TextClause, text

from core.database import ReadSession
from models.search import SEARCH_KINDS, SearchKind
from models.search_suggesting import ORDERED_LETTERS
from services.search.popular import SEARCHERS_MIN
from services.search.understanding.words import fold

SUGGESTIONS_MAX = 10
PREFIX_MAX = 100
"""Characters that are looked at; of a longer text no name begins so."""
_NOT_A_WORD = re.compile(r"[\W_]+")
_SPACES = re.compile(r"\s+")
_READ_MORE = 3
"""A name may begin so at two of its words: rows read for each that is shown."""
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What may be meant: the name of a thing, or (without kind and id) a query that many ask."""

    text: str
    kind: SearchKind | None = None
    entity_id: UUID | None = None


def compared(typed: str, *, whole: bool = True) -> str:
    """What was typed as names are compared: words of letters and digits. Not `whole`: a space at
    the end stays, for the word before it is finished."""
    words = _NOT_A_WORD.sub(" ", fold(typed).replace("'", " ")).lstrip()
    return words.strip() if whole or not words.strip() else words


@cache
def _statement(letters: int, popular: bool) -> TextClause:
    """By how many letters there are: for few, the index that holds the order; for more, all names
    that begin so, which are few enough to be sorted."""
    if letters <= ORDERED_LETTERS:
        begins = f'"left"(n.key, {letters}) = CAST(:prefix AS text)'
    else:
        begins = "n.key >= CAST(:prefix AS text) AND n.key < CAST(:beyond AS text)"
    queries = """
        UNION ALL
        (SELECT CAST(2 AS smallint), q.query, NULL, NULL, CAST(q.searches AS real)
        FROM search_popular AS q
        WHERE q.query ~>=~ CAST(:asked AS text) AND q.query ~<~ CAST(:asked_beyond AS text)
          AND q.searchers >= :searchers
        ORDER BY q.searches DESC, q.query LIMIT :first)
    """
    return text(
        f"""
        (SELECT CAST(1 AS smallint) AS place, d.name, n.kind, d.entity_id, n.weight
        FROM (
            SELECT n.slot, n.document, n.kind, n.weight FROM search_start AS n
            WHERE n.slot = (SELECT slot FROM search_slot WHERE state = 'ACTIVE')
              AND {begins} AND n.kind = ANY (CAST(:kinds AS text[]))
              AND (n.owner_id IS NULL OR CAST(:viewer AS uuid) IS NULL OR NOT EXISTS (
                SELECT FROM block AS b
                WHERE b.blocker_id = n.owner_id AND b.blocked_id = CAST(:viewer AS uuid)
                   OR b.blocker_id = CAST(:viewer AS uuid) AND b.blocked_id = n.owner_id))
            ORDER BY n.weight DESC LIMIT :rows
        ) AS n
        JOIN search_document AS d ON d.slot = n.slot AND d.id = n.document
        WHERE coalesce(d.maturity <= (
            SELECT maturity_limit FROM user_preference WHERE user_id = CAST(:viewer AS uuid)
        ), true))
        {queries if popular else ""}
        ORDER BY place, weight DESC, name
        """
    )


async def suggest(
    session: ReadSession,
    prefix: str,
    *,
    kinds: Sequence[SearchKind] = (),
    first: int = SUGGESTIONS_MAX,
    viewer_id: UUID | None = None,
) -> list[Suggestion]:
    """At most `first` suggestions (`SUGGESTIONS_MAX`) for what was typed so far: names of things of
    these kinds (all, if none is given), then, of all kinds alone, queries that at least
    `SEARCHERS_MIN` people searched. Nothing for an empty prefix, or one longer than `PREFIX_MAX`.
    """
    key = compared(prefix[: PREFIX_MAX + 1], whole=False)
    first = max(0, min(first, SUGGESTIONS_MAX))
    if not key or len(key) > PREFIX_MAX or not first:
        return []
    wanted: dict[str, object] = {
        "prefix": key,
        "kinds": list(kinds or SEARCH_KINDS),
        "viewer": viewer_id,
        "rows": _READ_MORE * first,
    }
    letters = min(len(key), ORDERED_LETTERS + 1)
    if letters > ORDERED_LETTERS:
        wanted["beyond"] = key + _LAST
    if not kinds:
        asked = _SPACES.sub(" ", fold(prefix)).lstrip()
        more = {"asked": asked, "asked_beyond": asked + _LAST, "searchers": SEARCHERS_MIN}
        wanted |= more | {"first": first}
    rows = await session.execute(_statement(letters, not kinds), wanted)
    return _shown([Suggestion(row.name, row.kind, row.entity_id) for row in rows], first)


def _shown(found: Sequence[Suggestion], first: int) -> list[Suggestion]:
    """Each name of a kind once, and no query that is a name already shown."""
    shown: dict[tuple[str, SearchKind | None], Suggestion] = {}
    for each in found:
        named = each.kind is None and any(key == compared(each.text) for key, _ in shown)
        if not named:
            shown.setdefault((compared(each.text), each.kind), each)
    return list(shown.values())[:first]
