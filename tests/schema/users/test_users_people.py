"""People through the schema: what each may see of the other, and in how many statements."""

import pytest
from sqlalchemy import select

from core.ids import decode_id
from loaders.users import followers_by_user_id, following_by_user_id

UPDATE = """
mutation ($input: UpdateProfileInput!) {
  updateProfile(input: $input) {
    __typename
    ... on UpdateProfileSuccess {
      user { displayName avatarUrl profile { bio visibility socialLinks region } }
    }
    ... on InvalidInput { field reason }
  }
}
"""
SEE = """
query ($id: ID!) {
  user(id: $id) {
    username displayName email status tier roles viewerFollows
    profile { bio }
    sessions { id }
    followers { totalCount nodes { username } }
    following { totalCount nodes { username } }
    mutuals { totalCount nodes { username } }
  }
}
"""


@pytest.fixture
def do(ask):
    """`await do("follow", ada, bob)`: the name of the type it answered."""

    async def do(verb, who, whom):
        query = f"mutation ($id: ID!) {{ {verb}(input: {{userId: $id}}) {{ __typename }} }}"
        return (await ask(query, by=who.token, id=whom.id))[verb]["__typename"]

    return do


async def test_the_given_fields_of_a_profile_change_and_null_takes_away(join, ask):
    ada = await join("ada")

    async def change(**given):
        return (await ask(UPDATE, by=ada.token, input=given))["updateProfile"]

    await change(
        displayName="Ada L.",
        avatarUrl="https://cdn.example/a.png",
        bio="Counts.",
        visibility="PRIVATE",
        socialLinks=["https://a.example"],
        region="GB",
    )
    answer = await change(avatarUrl=None, region=None)
    assert answer["user"] == {
        "displayName": "Ada L.",
        "avatarUrl": None,
        "profile": {
            "bio": "Counts.",
            "visibility": "PRIVATE",
            "socialLinks": ["https://a.example"],
            "region": None,
        },
    }
    refused = await change(displayName=" ", bio="changed")
    assert refused == {
        "__typename": "InvalidInput",
        "field": "displayName",
        "reason": "must not be blank",
    }
    assert (await change())["user"]["profile"]["bio"] == "Counts."


async def test_a_username_is_changed(join, ask):
    ada, _ = await join("ada"), await join("bob")
    change = """
    mutation ($name: String!) {
      changeUsername(input: {username: $name}) {
        __typename ... on ChangeUsernameSuccess { user { username } }
      }
    }
    """
    done = await ask(change, by=ada.token, name="ada_2")
    assert done["changeUsername"]["user"] == {"username": "ada_2"}
    taken = await ask(change, by=ada.token, name="BOB")
    assert taken["changeUsername"]["__typename"] == "UsernameTaken"
    found = await ask('{ a: user(username: "ADA_2") { id } b: user(username: "ada") { id } }')
    assert found == {"a": {"id": ada.id}, "b": None}


async def test_a_stranger_sees_the_public_and_nothing_of_the_account(join, ask, do):
    ada, bob = await join("ada"), await join("bob")
    await do("follow", bob, ada)
    seen = (await ask(SEE, id=ada.id))["user"]
    assert seen == {
        "username": "ada",
        "displayName": "ada",
        "email": None,
        "status": None,
        "tier": None,
        "roles": None,
        "viewerFollows": False,
        "profile": {"bio": ""},
        "sessions": None,
        "followers": {"totalCount": 1, "nodes": [{"username": "bob"}]},
        "following": {"totalCount": 0, "nodes": []},
        "mutuals": {"totalCount": 0, "nodes": []},
    }


async def test_an_email_is_shown_by_choice_to_oneself_and_to_administrators(join, ask, promote):
    ada, bob = await join("ada"), await join("bob")
    admin = await promote(await join("root"), "ADMIN")
    query = "query ($id: ID!) { user(id: $id) { email } }"

    async def seen(token):
        return (await ask(query, by=token, id=ada.id))["user"]["email"]

    hidden = [await seen(token) for token in (None, bob.token, ada.token, admin.token)]
    assert hidden == [None, None, "ada@mela.test", "ada@mela.test"]
    await ask(UPDATE, by=ada.token, input={"showEmail": True})
    assert await seen(None) == await seen(bob.token) == "ada@mela.test"


async def test_a_private_profile_shows_only_names_and_picture_but_to_followers(join, ask, do):
    ada, friend, stranger = await join("ada"), await join("friend"), await join("stranger")
    await do("follow", friend, ada)
    await do("follow", ada, friend)
    await ask(UPDATE, by=ada.token, input={"visibility": "PRIVATE", "bio": "secret"})
    for token in (None, stranger.token):
        seen = (await ask(SEE, by=token, id=ada.id))["user"]
        assert (seen["username"], seen["displayName"]) == ("ada", "ada")
        assert seen["profile"] is None
        for connection in ("followers", "following", "mutuals"):
            assert seen[connection] == {"totalCount": 0, "nodes": []}
    for token in (ada.token, friend.token):
        seen = (await ask(SEE, by=token, id=ada.id))["user"]
        assert seen["profile"] == {"bio": "secret"}
        for connection in ("followers", "following", "mutuals"):
            assert seen[connection] == {"totalCount": 1, "nodes": [{"username": "friend"}]}
    assert await do("follow", stranger, ada) == "Forbidden"


async def test_who_blocks_and_who_is_blocked_are_absent_for_each_other(join, ask, do):
    ada, bob, eve = await join("ada"), await join("bob"), await join("eve")
    await ask(UPDATE, by=ada.token, input={"showEmail": True})
    await do("follow", ada, eve)
    await do("follow", bob, eve)
    assert await do("block", ada, bob) == "BlockSuccess"
    for who, whom in ((ada, bob), (bob, ada)):
        assert (await ask(SEE, by=who.token, id=whom.id))["user"] is None
        query = "query ($name: String!) { user(username: $name) { id } }"
        assert await ask(query, by=who.token, name=whom.username) == {"user": None}
        assert await do("follow", who, whom) == "NotFound"
        followers = (await ask(SEE, by=who.token, id=eve.id))["user"]["followers"]
        assert followers == {"totalCount": 1, "nodes": [{"username": who.username}]}
    assert (await ask(SEE, by=eve.token, id=ada.id))["user"]["email"] == "ada@mela.test"
    assert await do("unblock", ada, bob) == "UnblockSuccess"
    assert (await ask(SEE, by=bob.token, id=ada.id))["user"]["username"] == "ada"


async def test_a_reference_to_someone_blocked_stays_and_tells_nothing(
    join, ask, do, server, schema
):
    ada, bob = await join("ada"), await join("bob")
    await ask(UPDATE, by=ada.token, input={"showEmail": True})
    query = """
    query ($id: ID!) {
      _entities(representations: [{__typename: "User", id: $id}]) {
        ... on User { username email profile { bio } followers { totalCount } }
      }
    }
    """
    await do("block", ada, bob)
    (seen,) = (await ask(query, by=bob.token, id=ada.id))["_entities"]
    assert seen == {
        "username": "ada",
        "email": None,
        "profile": None,
        "followers": {"totalCount": 0},
    }


async def test_follows_are_listed_newest_first_page_by_page(join, ask, do):
    star = await join("star")
    fans = [await join(f"fan_{n}") for n in range(5)]
    for fan in fans:
        await do("follow", fan, star)
    await do("follow", star, fans[1])
    await do("follow", star, fans[3])
    query = """
    query ($id: ID!, $first: Int, $after: Cursor, $last: Int, $before: Cursor) {
      user(id: $id) {
        followers(first: $first, after: $after, last: $last, before: $before) {
          totalCount nodes { username } pageInfo { hasNextPage endCursor startCursor }
        }
        following { nodes { username } }
        mutuals { totalCount nodes { username } }
      }
    }
    """
    first = (await ask(query, id=star.id, first=2))["user"]
    assert [n["username"] for n in first["following"]["nodes"]] == ["fan_3", "fan_1"]
    assert first["mutuals"] == {
        "totalCount": 2,
        "nodes": [{"username": "fan_3"}, {"username": "fan_1"}],
    }
    names, after = [], None
    while True:
        page = (await ask(query, id=star.id, first=2, after=after))["user"]["followers"]
        assert page["totalCount"] == 5
        names += [node["username"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert names == ["fan_4", "fan_3", "fan_2", "fan_1", "fan_0"]
    back = (await ask(query, id=star.id, last=2, before=after))["user"]["followers"]
    assert [node["username"] for node in back["nodes"]] == ["fan_2", "fan_1"]


async def test_a_level_of_people_costs_one_statement_a_field(join, ask, do, statements):
    star = await join("star")
    fans = [await join(f"fan_{n}") for n in range(4)]
    for fan in fans:
        await do("follow", fan, star)
    query = """
    query ($id: ID!) {
      user(id: $id) {
        followers { nodes {
          username viewerFollows profile { bio } followers { totalCount nodes { id } }
        } }
      }
    }
    """
    del statements[:]
    answer = await ask(query, by=star.token, id=star.id)
    assert len(answer["user"]["followers"]["nodes"]) == 4
    # The user, their followers; then, for all four: follows, profiles, followers, counts.
    assert len(statements) == 6


async def test_the_index_serves_a_page_of_follows_in_its_order(server, join, do):
    ada, bob = await join("ada"), await join("bob")
    await do("follow", ada, bob)
    lists = (
        (followers_by_user_id, "ix_follow_followee"),
        (following_by_user_id, "ix_follow_follower"),
    )
    for loader, index in lists:
        page = (
            select(*loader.row.__columns__)
            .where(loader.key == decode_id(bob.id, "usr"))
            .order_by(*loader.order.by())
            .limit(20)
        )
        sql = page.compile(server.db.engine.sync_engine, compile_kwargs={"literal_binds": True})
        async with server.db.engine.begin() as connection:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            await connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
            plan = "\n".join((await connection.exec_driver_sql(f"EXPLAIN {sql}")).scalars())
        assert index in plan
        assert "Sort" not in plan


@pytest.mark.parametrize("id", ["", "usr_", "nobody", "auc_" + "0" * 32, "usr_" + "0" * 32])
async def test_an_id_that_names_nobody_is_null(ask, id):
    assert await ask("query ($id: ID!) { user(id: $id) { id } }", id=id) == {"user": None}


@pytest.mark.parametrize("name", ["", "a\0b", "ad\u00e9", "x" * 5_000, "' OR 1=1"])
async def test_a_username_that_nobody_has_is_null(ask, name):
    query = "query ($name: String!) { user(username: $name) { id } }"
    assert await ask(query, name=name) == {"user": None}


@pytest.mark.parametrize("arguments", ["", '(id: "x", username: "y")'])
async def test_a_user_is_named_in_one_way(run, arguments):
    result = await run(f"{{ user{arguments} {{ id }} }}")
    assert result.errors[0].extensions["code"] == "BAD_USER_INPUT"


async def test_nobody_signed_in_is_nobody(ask, run):
    assert await ask("{ me { id } }") == {"me": None}
    mutation = 'mutation { follow(input: {userId: "x"}) { __typename } }'
    result = await run(mutation)
    assert result.errors[0].extensions["code"] == "UNAUTHENTICATED"
