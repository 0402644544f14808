"""Ratings from a CSV file, row by row into columns of numbers: names of viewers and titles are not
kept longer than they are read."""

from __future__ import annotations

import csv
import gzip
import io
import math
from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np

from services.content.recommending import Progress
from services.content.recommending_trials import Ratings

COLUMNS = {
    "user": ("user", "user_id", "userid"),
    "title": ("title", "title_id", "titleid", "item", "item_id", "itemid", "movie_id", "movieid"),
    "rating": ("rating", "score", "value"),
    "timestamp": ("timestamp", "time", "date", "rated_at"),
}
"""Each column by the names it may have, in any case; other columns are passed over."""
ROWS_MAX = 50_000_000
TITLES_MAX = 200_000
_TOLD_EVERY = 50_000
_DELIMITERS = ",\t;"


class RatingsRefused(Exception):
    """The file cannot be used; the message says why, and in which row."""


def read_ratings(path: Path, *, progress: Progress = lambda done, total: None) -> Ratings:
    """The ratings of a CSV file (.gz too): user, title, rating, timestamp (seconds, or ISO 8601).
    Where a viewer rated a title twice the later one counts. `progress` gets bytes.

    Raises `RatingsRefused`: a column is missing, a row is wrong, nothing is rated, or there are
    more than 50 million rows or 200,000 titles.
    """
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    rows = array("i"), array("i"), array("f"), array("d")
    size = path.stat().st_size
    with path.open("rb") as raw, _text(raw, path) as text:
        for number, (user, item, rating, time) in enumerate(_rows(text), start=2):
            rows[0].append(users.setdefault(user, len(users)))
            rows[1].append(items.setdefault(item, len(items)))
            rows[2].append(rating)
            rows[3].append(time)
            if number % _TOLD_EVERY == 0:
                progress(raw.tell(), size)
            if number > ROWS_MAX or len(items) > TITLES_MAX:
                raise RatingsRefused(f"{ROWS_MAX:,} rows and {TITLES_MAX:,} titles at most")
    progress(size, size)
    if not rows[0]:
        raise RatingsRefused("there are no ratings in it")
    return _columns(rows, len(users), len(items))


def _columns(rows: Sequence[Any], users: int, items: int) -> Ratings:
    kinds = (np.int32, np.int32, np.float32, np.float64)
    user, item, value, time = (
        np.frombuffer(row, kind) for row, kind in zip(rows, kinds, strict=True)
    )
    best = float(value.max())
    if best <= 0:
        raise RatingsRefused("no rating is above 0")
    order = np.lexsort((time, item, user))
    last = np.r_[
        (np.diff(user[order]) != 0) | (np.diff(item[order]) != 0), np.ones(1, dtype=np.bool_)
    ]
    kept = np.sort(order[last])
    return Ratings(user[kept], item[kept], value[kept], time[kept], users, items, best)


def _text(raw: IO[bytes], path: Path) -> TextIO:
    unpacked: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
    # Bytes that are no text spoil a name or a row, which is refused below; not the reading.
    return io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="replace", newline="")


def _rows(text: TextIO) -> Iterator[tuple[str, str, float, float]]:
    try:
        head = text.readline()
        delimiter = max(_DELIMITERS, key=head.count)
        places = _places(next(csv.reader([head], delimiter=delimiter), []))
        for number, row in enumerate(csv.reader(text, delimiter=delimiter), start=2):
            if row:
                yield _row(row, places, number)
    except (csv.Error, EOFError, OSError) as error:
        raise RatingsRefused(f"cannot be read on: {error}") from None


def _places(head: Sequence[str]) -> tuple[int, ...]:
    names = [name.strip().casefold() for name in head]
    places = []
    for column, known in COLUMNS.items():
        found = next((names.index(name) for name in known if name in names), None)
        if found is None:
            raise RatingsRefused(f"there is no column {column}: the first line must name it")
        places.append(found)
    return tuple(places)


def _row(row: list[str], places: tuple[int, ...], number: int) -> tuple[str, str, float, float]:
    try:
        user, item, rating, time = (row[place] for place in places)
        value, moment = float(rating), _moment(time)
    except (IndexError, ValueError):
        raise RatingsRefused(f"row {number}: not a user, a title, a rating and a time") from None
    if not user or not item or not math.isfinite(value) or not math.isfinite(moment):
        raise RatingsRefused(f"row {number}: not a user, a title, a rating and a time")
    return user, item, value, moment


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
