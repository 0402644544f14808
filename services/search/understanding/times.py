"""Years and decades, and when auctions end or start. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.search.contract import Boost, SearchFilters
from services.search.understanding.amounts import number_at
from services.search.understanding.lexicon import DAYS, DECADES, HOURS, MINUTES
from services.search.understanding.readings import GOODS, TITLES, Reading, Scan, Trust
from services.search.understanding.words import phrases

YEAR_MIN = 1870
SOON = timedelta(hours=24)
_FROM = phrases(
    "from | in | of | from the | in the | of the | from year | the | during the | released in "
    "| made in | from around | year | released in the | made in the | produced in | out in"
)
_AFTER = phrases("after | later than | released after | made after | newer than")
_SINCE = phrases("since | from | starting in | starting from | not before")
_BEFORE = phrases("before | earlier than | released before | made before | older than | prior to")
_UNTIL = phrases("until | till | up to | through | by")
_PARTS = {"early": (0, 3), "mid": (4, 6), "late": (7, 9)}
_SPANS = {
    ("last", "year"): (-1, -1),
    ("this", "year"): (0, 0),
    ("this", "year's"): (0, 0),
    ("last", "year's"): (-1, -1),
    ("last", "decade"): (-10, 0),
    ("the", "last", "decade"): (-10, 0),
    ("the", "last", "few", "years"): (-4, 0),
    ("the", "last", "five", "years"): (-5, 0),
    ("the", "last", "ten", "years"): (-10, 0),
    ("recent", "years"): (-4, 0),
}


def years(scan: Scan, at: int) -> Reading | None:
    """`90s`, `from the nineties`, `after 2010`, `between 1990 and 1995`, `last year`, `1994`."""
    return (
        _between(scan, at)
        or _open_ended(scan, at)
        or _spoken(scan, at)
        or _decade(scan, at)
        or _single(scan, at)
    )


def _year(scan: Scan, at: int) -> int | None:
    key = scan.key(at)
    if len(key) == 4 and key.isascii() and key.isdigit():
        # What is next year's can be known; what is said of 2049 is a name.
        return int(key) if YEAR_MIN <= int(key) <= scan.now.year + 2 else None
    return None


def _reading(
    first: int, end: int, low: int | None, high: int | None, trust: Trust = Trust.SURE
) -> Reading:
    value = f"{low or ''}-{high or ''}" if low != high else str(low)
    return Reading(
        first,
        end,
        "YEAR",
        value,
        trust,
        SearchFilters(year_from=low, year_to=high),
        _boosts(low, high),
        TITLES,
    )


def _boosts(low: int | None, high: int | None) -> tuple[Boost, ...]:
    if low is None or high is None:
        return ()
    if high - low < 10:
        return (Boost("YEAR", tuple(str(year) for year in range(low, high + 1))),)
    decades = tuple(str(year) for year in range(low - low % 10, high + 1, 10))
    return (Boost("DECADE", decades[:20]),)


def _between(scan: Scan, at: int) -> Reading | None:
    """`between 1990 and 1995`, `from 1990 to 1995`, `1990-1995`, `1990 to 1995`."""
    start = at + 1 if scan.key(at) in ("between", "from") else at
    low = _year(scan, start)
    if low is None:
        return None
    if scan.key(start + 1) in ("and", "to", "until", "through"):
        if scan.key(start + 1) == "and" and scan.key(at) != "between":
            return None
        high, end = _year(scan, start + 2), start + 3
    else:
        high, end = (_year(scan, start + 1) if scan.dashed(start + 1) else None), start + 2
    if high is None or high < low:
        return None
    return _reading(at, end, low, high)


def _open_ended(scan: Scan, at: int) -> Reading | None:
    for cues, low, high in ((_AFTER, 1, None), (_BEFORE, None, -1), (_UNTIL, None, 0)):
        after = scan.after(at, cues)
        if after > at and (year := _year(scan, after)) is not None:
            return _reading(
                at,
                after + 1,
                year + low if low is not None else None,
                year + high if high is not None else None,
                Trust.LIKELY if scan.key(at) in ("by", "through") else Trust.SURE,
            )
    after = scan.after(at, _SINCE)
    if after == at or (year := _year(scan, after)) is None:
        return None
    if scan.key(at) != "from":
        return _reading(at, after + 1, year, None)
    onwards = scan.key(after + 1)
    if onwards in ("on", "onwards", "onward") or (onwards, scan.key(after + 2)) == ("and", "later"):
        return _reading(at, after + (3 if onwards == "and" else 2), year, None)
    return None


def _spoken(scan: Scan, at: int) -> Reading | None:
    """`last year`, `from this year`."""
    start = max(scan.after(at, _FROM), at)
    for begin in dict.fromkeys((start, at, at + 1 if scan.key(at) in ("from", "in") else at)):
        for phrase, (low, high) in _SPANS.items():
            if scan.after(begin, (phrase,)) > begin:
                year = scan.now.year
                return _reading(at, begin + len(phrase), year + low, year + high)
    return None


def _decade(scan: Scan, at: int) -> Reading | None:
    """`90s`, `the 1990s`, `80's`, `early nineties`."""
    start = max(scan.after(at, _FROM), at)
    cued = start > at and scan.key(at) != "the"
    part = _PARTS.get(scan.key(start))
    begin = start + 1 if part else start
    found = _decade_at(scan, begin)
    if found is None:
        return None
    decade, end = found
    low, high = (decade + part[0], decade + part[1]) if part else (decade, decade + 9)
    spelt = scan.key(begin) in DECADES
    return _reading(
        at, end, low, high, Trust.BESIDE if spelt and not (cued or part) else Trust.SURE
    )


def _decade_at(scan: Scan, at: int) -> tuple[int, int] | None:
    key = scan.key(at)
    if key in DECADES:
        return DECADES[key], at + 1
    if not (key.isascii() and key.isdigit() and len(key) in (2, 4) and key.endswith("0")):
        return None
    if at + 1 >= len(scan.words) or scan.key(at + 1) != "s":
        return None
    if scan.words[at + 1].gap.strip("'’") != "":  # noqa: RUF001
        return None
    if len(key) == 4:
        return (int(key), at + 2) if YEAR_MIN <= int(key) <= scan.now.year else None
    decade = 1900 + int(key)
    return (decade if decade >= 1930 else decade + 100), at + 2


def _single(scan: Scan, at: int) -> Reading | None:
    """`from 1994`; a bare `1994` only where everything else was understood: it may be a name."""
    start = scan.after(at, _FROM)
    if scan.key(at) == "the":
        start = at
    year = _year(scan, start)
    if year is None:
        return None
    sure = start > at and year <= scan.now.year + 1
    return _reading(at, start + 1, year, year, Trust.SURE if sure else Trust.BESIDE)


_ENDING = phrases("ending | closing | that end | which end | ends | finishing")
_STARTING = phrases("starting | opening | beginning | that start | starts | that open")
_STATES = {
    ("live", "auctions"): "OPEN",
    ("live", "auction"): "OPEN",
    ("open", "auctions"): "OPEN",
    ("running", "auctions"): "OPEN",
    ("current", "auctions"): "OPEN",
    ("auctions", "open", "now"): "OPEN",
    ("auctions", "running", "now"): "OPEN",
    ("upcoming", "auctions"): "SCHEDULED",
    ("scheduled", "auctions"): "SCHEDULED",
    ("future", "auctions"): "SCHEDULED",
    ("auctions", "coming", "soon"): "SCHEDULED",
}


def auction_states(scan: Scan, at: int) -> Reading | None:
    """`live auctions`, `ending today`, `starting tomorrow`, `closing within two hours`."""
    for phrase, state in _STATES.items():
        if scan.key(at) == phrase[0] and (end := scan.after(at, (phrase,))) > at:
            return _of_state(at, end, state, state, SearchFilters())
    ends = scan.after(at, _ENDING)
    if ends > at and (when := _when(scan, ends)):
        end, name, low, high = when
        times = SearchFilters(ends_after=low, ends_before=high)
        return _of_state(at, end, "OPEN", f"ENDING_{name}", times)
    starts = scan.after(at, _STARTING)
    if starts > at and (when := _when(scan, starts)):
        end, name, low, high = when
        times = SearchFilters(starts_after=low, starts_before=high)
        return _of_state(at, end, "SCHEDULED", f"STARTING_{name}", times)
    return None


def _of_state(first: int, end: int, state: str, value: str, times: SearchFilters) -> Reading:
    filters = SearchFilters(
        kinds=("AUCTION",),
        auction_states=(state,),
        starts_after=times.starts_after,
        starts_before=times.starts_before,
        ends_after=times.ends_after,
        ends_before=times.ends_before,
    )
    boosts = (Boost("AUCTION_STATE", (state,)),)
    return Reading(first, end, "AUCTION_STATE", value, Trust.SURE, filters, boosts, GOODS, "many")


_When = tuple[int, str, datetime | None, datetime]


def _when(scan: Scan, at: int) -> _When | None:
    """The span that `today`, `this week`, `in two hours` name: where the words end, its name, from
    and to. Days are UTC's."""
    today = scan.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    week = today - today.weekday() * day
    named: dict[tuple[str, ...], tuple[str, datetime | None, datetime]] = {
        ("soon",): ("SOON", None, scan.now + SOON),
        ("now",): ("NOW", None, scan.now + timedelta(hours=1)),
        ("today",): ("TODAY", None, today + day),
        ("tonight",): ("TODAY", None, today + day),
        ("tomorrow",): ("TOMORROW", today + day, today + 2 * day),
        ("this", "week"): ("THIS_WEEK", None, week + 7 * day),
        ("next", "week"): ("NEXT_WEEK", week + 7 * day, week + 14 * day),
        ("this", "weekend"): ("THIS_WEEKEND", week + 5 * day, week + 7 * day),
    }
    for phrase, (name, low, high) in named.items():
        if scan.after(at, (phrase,)) > at:
            return at + len(phrase), name, low, high
    return _within(scan, at)


def _within(scan: Scan, at: int) -> _When | None:
    after = scan.after(at, (("in",), ("within",), ("in", "the", "next"), ("within", "the", "next")))
    if after == at:
        return None
    count, end = (1, after)
    if found := number_at(scan, after):
        count, end = int(found[0]), found[1]
    unit = scan.key(end)
    for units, name, step in (
        (MINUTES, "MINUTES", timedelta(minutes=1)),
        (HOURS, "HOURS", timedelta(hours=1)),
        (DAYS, "DAYS", timedelta(days=1)),
    ):
        if unit in units and 1 <= count <= 365:
            return end + 1, f"WITHIN_{count}_{name}", None, scan.now + count * step
    return None
