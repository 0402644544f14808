"""Follows, blocks, mutes: what each does to the others, and who is told."""

import asyncio

import pytest
from sqlalchemy import select, update

from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import new_id
from models.user_tables import accounts, blocks, follows, mutes, profiles
from services.users import people
from services.users.people import block, follow, mute, unblock, unfollow, unmute


@pytest.fixture
def do(db):
    """`await do(follow, ada, bob)` in a unit of work of its own."""

    async def do(verb, who, whom):
        return await db.transaction(lambda tx: verb(tx, viewer_id=who, user_id=whom))

    return do


@pytest.fixture
def pairs(db):
    async def pairs(table):
        async with db.read() as session:
            return {tuple(row)[:2] for row in await session.execute(select(table))}

    return pairs


async def test_one_follows_once_and_the_followed_is_told_once(db, make_user, do, pairs):
    ada, bob = await make_user(), await make_user()
    del db.published[:]
    assert await do(follow, ada, bob) is True
    assert await do(follow, ada, bob) is False
    assert await pairs(follows) == {(ada, bob)}
    event, told = db.published
    assert (told.topic, told.type) == (f"user:{bob.hex}", "NotificationCreated")
    assert (event.topic, event.type, event.actor_id) == (f"user:{bob.hex}", "Followed", ada)
    assert event.payload == {"userId": f"usr_{bob.hex}", "followerId": f"usr_{ada.hex}"}
    assert await do(unfollow, ada, bob) is True
    assert await do(unfollow, ada, bob) is False
    assert await pairs(follows) == set()
    assert [event.type for event in db.published] == [
        "Followed",
        "NotificationCreated",
        "Unfollowed",
    ]


async def test_a_block_ends_follows_both_ways_and_keeps_them_ended(db, make_user, do, pairs):
    ada, bob, eve = await make_user(), await make_user(), await make_user()
    for who, whom in ((ada, bob), (bob, ada), (eve, ada)):
        await do(follow, who, whom)
    del db.published[:]
    assert await do(block, ada, bob) is True
    assert await do(block, ada, bob) is False
    assert await pairs(follows) == {(eve, ada)}
    for who, whom in ((ada, bob), (bob, ada)):
        for verb in (follow, mute):
            with pytest.raises(NotFound):
                await do(verb, who, whom)
    assert db.published == []
    assert await do(unblock, bob, ada) is False
    assert await do(unblock, ada, bob) is True
    assert await pairs(blocks) == set()
    assert await pairs(follows) == {(eve, ada)}
    assert await do(follow, bob, ada) is True


async def test_a_follow_and_a_block_at_once_never_leave_both(make_user, do, pairs):
    ada, bob = await make_user(), await make_user()
    for _ in range(5):
        await asyncio.gather(do(follow, bob, ada), do(block, ada, bob), return_exceptions=True)
        assert await pairs(blocks) == {(ada, bob)}
        assert await pairs(follows) == set()
        await do(unblock, ada, bob)


async def test_a_mute_is_silent(db, make_user, do, pairs):
    ada, bob = await make_user(), await make_user()
    await do(follow, ada, bob)
    del db.published[:]
    assert await do(mute, ada, bob) is True
    assert await do(mute, ada, bob) is False
    assert await pairs(mutes) == {(ada, bob)}
    assert await pairs(follows) == {(ada, bob)}
    assert await do(unmute, ada, bob) is True
    assert await do(unmute, ada, bob) is False
    assert db.published == []


async def test_a_private_profile_is_followed_only_by_those_its_owner_follows(
    db, make_user, do, pairs
):
    ada, bob = await make_user(), await make_user()
    await do(follow, bob, ada)
    async with db.engine.begin() as connection:
        await connection.execute(
            update(profiles).where(profiles.c.user_id == ada).values(visibility="PRIVATE")
        )
    assert await do(follow, bob, ada) is False
    await do(unfollow, bob, ada)
    with pytest.raises(Forbidden):
        await do(follow, bob, ada)
    await do(follow, ada, bob)
    assert await do(follow, bob, ada) is True
    assert await pairs(follows) == {(ada, bob), (bob, ada)}


@pytest.mark.parametrize("verb", [follow, unfollow, block, unblock, mute, unmute])
async def test_nothing_is_done_to_oneself_nor_to_nobody(db, make_user, do, verb):
    ada, gone = await make_user(), await make_user()
    async with db.engine.begin() as connection:
        await connection.execute(
            update(accounts).where(accounts.c.id == gone).values(status="DELETED")
        )
    with pytest.raises(InvalidInput) as refused:
        await do(verb, ada, ada)
    assert refused.value.field == "userId"
    for nobody in (gone, new_id()):
        with pytest.raises(NotFound):
            await do(verb, ada, nobody)


async def test_nobody_follows_blocks_or_mutes_without_end(make_user, do, monkeypatch):
    ada, bob, eve = await make_user(), await make_user(), await make_user()
    for name in ("FOLLOWS_MAX", "BLOCKS_MAX", "MUTES_MAX"):
        monkeypatch.setattr(people, name, 1)
    for verb in (follow, mute, block):
        await do(verb, ada, bob)
        with pytest.raises(InvalidInput, match="1 people at most"):
            await do(verb, ada, eve)
