"""Trends: distinct people, decay, regions, kinds, and what orders follow from them."""

from datetime import timedelta

import pytest

from core.database import database_now
from jobs.catalogue import refresh
from services.content.priorities import count_searches
from services.content.ratings import rate_title
from services.content.viewing import add_to_watchlist, record_view


@pytest.fixture
def scores(sql):
    """`await scores("WEEK", "FR")`: scores by title key."""

    async def read(timeframe, region=""):
        rows = await sql(
            "SELECT title_id, score FROM title_trend WHERE timeframe = :t AND region = :r",
            t=timeframe,
            r=region,
        )
        return {row.title_id: row.score for row in rows}

    return read


async def test_each_act_counts_by_its_weight_and_a_viewer_once(titles, make_user, do, db, scores):
    seen, rated, listed, untouched = await titles(4)
    ada = await make_user()
    for minutes in range(5):
        now = await _now(db)
        await do(
            record_view,
            viewer_id=ada,
            title_id=seen,
            watched_at=now - timedelta(minutes=minutes),
        )
    await do(rate_title, viewer_id=ada, title_id=rated, value_tenths=10)
    await do(add_to_watchlist, viewer_id=ada, title_id=listed)
    assert await refresh(db) == 3 * 4  # in each timeframe
    found = await scores("DAY")
    assert found.keys() == {seen, rated, listed}
    assert found[seen] == pytest.approx(1_000, abs=5)
    assert found[rated] == pytest.approx(1_500, abs=5)
    assert found[listed] == pytest.approx(2_000, abs=5)
    assert untouched not in await scores("ALL")


async def test_acts_fade_and_fall_out_of_the_timeframe(titles, make_user, do, db, sql, scores):
    fresh, old, older = await titles(3)
    ada, now = await make_user(), await _now(db)
    for title, age in ((fresh, 0), (old, 2), (older, 9)):
        at = now - timedelta(days=age)
        await do(record_view, viewer_id=ada, title_id=title, watched_at=at)
    await refresh(db)
    week = await scores("WEEK")
    assert week == {fresh: pytest.approx(1_000, abs=5), old: pytest.approx(500, abs=5)}
    assert (await scores("DAY")).keys() == {fresh}
    assert (await scores("MONTH")).keys() == {fresh, old, older}
    rows = await sql("SELECT id, trend, popularity FROM title")
    assert {row.id: row.popularity for row in rows} == dict.fromkeys((fresh, old, older), 1_000)
    assert {row.id for row in rows if row.trend} == {fresh, old}


async def test_regions_are_peoples_own(titles, make_user, do, db, sql, scores):
    here, there = await titles(2)
    french, moved, nowhere = await make_user("FR"), await make_user("FR"), await make_user()
    await sql("INSERT INTO user_preference (user_id, region) VALUES (:u, 'DE')", u=moved)
    for user_id, title in ((french, here), (moved, there), (nowhere, there)):
        await do(add_to_watchlist, viewer_id=user_id, title_id=title)
    await refresh(db)
    assert (await scores("WEEK", "FR")).keys() == {here}
    assert (await scores("WEEK", "DE")).keys() == {there}
    assert (await scores("WEEK"))[there] == pytest.approx(4_000, abs=10)


async def test_a_refresh_replaces_what_was_and_writes_no_title_that_did_not_move(
    titles, make_user, do, db, sql, scores
):
    [title] = await titles()
    ada = await make_user()
    await do(add_to_watchlist, viewer_id=ada, title_id=title)
    await refresh(db)
    await sql("DELETE FROM watchlist_item")
    await refresh(db)
    assert await scores("ALL") == {}
    assert await sql("SELECT 1 FROM title WHERE trend > 0 OR popularity > 0") == []
    before = await sql("SELECT xmin::text FROM title")
    await refresh(db)
    assert await sql("SELECT xmin::text FROM title") == before


async def _now(db):
    async with db.read() as session:
        return await database_now(session)


async def test_what_is_opened_from_searches_is_a_little_more_popular(
    titles, make_user, do, db, sql
):
    seen, opened, both, untouched = await titles(4)
    ada = await make_user()
    for title in (seen, both):
        await do(record_view, viewer_id=ada, title_id=title, watched_at=await _now(db))
    for _ in range(3):
        await do(count_searches, title_ids=[opened, both])
    await refresh(db)
    rows = await sql("SELECT id, popularity, trend > 0 AS moves FROM title")
    assert {row.id: (row.popularity, row.moves) for row in rows} == {
        seen: (1_000, True),
        opened: (300, False),
        both: (1_300, True),
        untouched: (0, False),
    }
