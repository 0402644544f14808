"""Polls: batches, changes told once, errors that only make things stale, pauses, priorities."""

import asyncio
from datetime import date, timedelta
from uuid import UUID

import pytest

from core.errors import (
    NotFound,
    PlatformInvalidResponse,
    PlatformRateLimited,
    PlatformUnavailable,
)
from core.ids import new_id
from jobs.platforms import POLLS, poll_batch, start_polls
from services.content.availability import apply_reports
from services.content.offers import OfferReport
from services.content.polling import BATCH, sync_platform
from services.content.priorities import (
    Wanted,
    bucket_of,
    count_searches,
    priority_ppm,
    refresh_priorities,
)
from services.content.viewing import add_to_watchlist

TODAY = date(2026, 6, 1)
KEY = UUID(int=1)
PRICE = {"price_minor": 399, "asset": "EUR"}


def wanted(views=0, watchlists=0, searches=0, interest=0, days=None):
    released = None if days is None else TODAY - timedelta(days=days)
    return Wanted(KEY, views, watchlists, searches, interest, released)


@pytest.mark.parametrize(
    ("given", "ppm"),
    [
        (wanted(), 30_000),
        (wanted(views=10_000), 330_000),
        (wanted(views=10**12), 330_000),
        (wanted(watchlists=5_000), 280_000),
        (wanted(searches=5_000), 230_000),
        (wanted(interest=1_000), 130_000),
        (wanted(views=1), 30_030),
        (wanted(days=0), 150_000),
        (wanted(days=-5), 150_000),
        (wanted(days=6), 150_000),
        (wanted(days=7), 120_000),
        (wanted(days=29), 120_000),
        (wanted(days=30), 75_000),
        (wanted(days=89), 75_000),
        (wanted(days=90), 30_000),
        (wanted(10_000, 5_000, 5_000, 1_000, 1), 1_000_000),
    ],
)
def test_priorities_are_exact(given, ppm):
    assert priority_ppm(given, TODAY) == ppm


@pytest.mark.parametrize(
    ("given", "ppm", "bucket"),
    [
        (wanted(10_000, 5_000, days=1), 700_000, "MEDIUM"),  # 0.7 itself: not more than that
        (wanted(10_000, 5_000, searches=1, days=1), 700_040, "HIGH"),
        (wanted(5_000, 5_000), 430_000, "MEDIUM"),
        (wanted(5_000, 4_400), 400_000, "LOW"),
        (wanted(5_001, 4_400), 400_030, "MEDIUM"),
    ],
)
def test_borders_belong_to_the_slower_side(given, ppm, bucket):
    assert priority_ppm(given, TODAY) == ppm
    assert bucket_of(ppm) == bucket


async def test_priorities_follow_what_people_do(titles, make_user, do, sql):
    busy, quiet = await titles(2)
    user = await make_user("FR")
    await sql(
        "INSERT INTO view_record (id, user_id, title_id, duration_s, progress, watched_at)"
        " SELECT gen_random_uuid(), :u,"
        " :t, 0, 0, now() - n * interval '1 second' FROM generate_series(1, 10000) n",
        u=user,
        t=busy,
    )
    await sql(
        "INSERT INTO view_record (id, user_id, title_id, duration_s, progress, watched_at)"
        " SELECT gen_random_uuid(), :u,"
        " :t, 0, 0, now() - interval '8 days' - n * interval '1 second'"
        " FROM generate_series(1, 20) n",
        u=user,
        t=quiet,
    )
    assert await do(refresh_priorities) == 0  # 0.33
    await sql(
        "INSERT INTO title_signal (title_id, day, searches, checks)"
        " VALUES (:t, (now() AT TIME ZONE 'UTC')::date, 1750, 0)",
        t=busy,
    )
    assert await do(refresh_priorities) == 0  # 0.4 itself
    await do(count_searches, title_ids=[busy, new_id()])
    assert await do(refresh_priorities) == 1
    rows = await sql("SELECT title_id, priority_ppm, bucket FROM title_priority")
    assert [tuple(row) for row in rows] == [(busy, 400_040, "MEDIUM")]


def test_the_clock_of_polls():
    assert POLLS == {
        "HIGH": "*/15 * * * *",
        "MEDIUM": "7 * * * *",
        "LOW": "23 */6 * * *",
        "FULL": "0 2 * * *",
    }


async def test_all_titles_are_asked_about_a_hundred_at_a_time(
    titles, make_platform, platforms, run_jobs, db, sql
):
    keys = await titles(BATCH * 2 + 30)
    await make_platform(regions=("FR", "DE"))
    platforms.said.offers = {key: {"FREE": {}} for key in keys}
    assert await start_polls(db, "FULL") == 2
    assert await start_polls(db, "FULL") == 0  # going on already
    assert await run_jobs(platforms) == 8
    sizes = sorted(len(asked) for asked in platforms.said.asked)
    assert sizes == [30, 30, 100, 100, 100, 100]
    [[offers]] = await sql("SELECT count(*) FROM availability WHERE available AND source = 'POLL'")
    assert offers == 460
    rows = await sql("SELECT asked, changes, problem, finished_at FROM platform_sync")
    assert [(r.asked, r.changes, r.problem) for r in rows] == [(230, 230, None)] * 2
    assert all(row.finished_at for row in rows)


async def test_a_batch_that_runs_twice_at_once_moves_on_once(
    titles, make_platform, platforms, db, sql
):
    keys = await titles(BATCH + 1)
    await make_platform()
    platforms.said.offers = {key: {"FREE": {}} for key in keys}
    await start_polls(db, "FULL")
    [[payload]] = await sql(
        "DELETE FROM pgqueuer WHERE entrypoint = 'poll_platform' RETURNING payload"
    )
    await asyncio.gather(*(poll_batch(db, platforms, bytes(payload)) for _ in range(3)))
    rows = await sql("SELECT asked, finished_at FROM platform_sync")
    assert [tuple(row) for row in rows] == [(100, None)]
    assert len(await sql("SELECT 1 FROM pgqueuer WHERE entrypoint = 'poll_platform'")) == 1
    assert len(await sql("SELECT 1 FROM event WHERE type = 'AvailabilityChanged'")) == 100


@pytest.fixture
async def watched(titles, make_user, make_platform, do):
    """Two titles, watched by two in FR and one in DE; a platform that is asked about FR."""
    one, two = await titles(2)
    french = [await make_user("FR") for _ in range(2)]
    for user_id in (*french, await make_user("DE")):
        for key in (one, two):
            await do(add_to_watchlist, viewer_id=user_id, title_id=key)
    return one, two, [f"user:{user.hex}" for user in french], await make_platform()


async def test_each_change_is_told_once_and_nothing_when_nothing_changes(
    watched, platforms, run_jobs, told, db, sql
):
    one, two, french, _ = watched

    async def poll(offers):
        platforms.said.offers = offers
        await start_polls(db, "FULL")
        await run_jobs(platforms)
        return await told()

    expected = []
    for offers, kinds in (
        ({one: {"RENT": PRICE}}, ["ADDED"]),
        ({one: {"RENT": PRICE}}, []),
        (
            {one: {"RENT": PRICE | {"price_minor": 299}}, two: {"FREE": {}}},
            ["PRICE_CHANGED", "ADDED"],
        ),
        ({two: {"FREE": {}}}, ["REMOVED"]),
        ({two: {"FREE": {}}}, []),
    ):
        expected += kinds
        changes, pushes, notes = await poll(offers)
        assert sorted(changes) == sorted(expected)
        each = sorted((user, kind) for user in french for kind in expected)
        assert sorted(pushes) == each
        assert sorted(notes) == each
    rows = await sql(
        "SELECT available, last_verified_at > now() - interval '1 minute' FROM availability"
        " ORDER BY available"
    )
    assert [tuple(row) for row in rows] == [(False, True), (True, True)]


@pytest.mark.parametrize(
    "error", [PlatformUnavailable("moon"), PlatformInvalidResponse("moon")], ids=type
)
async def test_an_error_makes_nothing_unavailable_it_makes_it_stale(
    watched, platforms, run_jobs, told, db, sql, error
):
    one, two, _, _ = watched
    platforms.said.offers = {one: {"RENT": PRICE}, two: {"FREE": {}}}
    await start_polls(db, "FULL")
    await run_jobs(platforms)
    before, offers = await told(), await sql("SELECT * FROM availability ORDER BY id")
    platforms.said.error = error
    await start_polls(db, "FULL")
    await run_jobs(platforms)
    after = await sql("SELECT * FROM availability ORDER BY id")
    assert [row._asdict() for row in after] == [row._asdict() | {"stale": True} for row in offers]
    assert await told() == before
    assert [tuple(r) for r in await sql("SELECT problem FROM platform_sync")] == [(error.code,)]
    # What is stale is asked about again within a quarter of an hour, though nobody wants it much.
    platforms.said.error = None
    assert await start_polls(db, "HIGH") == 1
    await run_jobs(platforms)
    assert sorted(platforms.said.asked[-1]) == sorted([one, two])
    assert await sql("SELECT 1 FROM availability WHERE stale") == []
    assert await told() == before


async def test_a_pause_that_a_platform_asks_for_is_kept_and_the_batch_comes_again(
    watched, platforms, run_jobs, db, sql
):
    one, _, _, _ = watched
    platforms.said.error = PlatformRateLimited("moon", 300)
    await start_polls(db, "FULL")
    assert await run_jobs(platforms) == 1
    [job] = await sql(
        "SELECT execute_after - now() AS wait FROM pgqueuer WHERE entrypoint = 'poll_platform'"
    )
    assert timedelta(seconds=290) < job.wait <= timedelta(seconds=300)
    assert await start_polls(db, "FULL") == 0
    platforms.said.error, platforms.said.offers = None, {one: {"FREE": {}}}
    await sql("UPDATE pgqueuer SET execute_after = now() WHERE entrypoint = 'poll_platform'")
    await run_jobs(platforms)
    assert len(await sql("SELECT 1 FROM availability WHERE available AND NOT stale")) == 1


async def test_a_run_that_nobody_moves_is_gone_on_with(
    titles, make_platform, platforms, run_jobs, db, sql
):
    await titles(BATCH + 5)
    await make_platform()
    await start_polls(db, "LOW")
    [[payload]] = await sql(
        "DELETE FROM pgqueuer WHERE entrypoint = 'poll_platform' RETURNING payload"
    )
    await poll_batch(db, platforms, bytes(payload))
    await sql("DELETE FROM pgqueuer WHERE entrypoint = 'poll_platform'")  # its worker died
    assert await start_polls(db, "LOW") == 0
    await sql("UPDATE platform_sync SET moved_at = now() - interval '31 minutes'")
    assert await start_polls(db, "LOW") == 1
    await run_jobs(platforms)
    assert [len(asked) for asked in platforms.said.asked] == [100, 5]


async def test_what_another_way_told_meanwhile_is_newer_than_the_answer(
    watched, platforms, run_jobs, do, db, sql, told
):
    one, _, _, moon = watched
    platforms.said.offers = {one: {"RENT": PRICE}}

    async def by_hand():
        gone = OfferReport(one, moon, "FR", "RENT", False)
        await do(
            apply_reports, reports=[OfferReport(one, moon, "FR", "RENT", **PRICE)], source="MANUAL"
        )
        await do(apply_reports, reports=[gone], source="MANUAL")

    platforms.said.before = by_hand
    await start_polls(db, "FULL")
    await run_jobs(platforms)
    assert [tuple(r) for r in await sql("SELECT available, source FROM availability")] == [
        (False, "MANUAL")
    ]
    assert (await told())[0] == ["ADDED", "REMOVED"]


async def test_an_offer_that_cannot_be_leaves_its_title_alone(
    watched, platforms, run_jobs, db, sql
):
    one, two, _, _ = watched
    platforms.said.offers = {one: {"RENT": PRICE}, two: {"FREE": {}}}
    await start_polls(db, "FULL")
    await run_jobs(platforms)
    platforms.said.offers = {one: {"BUY": {"link": "javascript:alert(1)"}}}
    await start_polls(db, "FULL")
    await run_jobs(platforms)
    rows = await sql("SELECT title_id, available FROM availability")
    assert {row.title_id: row.available for row in rows} == {one: True, two: False}


async def test_only_stored_and_not_lately_verified_offers_are_synced_incrementally(
    titles, make_platform, platforms, run_jobs, db, sql
):
    one, two, three = await titles(3)
    moon = await make_platform()
    platforms.said.offers = {one: {"FREE": {}}, two: {"FREE": {}}}
    assert await sync_platform(db, platforms, platform_id=moon, scope="FULL") == 1
    await run_jobs(platforms)
    await sql(
        "UPDATE availability SET last_verified_at = now() - interval '61 minutes'"
        " WHERE title_id = :t",
        t=one,
    )
    assert await sync_platform(db, platforms, platform_id=moon, scope="INCREMENTAL") == 1
    await run_jobs(platforms)
    assert platforms.said.asked == [sorted([one, two, three]), [one]]


@pytest.mark.parametrize(
    "error",
    [PlatformUnavailable("moon"), PlatformRateLimited("moon", 5), PlatformInvalidResponse("moon")],
    ids=type,
)
async def test_a_platform_that_does_not_answer_is_not_synced(
    titles, make_platform, platforms, db, sql, error
):
    moon = await make_platform()
    platforms.said.error = error
    with pytest.raises(type(error)):
        await sync_platform(db, platforms, platform_id=moon, scope="FULL")
    with pytest.raises(NotFound):
        await sync_platform(db, platforms, platform_id=new_id(), scope="FULL")
    assert await sql("SELECT 1 FROM platform_sync") == []
    assert await sql("SELECT 1 FROM pgqueuer") == []


async def test_inactive_platforms_are_left_alone(
    titles, make_platform, platforms, run_jobs, db, sql
):
    await titles(2)
    await make_platform()
    await start_polls(db, "FULL")
    await sql("UPDATE platform SET active = false")
    await run_jobs(platforms)
    assert platforms.said.asked == []
    assert await start_polls(db, "LOW") == 0
