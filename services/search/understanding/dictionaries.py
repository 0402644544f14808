"""Dictionaries of what a query may name: the built-in words, and the catalogue's own genres,
platforms, shelves, tags, languages and regions. People and titles are too many to be held: they are
looked up for each query (names.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from babel import Locale
from sqlalchemy import text

from core.database import Database
from services.search.contract import EntityKind
from services.search.refreshing import refreshed
from services.search.understanding.lexicon import (
    COUNTRIES,
    GENRES,
    GENRES_MANY,
    KINDS,
    LANGUAGES,
    RATINGS,
    RATINGS_LOOSE,
    Head,
)
from services.search.understanding.readings import Dictionaries, Sense
from services.search.understanding.words import phrase
from services.users.profiles import REGIONS

FACETS = ("GENRE", "PLATFORM", "CATEGORY", "TAG", "CULTURAL_TAG")
"""What is held; of each, as many values as the statement says."""
PHRASE_WORDS_MAX = 6

_VALUES = text(
    """
    SELECT facet, value, label FROM (
        SELECT facet, value, label, row_number() OVER (PARTITION BY facet ORDER BY id) AS n
        FROM search_facet_value WHERE facet = ANY (:facets)
    ) AS numbered
    WHERE n <= CASE facet WHEN 'TAG' THEN 5000 WHEN 'GENRE' THEN 500 ELSE 1000 END
    """
)


async def read_dictionaries(db: Database) -> Dictionaries:
    """The dictionaries as the index is now."""
    async with db.read() as session:
        rows = await session.execute(_VALUES, {"facets": list(FACETS)})
        return dictionaries_of((row.facet, row.value, row.label) for row in rows)


dictionaries = refreshed(read_dictionaries)
"""`await dictionaries(db)`: those of a database, a minute old at most."""


def dictionaries_of(values: Iterable[tuple[str, str, str]]) -> Dictionaries:
    """Dictionaries of the built-in words and of values of facets: `(facet, value, label)`."""
    found: dict[str, list[Sense]] = {key: list(senses) for key, senses in _built_in().items()}
    genres: dict[str, str] = {}
    for facet, value, label in values:
        keys = {phrase(label), phrase(value.replace("-", " "))} - {""}
        if facet == "GENRE":
            genres.update(dict.fromkeys(keys, value))
        else:
            for key in keys:
                _add(found, key, Sense(_kind_of(facet), (value,)))
    _add_genres(found, genres)
    phrases = {key: tuple(senses) for key, senses in found.items()}
    starts = frozenset(key.split(" ", 1)[0] for key in phrases)
    longest = min(max(key.count(" ") + 1 for key in phrases), PHRASE_WORDS_MAX)
    return Dictionaries(phrases, starts, longest)


def _kind_of(facet: str) -> EntityKind:
    kinds: dict[str, EntityKind] = {
        "PLATFORM": "PLATFORM",
        "CATEGORY": "CATEGORY",
        "TAG": "TAG",
        "CULTURAL_TAG": "CULTURAL_TAG",
    }
    return kinds[facet]


def _add(found: dict[str, list[Sense]], key: str, sense: Sense) -> None:
    senses = found.setdefault(key, [])
    if sense not in senses:
        senses.append(sense)


def _add_genres(found: dict[str, list[Sense]], genres: Mapping[str, str]) -> None:
    """The catalogue's genres by name, and everyday words for those that it has."""
    for key, value in genres.items():
        _add(found, key, Sense("GENRE", (value,), _head(key)))
        many = _plural(key)
        if many in GENRES_MANY:
            _add(found, many, Sense("GENRE", (value,), "many"))
    for word, meant in GENRES.items():
        if word in genres:
            continue
        for one in meant:
            values = tuple(genres[part] for part in one.split("+") if part in genres)
            if values:
                _add(found, word, Sense("GENRE", values, _head(word)))
                break


def _head(key: str) -> Head:
    return "many" if key in GENRES_MANY else ""


def _plural(key: str) -> str:
    return f"{key[:-1]}ies" if key.endswith("y") else f"{key}s"


@cache
def _built_in() -> Mapping[str, tuple[Sense, ...]]:
    found: dict[str, list[Sense]] = {}
    for key, (value, head) in KINDS.items():
        _add(found, key, Sense("TYPE", (value,), head))
    for key, ratings in RATINGS.items():
        _add(found, key, Sense("CONTENT_RATING", ratings, loose=key in RATINGS_LOOSE))
    english = Locale("en")
    for code, name in english.languages.items():
        # Codes of two letters are those that titles have; the others' names are words like `even`.
        if len(code) == 2 and (key := phrase(name)):
            _add(found, key, Sense("LANGUAGE", (code,)))
    for key, code in LANGUAGES.items():
        _add(found, key, Sense("LANGUAGE", (code,)))
    for code, name in english.territories.items():
        if code in REGIONS:
            _add(found, phrase(name), Sense("REGION", (code,)))
    for key, code in COUNTRIES.items():
        _add(found, key, Sense("REGION", (code,)))
    return {key: tuple(senses) for key, senses in found.items() if key}
