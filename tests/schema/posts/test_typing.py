"""Typing under a post: told to others, over by itself, never to who is blocked."""

import asyncio
from contextlib import aclosing

import pytest

from core.tasks import stop_all
from services.users import people

SET = """
mutation ($id: ID!, $typing: Boolean = true) {
  setTyping(input: {postId: $id, typing: $typing}) {
    __typename ... on SetTypingSuccess { typing } ... on NotFound { what }
  }
}
"""
WATCH = "subscription ($id: ID!) { typing(postId: $id) { typing user { username } } }"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"typing_s": 0.5})


@pytest.fixture
async def watch(stream, server):
    """`await watch(person, post)`: a list that fills with what the person is told."""
    tasks = []

    async def begin(person, post):
        told = []

        async def note():
            results = await stream(WATCH, person, id=post)
            async with aclosing(results):
                async for result in results:
                    assert result.errors is None, result.errors
                    change = result.data["typing"]
                    told.append((change["user"]["username"], change["typing"]))

        before = len(server.live.typing._listeners)
        tasks.append(asyncio.create_task(note()))
        await until(lambda: len(server.live.typing._listeners) > before)
        return told

    yield begin
    await stop_all(tasks)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_typing_is_told_once_and_ends_by_itself_or_when_said(
    ask, make_user, write_post, watch
):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    told = await watch(ada, post)
    for _ in range(5):
        assert (await ask(SET, bob, id=post))["setTyping"] == {
            "__typename": "SetTypingSuccess",
            "typing": True,
        }
    await until(lambda: told == [("bob", True), ("bob", False)])
    await ask(SET, bob, id=post)
    await until(lambda: len(told) == 3)
    await ask(SET, bob, id=post, typing=False)
    await until(lambda: len(told) == 4)
    await ask(SET, bob, id=post, typing=False)
    await ask(SET, bob, id=post)
    await until(lambda: len(told) == 5)
    assert told[2:] == [("bob", True), ("bob", False), ("bob", True)]


async def test_who_comes_late_is_told_of_those_who_type_already(ask, make_user, write_post, watch):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    await ask(SET, bob, id=post)
    told = await watch(ada, post)
    await until(lambda: told == [("bob", True), ("bob", False)])


async def test_nobody_hears_of_themselves_of_blocked_people_or_of_another_post(
    ask, make_user, write_post, watch, between
):
    ada, bob, eve = await make_user("ada"), await make_user("bob"), await make_user("eve")
    post, other = await write_post(ada), await write_post(ada)
    await between(people.block, eve, bob)
    bobs, nobodys = await watch(bob, post), await watch(None, post)
    await ask(SET, ada, id=other)
    for person in (bob, eve, ada):
        await ask(SET, person, id=post)
    await until(lambda: sum(typing for _, typing in nobodys) == 3)
    await until(lambda: ("ada", True) in bobs)
    assert {name for name, _ in nobodys} == {"ada", "bob", "eve"}
    assert {name for name, _ in bobs} == {"ada"}


async def test_a_post_that_is_not_there_to_see_is_typed_under_by_nobody(
    ask, stream, make_user, write_post, shapes
):
    ada, bob = await make_user("ada"), await make_user("bob")
    draft = await write_post(ada, publish=False)
    for post in (draft, "pst_01930c5e000070008000000000000000", "pst_1"):
        refused = (await ask(SET, bob, id=post))["setTyping"]
        assert refused == {"__typename": "NotFound", "what": "post"}
        results = await stream(WATCH, bob, id=post)
        async with aclosing(results), asyncio.timeout(10):
            assert shapes.codes(await anext(results)) == ["BAD_USER_INPUT"]
