"""Queries understood by the catalogue itself: its genres and platforms, and the names of titles,
people and stalls that the index has."""

import os
from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import event, text

from core.database import Database
from core.ids import new_id
from services.content.importing import import_titles
from services.search.reindexing import reindex
from services.search.understanding.dictionaries import dictionaries, read_dictionaries
from services.search.understanding.names import names_of
from services.search.understanding.understand import understand
from tests.conftest import execute, run, with_path

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
ADA, STALL = new_id(), new_id()
TITLES = [
    {"title": "Seven Samurai", "year": 1954, "genres": ["Drama"], "director": "Akira Kurosawa",
     "cast": ["Toshirō Mifune"], "extract": "Kurosawa's farmers hire seven men."},
    {"title": "Cure", "year": 1997, "genres": ["Horror"], "director": "Kiyoshi Kurosawa"},
    {"title": "Big", "year": 1988, "genres": ["Comedy"], "cast": ["Tom Hanks"]},
    {"title": "Sleepless in Seattle", "year": 1993, "genres": ["Romance", "Comedy"],
     "cast": ["Tom Hanks", "Meg Ryan"]},
    {"title": "Scary Movie", "year": 2000, "genres": ["Comedy"]},
    {"title": "It", "year": 2017, "genres": ["Horror"]},
    {"title": "Love Actually", "year": 2003, "genres": ["Romance"], "extract": "All about love."},
    {"title": "Love Story", "year": 1970, "genres": ["Romance"], "extract": "Love and loss."},
    {"title": "From Here to Love", "year": 1950, "genres": ["Drama"], "cast": ["Bessie Love"]},
    {"title": "Free Guy", "year": 2021, "genres": ["Science Fiction"]},
    {"title": "Ocean's Eleven", "year": 2001, "genres": ["Crime"]},
]  # fmt: skip
VALUES = (
    ("PLATFORM", "old-kino", "Old Kino"),
    ("SELLER", str(ADA), "Ada"),
    ("STALL", str(STALL), "Kiln & Clay"),
)


async def _fill(url, path):
    await import_titles(url, path)
    await reindex(url, grace_s=0)
    db = Database(url)
    async with db.engine.begin() as connection:
        for facet, value, label in VALUES:
            await connection.execute(
                text("INSERT INTO search_facet_value (facet, value, label) VALUES (:f, :v, :l)"),
                {"f": facet, "v": value, "l": label},
            )
    await db.close()


@pytest.fixture(scope="module")
def url(postgres_url, template_database, worker, tmp_path_factory):
    """An index of a few films."""
    name = f"mela_understand_{worker}_{os.getpid()}"
    template = f'TEMPLATE "{template_database}" STRATEGY FILE_COPY'
    execute(postgres_url, f'CREATE DATABASE "{name}" {template}')
    path = tmp_path_factory.mktemp("titles") / "titles.json"
    path.write_bytes(orjson.dumps(TITLES))
    run(_fill(with_path(postgres_url, name), path))
    yield with_path(postgres_url, name)
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def db(url):
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
def told(db):
    """`await told("horror films")`: what is certain, what is likely, what is looked up."""

    async def told(query):
        found = await understand(db, query, NOW)
        sure = [f"{each.kind} {each.value}" for each in found.entities if each.certain]
        likely = [f"{each.kind} {each.value}" for each in found.entities if not each.certain]
        return sure, likely, found.remaining

    return told


@pytest.mark.parametrize(
    ("query", "sure", "likely", "remaining"),
    [
        ("films with Tom Hanks", ["TYPE MOVIE", "PERSON Tom Hanks"], [], ""),
        ("tom hanks", [], ["PERSON Tom Hanks"], "tom hanks"),
        ("tom hanks and meg ryan", ["PERSON Tom Hanks", "PERSON Meg Ryan"], [], ""),
        ("starring tom hanks and meg ryan", ["PERSON Tom Hanks, Meg Ryan"], [], ""),
        ("comedies with tom hankes", ["GENRE comedy", "PERSON Tom Hanks"], [], ""),
        ("starring toshiro mifune", ["PERSON Toshirō Mifune"], [], ""),
        ("films by akira kurosava", ["TYPE MOVIE", "PERSON Akira Kurosawa"], [], ""),
        ("directed by kurosawa", ["PERSON kurosawa"], [], ""),
        ("films by kurosawa", ["TYPE MOVIE", "PERSON kurosawa"], [], ""),
        ("films with love", ["TYPE MOVIE"], ["PERSON Bessie Love"], "with love"),
        ("directed by nobody known", [], [], "directed by nobody known"),
        ("scary movie", [], ["GENRE horror", "TYPE MOVIE"], "scary movie"),
        ("scary movies", ["GENRE horror", "TYPE MOVIE"], [], ""),
        ("it", [], [], "it"),
        ("it movie", ["TYPE MOVIE"], [], "it"),
        ("free guy on old kino", ["PLATFORM old-kino"], ["TIER FREE|ADS"], "free guy"),
        ("sci-fi on old kino", ["GENRE science-fiction", "PLATFORM old-kino"], [], ""),
        ("ocean's eleven movie", ["TYPE MOVIE"], [], "ocean's eleven"),
        ("western films", ["TYPE MOVIE"], [], "western"),
        ("rings from Ada's stall", [f"SELLER {ADA}"], [], "rings"),
        ("sold by ada", [f"SELLER {ADA}"], [], ""),
        ("bowls at the kiln & clay stall", [f"STALL {STALL}"], [], "bowls"),
        ("from bob's stall", [], [], "from bob's stall"),
    ],
)  # fmt: skip
async def test_names_are_those_of_the_catalogue(told, query, sure, likely, remaining):
    assert await told(query) == (sure, likely, remaining)


@pytest.mark.parametrize("query", ["scaary movie", "slepless in seattle movie"])
async def test_a_misspelt_title_is_text_whatever_it_is_taken_for(told, query):
    sure, _, remaining = await told(query)
    assert (sure, remaining) == ([], query)


async def test_a_last_name_stands_for_all_who_bear_it(db):
    found = await understand(db, "directed by kurosawa", NOW)
    [group] = found.filters.people
    async with db.read() as session:
        rows = await session.execute(
            text("SELECT name FROM person WHERE id = ANY (:ids)"), {"ids": list(group)}
        )
        assert sorted(rows.scalars()) == ["Akira Kurosawa", "Kiyoshi Kurosawa"]


async def test_names_take_one_statement_and_a_text_that_is_pasted_none(db):
    held = await dictionaries(db)
    said = []
    event.listen(
        db.engine.sync_engine, "before_cursor_execute", lambda c, cu, s, *rest: said.append(s)
    )
    async with db.read() as session:
        await names_of(session, "films with tom hanks from the 90s", held)
        assert len(said) == 1
        await names_of(session, "word " * 60, held)
        await names_of(session, "!?", held)
        assert len(said) == 1
        await names_of(session, "films with tom hankes from ada's stall", held)
        assert len(said) <= 4


async def test_dictionaries_are_read_once_and_again_when_they_are_old(db, monkeypatch):
    first = await dictionaries(db)
    assert await dictionaries(db) is first
    monkeypatch.setattr("services.search.refreshing.REFRESH_S", 0)
    assert await dictionaries(db) is not first


async def test_dictionaries_hold_what_the_catalogue_has(db):
    held = (await read_dictionaries(db)).phrases
    assert held["horror"][0].values == ("horror",)
    assert held["sci fi"][0].values == ("science-fiction",)
    assert "western" not in held
    assert held["old kino"][0].kind == "PLATFORM"
