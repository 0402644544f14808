"""Leaderboards that are pushed while many complete quests: conflated, and right in the end."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from core.clock import utc_now
from core.database import Database, PoolSettings
from core.errors import Unavailable
from services.quests.board_feeding import by_statement, feed, rebuild
from services.quests.board_store import BoardStore
from services.quests.boards import BoardOf
from subscriptions.leaderboards import BoardWatch, TooManyBoards
from tests.services.quests.impact_world import NOON, ImpactWorld

GLOBAL = BoardOf("ALL_TIME", "GLOBAL")


@pytest.fixture
async def db(database_url):
    made = Database(database_url, pool=PoolSettings(maximum=4))
    yield made
    await made.close()


@pytest.fixture
async def watch(db, redis_url, redis_prefix):
    made = BoardWatch(db, BoardStore(redis_url, prefix=redis_prefix))
    yield made
    await made.close()


@pytest.fixture
def world(db):
    return ImpactWorld(db)


class Watcher:
    """A subscriber and its pushes, each with the time."""

    def __init__(self, watch, board):
        self.pushes = []
        self.clock = asyncio.get_running_loop().time
        self.task = asyncio.create_task(self._run(watch, board))

    async def _run(self, watch, board):
        async with aclosing(watch.watch(board)) as pushes:
            async for push in pushes:
                self.pushes.append((self.clock(), push.board))

    async def until(self, condition, timeout_s=10.0):
        async with asyncio.timeout(timeout_s):
            while not condition(self.pushes):
                assert not self.task.done()
                await asyncio.sleep(0.01)

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_thousand_completions_a_minute_are_a_push_a_second_and_the_last_is_right(
    world, db, watch
):
    players = await world.players(10)
    quest = await world.quest()
    one, other = Watcher(watch, GLOBAL), Watcher(watch, GLOBAL)
    await one.until(len)
    await other.until(len)
    assert one.pushes[0][1].top == ()
    clock = asyncio.get_running_loop().time
    began, entries = clock(), 50
    for n in range(entries):
        await world.gain(players[n % 7], quest, 1 + n % 3, NOON + timedelta(seconds=n))
        await feed(db, watch.store)
        # 1,000 a minute is one in 60 ms.
        await asyncio.sleep(max(0.0, began + 0.06 * (n + 1) - clock()))
    last = await by_statement(db, GLOBAL, now=utc_now(), first=100, viewer_id=None)
    assert sum(standing.xp for standing in last.top) == sum(1 + n % 3 for n in range(entries))
    await one.until(lambda pushes: pushes[-1][1] == last)
    await other.until(lambda pushes: pushes[-1][1] == last)
    took_s = one.pushes[-1][0] - began
    assert len(one.pushes) <= took_s + 2
    gaps = [b - a for (a, _), (b, _) in zip(one.pushes[1:], one.pushes[2:], strict=False)]
    assert gaps
    assert min(gaps) >= 0.99
    assert [board for _, board in one.pushes] == [board for _, board in other.pushes]
    await one.stop()
    await other.stop()


async def test_a_board_on_which_nothing_changes_is_not_pushed(db, world, redis_url, redis_prefix):
    looks = []
    watch = BoardWatch(db, BoardStore(redis_url, prefix=redis_prefix), every_s=0.02)
    versions = watch.store.versions

    async def counted(names):
        looks.append(names)
        return await versions(names)

    watch.store.versions = counted
    (player,) = await world.players(1)
    await world.gain(player, await world.quest(), 5)
    await feed(db, watch.store)
    one, parks = Watcher(watch, GLOBAL), Watcher(watch, BoardOf("ALL_TIME", "CATEGORY", "parks"))
    await one.until(len)
    await parks.until(len)
    await world.gain(player, await world.quest("parks"), 7, category="parks")
    await feed(db, watch.store)
    await one.until(lambda pushes: pushes[-1][1].top[0].xp == 12)
    await parks.until(lambda pushes: pushes[-1][1].total == 1)
    await world.gain(player, await world.quest(), 1)
    await feed(db, watch.store)
    await one.until(lambda pushes: pushes[-1][1].top[0].xp == 13)
    before = len(looks)
    await one.until(lambda _: len(looks) > before + 3)
    assert (len(one.pushes), len(parks.pushes)) == (3, 2)
    # Built anew, it is another board to whoever watches.
    await rebuild(db, watch.store)
    await one.until(lambda pushes: len(pushes) == 4)
    assert one.pushes[-1][1] == one.pushes[-2][1]
    await one.stop()
    await parks.stop()
    await watch.close()


async def test_at_midnight_the_next_days_board_is_pushed(db, world, redis_url, redis_prefix):
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    now = today + timedelta(hours=23, minutes=59)
    watch = BoardWatch(
        db, BoardStore(redis_url, prefix=redis_prefix), every_s=0.02, clock=lambda: now
    )
    (player,) = await world.players(1)
    await world.gain(player, await world.quest(), 5, today)
    await feed(db, watch.store)
    one = Watcher(watch, BoardOf("DAILY", "GLOBAL"))
    await one.until(len)
    assert one.pushes[0][1].total == 1
    now = today + timedelta(days=1)
    await one.until(lambda pushes: len(pushes) == 2)
    assert one.pushes[1][1].total == 0
    assert one.pushes[1][1].window.starts_at == now
    await one.stop()
    await watch.close()


async def test_boards_watched_are_limited_and_end_with_the_server(db, redis_url, redis_prefix):
    watch = BoardWatch(db, BoardStore(redis_url, prefix=redis_prefix), limit=1)
    one = Watcher(watch, GLOBAL)
    await one.until(len)
    with pytest.raises(TooManyBoards):
        await anext(watch.watch(BoardOf("DAILY", "GLOBAL")))
    await watch.close()
    with pytest.raises(Unavailable):
        await one.task
    with pytest.raises(Unavailable):
        await anext(watch.watch(GLOBAL))
