"""Kinds, genres, platforms, ways to watch, languages, regions, ratings, shelves: whatever stands in
a dictionary, with the words before it that make it sure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from services.search.contract import Boost, FacetName, Kind, SearchFilters, Without
from services.search.understanding.lexicon import (
    ASKING,
    FREE,
    NEGATIONS,
    ORDERS,
    RECOMMEND,
    TIER_WORDS,
    TITLE_KINDS,
)
from services.search.understanding.readings import (
    EITHER,
    GOODS,
    TITLES,
    Reading,
    Scan,
    Sense,
    Trust,
)
from services.search.understanding.words import phrases

_ON = phrases(
    "on | on the | via | available on | streaming on | watch on | to watch on | to stream on "
    "| stream on | from | only on"
)
_IN_LANGUAGE = phrases("in | spoken in | dubbed in | in the original | speaking")
_AVAILABLE = phrases(
    "available in | available in the | streaming in | streaming in the | watchable in | to "
    "watch in | to stream in | to watch in the | to stream in the | showing in | sold in | "
    "shipping from | watch in | watch in the"
)
_IN = phrases("in | in the | from | from the")
_TAGGED = phrases("tagged | tagged with | tag | with tag | with the tag")
_SHELF = phrases("category | in category | in the category | filed under")
_LANGUAGE_WORDS = frozenset({"language", "speaking", "spoken", "audio"})


def things(scan: Scan, at: int) -> Iterator[Reading]:
    """What the words at a place may name, by the dictionaries."""
    yield from _without(scan, at)
    yield from _cued(scan, at)
    yield from _bare(scan, at)
    yield from _tiers(scan, at)


def _cued(scan: Scan, at: int) -> Iterator[Reading]:
    """`on Netflix`, `in French`, `in the US`, `#silver`."""
    for cues, make in (
        (_ON, _platform),
        (_IN_LANGUAGE, _language),
        (_AVAILABLE, _available),
        (_IN, _region),
        (_TAGGED, _tag),
        (_SHELF, _category),
    ):
        after = scan.after(at, cues)
        if after > at:
            yield from _of(scan, at, after, make)
    if at < len(scan.words) and scan.words[at].gap.endswith("#"):
        yield from _of(scan, at, at, _tag)


Make = Callable[[Scan, int, int, Sense], Reading | None]


def _of(scan: Scan, first: int, at: int, make: Make) -> Iterator[Reading]:
    end, senses = scan.senses(at)
    for sense in senses:
        if reading := make(scan, first, end, sense):
            yield reading


def _platform(scan: Scan, first: int, end: int, sense: Sense) -> Reading | None:
    if sense.kind != "PLATFORM":
        return None
    trust = Trust.LIKELY if scan.key(first) == "from" else Trust.SURE
    return _facet(first, end, sense, trust, TITLES)


def _language(scan: Scan, first: int, end: int, sense: Sense) -> Reading | None:
    return _facet(first, end, sense, Trust.SURE, TITLES) if sense.kind == "LANGUAGE" else None


def _available(scan: Scan, first: int, end: int, sense: Sense) -> Reading | None:
    return _facet(first, end, sense, Trust.SURE, EITHER) if sense.kind == "REGION" else None


def _region(scan: Scan, first: int, end: int, sense: Sense) -> Reading | None:
    """A film in Germany may be set there: sure only beside what says where it is to be had."""
    return _facet(first, end, sense, Trust.LIKELY, EITHER) if sense.kind == "REGION" else None


def _tag(scan: Scan, first: int, end: int, sense: Sense) -> Reading | None:
    return _facet(first, end, sense, Trust.SURE, GOODS) if sense.kind == "TAG" else None


def _category(scan: Scan, first: int, end: int, sense: Sense) -> Reading | None:
    return _facet(first, end, sense, Trust.SURE, GOODS) if sense.kind == "CATEGORY" else None


def _bare(scan: Scan, at: int) -> Iterator[Reading]:
    end, senses = scan.senses(at)
    for sense in senses:
        if reading := _named(scan, at, end, sense):
            yield reading


def _named(scan: Scan, at: int, end: int, sense: Sense) -> Reading | None:
    """A phrase without any word before it that says what it is."""
    if sense.kind == "TYPE":
        return _kind(at, end, sense)
    if sense.kind == "LANGUAGE":
        if scan.key(end) in _LANGUAGE_WORDS:
            return _facet(at, end + 1, sense, Trust.SURE, TITLES)
        return _facet(at, end, sense, Trust.LIKELY, TITLES)
    if sense.kind == "GENRE":
        trust = Trust.HEAD if sense.head == "many" else Trust.BESIDE
        return _facet(at, end, sense, trust, TITLES)
    if sense.kind == "PLATFORM":
        return _facet(at, end, sense, Trust.BESIDE, TITLES)
    if sense.kind == "CONTENT_RATING":
        trust = Trust.BESIDE if sense.loose else Trust.SURE
        return _facet(at, end, sense, trust, TITLES)
    if sense.kind == "CATEGORY":
        return _facet(at, end, sense, Trust.BESIDE, GOODS)
    if sense.kind in ("CULTURAL_TAG", "TAG"):
        return _facet(at, end, sense, Trust.LIKELY, GOODS)
    return None


def _kind(at: int, end: int, sense: Sense) -> Reading:
    filters, about = kind_filters(sense.values[0])
    boosts = (Boost("TYPE", filters.kinds),)
    return Reading(at, end, "TYPE", sense.values[0], Trust.HEAD, filters, boosts, about, sense.head)


def kind_filters(value: str) -> tuple[SearchFilters, frozenset[str]]:
    """What `films` or `people` ask for, and whom it is about."""
    if value in TITLE_KINDS:
        kinds: tuple[Kind, ...] = ("TITLE",)
        wanted = ("MOVIE", "DOCUMENTARY", "SHORT") if value == "MOVIE" else (value,)
        return SearchFilters(kinds=kinds, title_kinds=wanted), TITLES
    if value == "PEOPLE":
        return SearchFilters(kinds=("PERSON", "USER")), frozenset({"people"})
    if value == "PERSON":
        return SearchFilters(kinds=("PERSON",)), frozenset({"people"})
    if value == "USER":
        return SearchFilters(kinds=("USER",)), frozenset({"people"})
    if value == "POST":
        return SearchFilters(kinds=("POST",)), frozenset({"posts"})
    if value == "QUEST":
        return SearchFilters(kinds=("QUEST",)), frozenset({"quests"})
    return SearchFilters(kinds=("AUCTION",) if value == "AUCTION" else ("PRODUCT",)), GOODS


_FIELDS: dict[str, tuple[str, FacetName]] = {
    "GENRE": ("genres", "GENRE"),
    "PLATFORM": ("platforms", "PLATFORM"),
    "TIER": ("tiers", "TIER"),
    "REGION": ("regions", "REGION"),
    "LANGUAGE": ("languages", "LANGUAGE"),
    "CONTENT_RATING": ("content_ratings", "CONTENT_RATING"),
    "CATEGORY": ("categories", "CATEGORY"),
    "CULTURAL_TAG": ("cultural_tags", "CULTURAL_TAG"),
    "TAG": ("tags", "TAG"),
}


def _facet(first: int, end: int, sense: Sense, trust: Trust, about: frozenset[str]) -> Reading:
    field, facet = _FIELDS[sense.kind]
    wanted: dict[str, Any] = {field: sense.values}
    return Reading(
        first,
        end,
        sense.kind,
        ("+" if sense.kind == "GENRE" else "|").join(sense.values),
        trust,
        SearchFilters(**wanted),
        (Boost(facet, sense.values),),
        about,
        sense.head,
    )


def _tiers(scan: Scan, at: int) -> Iterator[Reading]:
    """`for free`, `to rent`, `free on …`, `free films`."""
    for end in range(min(at + 3, len(scan.words)), at, -1):
        if tiers := FREE.get(scan.run(at, end)):
            yield _facet(at, end, Sense("TIER", tiers), Trust.BESIDE, TITLES)
            return
    if tiers := TIER_WORDS.get(scan.key(at)):
        after = scan.after(at + 1, (("on",), ("on", "the")))
        placed = after > at + 1 and any(s.kind == "PLATFORM" for s in scan.senses(after)[1])
        trust = Trust.SURE if placed else Trust.BESIDE
        yield _facet(at, at + 1, Sense("TIER", tiers), trust, TITLES)


_EXCLUDED = frozenset({"GENRE", "PLATFORM", "LANGUAGE", "TIER", "CONTENT_RATING", "REGION"})
_EXCLUDED_BARE = frozenset({"GENRE", "PLATFORM", "CONTENT_RATING"})


def _without(scan: Scan, at: int) -> Iterator[Reading]:
    """`not horror`, `no comedies`, `but not on Netflix`, `-western`."""
    dashed = scan.words[at].gap.endswith("-") and scan.words[at].gap.strip("-") in ("", " ")
    after = scan.after(at, NEGATIONS)
    if dashed and (at == 0 or scan.words[at].gap != "-"):
        after = at
    elif after == at:
        return
    for reading in (*_cued(scan, after), *_bare(scan, after)):
        sure = reading.trust == Trust.SURE and reading.kind in _EXCLUDED
        if sure or (reading.first == after and reading.kind in _EXCLUDED_BARE):
            without = tuple(Without(each.facet, each.values) for each in reading.boosts)
            yield replace(
                reading,
                first=at,
                value=f"not {reading.value}",
                trust=Trust.SURE,
                filters=SearchFilters(without=without),
                boosts=(),
                head="",
            )


def orders(scan: Scan, at: int) -> Reading | None:
    """`best`, `newest`: said before what is looked for."""
    for end in (at + 3, at + 2, at + 1):
        order = ORDERS.get(scan.run(at, end)) if end <= len(scan.words) else None
        if order:
            year = scan.now.year
            recent = (Boost("YEAR", (str(year), str(year - 1))),)
            boosts = recent if order == "NEWEST" else ()
            return Reading(at, end, "ORDER", order, Trust.BESIDE, boosts=boosts)
    return None


def intents(scan: Scan, at: int) -> Reading | None:
    """`show me`, `something like`: how the query is asked, at its beginning. After what is looked
    for, `like …` asks for the same."""
    if at == 0:
        end = scan.after(0, RECOMMEND)
        if end > 0:
            return Reading(0, end, "INTENT", "RECOMMEND", Trust.SURE)
        end = scan.after(0, ASKING)
        if end > 0:
            return Reading(0, end, "INTENT", "BROWSE", Trust.BESIDE)
    return None
