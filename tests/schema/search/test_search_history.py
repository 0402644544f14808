"""What people searched is theirs alone: kept behind the answer, forgotten when they say so, and
never in the way of a search."""

from functools import partial

import pytest
from sqlalchemy import event, text

from core.ids import encode_id, new_id
from services.search.history import (
    ENTRIES_MAX,
    WAITING_MAX,
    Searched,
    SearchRecorder,
    keep_searches,
    write_searches,
)
from services.search.indexing import index_entities

SEARCH = "query ($q: String!, $after: Cursor) { search(query: $q, first: 1, after: $after) {"
SEARCH += " totalCount pageInfo { endCursor } } }"
HISTORY = """
query ($first: Int) { me { keepsSearchHistory searchHistory(first: $first) {
  totalCount nodes { id query intent results at clicked { nodeId position } } } } }
"""
CLICK = """
mutation ($input: RecordSearchClickInput!) { recordSearchClick(input: $input) { __typename
  ... on Error { code message } ... on InvalidInput { field }
  ... on RecordSearchClickSuccess { counted } } }
"""
DELETE = """
mutation ($input: DeleteSearchHistoryEntryInput!) { deleteSearchHistoryEntry(input: $input) {
  __typename ... on DeleteSearchHistoryEntrySuccess { deletedId } } }
"""
CLEAR = """
mutation ($input: ClearSearchHistoryInput!) { clearSearchHistory(input: $input) {
  __typename ... on ClearSearchHistorySuccess { deleted } } }
"""
SETTINGS = """
mutation ($input: UpdateSearchSettingsInput!) { updateSearchSettings(input: $input) {
  ... on UpdateSearchSettingsSuccess { keepHistory deleted } } }
"""


@pytest.fixture
async def title(server, sql):
    """`await title("Ran")`: a title that can be found; its id."""

    async def make(name):
        id = new_id()
        await sql(
            "INSERT INTO title (id, kind, name, sort_name) VALUES (:id, 'MOVIE', :n, lower(:n))",
            id=id,
            n=name,
        )
        await server.db.transaction(lambda tx: index_entities(tx, [("TITLE", id)]))
        return id

    yield make
    await server.searched.close()


@pytest.fixture
def searched(ask, server):
    """`await searched(person, "ran")`: searched, and written down."""

    async def run(person, q, **given):
        found = (await ask(SEARCH, person, q=q, **given))["search"]
        await server.searched.settled()
        return found

    return run


@pytest.fixture
def history(ask):
    async def read(person, **given):
        return (await ask(HISTORY, person, **given))["me"]["searchHistory"]["nodes"]

    return read


async def test_searches_are_kept_newest_first_once_and_for_oneself_alone(
    title, searched, history, make_user, ask, sql
):
    ada, bob = await make_user("ada"), await make_user("bob")
    await title("Ran")
    await title("Ran again")
    page = await searched(ada, "ran")
    assert page["totalCount"] == 2
    await searched(ada, "ran", after=page["pageInfo"]["endCursor"])  # another page of the same
    await searched(ada, " ran ")
    await searched(ada, "kagemusha")
    await searched(ada, "")
    await searched(None, "throne of blood")
    entries = await history(ada)
    assert [(e["query"], e["intent"], e["results"], e["clicked"]) for e in entries] == [
        ("kagemusha", "SEARCH", 0, []),
        ("ran", "SEARCH", 2, []),
    ]
    assert await history(bob) == []
    others = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await ask(others, bob, id=entries[0]["id"]))["node"] is None
    assert (await ask(others, ada, id=entries[0]["id"]))["node"] == {"id": entries[0]["id"]}
    rows = await sql("SELECT user_id, session_id FROM search_history ORDER BY at")
    assert [tuple(row) for row in rows] == [(ada.id, ada.viewer.session_id)] * 2
    rows = await sql("SELECT query, searches FROM search_popular")
    counted = {row.query: row.searches for row in rows}
    assert counted == {"ran": 2, "kagemusha": 1, "throne of blood": 1}


async def test_history_can_be_deleted_and_switched_off(
    title, searched, history, make_user, ask, sql
):
    ada, bob = await make_user("ada"), await make_user("bob")
    for query in ("ran", "kagemusha", "ikiru"):
        await searched(ada, query)
    last = (await history(ada))[0]
    foreign = (await ask(DELETE, bob, input={"id": last["id"]}))["deleteSearchHistoryEntry"]
    assert foreign == {"__typename": "NotFound"}
    deleted = (await ask(DELETE, ada, input={"id": last["id"]}))["deleteSearchHistoryEntry"]
    assert deleted["deletedId"] == last["id"]
    assert [e["query"] for e in await history(ada)] == ["kagemusha", "ran"]
    before = (await history(ada))[0]["at"]
    refused = (await ask(CLEAR, ada, input={"confirm": False}))["clearSearchHistory"]
    assert refused == {"__typename": "InvalidInput"}
    cleared = await ask(CLEAR, ada, input={"confirm": True, "before": before})
    assert cleared["clearSearchHistory"]["deleted"] == 1
    assert [e["query"] for e in await history(ada)] == ["kagemusha"]
    off = (await ask(SETTINGS, ada, input={"keepHistory": False}))["updateSearchSettings"]
    assert off == {"keepHistory": False, "deleted": 1}
    await searched(ada, "dersu uzala")
    assert await history(ada) == []
    assert (await ask(HISTORY, ada))["me"]["keepsSearchHistory"] is False
    # Nobody's name is left with a query either.
    assert await sql("SELECT query FROM search_searcher") == []
    await ask(SETTINGS, ada, input={"keepHistory": True})
    await searched(ada, "yojimbo")
    assert [e["query"] for e in await history(ada)] == ["yojimbo"]


async def test_clicks_are_kept_with_their_search_and_count_once(
    title, searched, history, make_user, ask, sql
):
    ada = await make_user("ada")
    ran = await title("Ran")
    public = encode_id("ttl", ran)

    async def click(person=ada, **given):
        given = {"query": "ran", "nodeId": public, "position": 1, **given}
        return (await ask(CLICK, person, input=given))["recordSearchClick"]

    async def signals():
        return [tuple(r) for r in await sql("SELECT title_id, searches FROM title_signal")]

    assert await click() == {"__typename": "RecordSearchClickSuccess", "counted": False}
    await searched(ada, "ran")
    assert (await click())["counted"] is True
    assert (await click(position=2))["counted"] is False  # the same result again
    assert await signals() == [(ran, 1)]
    assert (await history(ada))[0]["clicked"] == [{"nodeId": public, "position": 1}]
    for given, answer in (
        ({"position": 0}, ("InvalidInput", "position")),
        ({"query": ""}, ("InvalidInput", "query")),
        ({"nodeId": encode_id("ttl", new_id())}, ("NotFound", None)),
        ({"nodeId": "ntf_01930c5e000070008000000000000000"}, ("NotFound", None)),
        ({"nodeId": "what"}, ("NotFound", None)),
    ):
        refused = await click(**given)
        assert (refused["__typename"], refused.get("field")) == answer
    assert await signals() == [(ran, 1)]
    assert len((await history(ada))[0]["clicked"]) == 1


async def test_the_oldest_are_forgotten_past_a_thousand(title, server, make_user, sql):
    ada = await make_user("ada")
    await sql(
        "INSERT INTO search_history (id, user_id, query, at) SELECT gen_random_uuid(), :u,"
        " 'old ' || n, now() - make_interval(hours => n) FROM generate_series(1, :n) AS n",
        u=ada.id,
        n=ENTRIES_MAX,
    )
    one = Searched("new", "SEARCH", 1, ada.id)
    await server.db.transaction(partial(write_searches, searches=[one]))
    rows = await sql("SELECT count(*), min(query), max(query) FROM search_history")
    assert [tuple(row) for row in rows] == [(ENTRIES_MAX, "new", "old 999")]


async def test_what_cannot_be_kept_harms_no_search(database_url, server, make_user, execute):
    ada = await make_user("ada")
    recorder = SearchRecorder(server.db)
    for n in range(WAITING_MAX + 10):
        recorder.record(Searched(f"query {n}", "SEARCH", 0))
    assert recorder._waiting.qsize() == WAITING_MAX
    recorder.record(Searched("x" * 501, "SEARCH", 0))
    while not recorder._waiting.empty():
        recorder._waiting.get_nowait()
    recorder.record(Searched("gone", "SEARCH", 0, new_id()))  # nobody has this id
    recorder.record(Searched("ran", "SEARCH", 1, ada.id))
    await recorder.settled()
    async with server.db.engine.begin() as session:
        rows = await session.execute(text("SELECT query FROM search_history"))
        assert list(rows.scalars()) == ["ran"]
        await session.execute(text("ALTER TABLE search_history RENAME TO elsewhere"))
    recorder.record(Searched("ikiru", "SEARCH", 1, ada.id))
    await recorder.settled()  # it failed, and was given up
    result = await execute(SEARCH, ada, q="ikiru")
    assert result.errors is None
    await server.searched.settled()
    await recorder.close()


async def test_a_search_waits_for_no_writing(title, server, make_user, ask):
    ada = await make_user("ada")
    await title("Ran")
    written = []

    def note(connection, cursor, statement, *rest):
        if "INSERT INTO search_history" in statement:
            written.append(statement)

    event.listen(server.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        await ask(SEARCH, ada, q="ran")
        assert written == []
        await server.searched.settled()
        assert len(written) == 1
    finally:
        event.remove(server.db.engine.sync_engine, "before_cursor_execute", note)


async def test_no_history_for_those_who_want_none(title, server, make_user, sql):
    ada = await make_user("ada")
    await server.db.transaction(partial(keep_searches, user_id=ada.id, keep=False))
    one = Searched("secret wish", "SEARCH", 1, ada.id, new_id())
    await server.db.transaction(partial(write_searches, searches=[one]))
    assert await sql("SELECT * FROM search_history") == []
    assert await sql("SELECT * FROM search_searcher") == []
