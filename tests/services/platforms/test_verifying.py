"""Availability on demand: asked once an hour, whoever asks; errors leave what is known."""

import asyncio

import pytest

from core.errors import InvalidInput, NotFound, PlatformInvalidResponse, PlatformRateLimited
from core.ids import new_id
from services.content import verifying
from services.content.verifying import verify_availability
from services.content.viewing import add_to_watchlist

PRICE = {"price_minor": 399, "asset": "EUR"}


@pytest.fixture
def verify(db, platforms):
    """`await verify(user, title)`: what came of each platform."""

    async def run(viewer_id, title_id, region=None):
        found = await verify_availability(
            db, platforms, viewer_id=viewer_id, title_id=title_id, region=region
        )
        return [(each.outcome, each.retry_after) for each in found]

    return run


@pytest.fixture
async def ada(make_user):
    return await make_user("FR")


async def test_a_platform_is_asked_once_an_hour_whoever_asks(
    titles, make_platform, make_user, platforms, verify, ada, sql
):
    [key], bob = await titles(), await make_user("FR")
    await make_platform()
    platforms.said.offers = {key: {"RENT": PRICE}}
    assert await verify(ada, key) == [("VERIFIED", None)]
    assert await verify(bob, key) == [("FRESH", None)]
    await sql("UPDATE availability_check SET claimed_until = now() - interval '1 minute'")
    assert await verify(bob, key) == [("FRESH", None)]
    await sql("UPDATE availability_check SET checked_at = now() - interval '59 minutes'")
    assert await verify(ada, key) == [("FRESH", None)]
    await sql("UPDATE availability_check SET checked_at = now() - interval '61 minutes'")
    assert await verify(ada, key) == [("VERIFIED", None)]
    assert platforms.said.asked == [[key], [key]]
    rows = await sql("SELECT region, tier, price_minor, source FROM availability")
    assert [tuple(row) for row in rows] == [("FR", "RENT", 399, "ON_DEMAND")]
    assert [tuple(row) for row in await sql("SELECT searches, checks FROM title_signal")] == [
        (0, 5)
    ]


async def test_who_asks_at_once_asks_once(titles, make_platform, platforms, verify, ada):
    [key] = await titles()
    await make_platform()
    found = await asyncio.gather(*(verify(ada, key) for _ in range(6)))
    assert sorted(found) == [[("FRESH", None)]] * 5 + [[("VERIFIED", None)]]
    assert len(platforms.said.asked) == 1


async def test_a_platform_without_it_is_remembered_as_well(
    titles, make_platform, platforms, verify, ada
):
    [key] = await titles()
    await make_platform()
    assert await verify(ada, key) == [("VERIFIED", None)]
    assert await verify(ada, key) == [("FRESH", None)]
    assert len(platforms.said.asked) == 1


ERRORS = [
    (PlatformRateLimited("moon", 30), ("RATE_LIMITED", 30)),
    (PlatformInvalidResponse("moon"), ("INVALID_RESPONSE", None)),
    (RuntimeError("a bug"), ("UNAVAILABLE", None)),
]


@pytest.mark.parametrize(("error", "outcome"), ERRORS, ids=lambda e: type(e).__name__)
async def test_an_error_leaves_what_is_known_marked_stale_and_may_be_asked_again_soon(
    titles, make_platform, platforms, verify, ada, do, run_jobs, sql, told, error, outcome
):
    [key] = await titles()
    await make_platform()
    await do(add_to_watchlist, viewer_id=ada, title_id=key)
    platforms.said.offers = {key: {"RENT": PRICE}}
    await verify(ada, key)
    await run_jobs(platforms)
    before = await told()
    assert before[1] == [(f"user:{ada.hex}", "ADDED")]
    await sql(
        "UPDATE availability_check SET checked_at = now() - interval '2 hours',"
        " claimed_until = now() - interval '2 hours'"
    )
    platforms.said.error = error
    assert await verify(ada, key) == [outcome]
    assert [tuple(r) for r in await sql("SELECT available, stale FROM availability")] == [
        (True, True)
    ]
    platforms.said.error = None
    assert await verify(ada, key) == [("VERIFIED", None)]
    assert [tuple(r) for r in await sql("SELECT available, stale FROM availability")] == [
        (True, False)
    ]
    assert await told() == before


async def test_nobody_waits_longer_than_the_patience(
    titles, make_platform, platforms, verify, ada, monkeypatch
):
    monkeypatch.setattr(verifying, "PATIENCE_S", 0.05)
    [key] = await titles()
    await make_platform()
    platforms.said.before = asyncio.Event().wait
    assert await verify(ada, key) == [("UNAVAILABLE", None)]


async def test_only_platforms_of_the_region_are_asked(
    titles, make_platform, make_user, platforms, verify, ada, sql
):
    [key] = await titles()
    await make_platform("moon", regions=("FR", "DE"))
    await make_platform("sun", regions=("JP",))
    assert await verify(ada, key) == [("VERIFIED", None)]
    assert await verify(ada, key, "JP") == [("VERIFIED", None)]
    assert await verify(ada, key, "US") == []
    nowhere = await make_user()
    for region in (None, "XX", "\0"):
        with pytest.raises(InvalidInput):
            await verify(nowhere, key, region)
    assert await verify(nowhere, key, "DE") == [("VERIFIED", None)]


async def test_titles_that_are_not_there_or_hidden_are_not_found(
    titles, make_platform, platforms, verify, ada, sql
):
    [key] = await titles()
    await make_platform()
    await sql("UPDATE title SET maturity = 4")
    await sql("INSERT INTO user_preference (user_id, maturity_limit) VALUES (:u, 2)", u=ada)
    for title_id in (key, new_id()):
        with pytest.raises(NotFound):
            await verify(ada, title_id)
    assert platforms.said.asked == []
    assert await sql("SELECT 1 FROM title_signal") == []
