"""What a query in plain words asks for: certain readings become filters, likely ones boosts, the
rest is text. Pure and quick: the same words, dictionaries and time give the same answer.

A wrong guess must cost little, so a reading is certain only by its own form (`from 1994`,
`on Netflix`) or beside what names the things looked for (`horror films`); a title that stands in
the query beats it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.search.contract import Boost, Entity, Intent, Interpretation, SearchFilters
from services.search.understanding.amounts import amounts
from services.search.understanding.joining import joined, whole
from services.search.understanding.lexicon import FOLLOWERS, STOP
from services.search.understanding.people import people, stalls
from services.search.understanding.readings import (
    GOODS,
    Dictionaries,
    Reading,
    Scan,
    Trust,
)
from services.search.understanding.things import intents, orders, things
from services.search.understanding.times import auction_states, years
from services.search.understanding.words import OPAQUE, WORDS_MAX, runs, words_of

TITLE_WORDS_MAX = 8
PLAIN_MAX = 6
"""More words than these that say nothing to us: it is a sentence, and no wish."""
_SENTENCE_MIN = 3
_TELLING = frozenset({"is", "was", "were", "has", "had", "tells", "follows", "stars", "becomes"})
_LOOSE = 0.1
"""Weight of a kind that is only likely: `film` in `film camera`."""
_NEVER_ALONE = frozenset({"TIER", "RUNTIME"})
"""Kinds of which one word says too little where nothing names what is looked for."""
_COMMAS = " \t\r\n\v\f,;:.#-–—'’\"“”()&+/!?"  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class _Settled:
    reading: Reading
    certain: bool


def interpret(text: str, dictionaries: Dictionaries, now: datetime) -> Interpretation:
    """What `text` asks for at `now`. Never raises; every word is in `remaining` or in an entity."""
    words = words_of(text)
    if not words or len(words) > WORDS_MAX:
        return Interpretation("SEARCH", text.strip())
    scan = Scan(text, words, dictionaries, now)
    readings = _chosen(scan)
    if not readings:
        return Interpretation("SEARCH", text.strip())
    settled = _settle(scan, readings)
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


def _settle(scan: Scan, readings: Sequence[Reading]) -> list[_Settled]:
    """Which readings are certain."""
    titles = _titles(scan)
    named = _whole_title(scan, readings, titles)
    doubted = {each.first for each in readings if _is_doubted(scan, each, readings, titles, named)}
    plain = _plain(scan, readings, doubted)
    if len(plain) > PLAIN_MAX or _is_sentence(scan):
        return [_Settled(each, False) for each in readings]
    heads = {
        each.first
        for each in readings
        if each.first not in doubted and _is_head(scan, each, readings, plain)
    }
    about = {topic for each in readings if each.first in heads for topic in each.about}
    sure = {
        each.first
        for each in readings
        if each.first not in doubted
        and (each.trust == Trust.SURE or each.first in heads)
        and (each.first in heads or _fits(each, about))
    }
    sure |= _beside(scan, readings, doubted, sure, heads, about, plain)
    sure |= _asked(scan, readings, sure, titles, doubted)
    sure |= _regions(readings, sure, doubted, about)
    return [_Settled(each, each.first in sure) for each in readings]


def _is_sentence(scan: Scan) -> bool:
    """Whether it tells of something, and asks for nothing: `The film stars Tom Hanks.`"""
    words = [word.key for word in scan.words]
    ended = scan.text.rstrip().endswith(".") and len(words) > _SENTENCE_MIN
    return ended or (len(words) > 2 * _SENTENCE_MIN and not _TELLING.isdisjoint(words))


def _titles(scan: Scan) -> list[tuple[int, int]]:
    known = scan.dictionaries.names.titles
    if not known:
        return []
    return [
        (first, end)
        for first, end, key in runs(scan.words, longest=TITLE_WORDS_MAX)
        if key.replace("'", " ") in known
    ]


def _whole_title(
    scan: Scan, readings: Sequence[Reading], titles: Sequence[tuple[int, int]]
) -> tuple[int, int] | None:
    """The title that the whole query is, but for a `movie` before or after it: `it movie`."""
    kinds = {each.first: each.end for each in readings if each.head == "one"}
    size = len(scan.words)
    for first, end in sorted(titles, key=lambda span: span[0] - span[1]):
        before = first == 0 or kinds.get(0) == first
        after = end == size or kinds.get(end) == size
        if before and after:
            return first, end
    return None


def _is_doubted(
    scan: Scan,
    reading: Reading,
    readings: Sequence[Reading],
    titles: Sequence[tuple[int, int]],
    named: tuple[int, int] | None,
) -> bool:
    """Whether its words may as well be a title's, or what the query is about."""
    if named and named[0] < reading.end and reading.first < named[1]:
        return True
    before = reading.first - 1
    while scan.key(before) in ("the", "a", "an"):
        before -= 1
    if scan.key(before) == "about" and not any(r.first <= before < r.end for r in readings):
        return True
    for first, end in titles:
        if end <= reading.first or reading.end <= first:
            continue
        if end - first > 1:
            covers = reading.first <= first and end <= reading.end
            if not (covers and reading.length > end - first):
                return True
        elif reading.trust == Trust.BESIDE and reading.length == 1:
            heads = {each.first for each in readings if each.head == "many"}
            if reading.end not in heads:
                return True
    return False


def _plain(scan: Scan, readings: Sequence[Reading], doubted: set[int]) -> list[int]:
    """The words that nothing is read into, without those that say nothing by themselves."""
    read = {
        at
        for each in readings
        if each.first not in doubted and (each.trust > Trust.LIKELY)
        for at in range(each.first, each.end)
    }
    return [at for at, word in enumerate(scan.words) if at not in read and word.key not in STOP]


def _is_head(
    scan: Scan, reading: Reading, readings: Sequence[Reading], plain: Sequence[int]
) -> bool:
    """Whether it names what is looked for: nothing goes on after it as `camera` after `film`."""
    if not reading.head or reading.trust < Trust.HEAD:
        return False
    end = reading.end
    after = _next(scan, end)
    goes_on = (
        end < len(scan.words)
        and scan.key(end) not in FOLLOWERS
        and not any(each.first in (end, after) and each.trust > Trust.LIKELY for each in readings)
        and not any(sign in scan.words[end].gap for sign in ",;:.(")
    )
    if goes_on:
        return False
    return reading.head != "lead" or not any(at < reading.first for at in plain)


def _fits(reading: Reading, about: set[str]) -> bool:
    """Whether it can be said of the things looked for: no auction is on Netflix."""
    return not about or not reading.about or bool(reading.about & about)


def _beside(
    scan: Scan,
    readings: Sequence[Reading],
    doubted: set[int],
    sure: set[int],
    heads: set[int],
    about: set[str],
    plain: Sequence[int],
) -> set[int]:
    """What is certain only in company: in a row with what names the things looked for, or where
    every word of the query was understood and there are several such."""
    open_ = [
        each
        for each in readings
        if each.first not in doubted and each.trust == Trust.BESIDE and _fits(each, about)
    ]
    several = sum(each.kind not in _NEVER_ALONE for each in open_) + len(sure) > 1
    found: set[int] = set()
    for reading in open_:
        if reading.kind in ("ORDER", "INTENT"):
            continue
        enough = not plain and several and reading.kind not in _NEVER_ALONE
        if enough or _in_row(scan, reading, readings, heads | sure, doubted):
            found.add(reading.first)
    certain = sure | found
    for reading in open_:
        before = {each.first for each in readings if each.first >= reading.end} & certain
        if reading.kind in ("ORDER", "INTENT") and _next(scan, reading.end) in before:
            found.add(reading.first)
            certain.add(reading.first)
    for reading in reversed(open_):
        if reading.kind in ("ORDER", "INTENT") and _next(scan, reading.end) in certain:
            found.add(reading.first)
            certain.add(reading.first)
    return found


def _next(scan: Scan, at: int) -> int:
    """The next word that says something."""
    while scan.key(at) in STOP and at < len(scan.words) and scan.key(at) not in ("with", "on"):
        at += 1
    return at


def _in_row(
    scan: Scan,
    reading: Reading,
    readings: Sequence[Reading],
    certain: set[int],
    doubted: set[int],
) -> bool:
    """Whether only readings and words that say nothing stand between it and a certain one that
    names what is looked for or follows at once."""
    by_first = {each.first: each for each in readings if each.first not in doubted}
    at = reading.end
    while at < len(scan.words):
        if at in by_first and by_first[at].trust > Trust.LIKELY:
            if at in certain and (by_first[at].head or by_first[at].trust == Trust.SURE):
                return True
            at = by_first[at].end
        elif scan.key(at) in STOP:
            at += 1
        else:
            break
    by_end = {each.end: each for each in readings if each.first not in doubted}
    at = reading.first
    while at > 0:
        if at in by_end and by_end[at].trust > Trust.LIKELY:
            if by_end[at].first in certain and by_end[at].head:
                return True
            at = by_end[at].first
        elif scan.key(at - 1) in STOP:
            at -= 1
        else:
            break
    return False


def _asked(
    scan: Scan,
    readings: Sequence[Reading],
    sure: set[int],
    titles: Sequence[tuple[int, int]],
    doubted: set[int],
) -> set[int]:
    """`watch Free Guy`: how it is asked is certain where a title follows."""
    starts = {first for first, _ in titles}
    return {
        each.first
        for each in readings
        if each.kind == "INTENT" and each.first not in doubted and each.end in starts
    }


def _regions(
    readings: Sequence[Reading], sure: set[int], doubted: set[int], about: set[str]
) -> set[int]:
    """`in Germany` is where it is to be had, beside a platform, a way to watch, or goods."""
    had = any(
        each.kind in ("PLATFORM", "TIER") or (each.kind == "INTENT" and each.value == "BROWSE")
        for each in readings
        if each.first in sure
    )
    if not had and about != GOODS:
        return set()
    return {
        each.first
        for each in readings
        if each.kind == "REGION" and each.length > 1 and each.first not in doubted
    }


def _filters(scan: Scan, settled: Sequence[_Settled]) -> tuple[SearchFilters, list[_Settled]]:
    """All certain filters in one; of two that contradict each other the first stays certain.
    `horror comedies` are both, unless an `or` stands among the genres."""
    filters = SearchFilters()
    found = []
    for each in settled:
        more = joined(filters, each.reading.filters) if each.certain else None
        if more is not None:
            filters = more
        found.append(_Settled(each.reading, more is not None))
    genres = [each.reading for each in found if each.certain and each.reading.filters.genres]
    between = range(genres[0].end, genres[-1].first) if genres else range(0)
    if len(filters.genres) > 1 and not any(scan.key(at) == "or" for at in between):
        filters = replace(filters, genres=(), genres_all=filters.genres)
    return whole(filters), found


def _said(scan: Scan, settled: Sequence[_Settled], filters: SearchFilters) -> Interpretation:
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
    titles = _titles(scan)
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


def _intent(settled: Sequence[_Settled], remaining: str) -> Intent:
    certain = [each.reading for each in settled if each.certain]
    if any(each.kind == "INTENT" and each.value == "RECOMMEND" for each in certain):
        return "RECOMMEND"
    return "BROWSE" if certain and not remaining else "SEARCH"


def _boosts(settled: Sequence[_Settled]) -> tuple[Boost, ...]:
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
