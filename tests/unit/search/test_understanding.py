"""Queries in plain words: what each is taken for, and what is never lost or guessed wrongly."""

import re
import time
import unicodedata
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.search.contract import Boost, SearchFilters
from services.search.understanding.dictionaries import dictionaries_of
from services.search.understanding.interpreting import interpret
from services.search.understanding.joining import joined, loosened, narrowed
from services.search.understanding.readings import Names, Person
from services.search.understanding.words import words_of
from tests.data import naughty_strings

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)  # a Saturday
HERE = Path(__file__).parent
GENRES = [
    "Drama",
    "Comedy",
    "Silent",
    "Western",
    "Romance",
    "Crime",
    "Action",
    "Thriller",
    "Musical",
    "Adventure",
    "Horror",
    "War",
    "Science Fiction",
    "Mystery",
    "Noir",
    "Short",
    "Animated",
    "Fantasy",
    "Biography",
    "Historical",
    "Family",
    "Teen",
    "Slasher",
    "Superhero",
    "Spy",
    "Martial Arts",
]
VALUES = [
    *(("GENRE", name.lower().replace(" ", "-"), name) for name in GENRES),
    ("PLATFORM", "netflix", "Netflix"),
    ("PLATFORM", "old-kino", "Old Kino"),
    ("PLATFORM", "tidepool", "Tidepool"),
    ("PLATFORM", "max", "Max"),
    ("PLATFORM", "prime-video", "Prime Video"),
    ("CATEGORY", "pottery", "Pottery"),
    ("CATEGORY", "jewellery", "Jewellery"),
    ("TAG", "silver", "silver"),
    ("CULTURAL_TAG", "andean", "Andean"),
]
TITLES = [
    "scary movie",
    "1984",
    "it",
    "up",
    "free guy",
    "her",
    "the rental",
    "us",
    "war",
    "mystery",
    "silent movie",
    "paris",
    "2012",
    "from paris with love",
    "french kiss",
    "coming soon",
    "88 minutes",
    "love",
    "home alone",
]


def person(name, **said):
    return Person(name, (uuid5(NAMESPACE_DNS, name),), **said)


PEOPLE = {
    "tom hanks": person("Tom Hanks"),
    "meg ryan": person("Meg Ryan"),
    "akira kurosawa": person("Akira Kurosawa"),
    "bessie love": person("Bessie Love"),
    "kurosawa": person("Akira Kurosawa", surname=True, rare=True),
    "hitchcock": person("Alfred Hitchcock", surname=True, rare=True),
    "love": person("Bessie Love", surname=True),
    "tom hankes": person("Tom Hanks", near=True),
    "kurasawa": person("Akira Kurosawa", surname=True, near=True),
}
NAMES = Names(
    titles=frozenset(TITLES),
    people=PEOPLE,
    stalls={"kiln clay": (uuid5(NAMESPACE_DNS, "kiln"),)},
    sellers={"ada": (uuid5(NAMESPACE_DNS, "ada"),)},
)
DICTIONARIES = replace(dictionaries_of(VALUES), names=NAMES)
BY_ID = {each.ids[0]: each.name for each in PEOPLE.values()}


def shown(filters):
    """Filters in a line, as the table has them."""
    found = []
    for name, value in asdict(filters).items():
        if value in (None, ()):
            continue
        if name == "people":
            value = "+".join("/".join(BY_ID[id] for id in group) for group in value)
        elif name in ("stalls", "sellers"):
            value = str(len(value))
        elif name == "without":
            value = "+".join(f"{each['facet']}:{'|'.join(each['values'])}" for each in value)
        elif isinstance(value, datetime):
            value = f"{value:%d.%H:%M}"
        elif isinstance(value, tuple):
            value = "|".join(value)
        found.append(f"{name}={value}")
    return " ".join(found).replace("kinds=TITLE title_kinds=MOVIE|DOCUMENTARY|SHORT", "films")


def told(query):
    """What is understood of a query, in a line, as the table has it."""
    found = interpret(query, DICTIONARIES, NOW)
    entities = "; ".join(
        f"{'' if each.certain else '?'}{each.kind} {each.value}" for each in found.entities
    )
    filters = f" {{{shown(found.filters)}}}" if found.filters != SearchFilters() else ""
    return f"{found.intent} [{found.remaining}] {entities}{filters}".rstrip()


def table():
    for line in (HERE / "queries.txt").read_text().splitlines():
        if line and not line.startswith("# "):
            query, _, expected = line.partition(" => ")
            yield pytest.param(query, expected, id=query)


@pytest.mark.parametrize(("query", "expected"), list(table()))
def test_a_query_is_taken_for_what_it_asks(query, expected):
    stable = re.sub(r"(SELLER|STALL) [0-9a-f-]{36}", r"\1", told(query))
    assert stable == expected


def test_the_table_is_as_long_as_it_should_be():
    assert len(list(table())) >= 270


def test_it_is_quick():
    queries = [param.values[0] for param in table()]
    began = time.process_time()
    for query in queries:
        interpret(query, DICTIONARIES, NOW)
    assert (time.process_time() - began) / len(queries) < 0.002


def kept_words(query):
    """The words of a query, and those of its remaining text and entities."""
    found = interpret(query, DICTIONARIES, NOW)
    said = [found.remaining, *(each.text for each in found.entities)]
    return _words(query), {word for text in said for word in _words(text)}


def _words(text):
    return set(re.findall(r"\w+", unicodedata.normalize("NFC", text)))


def test_strings_that_break_software_are_text_and_lose_nothing():
    for query in naughty_strings():
        asked, kept = kept_words(query)
        assert asked <= kept, query


VOCABULARY = sorted(
    {word for param in table() for word in re.findall(r"\S+", param.values[0])}
    | {",", "-", '"', "'", "#", "$", "é", "ß", "日本", "\u0301", "\x00", "1e9", "0"}
)


@given(st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join))
def test_whatever_is_put_together_of_what_it_knows_no_word_is_lost(query):
    asked, kept = kept_words(query)
    assert asked <= kept


@given(st.text(max_size=500))
def test_any_text_is_taken_and_no_word_of_it_is_lost(query):
    asked, kept = kept_words(query)
    assert asked <= kept


@given(st.lists(st.sampled_from(VOCABULARY), max_size=10).map(" ".join))
def test_what_is_certain_is_not_looked_up_and_what_is_likely_is(query):
    found = interpret(query, DICTIONARIES, NOW)
    certain = sum(len(words_of(each.text)) for each in found.entities if each.certain)
    assert certain + len(words_of(found.remaining)) == len(words_of(query))
    if found.filters == SearchFilters() and not any(each.certain for each in found.entities):
        assert found.remaining == query.strip()


def test_a_text_too_long_to_be_asked_in_words_is_text():
    query = "horror films from the 90s " * 10
    found = interpret(query, DICTIONARIES, NOW)
    assert (found.entities, found.remaining) == ((), query.strip())


def test_without_a_catalogue_the_built_in_words_are_understood():
    found = interpret("scary films from the 90s", dictionaries_of([]), NOW)
    assert [(each.kind, each.certain) for each in found.entities] == [
        ("TYPE", True),
        ("YEAR", True),
    ]
    assert found.remaining == "scary"


def test_likely_readings_are_boosts_of_facets():
    found = interpret("alien 1979", DICTIONARIES, NOW)
    assert found.boosts == (Boost("YEAR", ("1979",)),)
    assert interpret("film camera", DICTIONARIES, NOW).boosts == (Boost("TYPE", ("TITLE",), 0.1),)


def test_where_the_filters_leave_nothing_all_words_are_looked_up_and_the_rest_reorders():
    query = "horror films from the 90s"
    loose = loosened(query, interpret(query, DICTIONARIES, NOW))
    assert (loose.intent, loose.remaining, loose.filters) == ("SEARCH", query, SearchFilters())
    assert loose.boosts == (
        Boost("TYPE", ("TITLE",)),
        Boost("GENRE", ("horror",)),
        Boost("YEAR", tuple(str(year) for year in range(1990, 2000))),
    )
    assert not any(each.certain for each in loose.entities)


def test_readings_that_contradict_each_other_are_not_both_filters():
    assert joined(SearchFilters(year_from=2000), SearchFilters(year_to=1990)) is None
    found = interpret("films after 2000 before 1990", DICTIONARIES, NOW)
    assert (found.filters.year_from, found.filters.year_to) == (2001, None)
    assert found.remaining == "before 1990"


def test_words_never_widen_what_was_asked_for_by_filters():
    films = SearchFilters(kinds=("TITLE",), genres=("horror",), year_from=1990, year_to=1999)
    asked = SearchFilters(kinds=("TITLE", "POST"), genres=("horror", "comedy"), year_from=1995)
    assert narrowed(asked, films) == replace(films, year_from=1995)
    assert narrowed(SearchFilters(kinds=("POST",)), films) is None
    assert narrowed(SearchFilters(year_from=2001), films) is None
    assert narrowed(SearchFilters(), films) == films
    assert narrowed(films, SearchFilters()) == films
    ids = [each.ids for each in PEOPLE.values()][:2]
    both = narrowed(SearchFilters(people=(ids[0],)), SearchFilters(people=(ids[1],)))
    assert both == SearchFilters(people=tuple(ids))


def test_time_is_passed():
    later = interpret("films from last year", DICTIONARIES, NOW.replace(year=2030))
    assert (later.filters.year_from, later.filters.year_to) == (2029, 2029)
