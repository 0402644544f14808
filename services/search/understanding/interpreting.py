"""What a query in plain words asks for: certain readings become filters, likely ones boosts, the
rest is text. Pure and quick: the same words, dictionaries and time give the same answer.

A wrong guess must cost little, so a reading is certain only by its own form (`from 1994`,
`on Netflix`) or beside what names the things looked for (`horror films`); a title that stands in
the query beats it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from services.search.contract import Boost, Entity, Intent, Interpretation, SearchFilters
from services.search.understanding.amounts import amounts
from services.search.understanding.joining import joined, whole
from services.search.understanding.lexicon import STOP
from services.search.understanding.people import people, stalls
from services.search.understanding.readings import Dictionaries, Reading, Scan
from services.search.understanding.settling import Settled, settle, titles_in
from services.search.understanding.things import intents, orders, things
from services.search.understanding.times import auction_states, years
from services.search.understanding.words import OPAQUE, WORDS_MAX, words_of

_LOOSE = 0.1
"""Weight of a kind that is only likely: `film` in `film camera`."""
_COMMAS = " \t\r\n\v\f,;:.#-–—'’\"“”()&+/!?"  # noqa: RUF001


def interpret(text: str, dictionaries: Dictionaries, now: datetime) -> Interpretation:
    """What `text` asks for at `now`. Never raises; every word is in `remaining` or in an entity."""
    words = words_of(text)
    if not words or len(words) > WORDS_MAX:
        return Interpretation("SEARCH", text.strip())
    scan = Scan(text, words, dictionaries, now)
    readings = _chosen(scan)
    if not readings:
        return Interpretation("SEARCH", text.strip())
    settled = settle(scan, readings)
    filters, settled = _filters(scan, settled)
    return _said(scan, settled, filters)


def _readings(scan: Scan) -> Iterator[Reading]:
    for at, word in enumerate(scan.words):
        if word.key == OPAQUE:
            continue
        yield from things(scan, at)
        yield from people(scan, at)
        yield from stalls(scan, at)
        for rule in (years, amounts, auction_states, orders, intents):
            if reading := rule(scan, at):
                yield reading


def _chosen(scan: Scan) -> list[Reading]:
    """The longest readings that do not overlap; of equal ones the surest, then the first."""
    order = sorted(_readings(scan), key=lambda each: (-each.length, -each.trust, each.first))
    taken = [False] * len(scan.words)
    found = []
    for reading in order:
        if not any(taken[reading.first : reading.end]):
            taken[reading.first : reading.end] = [True] * reading.length
            found.append(reading)
    return sorted(found, key=lambda each: each.first)


def _filters(scan: Scan, settled: Sequence[Settled]) -> tuple[SearchFilters, list[Settled]]:
    """All certain filters in one; of two that contradict each other the first stays certain.
    `horror comedies` are both, unless an `or` stands among the genres."""
    filters = SearchFilters()
    found = []
    for each in settled:
        more = joined(filters, each.reading.filters) if each.certain else None
        if more is not None:
            filters = more
        found.append(Settled(each.reading, more is not None))
    genres = [each.reading for each in found if each.certain and each.reading.filters.genres]
    between = range(genres[0].end, genres[-1].first) if genres else range(0)
    if len(filters.genres) > 1 and not any(scan.key(at) == "or" for at in between):
        filters = replace(filters, genres=(), genres_all=filters.genres)
    return whole(filters), found


def _said(scan: Scan, settled: Sequence[Settled], filters: SearchFilters) -> Interpretation:
    taken = _taken(scan, [each.reading for each in settled if each.certain])
    shown = [
        each for each in settled if each.certain or each.reading.kind not in ("ORDER", "INTENT")
    ]
    spans = {each.reading.first: (each.reading.first, each.reading.end) for each in shown}
    spans.update({first: span for first, span in taken.items() if first in spans})
    entities = tuple(
        Entity(
            each.reading.kind,
            _text(scan, *spans[each.reading.first]),
            each.reading.value,
            each.certain,
        )
        for each in shown
    )
    remaining = _remaining(scan, list(taken.values()))
    return Interpretation(
        _intent(settled, remaining), remaining, entities, filters, _boosts(settled)
    )


def _taken(scan: Scan, certain: Sequence[Reading]) -> dict[int, tuple[int, int]]:
    """The words of certain readings, and of those that say nothing beside them: every stretch of
    such words between two of them, or at an end, goes with the one before or else after it."""
    spans = {each.first: (each.first, each.end) for each in certain}
    order = sorted(spans)
    titles = titles_in(scan)
    edges = [0, *(spans[first][1] for first in order)]
    for number, edge in enumerate(edges):
        stop = order[number] if number < len(order) else len(scan.words)
        if edge == stop or not all(scan.key(at) in STOP for at in range(edge, stop)):
            continue
        if any(edge <= first and end <= stop for first, end in titles):
            continue  # `it movie`: the word is a title
        if number > 0:
            first = order[number - 1]
            spans[first] = (spans[first][0], stop)
        elif order:
            spans[order[0]] = (0, spans[order[0]][1])
    return spans


def _text(scan: Scan, first: int, end: int) -> str:
    return scan.text[scan.words[first].start : scan.words[end - 1].end]


def _remaining(scan: Scan, spans: Sequence[tuple[int, int]]) -> str:
    """The text without the certain words; what else stands between words stays as it is."""
    if not spans:
        return scan.text.strip()
    parts = []
    at = 0
    for first, end in sorted(spans):
        parts.append(scan.text[at : scan.words[first].start])
        at = scan.words[end - 1].end
    parts.append(scan.text[at:])
    kept = [part.strip(" \t\r\n,;") for part in parts if part.strip(_COMMAS)]
    return " ".join(kept)


def _intent(settled: Sequence[Settled], remaining: str) -> Intent:
    certain = [each.reading for each in settled if each.certain]
    if any(each.kind == "INTENT" and each.value == "RECOMMEND" for each in certain):
        return "RECOMMEND"
    return "BROWSE" if certain and not remaining else "SEARCH"


def _boosts(settled: Sequence[Settled]) -> tuple[Boost, ...]:
    """Of what is only likely; and of several genres, so that what is of both comes first."""
    found: list[Boost] = []
    genres = [each for each in settled if each.certain and each.reading.filters.genres]
    for each in settled:
        if not each.certain:
            weight = _LOOSE if each.reading.kind == "TYPE" else None
            boosts = each.reading.boosts
            found += [replace(b, weight=weight) for b in boosts] if weight else boosts
        elif each.reading.kind == "ORDER" or (len(genres) > 1 and each in genres):
            found += each.reading.boosts
    return tuple(dict.fromkeys(found))
