"""What is suggested while somebody types, which queries are shown to others, synonyms, and
did-you-mean: on the index's own tables."""

import os
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import event, text

from core.database import Database
from core.errors import InvalidInput
from core.ids import new_id
from services.search.correcting import did_you_mean, distance
from services.search.popular import (
    SEARCHERS_MIN,
    count_query,
    countable,
    forget_queries,
    popular_searches,
    uncount_query,
)
from services.search.suggesting import SUGGESTIONS_MAX, compared, suggest
from services.search.synonyms import (
    OWN,
    Expansion,
    expand,
    import_synonyms,
    read_synonyms,
    remove_synonyms,
    set_synonyms,
)
from tests.conftest import execute, with_path

TABLES = (
    "search_document search_name search_entity search_term search_popular search_searcher"
    " search_synonym block user_preference"
)


@pytest.fixture(scope="module")
def shared_url(postgres_url, template_database, worker):
    """One database for all tests of this file, each of which begins with empty tables."""
    name = f"mela_suggesting_{worker}_{os.getpid()}"
    template = f'TEMPLATE "{template_database}" STRATEGY FILE_COPY'
    execute(postgres_url, f'CREATE DATABASE "{name}" {template}')
    yield with_path(postgres_url, name)
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def db(shared_url):
    database = Database(shared_url)
    async with database.engine.begin() as connection:
        for table in TABLES.split():
            await connection.execute(text(f"DELETE FROM {table}"))
        await connection.execute(text("UPDATE search_slot SET state = 'EMPTY'"))
        await connection.execute(text("UPDATE search_slot SET state = 'ACTIVE' WHERE slot = 0"))
    yield database
    await database.close()


@pytest.fixture
def make_user(sql):
    async def make():
        user_id = new_id()
        await sql(
            "INSERT INTO user_account (id, email, username, password_hash, display_name)"
            " VALUES (:id, :name || '@mela.test', :name, '-', :name)",
            id=user_id,
            name=f"u{user_id.hex[-20:]}",
        )
        return user_id

    return make


@pytest.fixture
def put(sql):
    """`await put("Alien", popularity=2)`: a document that everyone may find; its entity's id."""

    async def put(name, *aliases, kind="TITLE", popularity=0.0, owner=None, maturity=None):
        entity = new_id()
        [(number,)] = await sql(
            "INSERT INTO search_entity (kind, entity_id) VALUES (:k, :e) RETURNING id",
            k=kind,
            e=entity,
        )
        await sql(
            "INSERT INTO search_document (slot, id, kind, entity_id, name, owner_id, popularity,"
            " maturity, terms, digest) VALUES (0, :id, :k, :e, :n, :o, :p, :m,"
            " to_tsvector('mela_search_names', search_words(:n)), '')",
            id=number, k=kind, e=entity, n=name, o=owner, p=popularity, m=maturity,
        )  # fmt: skip
        for place, each in enumerate((name, *aliases)):
            await sql(
                "INSERT INTO search_name (slot, document, place, key, kind, owner_id, popularity)"
                " VALUES (0, :id, :place, search_key(:n), :k, :o, :p)",
                id=number, place=place, n=each, k=kind, o=owner, p=popularity,
            )  # fmt: skip
        await sql(
            "INSERT INTO search_term (slot, term, documents)"
            " SELECT 0, unnest(tsvector_to_array(terms)), 1 FROM search_document WHERE id = :id"
            " ON CONFLICT (slot, term) DO UPDATE SET documents = search_term.documents + 1",
            id=number,
        )
        return entity

    return put


@pytest.fixture
def names(db):
    async def names(prefix, **options):
        async with db.read() as session:
            return [each.text for each in await suggest(session, prefix, **options)]

    return names


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Spider-M", "spider m"),
        ("  The ", "the "),
        ("Amélie", "amelie"),
        ("O'Brien", "o brien"),
        ("L’Avventura", "l avventura"),  # noqa: RUF001
        ("!!!", ""),
        ("七人", "七人"),
    ],
)
def test_what_is_typed_is_compared_as_names_are(typed, key):
    assert compared(typed, whole=False) == key


async def test_names_are_suggested_from_the_start_of_any_word_whatever_case_and_accents(put, names):
    await put("The Shawshank Redemption")
    await put("Le Fabuleux Destin d'Amélie Poulain", "Amelie")
    assert await names("shaw") == ["The Shawshank Redemption"]
    assert await names("SHAWSHANK RED") == ["The Shawshank Redemption"]
    assert await names("the s") == ["The Shawshank Redemption"]
    assert await names("The ") == ["The Shawshank Redemption"]
    assert await names("é") == []
    assert await names("améli") == ["Le Fabuleux Destin d'Amélie Poulain"]
    assert await names("poul") == ["Le Fabuleux Destin d'Amélie Poulain"]
    assert await names("hawshank") == []


async def test_the_popular_come_first_then_the_short(put, names):
    await put("Starlight")
    await put("Star Wars", popularity=3)
    await put("Stardust")
    assert await names("s") == ["Star Wars", "Stardust", "Starlight"]
    assert await names("star") == ["Star Wars", "Stardust", "Starlight"]
    assert await names("star", first=1) == ["Star Wars"]
    assert await names("star", first=0) == []


async def test_a_name_is_suggested_once_and_ten_at_most(put, names):
    for _ in range(2):
        await put("New York, New York")
    assert await names("new") == ["New York, New York"]
    for n in range(12):
        await put(f"Newt {n:02}")
    assert len(await names("new", first=99)) == SUGGESTIONS_MAX


async def test_kinds_can_be_chosen(put, names):
    await put("Clay")
    await put("Clay bowl", kind="PRODUCT")
    assert await names("clay", kinds=["PRODUCT"]) == ["Clay bowl"]


async def test_suggestions_follow_the_index(put, names, sql):
    await put("Alien")
    await sql("UPDATE search_name SET key = 'aliens'")
    assert await names("aliens") == ["Alien"]
    await sql("DELETE FROM search_name")
    assert await names("al") == []


async def test_the_slot_that_is_not_read_suggests_nothing(put, names, sql):
    await put("Alien")
    await sql("UPDATE search_slot SET state = 'EMPTY' WHERE slot = 0")
    await sql("UPDATE search_slot SET state = 'ACTIVE' WHERE slot = 1")
    assert await names("al") == []


async def test_what_blocked_people_own_is_not_suggested_to_either(put, names, make_user, sql):
    seller, viewer, other = [await make_user() for _ in range(3)]
    await put("Clay bowl", kind="PRODUCT", owner=seller)
    await sql("INSERT INTO block (blocker_id, blocked_id) VALUES (:a, :b)", a=seller, b=viewer)
    assert await names("clay", viewer_id=viewer) == []
    assert await names("clay", viewer_id=other) == ["Clay bowl"]
    await sql("UPDATE block SET blocker_id = :a, blocked_id = :b", a=viewer, b=seller)
    assert await names("clay", viewer_id=viewer) == []
    assert await names("clay") == ["Clay bowl"]


async def test_titles_above_a_viewers_rating_limit_are_not_suggested(put, names, make_user, sql):
    viewer = await make_user()
    await put("Slasher", maturity=3)
    await put("Slippers", maturity=0)
    await sql("INSERT INTO user_preference (user_id, maturity_limit) VALUES (:v, 1)", v=viewer)
    assert await names("sl", viewer_id=viewer) == ["Slippers"]
    assert await names("sl") == ["Slasher", "Slippers"]


async def test_it_is_one_statement(db, put, names):
    await put("Alien")
    said = []
    event.listen(
        db.engine.sync_engine, "before_cursor_execute", lambda c, cu, s, *rest: said.append(s)
    )
    assert await names("al") == ["Alien"]
    assert len(said) == 1


async def search_by(db, query, *searchers):
    for searcher in searchers:
        await db.transaction(partial(_count, query=query, searcher=searcher))


async def _count(tx, *, query, searcher):
    await count_query(tx, query, searcher=searcher)


async def popular(db, first=10):
    async with db.read() as session:
        return [
            (each.query, each.searches) for each in await popular_searches(session, first=first)
        ]


async def test_a_query_is_shown_when_enough_people_searched_it(db, names, sql):
    people = [new_id() for _ in range(SEARCHERS_MIN)]
    await search_by(db, "Déjà  vu", *people[:-1], *people[:-1], None, None)
    assert (await popular(db), await names("deja")) == ([], [])
    assert len(await sql("SELECT query FROM search_searcher")) == SEARCHERS_MIN - 1
    await search_by(db, "DEJA VU", people[-1])
    assert await popular(db) == [("deja vu", 2 * SEARCHERS_MIN + 1)]
    assert await names("deja") == ["deja vu"]
    # Who searched is needed no more.
    assert await sql("SELECT query FROM search_searcher") == []
    await search_by(db, "deja vu", new_id())
    assert await sql("SELECT query FROM search_searcher") == []


async def test_names_come_before_queries_and_a_query_that_is_a_name_is_shown_once(db, put, names):
    people = [new_id() for _ in range(SEARCHERS_MIN)]
    for query in ("alien", "alien films"):
        await search_by(db, query, *people)
    await put("Alien")
    assert await names("ali") == ["Alien", "alien films"]
    assert await names("ali", kinds=["TITLE"]) == ["Alien"]


async def test_who_deletes_a_history_is_not_counted_among_those_who_searched(db):
    people = [new_id() for _ in range(SEARCHERS_MIN)]
    await search_by(db, "indigo", *people[:-1])
    await db.transaction(lambda tx: uncount_query(tx, "Indigo", searcher=people[0]))
    await search_by(db, "indigo", people[-1])
    assert await popular(db) == []
    await search_by(db, "indigo", new_id())
    assert [query for query, _ in await popular(db)] == ["indigo"]


@pytest.mark.parametrize(
    "query",
    [
        "ann@example.com", "https://example.com/x", "www.example.com", "see example.com", "1234",
        "+44 20 7946 0958", "call 020 7946 0958", "0190a1b2c3d4e5f60718", "", " ", "x", "a\0b",
        "a" * 81, "!!!", "line\nbreak \u0007",
    ],
)  # fmt: skip
async def test_queries_that_may_name_somebody_leave_no_trace(db, sql, query):
    assert countable(query) is None
    await search_by(db, query, new_id())
    assert await sql("SELECT query FROM search_popular") == []
    assert await sql("SELECT query FROM search_searcher") == []


def test_ordinary_queries_are_counted():
    assert countable("  Blade   Runner 2049 ") == "blade runner 2049"
    assert countable("50 first dates") == "50 first dates"


async def test_queries_that_nobody_searches_any_more_are_forgotten(db, sql):
    await search_by(db, "old", new_id())
    await search_by(db, "young", new_id())
    aged = "UPDATE search_popular SET last_at = last_at - CAST(:d AS interval) WHERE query = 'old'"
    await sql(aged, d=timedelta(days=91))
    assert await db.transaction(forget_queries) == 1
    assert await sql("SELECT query FROM search_popular") == [("young",)]
    assert await sql("SELECT query FROM search_searcher") == [("young",)]


@pytest.fixture
def correct(db):
    async def correct(query, *, found=0, finds=1, viewer=None):
        asked = []

        async def count(corrected):
            asked.append(corrected)
            return finds

        async with db.read() as session:
            return await did_you_mean(session, query, found=found, count=count, viewer_id=viewer)

    return correct


async def test_misspelt_words_are_corrected_by_the_words_of_names(put, correct):
    await put("The Shawshank Redemption")
    assert await correct("shawshenk redemtion") == "shawshank redemption"
    assert await correct("The Shawshenk") == "The Shawshank"
    assert await correct("shwashank") == "shawshank"  # two letters changed places
    assert await correct("wholly unlike") is None
    assert await correct('"shawshenk"') is None


async def test_nothing_is_corrected_where_enough_was_found_or_no_more_would_be(put, correct):
    await put("Redemption")
    assert await correct("redemtion", found=3) is None
    assert await correct("redemtion", found=2, finds=2) is None
    assert await correct("redemtion", found=2, finds=3) == "redemption"


async def test_a_word_that_documents_have_is_no_mistake(put, correct):
    for n in range(3):
        await put(f"Martian {n}")
    for n in range(20):
        await put(f"Martial {n}")
    assert await correct("martian") is None


async def test_words_of_whom_the_viewer_may_not_see_are_not_suggested(put, correct, make_user, sql):
    seller, viewer = await make_user(), await make_user()
    await put("Terracotta", kind="PRODUCT", owner=seller)
    assert await correct("terracota", viewer=viewer) == "terracotta"
    await sql("INSERT INTO block (blocker_id, blocked_id) VALUES (:a, :b)", a=seller, b=viewer)
    assert await correct("terracota", viewer=viewer) is None
    await sql("DELETE FROM search_name")
    assert await correct("terracota") is None


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "abxc", 1), ("abc", "xyz", 3),
     ("", "ab", 2), ("kitten", "sitting", 3)],
)  # fmt: skip
def test_distances_are_counted_up_to_a_limit(one, other, found):
    assert distance(one, other, 2) == distance(other, one, 2) == min(found, 3)


def test_a_query_is_said_in_other_words():
    known = OWN | {"clay": ("earthenware", "terracotta"), "pot": ("jar",)}
    assert expand("old Sci-Fi stories", known) == (Expansion("old science fiction stories", 0.4),)
    assert [each.words for each in expand("clay pot", known)] == [
        "earthenware jar",
        "terracotta jar",
    ]
    assert expand('"clay" bowl', known) == ()
    assert expand("nothing known", known) == ()
    many = {"x": tuple(f"y{n}" for n in range(20))}
    assert len(expand("x", many)) == 2


async def test_synonyms_are_set_changed_and_taken_back(db):
    wanted = read_synonyms(["# craft words", "Clay: earthenware, Terra-Cotta", "", "rug: carpet"])
    assert wanted == {"clay": ("earthenware", "terra cotta"), "rug": ("carpet",)}
    assert await db.transaction(lambda tx: import_synonyms(tx, wanted)) == 2
    assert await db.transaction(lambda tx: import_synonyms(tx, wanted)) == 0
    assert await db.transaction(lambda tx: import_synonyms(tx, {"rug": ("kilim",)})) == 1
    async with db.read() as session:
        assert await set_synonyms(session) == {
            "clay": ("earthenware", "terra cotta"),
            "rug": ("kilim",),
        }
    assert await db.transaction(lambda tx: remove_synonyms(tx, ["CLAY", "unknown"])) == 1


@pytest.mark.parametrize(
    "line", ["no colon", ": nothing", "a:", "a b c d e: f", "x" * 61 + ": y", "a: " + "b" * 61]
)
def test_a_line_that_is_no_synonym_is_refused_with_its_number(line):
    with pytest.raises(InvalidInput, match="line 2"):
        read_synonyms(["fine: good", line])
