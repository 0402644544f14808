"""Which readings of a query are certain: by their own form, beside what names the things looked
for, or where all was understood; and which a title or a sentence casts doubt on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.search.understanding.lexicon import FOLLOWERS, STOP
from services.search.understanding.readings import GOODS, Reading, Scan, Trust
from services.search.understanding.words import runs

TITLE_WORDS_MAX = 8
PLAIN_MAX = 6
"""More words than these that say nothing to us: it is a sentence, and no wish."""
_SENTENCE_MIN = 3
_TELLING = frozenset({"is", "was", "were", "has", "had", "tells", "follows", "stars", "becomes"})
_NEVER_ALONE = frozenset({"TIER", "RUNTIME"})
"""Kinds of which one word says too little where nothing names what is looked for."""


@dataclass(frozen=True, slots=True)
class Settled:
    reading: Reading
    certain: bool


def settle(scan: Scan, readings: Sequence[Reading]) -> list[Settled]:
    """Which readings are certain."""
    titles = titles_in(scan)
    named = _whole_title(scan, readings, titles)
    doubted = {each.first for each in readings if _is_doubted(scan, each, readings, titles, named)}
    plain = _plain(scan, readings, doubted)
    if len(plain) > PLAIN_MAX or _is_sentence(scan) or _is_written_as_title(scan, plain):
        return [Settled(each, False) for each in readings]
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
    return [Settled(each, each.first in sure) for each in readings]


def _is_sentence(scan: Scan) -> bool:
    """Whether it tells of something, and asks for nothing: `The film stars Tom Hanks.`"""
    words = [word.key for word in scan.words]
    ended = scan.text.rstrip().endswith(".") and len(words) > _SENTENCE_MIN
    return ended or (len(words) > 2 * _SENTENCE_MIN and not _TELLING.isdisjoint(words))


def _is_written_as_title(scan: Scan, plain: Sequence[int]) -> bool:
    """Whether all words are written as in a title, some of which say nothing to us: one that is
    misspelt, perhaps. `Tom Hanks Comedies` is no such."""
    said = [word.capital for word in scan.words if word.key.isalpha() and word.key not in STOP]
    return bool(plain) and len(said) > 1 and all(said)


def titles_in(scan: Scan) -> list[tuple[int, int]]:
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
