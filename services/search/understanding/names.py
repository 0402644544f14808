"""Which words of a query are names: of titles, people, stalls and sellers, looked up in the index
for that query. One statement as a rule; a second where a name after `by` or `with` is none that is
known, or is a last name alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession
from services.search.understanding.lexicon import BY, DIRECTED, STARRING, STOP
from services.search.understanding.people import NAME_WORDS_MAX
from services.search.understanding.readings import Dictionaries, Names, Person, Scan
from services.search.understanding.words import OPAQUE, WORDS_MAX, Word, runs, words_of

LOOKED_UP_MAX = 16
"""Words from the start of a query in which names are looked for."""
TITLE_WORDS_MAX = 8
NAMESAKES_MAX = 10
CUES_MAX = 2
"""Places of a query where a name that is none, or a last name, is looked into further."""
NEAR = 0.5
"""Trigram similarity from which a name is taken for another one that is spelt nearly so."""

NEAR_A_TITLE = 0.6
"""And from which a whole query is taken for a title that is misspelt."""

_SLOT = "(SELECT slot FROM search_slot WHERE state = 'ACTIVE')"
_NAMES = text(
    f"""
    SELECT n.key, n.kind, n.word, d.name, d.entity_id
    FROM search_start AS n
    LEFT JOIN search_document AS d
        ON d.slot = n.slot AND d.id = n.document AND n.kind = 'PERSON'
    WHERE n.slot = {_SLOT} AND n.key = ANY (CAST(:keys AS text[]))
      AND (n.word = 0 AND n.kind IN ('TITLE', 'PERSON')
        OR n.kind = 'PERSON' AND n.key = ANY (CAST(:last AS text[])))
    ORDER BY n.word = 0 DESC, n.weight DESC, n.document LIMIT 500
    """
)
# Who begins with the same letters as the first or the last word, and is near to the whole.
_NEAR = text(
    f"""
    SELECT n.key, d.name, d.entity_id, similarity(n.key, :name) AS near
    FROM search_start AS n
    JOIN search_document AS d ON d.slot = n.slot AND d.id = n.document
    WHERE n.slot = {_SLOT} AND n.kind = 'PERSON' AND "left"(n.key, 3) = "left"(:name, 3)
      AND (n.word = 0 OR CAST(:alone AS boolean)) AND similarity(n.key, :name) >= {NEAR}
    ORDER BY near DESC, n.weight DESC, n.document LIMIT 1
    """
)
_LAST_NEAR = text(
    f"""
    SELECT w.key, d.name, d.entity_id, similarity(w.key, :name) AS near
    FROM search_start AS n
    JOIN search_start AS w ON w.slot = n.slot AND w.document = n.document
        AND w.place = n.place AND w.word = 0
    JOIN search_document AS d ON d.slot = n.slot AND d.id = n.document
    WHERE n.slot = {_SLOT} AND n.kind = 'PERSON' AND n.word > 0
      AND "left"(n.key, 3) = "left"(:last, 3) AND similarity(w.key, :name) >= {NEAR}
    ORDER BY near DESC, n.weight DESC, n.document LIMIT 1
    """
)
# A last name that stands in the index hardly but for who bears it.
_RARE = text(
    f"""
    SELECT coalesce((
        SELECT sum(documents) FROM search_term WHERE slot = {_SLOT}
          AND term = ANY (tsvector_to_array(to_tsvector('mela_search_names', :name)))
    ), 0) <= 2 * (
        SELECT count(*) FROM credit WHERE person_id = ANY (CAST(:ids AS uuid[]))
    ) + cardinality(CAST(:ids AS uuid[]))
    """
)
_SELLERS = text(
    """
    SELECT search_key(label) AS key, facet, value FROM search_facet_value
    WHERE facet IN ('SELLER', 'STALL') AND search_key(label) = ANY (CAST(:keys AS text[]))
    ORDER BY id LIMIT 50
    """
)
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
# The limit is set for this statement alone, on the way to the row from which the index is entered.
_LIKE_A_TITLE = text(
    f"""
    SELECT EXISTS (
        SELECT FROM (SELECT search_key(:query) AS key,
            set_config('pg_trgm.similarity_threshold', CAST(:near AS text), true) AS near) AS said
        JOIN search_name AS n ON n.slot = {_SLOT} AND n.key % said.key
        WHERE said.near IS NOT NULL AND n.kind = 'TITLE'
    )
    """
)
_STALL_WORDS = frozenset({"stall", "shop", "store", "booth", "stand", "seller", "sold", "made"})


@dataclass(slots=True)
class _Found:
    titles: set[str] = field(default_factory=set)
    people: dict[str, Person] = field(default_factory=dict)


async def names_of(session: ReadSession, query: str, dictionaries: Dictionaries) -> Names:
    """The names that stand in a query. A text that is too long to be asked in words has none."""
    words = words_of(query)
    if not words or len(words) > WORDS_MAX:
        return Names()
    words = words[:LOOKED_UP_MAX]
    cued = _cued(words, dictionaries)
    found = _Found()
    await _whole(session, words, cued, found)
    for end, strong in cued[:CUES_MAX]:
        await _after_cue(session, words, end, found, dictionaries, strong=strong)
    stalls, sellers = await _sellers(session, words)
    return Names(frozenset(found.titles), found.people, stalls, sellers)


async def is_like_a_title(session: ReadSession, query: str) -> bool:
    """Whether a title is called nearly so, a letter or two apart."""
    asked = {"query": query, "near": str(NEAR_A_TITLE)}
    return bool((await session.execute(_LIKE_A_TITLE, asked)).scalar())


def _compared(key: str) -> str:
    """A run of words as the index compares names: it has no apostrophes."""
    return key.replace("'", " ")


def _cued(words: tuple[Word, ...], dictionaries: Dictionaries) -> list[tuple[int, bool]]:
    """Where a name may begin: after `by`, `with`, and (strongly) after `directed by`. After `from`
    and `of` so much else may follow that a last name would say nothing."""
    scan = Scan("", words, dictionaries, _ANY_TIME)
    found: dict[int, bool] = {}
    for at in range(len(words)):
        strong = max(scan.after(at, DIRECTED), scan.after(at, STARRING))
        end = max(strong, scan.after(at, BY))
        vague = strong == at and words[at].key in ("from", "of")
        if at < end < len(words) and words[end].key not in STOP and not vague:
            found[end] = found.get(end, False) or strong > at
    return sorted(found.items())


async def _whole(
    session: ReadSession, words: tuple[Word, ...], cued: Sequence[tuple[int, bool]], found: _Found
) -> None:
    keys: dict[str, str] = {}
    last: dict[str, str] = {}
    ends = {end for end, _ in cued}
    for first, end, key in runs(words, longest=TITLE_WORDS_MAX):
        if any(word.key == OPAQUE for word in words[first:end]):
            continue
        keys[_compared(key)] = key
        if first in ends and end - first <= 2:
            last[_compared(key)] = key
    if not keys:
        return
    rows = await session.execute(_NAMES, {"keys": list(keys), "last": list(last)})
    people: dict[tuple[str, bool], list[Any]] = {}
    for row in rows:
        if row.kind == "TITLE":
            found.titles.add(row.key)
        else:
            people.setdefault((keys[row.key], row.word == 0), []).append(row)
    for (key, is_whole), bearers in people.items():
        if key in found.people or key in STOP:
            continue  # a whole name comes first, and beats a last name
        ids = tuple(dict.fromkeys(UUID(bytes=row.entity_id.bytes) for row in bearers))
        name = bearers[0].name if is_whole or len(ids) == 1 else key
        found.people[key] = Person(name, ids[:NAMESAKES_MAX], surname=not is_whole)


async def _after_cue(
    session: ReadSession,
    words: tuple[Word, ...],
    at: int,
    found: _Found,
    dictionaries: Dictionaries,
    *,
    strong: bool,
) -> None:
    """Judge a last name, or look for one that is spelt nearly so."""
    known = _longest(words, at, found)
    run = _run_of_name(words, at, dictionaries)
    if known is not None and (len(run) < 2 or not found.people[known].surname):
        person = found.people[known]
        if person.surname and not strong:
            bearers = {"name": known, "ids": list(person.ids)}
            rare = bool((await session.execute(_RARE, bearers)).scalar())
            found.people[known] = Person(person.name, person.ids, surname=True, rare=rare)
        return
    if not run or (len(run) == 1 and not strong):
        return
    key = " ".join(run)
    name = _compared(key)
    near = (await session.execute(_NEAR, {"name": name, "alone": len(run) == 1})).one_or_none()
    if near is None and len(run) > 1:
        last = {"name": name, "last": _compared(run[-1])}
        near = (await session.execute(_LAST_NEAR, last)).one_or_none()
    if near is not None:
        ids = (UUID(bytes=near.entity_id.bytes),)
        found.people[key] = Person(near.name, ids, near=True, surname=len(run) == 1)


def _longest(words: tuple[Word, ...], at: int, found: _Found) -> str | None:
    for end in range(min(at + NAME_WORDS_MAX, len(words)), at, -1):
        key = " ".join(word.key for word in words[at:end])
        if key in found.people:
            return key
    return None


def _run_of_name(words: tuple[Word, ...], at: int, dictionaries: Dictionaries) -> tuple[str, ...]:
    """The words after a cue that may be a misspelt name: three at most, until one that means
    something else."""
    run: list[str] = []
    for word in words[at : at + 3]:
        plain = word.key.replace("'", "").isalpha() and word.key not in STOP
        if not plain or word.key in dictionaries.phrases or (run and "," in word.gap):
            break
        run.append(word.key)
    return tuple(run) if len("".join(run)) >= 5 else ()


async def _sellers(
    session: ReadSession, words: tuple[Word, ...]
) -> tuple[dict[str, tuple[UUID, ...]], dict[str, tuple[UUID, ...]]]:
    """Stalls and sellers, where the query speaks of one."""
    if not any(word.key in _STALL_WORDS for word in words):
        return {}, {}
    keys: dict[str, set[str]] = {}
    for _, _, key in runs(words, longest=NAME_WORDS_MAX + 1):
        for form in (key, key.removesuffix("'s").removesuffix("'")):
            keys.setdefault(_compared(form), set()).add(form)
    found: dict[str, dict[str, list[UUID]]] = {"STALL": {}, "SELLER": {}}
    for row in await session.execute(_SELLERS, {"keys": list(keys)}):
        for form in keys[row.key]:
            found[row.facet].setdefault(form, []).append(UUID(row.value))
    stalls, sellers = (
        {key: tuple(ids[:NAMESAKES_MAX]) for key, ids in found[facet].items()}
        for facet in ("STALL", "SELLER")
    )
    return stalls, sellers
