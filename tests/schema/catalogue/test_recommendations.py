"""Recommendations and similar titles through the schema: what is answered, in how many statements,
and what is hidden."""

import pytest
from sqlalchemy import event

from jobs.recommendations import refresh_recommendations

WANTED = """query ($first: Int) { recommendations(first: $first) {
  reason title { name } because { name } } }"""
SIMILAR = """query ($ids: [ID!]!, $first: Int! = 10) { nodes(ids: $ids) {
  ... on Title { name similar(first: $first) { name } } } }"""
RATE = """mutation ($id: ID!) { rateTitle(input: { titleId: $id, value: "9" }) { __typename } }"""


@pytest.fixture
def statements(server):
    seen = []

    def note(_, __, statement, *rest):
        seen.append(statement)

    event.listen(server.db.engine.sync_engine, "before_cursor_execute", note)
    yield seen
    event.remove(server.db.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def catalogue(add_titles, server, ttl):
    """Four of war, one of them for adults, and three of love; what goes with each is computed."""
    war = [{"title": f"War {n}", "genres": ["War"]} for n in range(4)]
    war[3]["contentRating"] = "NC_17"
    love = [{"title": f"Love {n}", "genres": ["Romance"]} for n in range(3)]
    keys = await add_titles(*war, *love)
    assert (await refresh_recommendations(server.db)).changed == 7
    return [ttl(key) for key in keys]


def shown(data):
    return [
        (one["reason"], one["title"]["name"], one["because"] and one["because"]["name"])
        for one in data["recommendations"]
    ]


async def test_a_viewer_gets_what_goes_with_what_they_liked(ask, catalogue, make_user, statements):
    ada = await make_user("ada")
    await ask(RATE, ada, id=catalogue[0])
    statements.clear()
    found = shown(await ask(WANTED, ada, first=3))
    assert {name for _, name, _ in found} == {"War 1", "War 2", "War 3"}
    assert {(reason, because) for reason, _, because in found} == {("BECAUSE_YOU_LIKED", "War 0")}
    # The list; and all titles that it names.
    assert len(statements) == 2
    statements.clear()
    more = shown(await ask(WANTED, ada))
    assert [name for _, name, _ in more[:3]] == [name for _, name, _ in found]
    assert {one[0] for one in more[3:]} == {"POPULAR"}
    assert len(more) == 6
    assert len(statements) == 3


async def test_nobody_signed_in_gets_ten_that_are_popular(ask, add_titles, sql):
    keys = await add_titles(*({"title": f"T{n:02}"} for n in range(12)))
    for place, key in enumerate(keys):
        await sql("UPDATE title SET popularity = :p WHERE id = :id", p=100 - place, id=key)
    expected = [("POPULAR", f"T{n:02}", None) for n in range(10)]
    assert shown(await ask("{ recommendations { reason title { name } because { name } } }")) == (
        expected
    )
    assert shown(await ask(WANTED, first=2)) == expected[:2]
    assert shown(await ask(WANTED, first=0)) == []


@pytest.mark.parametrize("first", [-1, 51])
async def test_how_many_is_bounded(execute, catalogue, shapes, first):
    assert shapes.codes(await execute(WANTED, first=first)) == ["BAD_USER_INPUT"]
    asked = await execute(SIMILAR, ids=catalogue[:1], first=first)
    assert shapes.codes(asked) == ["BAD_USER_INPUT"]


async def test_similar_titles_of_several_in_one_statement(ask, catalogue, statements):
    statements.clear()
    war, love = (await ask(SIMILAR, ids=[catalogue[0], catalogue[4]]))["nodes"]
    assert sorted(one["name"] for one in war["similar"]) == ["War 1", "War 2", "War 3"]
    assert sorted(one["name"] for one in love["similar"]) == ["Love 1", "Love 2"]
    assert sum("title_neighbours" in statement for statement in statements) == 1
    [one] = (await ask(SIMILAR, ids=catalogue[:1], first=1))["nodes"]
    assert one["similar"] == war["similar"][:1]


async def test_the_rating_limit_hides_titles_in_both(ask, catalogue, make_user, sql):
    ada = await make_user("ada")
    await ask(RATE, ada, id=catalogue[0])
    await sql("INSERT INTO user_preference (user_id, maturity_limit) VALUES (:ada, 2)", ada=ada.id)
    named = [name for _, name, _ in shown(await ask(WANTED, ada))]
    assert sorted(named) == ["Love 0", "Love 1", "Love 2", "War 1", "War 2"]
    [war] = (await ask(SIMILAR, ada, ids=catalogue[:1]))["nodes"]
    assert sorted(one["name"] for one in war["similar"]) == ["War 1", "War 2"]


async def test_before_the_first_run_nothing_is_similar_and_genres_speak(
    ask, add_titles, make_user, ttl
):
    one, _, _ = await add_titles(
        {"title": "War 0", "genres": ["War"]},
        {"title": "War 1", "genres": ["War"]},
        {"title": "Love", "genres": ["Romance"]},
    )
    ada = await make_user("ada")
    await ask(RATE, ada, id=ttl(one))
    assert shown(await ask(WANTED, ada)) == [
        ("SIMILAR_GENRES", "War 1", None),
        ("POPULAR", "Love", None),
    ]
    assert (await ask(SIMILAR, ids=[ttl(one)]))["nodes"] == [{"name": "War 0", "similar": []}]
