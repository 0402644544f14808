"""One's own notifications through the schema: the list, its counts, what is chosen, and a stream
that misses nothing."""

import asyncio
from contextlib import aclosing
from functools import partial

import pytest

from core.ids import decode_id
from models.notification_kinds import KINDS
from services.users.notifications import notify

MINE = """
query ($unread: Boolean = false, $first: Int) {
  me {
    unreadCount
    eventCursor
    notifications(unreadOnly: $unread, first: $first) {
      totalCount
      nodes { id kind facts createdAt readAt actor { username } subject { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
MARK = """
mutation ($ids: [ID!], $all: Boolean = false) {
  markNotificationsRead(input: {ids: $ids, all: $all}) {
    __typename
    ... on MarkNotificationsReadSuccess { marked unreadCount }
    ... on InvalidInput { field reason }
    ... on NotFound { what }
  }
}
"""
PREFER = """
mutation ($changes: [NotificationPreferenceInput!]!) {
  updateNotificationPreferences(input: {changes: $changes}) {
    __typename
    ... on UpdateNotificationPreferencesSuccess { preferences { kind inApp email push } }
    ... on InvalidInput { field reason }
  }
}
"""
RECEIVED = """
subscription ($after: Cursor) {
  notificationReceived(after: $after) {
    cursor
    notification { id kind actor { username } subject { ... on User { username } } }
  }
}
"""


@pytest.fixture
def tell(server):
    """`await tell(ada, "k", kind="ORDER", …)`."""

    async def tell(person, key, *, kind="ANNOUNCEMENT", actor=None, **options):
        unit = partial(
            notify,
            kind=kind,
            user_ids=[decode_id(person.id, "usr")],
            dedupe_key=key,
            actor_id=None if actor is None else decode_id(actor.id, "usr"),
            **options,
        )
        await server.db.transaction(unit)

    return tell


async def take(results):
    async with asyncio.timeout(10):
        result = await anext(results)
    assert result.errors is None, result.errors
    return result.data["notificationReceived"]


async def test_the_list_is_ones_own_newest_first_and_can_be_narrowed(join, ask, tell):
    ada, bob = await join("ada"), await join("bob")
    await tell(ada, "a", kind="FOLLOW", actor=bob, reference=bob.id)
    await tell(ada, "b", kind="OUTBID", facts={"amount": 5, "asset": "USD"})
    await tell(bob, "c")
    me = (await ask(MINE, by=ada.token))["me"]
    assert (me["unreadCount"], me["notifications"]["totalCount"]) == (2, 2)
    newest, oldest = me["notifications"]["nodes"]
    assert (newest["kind"], newest["facts"]) == ("OUTBID", {"amount": 5, "asset": "USD"})
    assert (newest["actor"], newest["subject"], newest["readAt"]) == (None, None, None)
    assert (oldest["actor"], oldest["subject"]) == ({"username": "bob"}, {"id": bob.id})
    done = (await ask(MARK, by=ada.token, ids=[oldest["id"]]))["markNotificationsRead"]
    assert (done["marked"], done["unreadCount"]) == (1, 1)
    me = (await ask(MINE, by=ada.token, unread=True))["me"]
    assert [row["id"] for row in me["notifications"]["nodes"]] == [newest["id"]]
    assert (me["unreadCount"], me["notifications"]["totalCount"]) == (1, 1)
    done = (await ask(MARK, by=ada.token, all=True))["markNotificationsRead"]
    assert (done["marked"], done["unreadCount"]) == (1, 0)


async def test_a_page_is_two_statements_and_with_its_count_three(join, ask, tell, statements):
    ada = await join("ada")
    for n in range(5):
        await tell(ada, f"k{n}")
    page = "query { me { notifications(first: 2) { nodes { id kind } } } }"
    del statements[:]
    await ask(page, by=ada.token)
    own = [s for s in statements if "last_seen" not in s and "user_session" not in s]
    assert len(own) == 2  # the viewer, the page
    del statements[:]
    await ask(page.replace("{ nodes", "{ totalCount nodes"), by=ada.token)
    own = [s for s in statements if "last_seen" not in s and "user_session" not in s]
    assert len(own) == 3


async def test_nobody_sees_or_marks_anothers(join, ask, tell):
    ada, bob = await join("ada"), await join("bob")
    await tell(ada, "a")
    [mine] = (await ask(MINE, by=ada.token))["me"]["notifications"]["nodes"]
    others = """
    query ($user: ID!, $id: ID!) {
      user(id: $user) {
        unreadCount eventCursor notifications { totalCount } notificationPreferences { kind }
      }
      node(id: $id) { id }
    }
    """
    found = await ask(others, by=bob.token, user=ada.id, id=mine["id"])
    assert set(found["user"].values()) == {None}
    assert found["node"] is None
    assert (await ask(others, by=ada.token, user=ada.id, id=mine["id"]))["node"] == {
        "id": mine["id"]
    }
    for ids in ([mine["id"]], ["ntf_1"], [bob.id]):
        refused = (await ask(MARK, by=bob.token, ids=ids))["markNotificationsRead"]
        assert refused == {"__typename": "NotFound", "what": "notification"}
    for given in ({}, {"ids": [mine["id"]], "all": True}):
        refused = (await ask(MARK, by=ada.token, **given))["markNotificationsRead"]
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", "ids")
    assert (await ask(MINE, by=ada.token))["me"]["unreadCount"] == 1


async def test_preferences_are_shown_whole_and_changed_in_part(join, ask):
    ada = await join("ada")
    changes = [
        {"kind": "OUTBID", "channel": "EMAIL", "enabled": True},
        {"kind": "OUTBID", "channel": "PUSH", "enabled": False},
    ]
    done = (await ask(PREFER, by=ada.token, changes=changes))["updateNotificationPreferences"]
    assert [row["kind"] for row in done["preferences"]] == list(KINDS)
    outbid = {"kind": "OUTBID", "inApp": True, "email": True, "push": False}
    assert outbid in done["preferences"]
    refused = await ask(
        PREFER,
        by=ada.token,
        changes=[
            {"kind": "FOLLOW", "channel": "IN_APP", "enabled": False},
            {"kind": "SECURITY", "channel": "EMAIL", "enabled": False},
        ],
    )
    assert refused["updateNotificationPreferences"]["field"] == "changes"
    shown = "query { me { notificationPreferences { kind inApp email push } } }"
    found = (await ask(shown, by=ada.token))["me"]["notificationPreferences"]
    assert found == done["preferences"]


async def test_the_stream_goes_on_where_a_query_or_an_event_was_and_passes_other_events(
    join, ask, tell, stream
):
    ada, bob = await join("ada"), await join("bob")
    await tell(ada, "before")
    cursor = (await ask(MINE, by=ada.token))["me"]["eventCursor"]
    await tell(ada, "between", kind="FOLLOW", actor=bob, reference=bob.id)
    results = await stream(RECEIVED, by=ada.token, after=cursor)
    async with aclosing(results):
        first = await take(results)
        assert first["notification"]["kind"] == "FOLLOW"
        assert first["notification"]["actor"] == {"username": "bob"}
        assert first["notification"]["subject"] == {"username": "bob"}
        await ask(MARK, by=ada.token, all=True)  # another event of the same topic
        await tell(ada, "after", kind="ORDER")
        await tell(bob, "after", kind="ORDER")
        assert (await take(results))["notification"]["kind"] == "ORDER"
    results = await stream(RECEIVED, by=ada.token, after=first["cursor"])
    async with aclosing(results):
        assert (await take(results))["notification"]["kind"] == "ORDER"
    foreign = (await ask(MINE, by=bob.token))["me"]["eventCursor"]
    results = await stream(RECEIVED, by=ada.token, after=foreign)
    async with aclosing(results), asyncio.timeout(10):
        refused = await anext(results)
    assert refused.errors[0].extensions["code"] == "BAD_USER_INPUT"


async def test_a_follow_rings_at_once(join, ask, stream):
    ada, bob = await join("ada"), await join("bob")
    cursor = (await ask(MINE, by=ada.token))["me"]["eventCursor"]
    await ask(
        "mutation ($id: ID!) { follow(input: {userId: $id}) { __typename } }",
        by=bob.token,
        id=ada.id,
    )
    results = await stream(RECEIVED, by=ada.token, after=cursor)
    async with aclosing(results):
        told = (await take(results))["notification"]
    assert (told["kind"], told["actor"]) == ("FOLLOW", {"username": "bob"})


async def test_a_browser_registers_with_the_key_it_is_given(join, ask):
    ada = await join("ada")
    key = (await ask("{ pushPublicKey }"))["pushPublicKey"]
    assert len(key) == 87
    register = """
    mutation ($endpoint: String!, $key: String!) {
      registerPushSubscription(input: {
        endpoint: $endpoint, p256dh: $key, auth: "MDEyMzQ1Njc4OWFiY2RlZg"
      }) { __typename ... on InvalidInput { field } }
    }
    """
    good = "https://fcm.googleapis.com/fcm/send/abc"
    given = {"by": ada.token, "key": key}  # any P-256 point will do
    done = await ask(register, endpoint=good, **given)
    assert done["registerPushSubscription"]["__typename"] == "RegisterPushSubscriptionSuccess"
    refused = await ask(register, endpoint="https://127.0.0.1/internal", **given)
    assert refused["registerPushSubscription"]["field"] == "endpoint"
    remove = """
    mutation ($endpoint: String!) {
      removePushSubscription(input: {endpoint: $endpoint}) {
        ... on RemovePushSubscriptionSuccess { removed } ... on InvalidInput { field }
      }
    }
    """
    for expected in (True, False):
        gone = await ask(remove, by=ada.token, endpoint=good)
        assert gone["removePushSubscription"] == {"removed": expected}
    bad = await ask(remove, by=ada.token, endpoint="\0")
    assert bad["removePushSubscription"] == {"field": "endpoint"}
