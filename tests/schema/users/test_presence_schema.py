"""Presence through the schema: who sees whom, in how many statements; what open subscriptions are
told; typing and viewers."""

import asyncio
import time
from contextlib import aclosing

import pytest

from core.ids import decode_id, new_id
from subscriptions.presence_store import OpenConnection

SEE = """
query ($ids: [ID!]!) { presence(userIds: $ids) { status lastSeenAt user { username } } }
"""
WATCH = """
subscription ($ids: [ID!], $id: ID) {
  presenceChanged(userIds: $ids, userId: $id) { status user { username } }
}
"""
SET = """
mutation ($status: OwnPresence!) {
  setPresence(input: {status: $status}) {
    __typename
    ... on SetPresenceSuccess { presence { status user { username } } }
    ... on InvalidInput { field reason }
  }
}
"""
PRIVACY = """
mutation ($who: PresenceAudience!) {
  updatePrivacySettings(input: {presence: $who}) {
    __typename ... on UpdatePrivacySettingsSuccess { privacy { presence } }
  }
}
"""


@pytest.fixture
def arrive(server):
    """`await arrive(ada, "phone")`: a socket of Ada's is open; what closes it again."""

    async def arrive(person, device="phone"):
        user_id = decode_id(person.id, "usr")
        one = OpenConnection(new_id().hex, user_id, new_id(), device, time.time())
        server.live.presence.join(one)
        await until(server, person, "ONLINE", "AWAY")
        async with asyncio.timeout(10):
            while not await there(one):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        async def leave():
            server.live.presence.leave(one.id)

        return leave

    async def there(one):
        """Also where others of the person's were before it."""
        found = await server.live.presence.devices(one.user_id)
        return any(device.session_id == one.session_id for device in found)

    return arrive


async def until(server, person, *statuses):
    user_id = decode_id(person.id, "usr")
    async with asyncio.timeout(10):
        while (await server.live.presence.read([user_id]))[0].status not in statuses:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def take(results, field):
    async with asyncio.timeout(10):
        result = await anext(results)
    assert result.errors is None, result.errors
    return result.data[field]


async def test_people_are_seen_online_away_and_when_they_left(join, ask, arrive, server):
    ada, bob, eve = await join("ada"), await join("bob"), await join("eve")
    leave = await arrive(ada)
    found = (await ask(SEE, by=bob.token, ids=[eve.id, ada.id]))["presence"]
    assert found == [
        {"status": "OFFLINE", "lastSeenAt": None, "user": {"username": "eve"}},
        {"status": "ONLINE", "lastSeenAt": None, "user": {"username": "ada"}},
    ]
    said = (await ask(SET, by=ada.token, status="AWAY"))["setPresence"]
    assert said["presence"] == {"status": "AWAY", "user": {"username": "ada"}}
    [found] = (await ask(SEE, by=bob.token, ids=[ada.id]))["presence"]
    assert found["status"] == "AWAY"
    await leave()
    await until(server, ada, "OFFLINE")
    [found] = (await ask(SEE, by=bob.token, ids=[ada.id]))["presence"]
    assert found["status"] == "OFFLINE"
    assert found["lastSeenAt"] is not None


async def test_who_is_not_here_cannot_be_away(join, ask, run, server):
    ada = await join("ada")
    refused = (await ask(SET, by=ada.token, status="AWAY"))["setPresence"]
    assert refused == {
        "__typename": "InvalidInput",
        "field": "status",
        "reason": "no connection of yours is open",
    }
    assert (await server.live.presence.read([decode_id(ada.id, "usr")]))[0].status == "OFFLINE"
    nobody = await run(SET, status="AWAY")
    assert nobody.errors[0].extensions["code"] == "UNAUTHENTICATED"


async def test_a_list_of_people_is_read_in_one_statement_and_one_call(
    join, ask, arrive, statements, server, monkeypatch
):
    people = [await join() for _ in range(5)]
    await arrive(people[0])
    calls = []
    read = server.live.presence.read

    async def counted(user_ids):
        calls.append(list(user_ids))
        return await read(user_ids)

    monkeypatch.setattr(server.live.presence, "read", counted)
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { presence { status } } } }"
    del statements[:]
    found = (await ask(nodes, by=people[0].token, ids=[p.id for p in people]))["nodes"]
    assert [row["presence"]["status"] for row in found] == ["ONLINE", *["OFFLINE"] * 4]
    own = [s for s in statements if "last_seen" in s or "user_account" in s]
    assert len([s for s in own if "last_seen" in s and "INSERT" not in s]) == 1
    assert [len(call) for call in calls] == [5]
    del calls[:]
    await ask(SEE, by=people[0].token, ids=[p.id for p in people])
    assert [len(call) for call in calls] == [5]


async def test_presence_is_hidden_from_whom_its_owner_says_and_where_people_are_absent(
    join, ask, arrive, server
):
    ada, bob, eve, cyd = [await join(n) for n in ("ada", "bob", "eve", "cyd")]
    await arrive(ada)
    between = "mutation ($id: ID!) {{ {}(input: {{userId: $id}}) {{ __typename }} }}"
    await ask(between.format("follow"), by=ada.token, id=bob.id)
    await ask(between.format("block"), by=cyd.token, id=ada.id)

    async def seen_by(person):
        rows = (await ask(SEE, by=person.token, ids=[ada.id]))["presence"]
        return [row["status"] for row in rows]

    async def choose(who):
        answer = (await ask(PRIVACY, by=ada.token, who=who))["updatePrivacySettings"]
        assert answer["privacy"] == {"presence": who}

    assert [await seen_by(p) for p in (ada, bob, eve, cyd)] == [["ONLINE"]] * 3 + [[]]
    await choose("FOLLOWED")
    assert [await seen_by(p) for p in (ada, bob, eve, cyd)] == [["ONLINE"]] * 2 + [[], []]
    await choose("NOBODY")
    assert [await seen_by(p) for p in (ada, bob, eve, cyd)] == [["ONLINE"], [], [], []]
    field = "query ($id: ID!) { user(id: $id) { presence { status } privacy { presence } } }"
    assert (await ask(field, by=bob.token, id=ada.id))["user"] == {
        "presence": None,
        "privacy": None,
    }
    assert (await ask(field, by=ada.token, id=ada.id))["user"] == {
        "presence": {"status": "ONLINE"},
        "privacy": {"presence": "NOBODY"},
    }


async def test_devices_are_ones_own(join, ask, arrive):
    ada, bob = await join("ada"), await join("bob")
    await arrive(ada, "phone")
    await arrive(ada, "laptop")
    devices = "query ($id: ID!) { user(id: $id) { devices { device sessionId connectedAt } } }"
    found = (await ask(devices, by=ada.token, id=ada.id))["user"]["devices"]
    assert [row["device"] for row in found] == ["phone", "laptop"]
    assert all(row["sessionId"].startswith("ses_") for row in found)
    assert (await ask(devices, by=bob.token, id=ada.id))["user"]["devices"] is None


async def test_a_subscription_tells_states_then_changes_then_what_is_hidden(
    join, ask, arrive, stream
):
    ada, bob, eve = await join("ada"), await join("bob"), await join("eve")
    leave = await arrive(ada)
    results = await stream(WATCH, by=bob.token, ids=[ada.id, eve.id])
    async with aclosing(results):
        first = [await take(results, "presenceChanged") for _ in range(2)]
        assert sorted((row["user"]["username"], row["status"]) for row in first) == [
            ("ada", "ONLINE"),
            ("eve", "OFFLINE"),
        ]
        await ask(SET, by=ada.token, status="AWAY")
        assert (await take(results, "presenceChanged"))["status"] == "AWAY"
        await ask(PRIVACY, by=ada.token, who="NOBODY")
        assert await take(results, "presenceChanged") == {
            "status": "OFFLINE",
            "user": {"username": "ada"},
        }
        await ask(SET, by=ada.token, status="ONLINE")  # seen by nobody
        await ask(PRIVACY, by=ada.token, who="EVERYONE")
        assert (await take(results, "presenceChanged"))["status"] == "ONLINE"
        await leave()
        assert (await take(results, "presenceChanged"))["status"] == "OFFLINE"
        await arrive(eve)
        assert (await take(results, "presenceChanged"))["user"] == {"username": "eve"}


async def test_a_block_ends_what_an_open_subscription_shows(join, ask, arrive, stream):
    ada, bob = await join("ada"), await join("bob")
    await arrive(ada)
    results = await stream(WATCH, by=bob.token, id=ada.id)
    async with aclosing(results):
        assert (await take(results, "presenceChanged"))["status"] == "ONLINE"
        block = "mutation ($id: ID!) { block(input: {userId: $id}) { __typename } }"
        await ask(block, by=ada.token, id=bob.id)
        assert (await take(results, "presenceChanged"))["status"] == "OFFLINE"


@pytest.mark.parametrize(
    "given", [{}, {"ids": ["usr_1"]}, {"ids": [f"usr_{n:032x}" for n in range(501)]}]
)
async def test_bad_lists_of_people_are_refused(join, run, stream, given):
    ada = await join("ada")
    results = await stream(WATCH, by=ada.token, **given)
    async with aclosing(results), asyncio.timeout(10):
        refused = await anext(results)
    assert refused.errors[0].extensions["code"] == "BAD_USER_INPUT"
    if given:
        refused = await run(SEE, by=ada.token, **given)
        assert refused.errors[0].extensions["code"] == "BAD_USER_INPUT"


async def test_presence_needs_an_account(join, run, stream):
    ada = await join("ada")
    assert (await run(SEE, ids=[ada.id])).errors[0].extensions["code"] == "UNAUTHENTICATED"
    results = await stream(WATCH, ids=[ada.id])
    async with aclosing(results), asyncio.timeout(10):
        refused = await anext(results)
    assert refused.errors[0].extensions["code"] == "UNAUTHENTICATED"


async def test_to_watch_people_is_one_statement_and_each_change_reads_one_person(
    join, ask, arrive, stream, statements
):
    people = [await join() for _ in range(5)]
    await arrive(people[0])

    def reads():
        found = [s for s in statements if "privacy_settings" in s and "SELECT" in s]
        return len(found)

    del statements[:]
    results = await stream(WATCH, by=people[0].token, ids=[p.id for p in people])
    async with aclosing(results):
        for _ in people:
            await take(results, "presenceChanged")
        assert reads() == 1
        del statements[:]
        await ask(SET, by=people[0].token, status="AWAY")
        assert (await take(results, "presenceChanged"))["status"] == "AWAY"
        assert reads() == 0
        assert len([s for s in statements if "FROM user_account" in s]) <= 2
