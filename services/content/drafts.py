"""What a record of an import says of a title: checked and in one form, or refused with why.

Pure: no file and no database. Names of fields are taken as several catalogues write them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from slugify import slugify

from core.errors import InvalidInput
from core.text import clean_text
from models.content.titles import SORT_LENGTH, TITLE_KINDS
from services.users.profiles import REGIONS

CREDITS_MAX = 1_000
GENRES_MAX = 20
CODES_MAX = 50
YEAR_MIN, YEAR_MAX = 1870, 2200

FIELDS: dict[str, tuple[str, ...]] = {
    "name": ("title", "name"),
    "original_name": ("original_title", "originalTitle", "original_name"),
    "year": ("year", "release_year", "releaseYear"),
    "released_on": ("release_date", "releaseDate", "released"),
    "kind": ("kind", "type"),
    "description": ("description", "extract", "overview", "plot"),
    "runtime_minutes": ("runtime_minutes", "runtime", "runtimeMinutes"),
    "maturity": ("content_rating", "contentRating", "certificate", "rated"),
    "genres": ("genres", "genre"),
    "languages": ("languages", "language"),
    "countries": ("countries", "country"),
    "imdb_id": ("imdb_id", "imdbId", "imdb"),
    "tmdb_id": ("tmdb_id", "tmdbId", "tmdb"),
    "wikidata_id": ("wikidata_id", "wikidataId", "wikidata"),
}
"""Our fields, and the names they are read by: of several, the first in the record."""

ROLES: dict[str, tuple[str, ...]] = {
    "DIRECTOR": ("directors", "director"),
    "WRITER": ("writers", "writer"),
    "PRODUCER": ("producers", "producer"),
    "COMPOSER": ("composers", "composer"),
    "ACTOR": ("cast", "actors"),
}
_FIELD_OF = {name: field for field, names in (FIELDS | ROLES).items() for name in names}
_MATURITY: Mapping[str, int] = {
    **dict.fromkeys(("G", "TV-Y", "TV-Y7", "TV-G", "U", "0"), 0),
    **dict.fromkeys(("PG", "TV-PG", "6", "7"), 1),
    **dict.fromkeys(("PG-13", "PG_13", "TV-14", "12", "12A"), 2),
    **dict.fromkeys(("R", "TV-MA", "15", "16"), 3),
    **dict.fromkeys(("NC-17", "NC_17", "X", "18"), 4),
}
_UNRATED = frozenset({"", "NR", "UNRATED", "NOT RATED", "N/A"})
_FORMS: Mapping[str, re.Pattern[str]] = {
    "imdb_id": re.compile(r"tt[0-9]{5,12}"),
    "tmdb_id": re.compile(r"[0-9]{1,12}"),
    "wikidata_id": re.compile(r"Q[0-9]{1,12}"),
}
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SEPARATORS = ("|", ";", ",")


class RowRefused(Exception):
    """A record that is no title; the message says why, and quotes nothing of it."""


class CreditDraft(NamedTuple):
    """A person's part in a title."""

    role: str
    name: str
    name_key: str
    character: str | None


class TitleDraft(NamedTuple):
    """A title as a file tells it. `fingerprint` is the same for the same name, year, cast and
    text, whatever their case and spacing."""

    kind: str
    name: str
    original_name: str | None
    description: str
    year: int | None
    released_on: date | None
    runtime_minutes: int | None
    maturity: int | None
    languages: tuple[str, ...]
    countries: tuple[str, ...]
    imdb_id: str | None
    tmdb_id: str | None
    wikidata_id: str | None
    credits: tuple[CreditDraft, ...]
    genres: tuple[tuple[str, str], ...]
    fingerprint: bytes


def draft_of(record: object) -> TitleDraft:
    """The title that a record tells of. Raises `RowRefused`."""
    if not isinstance(record, dict):
        raise RowRefused("not an object")
    try:
        return _draft(record)
    except InvalidInput as error:
        raise RowRefused(error.message) from None


def _draft(record: Mapping[str, Any]) -> TitleDraft:
    given: dict[str, Any] = {}
    for key, value in record.items():
        field = _FIELD_OF.get(key)
        if field is not None and value is not None:
            given.setdefault(field, value)
    get = given.get
    name = _text(get("name"), "title", maximum=500)
    if name is None:
        raise RowRefused("title: missing")
    year, released_on = _dates(get("year"), get("released_on"))
    credits = tuple(_credits(given))
    genres = tuple(dict.fromkeys(map(_genre, _many(get("genres"), "genres", GENRES_MAX))))
    description = _text(get("description"), "description", maximum=10_000, multiline=True) or ""
    cast = sorted(credit.name_key for credit in credits if credit.role == "ACTOR")
    return TitleDraft(
        kind=_kind(get("kind"), {slug for slug, _ in genres}),
        name=name,
        original_name=_text(get("original_name"), "original_title", maximum=500),
        description=description,
        year=year,
        released_on=released_on,
        runtime_minutes=_whole(get("runtime_minutes"), "runtime", 1, 100_000),
        maturity=_maturity(get("maturity")),
        languages=_codes(get("languages"), "languages", _language),
        countries=_codes(get("countries"), "countries", _country),
        **{field: _number(get(field), field) for field in _FORMS},
        credits=credits,
        genres=genres,
        fingerprint=hashlib.sha256(
            orjson.dumps([key_of(name), year, cast, key_of(description)])
        ).digest(),
    )


def key_of(name: str) -> str:
    """A name without what people spell differently: case, spacing, composition."""
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def sort_name_of(name: str) -> str:
    """What a title is sorted by: the beginning of its name, whatever the case."""
    return key_of(name)[:SORT_LENGTH] or name[:SORT_LENGTH]


def _text(value: object, field: str, *, maximum: int, multiline: bool = False) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RowRefused(f"{field}: not text")
    return clean_text(value, field=field, maximum=maximum, multiline=multiline)


def _whole(value: object, field: str, minimum: int, maximum: int) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RowRefused(f"{field}: not a whole number")
    if not minimum <= value <= maximum:
        raise RowRefused(f"{field}: not from {minimum} to {maximum}")
    return value


def _dates(year: object, released: object) -> tuple[int | None, date | None]:
    known = _whole(year, "year", YEAR_MIN, YEAR_MAX)
    text = _text(released, "release_date", maximum=10)
    if text is None:
        return known, None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise RowRefused("release_date: not a date as in 2026-01-31") from None
    if known not in (None, day.year):
        raise RowRefused("release_date: of another year")
    return _whole(day.year, "release_date", YEAR_MIN, YEAR_MAX), day


def _kind(value: object, genres: set[str]) -> str:
    text = _text(value, "kind", maximum=20)
    if text is None:
        return "SHORT" if "short" in genres else _feature(genres)
    if text.upper() not in TITLE_KINDS:
        raise RowRefused(f"kind: not one of {', '.join(TITLE_KINDS)}")
    return text.upper()


def _feature(genres: set[str]) -> str:
    return "DOCUMENTARY" if "documentary" in genres else "MOVIE"


def _maturity(value: object) -> int | None:
    text = _text(value, "content_rating", maximum=20)
    if text is None or text.upper() in _UNRATED:
        return None
    if text.upper() not in _MATURITY:
        raise RowRefused("content_rating: unknown; as in PG-13 or TV-14")
    return _MATURITY[text.upper()]


def _number(value: object, field: str) -> str | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    known = _text(text, field, maximum=20)
    if known is not None and not _FORMS[field].fullmatch(known):
        raise RowRefused(f"{field}: not of its form")
    return known


def _many(value: object, field: str, maximum: int) -> list[Any]:
    """A list, or a cell that holds several: a JSON array, or parts between | or ; or commas."""
    if value is None:
        return []
    if isinstance(value, str):
        value = _parts(value)
    if not isinstance(value, list):
        raise RowRefused(f"{field}: not a list")
    if len(value) > maximum:
        raise RowRefused(f"{field}: more than {maximum}")
    return [one for one in value if one != ""]


def _parts(cell: str) -> Any:
    if cell.startswith("["):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return None  # no list, which the caller says
    separator = next((one for one in _SEPARATORS if one in cell), None)
    return [part.strip() for part in cell.split(separator)] if separator else [cell.strip()]


def _codes(value: object, field: str, check: Callable[[str], str]) -> tuple[str, ...]:
    found = _many(value, field, CODES_MAX)
    if not all(isinstance(one, str) for one in found):
        raise RowRefused(f"{field}: not all text")
    return tuple(dict.fromkeys(map(check, found)))


def _language(code: str) -> str:
    if not _LANGUAGE.fullmatch(code.lower()):
        raise RowRefused("languages: not codes as in en (ISO 639)")
    return code.lower()


def _country(code: str) -> str:
    if code.upper() not in REGIONS:
        raise RowRefused("countries: not codes as in FR (ISO 3166-1)")
    return code.upper()


def _genre(value: object) -> tuple[str, str]:
    if not isinstance(value, str):
        raise RowRefused("genres: not all text")
    return _known_genre(value)


@lru_cache(maxsize=4_096)
def _known_genre(name: str) -> tuple[str, str]:
    clean_text(name, field="genres", maximum=60)
    slug = slugify(name, max_length=60)
    if not slug:
        raise RowRefused("genres: without a letter or digit")
    return slug, name


@lru_cache(maxsize=65_536)
def _known_person(name: str) -> str:
    clean_text(name, field="credits", maximum=200)
    return key_of(name)


def _credits(given: Mapping[str, Any]) -> Iterator[CreditDraft]:
    """A person once in each role, in the order told; directors before the cast."""
    seen: set[tuple[str, str]] = set()
    for role in ROLES:
        if role not in given:
            continue
        for name, character in _named(given[role], ROLES[role][0]):
            key = _known_person(name)
            if (role, key) not in seen:
                seen.add((role, key))
                yield CreditDraft(role, name, key, character)
    if len(seen) > CREDITS_MAX:
        raise RowRefused(f"more than {CREDITS_MAX} credits")


def _named(value: object, field: str) -> Iterable[tuple[str, str | None]]:
    for one in _many(value, field, CREDITS_MAX):
        if isinstance(one, str):
            yield one, None
        elif isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one["name"], _text(one.get("character"), f"{field}.character", maximum=200)
        else:
            raise RowRefused(f"{field}: neither names nor objects with a name")
