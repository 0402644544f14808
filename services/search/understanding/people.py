"""People by name, and whose stall: what the words before a name make of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from services.search.contract import Boost, SearchFilters
from services.search.understanding.lexicon import BY, DIRECTED, STARRING
from services.search.understanding.readings import GOODS, TITLES, Person, Reading, Scan, Trust
from services.search.understanding.words import phrases

NAME_WORDS_MAX = 4
PEOPLE_MAX = 4
"""People named one after the other."""
_STALLS = frozenset({"stall", "shop", "store", "booth", "stand"})
_AT = phrases("from | at | in | by | sold by | from the | at the")
_SOLD = phrases("sold by | from seller | by seller | seller | made by")


def people(scan: Scan, at: int) -> Iterator[Reading]:
    """`with Tom Hanks and Meg Ryan`, `directed by Kurosawa`, `Tom Hanks`."""
    strong = max(scan.after(at, DIRECTED), scan.after(at, STARRING))
    weak = scan.after(at, BY)
    start = max(strong, weak)
    if start > at:
        yield from _several(scan, at, start, strong=strong > at)
    elif found := _name_at(scan, at):
        person, end = found
        if end - at > 1 and not person.near and not person.surname:
            yield _reading(at, end, [person], Trust.BESIDE)


def _several(scan: Scan, first: int, at: int, *, strong: bool) -> Iterator[Reading]:
    found: list[Person] = []
    trust = Trust.SURE
    end = at
    while len(found) < PEOPLE_MAX and (named := _name_at(scan, end)):
        person, stop = named
        trust = min(trust, _trust(scan, person, first, end, stop, strong=strong))
        found.append(person)
        at, end = stop, stop
        if scan.key(end) == "and" or (end < len(scan.words) and "," in scan.words[end].gap):
            end += scan.key(end) == "and"
        else:
            break
    if found:
        yield _reading(first, at, found, trust)


def _trust(scan: Scan, person: Person, first: int, at: int, end: int, *, strong: bool) -> Trust:
    """A whole name after a cue is sure. A last name alone is a word like others (`with love`):
    sure after `directed by`, or where it is written as a name or hardly means anything else."""
    if not person.surname:
        if strong or end - at == 1:
            return Trust.SURE if strong else Trust.LIKELY
        return Trust.BESIDE if scan.key(first) in ("of", "from") else Trust.SURE
    if person.near:
        return Trust.SURE if strong else Trust.LIKELY
    named = strong or person.rare or (scan.words[at].capital and scan.words[first].key != "of")
    return Trust.SURE if named and scan.key(first) not in ("from", "of") else Trust.LIKELY


def _name_at(scan: Scan, at: int) -> tuple[Person, int] | None:
    names = scan.dictionaries.names.people
    if not names:
        return None
    for end in range(min(at + NAME_WORDS_MAX, len(scan.words)), at, -1):
        person = names.get(scan.run(at, end))
        if person is not None:
            return person, end
    return None


def _reading(first: int, end: int, found: list[Person], trust: Trust) -> Reading:
    groups = tuple(person.ids for person in found)
    return Reading(
        first,
        end,
        "PERSON",
        ", ".join(person.name for person in found),
        trust,
        SearchFilters(people=groups),
        (),
        TITLES,
    )


def stalls(scan: Scan, at: int) -> Iterator[Reading]:
    """`from Ada's stall`, `sold by Ada Lovelace`, `at the Kiln & Clay stall`."""
    names = scan.dictionaries.names
    if not names.stalls and not names.sellers:
        return
    after = scan.after(at, _AT)
    for start in dict.fromkeys((after, at)):
        for end in range(min(start + NAME_WORDS_MAX, len(scan.words)), start, -1):
            key = scan.run(start, end)
            called = scan.key(end) in _STALLS
            if called and (
                ids := names.stalls.get(f"{key} {scan.key(end)}") or names.stalls.get(key)
            ):
                yield _of_stall("STALL", at, end + 1, ids)
            elif called and (ids := names.sellers.get(_owner(key))):
                yield _of_stall("SELLER", at, end + 1, ids)
    after = scan.after(at, _SOLD)
    for end in range(min(after + NAME_WORDS_MAX, len(scan.words)), after, -1):
        ids = names.sellers.get(scan.run(after, end)) if after > at else None
        if ids:
            yield _of_stall("SELLER", at, end, ids)


def _owner(key: str) -> str:
    return key.removesuffix("'s").removesuffix("'")


def _of_stall(kind: str, first: int, end: int, ids: tuple[UUID, ...]) -> Reading:
    values = tuple(map(str, ids))
    if kind == "STALL":
        return Reading(
            first, end, "STALL", "|".join(values), Trust.SURE,
            SearchFilters(stalls=ids), (Boost("STALL", values),), GOODS,
        )  # fmt: skip
    return Reading(
        first, end, "SELLER", "|".join(values), Trust.SURE,
        SearchFilters(sellers=ids), (Boost("SELLER", values),), GOODS,
    )  # fmt: skip
