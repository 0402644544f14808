"""`suggest`, `popularSearches` and `interpretation` as clients see them."""

from functools import partial

import pytest

from core.ids import encode_id, new_id
from services.search.indexing import index_entities
from services.search.popular import SEARCHERS_MIN, count_query
from tests.data import naughty_strings

SUGGEST = """
query ($prefix: String!, $types: [SearchResultType!], $first: Int! = 10) {
  suggest(prefix: $prefix, types: $types, first: $first) { text type nodeId } }
"""
POPULAR = "query ($first: Int! = 10) { popularSearches(first: $first) { query searches } }"
UNDERSTOOD = """
query ($q: String!) { search(query: $q, first: 1) { totalCount interpretation {
  intent remaining entities { kind text value certain } } } }
"""
NODE = "query ($id: ID!) { node(id: $id) { id __typename } }"


@pytest.fixture
def title(server, sql):
    """`await title("Ran")`: the public id of a title that can be found."""

    async def make(name, year=None):
        id = new_id()
        await sql(
            "INSERT INTO title (id, kind, name, sort_name, year)"
            " VALUES (:id, 'MOVIE', :n, lower(:n), :y)",
            id=id,
            n=name,
            y=year,
        )
        await server.db.transaction(lambda tx: index_entities(tx, [("TITLE", id)]))
        return encode_id("ttl", id)

    return make


async def search_by_many(server, query):
    for _ in range(SEARCHERS_MIN):
        await server.db.transaction(partial(_count, query=query))


async def _count(tx, *, query):
    await count_query(tx, query, searcher=new_id())


async def test_names_come_with_what_bears_them_and_queries_after_them(ask, server, title):
    ran = await title("Ran")
    await search_by_many(server, "random harvest")
    assert (await ask(SUGGEST, prefix="rÁn"))["suggest"] == [
        {"text": "Ran", "type": "TITLE", "nodeId": ran},
        {"text": "random harvest", "type": None, "nodeId": None},
    ]
    assert (await ask(NODE, id=ran))["node"] == {"id": ran, "__typename": "Title"}
    assert (await ask(SUGGEST, prefix="ran", types=["PERSON"]))["suggest"] == []
    assert len((await ask(SUGGEST, prefix="ran", first=1))["suggest"]) == 1


async def test_popular_searches_are_those_of_many(ask, server):
    await search_by_many(server, "Indigo")
    await server.db.transaction(lambda tx: count_query(tx, "mine alone", searcher=new_id()))
    assert (await ask(POPULAR))["popularSearches"] == [
        {"query": "indigo", "searches": SEARCHERS_MIN}
    ]
    assert (await ask(POPULAR, first=0))["popularSearches"] == []


@pytest.mark.parametrize(
    ("query", "given"),
    [
        (SUGGEST, {"prefix": "a", "first": 11}),
        (SUGGEST, {"prefix": "a", "first": -1}),
        (SUGGEST, {"prefix": "a" * 501}),
        (SUGGEST, {"prefix": "a\0"}),
        (POPULAR, {"first": 51}),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_words(execute, query, given):
    [error] = (await execute(query, **given)).errors
    assert error.original_error.code == "BAD_USER_INPUT"


async def test_what_was_understood_is_shown(ask, title):
    await title("Ran", 1985)
    found = (await ask(UNDERSTOOD, q="films from the 80s"))["search"]
    assert found["totalCount"] == 1
    assert found["interpretation"] == {
        "intent": "BROWSE",
        "remaining": "",
        "entities": [
            {"kind": "TYPE", "text": "films", "value": "MOVIE", "certain": True},
            {"kind": "YEAR", "text": "from the 80s", "value": "1980-1989", "certain": True},
        ],
    }


async def test_filters_that_leave_nothing_only_reorder(ask, title):
    await title("Ran", 1985)
    found = (await ask(UNDERSTOOD, q="ran from 1999"))["search"]
    assert found["totalCount"] == 1
    assert found["interpretation"]["remaining"] == "ran from 1999"
    assert [each["certain"] for each in found["interpretation"]["entities"]] == [False]


async def test_strings_that_break_software_are_text(ask, title):
    await title("Ran")
    asked = 0
    for string in naughty_strings():
        if len(string) <= 500 and "\0" not in string:
            assert isinstance((await ask(SUGGEST, prefix=string))["suggest"], list)
            asked += 1
    assert asked > 500


async def test_what_words_mean_is_found_after_the_words_themselves(ask, server, title, sql):
    words = "query ($q: String!) { search(query: $q) { totalCount nodes { node {"
    words += " ... on Title { name } } } } }"
    for name in ("Earthenware Jar", "Clay Jar", "Clay Bowl"):
        await title(name)
    await sql("INSERT INTO search_synonym (term, means) VALUES ('clay', '{earthenware}')")
    found = (await ask(words, q="clay jar"))["search"]
    assert [hit["node"]["name"] for hit in found["nodes"]] == ["Clay Jar", "Earthenware Jar"]
    assert found["totalCount"] == 2
    quoted = (await ask(words, q='"clay" jar'))["search"]
    assert quoted["totalCount"] == 1


async def test_words_never_widen_the_filters_that_were_asked_for(ask, title):
    await title("Ran", 1985)
    asked = "query ($q: String!, $types: [SearchResultType!]) {"
    asked += " search(query: $q, types: $types) { totalCount } }"
    assert (await ask(asked, q="films", types=["TITLE"]))["search"]["totalCount"] == 1
    assert (await ask(asked, q="films", types=["POST"]))["search"]["totalCount"] == 0
