"""Streams of posts: nothing missed after a cursor, nothing that the viewer may not see."""

import asyncio
from contextlib import aclosing

import pytest

from services.users import people

ADDED = """subscription ($of: ID, $after: Cursor) { postAdded(categoryId: $of, after: $after) {
  cursor post { id title author { username } } } }"""
UPDATED = """subscription ($id: ID!, $after: Cursor) { postUpdated(id: $id, after: $after) {
  cursor kind post { title status commentCount reactionCount } } }"""
COMMENTED = """subscription ($id: ID!, $after: Cursor) { commentAdded(postId: $id, after: $after) {
  cursor comment { id text depth author { username } post { commentCount } } } }"""
CURSOR = "query ($id: ID!) { post(id: $id) { eventCursor } }"
ACT = "mutation ($id: ID!) { NAME(input: {postId: $id}) { __typename } }"
REACT = "mutation ($id: ID!) { react(input: {nodeId: $id, kind: LIKE}) { __typename } }"
DEADLINE_S = 10


async def take(results, number):
    """The next `number` results; fails when they do not come in time."""
    found = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < number:
            result = await anext(results)
            assert result.errors is None, result.errors
            [event] = result.data.values()
            found.append(event)
    return found


@pytest.fixture
def first_of(server):
    """`await first_of(results, work)`: the first event of what happens once the stream is live."""

    async def run(results, work):
        live = server.hub.status().live
        waiting = asyncio.ensure_future(take(results, 1))
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if server.hub.status().live > live:
                    break
                await asyncio.sleep(0.01)
        await work()
        [event] = await waiting
        return event

    return run


async def test_comments_are_pushed_and_none_is_missed_after_a_cursor(
    ask, stream, make_user, write_post, comment
):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    start = (await ask(CURSOR, id=post))["post"]["eventCursor"]
    one = await comment(bob, post, "One")
    await ask(REACT, bob, id=post)
    await comment(ada, post, "Two", parentId=one)
    results = await stream(COMMENTED, id=post, after=start)
    async with aclosing(results):
        first, second = await take(results, 2)
        await comment(bob, post, "Three")
        [third] = await take(results, 1)
    said = [(e["comment"]["text"], e["comment"]["depth"]) for e in (first, second, third)]
    assert said == [("One", 1), ("Two", 2), ("Three", 1)]
    assert third["comment"]["post"] == {"commentCount": 3}
    assert first["comment"]["author"] == {"username": "bob"}
    results = await stream(COMMENTED, id=post, after=first["cursor"])
    async with aclosing(results):
        again = await take(results, 2)
    assert [e["comment"]["text"] for e in again] == ["Two", "Three"]
    now = (await ask(CURSOR, id=post))["post"]["eventCursor"]
    results = await stream(COMMENTED, id=post, after=now)
    async with aclosing(results):
        await comment(bob, post, "Four")
        [fourth] = await take(results, 1)
    assert fourth["comment"]["text"] == "Four"


async def test_comments_of_blocked_people_are_not_pushed(
    ask, stream, make_user, write_post, comment, between
):
    ada, bob, eve = [await make_user(name) for name in ("ada", "bob", "eve")]
    post = await write_post(ada)
    await between(people.block, bob, eve)
    start = (await ask(CURSOR, id=post))["post"]["eventCursor"]
    await comment(eve, post, "Eve's")
    await comment(ada, post, "Ada's")
    results = await stream(COMMENTED, bob, id=post, after=start)
    async with aclosing(results):
        [event] = await take(results, 1)
    assert event["comment"]["text"] == "Ada's"


async def test_changes_of_a_post_say_what_changed(ask, stream, make_user, write_post, comment):
    ada, bob = await make_user("ada"), await make_user("bob")
    moderator = await make_user("mod", roles=("MODERATOR",))
    post = await write_post(ada)
    start = (await ask(CURSOR, id=post))["post"]["eventCursor"]
    change = """mutation ($id: ID!) {
      updatePost(input: {postId: $id, title: "Anew"}) { __typename } }"""
    await ask(change, ada, id=post)
    words = await comment(bob, post)
    await ask(REACT, bob, id=words)  # of the comment: no change of the post
    await ask(REACT, bob, id=post)
    await ask(ACT.replace("NAME", "featurePost"), moderator, id=post)
    await ask(ACT.replace("NAME", "archivePost"), ada, id=post)
    results = await stream(UPDATED, id=post, after=start)
    async with aclosing(results):
        events = await take(results, 5)
        assert [e["kind"] for e in events] == ["EDITED", "COUNTS", "COUNTS", "FEATURED", "STATUS"]
        shown = {"title": "Anew", "status": "ARCHIVED", "commentCount": 1, "reactionCount": 1}
        assert events[-1]["post"] == shown
        await ask(ACT.replace("NAME", "deletePost"), ada, id=post)
        [gone] = await take(results, 1)
    assert (gone["kind"], gone["post"]) == ("STATUS", None)


async def test_publications_are_pushed_to_who_may_see_them(
    ask, stream, make_user, write_post, between, first_of
):
    ada, bob, eve = [await make_user(name) for name in ("ada", "bob", "eve")]
    admin = await make_user("root", roles=("ADMIN",))
    make = """mutation { createCategory(input: {name: "C"}) {
      ... on CreateCategorySuccess { category { id } } } }"""
    shelf = (await ask(make, admin))["createCategory"]["category"]["id"]
    await between(people.block, bob, eve)
    everything = await stream(ADDED, bob)
    async with aclosing(everything):
        first = await first_of(everything, lambda: write_post(ada, title="One"))
        assert first["post"]["title"] == "One"
        await write_post(eve, title="of someone blocked")
        draft = await write_post(ada, title="Two", publish=False)
        await write_post(ada, title="Three", categoryId=shelf)
        await ask(ACT.replace("NAME", "publishPost"), ada, id=draft)
        rest = await take(everything, 2)
    assert [e["post"]["title"] for e in rest] == ["Three", "Two"]
    resumed = await stream(ADDED, None, after=first["cursor"])
    async with aclosing(resumed):
        events = await take(resumed, 3)
    assert [e["post"]["title"] for e in events] == ["of someone blocked", "Three", "Two"]
    shelved = await stream(ADDED, None, of=shelf)
    async with aclosing(shelved):

        async def publish():
            await write_post(ada, title="elsewhere")
            await write_post(ada, title="Four", categoryId=shelf)

        event = await first_of(shelved, publish)
    assert event["post"] == {
        "id": event["post"]["id"],
        "title": "Four",
        "author": {"username": "ada"},
    }


async def test_streams_of_what_is_hidden_and_foreign_cursors_are_refused(
    ask, stream, make_user, write_post, shapes
):
    ada, bob = await make_user("ada"), await make_user("bob")
    draft, post, other = [await write_post(ada, publish=n > 0) for n in range(3)]
    foreign = (await ask(CURSOR, id=other))["post"]["eventCursor"]
    for query, given in (
        (COMMENTED, {"id": draft}),
        (UPDATED, {"id": draft}),
        (COMMENTED, {"id": "pst_1"}),
        (COMMENTED, {"id": post, "after": foreign}),
        (UPDATED, {"id": post, "after": "garbage"}),
        (ADDED, {"of": "cat_1"}),
        (ADDED, {"after": foreign}),
    ):
        results = await stream(query, bob, **given)
        async with aclosing(results), asyncio.timeout(DEADLINE_S):
            result = await anext(results)
        assert shapes.codes(result) == ["BAD_USER_INPUT"], given
