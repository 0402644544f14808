"""Leaderboards in Redis against the impact entries that they follow from."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from core.clock import utc_now
from core.errors import BadUserInput
from core.ids import new_id
from services.quests.board_feeding import by_statement, feed, leaderboard, rebuild
from services.quests.board_store import BoardStore
from services.quests.boards import (
    NEIGHBOURS,
    BoardOf,
    Gain,
    additions,
    board_of,
    member_of,
    name_of,
    standing_of,
    window_at,
)
from tests.services.quests.impact_world import NOON, ImpactWorld

TODAY = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
MILLENNIUM = datetime(2000, 1, 1)  # noqa: DTZ001 (hypothesis adds the zone)
GLOBAL = BoardOf("ALL_TIME", "GLOBAL")
EVERY_BOARD = [
    BoardOf(window, scope, key)
    for window in ("DAILY", "WEEKLY", "ALL_TIME")
    for scope, key in (
        ("GLOBAL", ""),
        ("REGION", "FR"),
        ("REGION", "SI"),
        ("CATEGORY", "rivers"),
        ("CATEGORY", "parks"),
    )
]


@pytest.fixture
async def store(redis_url, redis_prefix):
    made = BoardStore(redis_url, prefix=redis_prefix)
    yield made
    await made.close()


@pytest.fixture
def world(db):
    return ImpactWorld(db)


@pytest.mark.parametrize(
    ("name", "at", "starts", "ends"),
    [
        ("DAILY", "2026-11-18T23:59:59.999999+00:00", "2026-11-18", "2026-11-19"),
        ("DAILY", "2026-11-19T00:00:00+00:00", "2026-11-19", "2026-11-20"),
        ("DAILY", "2026-11-19T00:30:00+01:00", "2026-11-18", "2026-11-19"),
        ("WEEKLY", "2026-11-22T23:59:59.999999+00:00", "2026-11-16", "2026-11-23"),
        ("WEEKLY", "2026-11-23T00:00:00+00:00", "2026-11-23", "2026-11-30"),
        ("WEEKLY", "2027-01-01T10:00:00+00:00", "2026-12-28", "2027-01-04"),
    ],
)
def test_days_and_weeks_have_their_edges_in_utc(name, at, starts, ends):
    window = window_at(name, datetime.fromisoformat(at))
    assert window.starts_at == datetime.fromisoformat(starts).replace(tzinfo=UTC)
    assert window.ends_at == datetime.fromisoformat(ends).replace(tzinfo=UTC)


@given(st.integers(1, 2**53 - 1), st.datetimes(MILLENNIUM, timezones=st.just(UTC)))
def test_xp_and_the_moment_are_kept_exactly(xp, at):
    player = new_id()
    kept = standing_of(member_of(player, at), float(-xp), 7)
    assert (kept.player_id, kept.rank, kept.xp, kept.reached_at) == (player, 7, xp, at)


def test_what_is_too_old_to_be_kept_is_not_added():
    old = Gain(new_id(), "rivers", None, 5, NOON - timedelta(days=9))
    names = set(additions([old], NOON).boards)
    assert names == {
        "WEEKLY:2026-11-09:GLOBAL:",
        "WEEKLY:2026-11-09:CATEGORY:rivers",
        "ALL_TIME::GLOBAL:",
        "ALL_TIME::CATEGORY:rivers",
    }


@pytest.mark.parametrize(
    ("scope", "region", "category"),
    [
        ("REGION", None, None),
        ("CATEGORY", "FR", None),
        ("GLOBAL", "FR", None),
        ("CATEGORY", None, "\0"),
        ("REGION", "x" * 101, None),
    ],
)
def test_a_scope_takes_its_own_key_and_no_other(scope, region, category):
    with pytest.raises(BadUserInput):
        board_of("DAILY", scope, region=region, category=category)


async def shown(db, store, board, viewer=None, *, now=None, first=100):
    return await leaderboard(db, store, board, now=now or utc_now(), first=first, viewer_id=viewer)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5),  # player
        st.sampled_from([("rivers", "FR"), ("rivers", None), ("parks", "SI")]),
        st.integers(0, 3),  # xp: few values, so that there are ties
        st.sampled_from([0, 0, 1, 1, 2, 86_399, -1, -86_400 * 3]),  # seconds from midnight
        st.booleans(),  # whether the boards are fed after it
    ),
    min_size=1,
    max_size=25,
)


async def test_live_boards_are_those_that_the_entries_give_ties_included(world, db, store):
    players = await world.players(6)
    quests = {c: await world.quest(c) for c in ("rivers", "parks")}
    ties = set()

    async def check(steps):
        for player, (category, region), xp, second, fed in steps:
            at = TODAY + timedelta(seconds=second)
            more = {"category": category, "region": region}
            await world.gains([(players[player], quests[category], xp, at, more)])
            if fed:
                # Two processes at once: each entry counts once.
                await asyncio.gather(feed(db, store), feed(db, store))
        await feed(db, store)
        now = TODAY + timedelta(hours=12)
        live = {}
        for board in EVERY_BOARD:
            live[board] = await shown(db, store, board, players[2], now=now)
            expected = await by_statement(db, board, now=now, first=100, viewer_id=players[2])
            assert live[board] == expected
            sums = [one.xp for one in live[board].top]
            if len(set(sums)) < len(sums):
                ties.add(board)
        await rebuild(db, store)
        for board in EVERY_BOARD:
            assert await shown(db, store, board, players[2], now=now) == live[board]

    loop = asyncio.get_running_loop()

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def run(steps):
        asyncio.run_coroutine_threadsafe(check(steps), loop).result(60)

    await asyncio.to_thread(run)
    assert ties >= {GLOBAL, BoardOf("DAILY", "GLOBAL")}


async def test_of_equal_xp_who_got_there_first_is_before(world, db, store):
    early, late, quick = await world.players(3)
    quest = await world.quest()
    micro = timedelta(microseconds=1)
    await world.gains(
        [
            (late, quest, 50, NOON, {}),
            (early, quest, 100, NOON + 2 * micro, {}),
            (late, quest, 50, NOON + 3 * micro, {}),
            (quick, quest, 100, NOON + micro, {}),
            # Nothing gained: the moment stays.
            (quick, quest, 0, NOON + timedelta(hours=1), {}),
        ]
    )
    await feed(db, store)
    board = await shown(db, store, GLOBAL, now=NOON)
    assert [one.player_id for one in board.top] == [quick, early, late]
    assert [one.reached_at - NOON for one in board.top] == [micro, 2 * micro, 3 * micro]


async def test_rank_and_neighbours_of_anybody_are_one_step(world, db, store, redis_url):
    players = await world.players(30)
    quest = await world.quest()
    await world.gains([(p, quest, 1000 - n, NOON, {}) for n, p in enumerate(players)])
    await feed(db, store)
    statements, commands = [], []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    run = store._run

    async def counted(name, given):
        commands.append(name)
        return await run(name, given)

    store._run = counted
    board = await shown(db, store, GLOBAL, players[17], first=3)
    assert (statements, commands) == ([], ["read"])
    assert [one.rank for one in board.top] == [1, 2, 3]
    assert (board.total, board.own.rank, board.own.xp) == (30, 18, 983)
    assert [one.player_id for one in board.around] == players[17 - NEIGHBOURS : 17 + NEIGHBOURS + 1]
    assert (await shown(db, store, GLOBAL, new_id())).own is None
    top = await shown(db, store, GLOBAL, players[1], first=1)
    assert [one.rank for one in top.around] == [1, 2, 3, 4, 5, 6, 7]


async def test_friends_are_those_who_follow_each_other(world, db, store):
    me, friend, fan, idol = await world.players(4)
    quest = await world.quest()

    async def follow(tx):
        for one, other in ((me, friend), (friend, me), (fan, me), (me, idol)):
            await tx.execute(
                text("INSERT INTO follow (follower_id, followee_id) VALUES (:a, :b)"),
                {"a": one, "b": other},
            )

    await db.transaction(follow)
    await world.gains([(p, quest, xp, NOON, {}) for p, xp in ((me, 5), (friend, 9), (idol, 99))])
    await feed(db, store)
    statements = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    board = await shown(db, store, BoardOf("ALL_TIME", "FRIENDS"), me)
    assert [(one.player_id, one.rank, one.xp) for one in board.top] == [(friend, 1, 9), (me, 2, 5)]
    assert (board.total, board.own.rank, len(statements)) == (2, 2, 1)


async def test_boards_go_some_time_after_their_window(world, db, store, redis_url, redis_prefix):
    (player,) = await world.players(1)
    quest = await world.quest()
    await world.gain(player, quest, 5, TODAY)
    await feed(db, store)
    place = await store.begin()
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        for window, days in (("DAILY", 1 + 7), ("WEEKLY", None), ("ALL_TIME", None)):
            name = name_of(BoardOf(window, "GLOBAL"), window_at(window, TODAY))
            for kind in "bmv":
                key = f"{redis_prefix}:boards:{place.generation}:{kind}:{name}"
                expires = await client.expiretime(key)
                until = window_at(window, TODAY).kept_until
                assert expires == (-1 if until is None else int(until.timestamp()))
                if days is not None:
                    assert until == TODAY + timedelta(days=days)


async def test_what_redis_loses_is_rebuilt_by_feeding_and_meanwhile_read_from_the_entries(
    world, db, store, redis_url
):
    players = await world.players(3)
    quest = await world.quest()
    await world.gains([(p, quest, 10, NOON, {}) for p in players])
    assert await feed(db, store) == 3
    assert await feed(db, store) == 0
    before = await shown(db, store, GLOBAL, players[1])
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.flushdb()
    assert await store.read("ALL_TIME::GLOBAL:", before.window, first=3, viewer_id=None) is None
    assert await shown(db, store, GLOBAL, players[1]) == before
    assert await feed(db, store) == 3
    found = await store.read("ALL_TIME::GLOBAL:", before.window, first=100, viewer_id=players[1])
    assert found == before


async def test_rebuilding_leaves_nothing_of_the_boards_before(world, db, store, redis_url):
    (player,) = await world.players(1)
    await world.gain(player, await world.quest(), 5)
    await feed(db, store)
    old = await store.begin()
    assert await rebuild(db, store) == 1
    new = await store.begin()
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        keys = await client.keys("*:boards:*")
    assert new.generation != old.generation
    assert not [key for key in keys if old.generation in key]
    # Who was feeding the old ones is told that they are gone.
    assert await store.apply(old, "9:9", additions([], NOON)) is None


async def test_without_redis_a_board_is_read_from_the_entries(world, db):
    (player,) = await world.players(1)
    await world.gain(player, await world.quest(), 5)
    store = BoardStore("redis://127.0.0.1:1/0", prefix="x")
    board = await shown(db, store, GLOBAL, player)
    assert (board.total, board.own.xp) == (1, 5)
    await store.close()
