"""Reports of offers: what is a change and what is none, one event each, and who is told."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import InvalidInput, NotFound
from core.ids import new_id
from core.ports import PlatformAnswer, PlatformOffer
from jobs.catalogue import apply_all, tell_watchers_of, watch_ends
from services.content.answers import take_answer
from services.content.availability import apply_reports
from services.content.availability_ends import WATCHERS_PAGE
from services.content.offers import OfferReport
from services.content.viewing import add_to_watchlist


@pytest.fixture
async def offer(titles, platform):
    """`offer(price_minor=…)`: a report on one and the same offer."""
    [title_id], platform_id = await titles(), await platform()

    def make(**fields):
        return OfferReport(title_id, platform_id, "FR", "RENT", **fields)

    return make


@pytest.fixture
def apply(do):
    async def run(*reports, source="POLL"):
        return [change.kind for change in await do(apply_reports, reports=reports, source=source)]

    return run


@pytest.fixture
def told(sql):
    """What stands on titles' topics, in order."""

    async def read():
        rows = await sql("SELECT payload FROM event WHERE topic LIKE 'title:%' ORDER BY id")
        return [row.payload["kind"] for row in rows]

    return read


async def clock(sql):
    [[now]] = await sql("SELECT clock_timestamp()")
    return now


async def test_an_offers_life_is_told_in_one_event_each(apply, offer, told, sql, db):
    price = {"price_minor": 399, "asset": "EUR"}
    assert await apply(offer(**price)) == ["ADDED"]
    assert await apply(offer(**price)) == []
    assert await apply(offer(price_minor=299, asset="EUR")) == ["PRICE_CHANGED"]
    assert await apply(offer(price_minor=299, asset="USD")) == ["PRICE_CHANGED"]
    assert await apply(offer(available=False)) == ["REMOVED"]
    assert await apply(offer(available=False)) == []
    assert await apply(offer(**price)) == ["ADDED"]
    assert await told() == ["ADDED", "PRICE_CHANGED", "PRICE_CHANGED", "REMOVED", "ADDED"]
    changed = [event.payload for event in db.published if event.type == "AvailabilityChanged"]
    assert (changed[1]["oldPrice"], changed[1]["price"]) == (399, 299)
    assert (changed[2]["oldAsset"], changed[2]["asset"]) == ("EUR", "USD")
    assert len(await sql("SELECT 1 FROM availability")) == 1


async def test_what_did_not_change_is_verified_and_not_told(apply, offer, told, sql):
    await apply(offer(link="https://moon.example/1"), source="POLL")
    await sql("UPDATE availability SET stale = true")
    [before] = await sql("SELECT * FROM availability")
    assert await apply(offer(link="https://moon.example/1"), source="MANUAL") == []
    [after] = await sql("SELECT * FROM availability")
    same = {"last_verified_at", "source", "stale"}
    assert {k: v for k, v in after._asdict().items() if k not in same} == {
        k: v for k, v in before._asdict().items() if k not in same
    }
    assert after.last_verified_at > before.last_verified_at
    assert (after.source, after.stale) == ("MANUAL", False)
    assert await told() == ["ADDED"]
    assert len(await sql("SELECT 1 FROM pgqueuer WHERE entrypoint = 'tell_watchers'")) == 1


async def test_an_end_within_a_week_is_told_once_for_each_end(apply, offer, told, sql):
    now = await clock(sql)
    far, near, other = (now + timedelta(days=days) for days in (8, 6, 5))
    assert await apply(offer(available_until=far)) == ["ADDED"]
    assert await apply(offer(available_until=near)) == ["LEAVING_SOON"]
    assert await apply(offer(available_until=near)) == []
    assert await apply(offer(available_until=other)) == ["LEAVING_SOON"]
    assert await apply(offer()) == []  # it stays after all
    assert await apply(offer(available_until=other)) == []  # told already
    assert await apply(offer(available_until=now - timedelta(days=1))) == ["REMOVED"]
    assert await told() == ["ADDED", "LEAVING_SOON", "LEAVING_SOON", "REMOVED"]


async def test_ends_come_by_themselves(apply, offer, told, sql, db):
    now = await clock(sql)
    await apply(offer(available_until=now + timedelta(days=30)))
    assert await watch_ends(db) == 0
    await sql("UPDATE availability SET available_until = now() + interval '3 days'")
    assert await watch_ends(db) == 1
    assert await watch_ends(db) == 0
    await sql("UPDATE availability SET available_until = now() - interval '1 second'")
    assert await watch_ends(db) == 1
    assert await watch_ends(db) == 0
    assert await told() == ["ADDED", "LEAVING_SOON", "REMOVED"]
    assert await sql("SELECT available FROM availability") == [(False,)]


async def test_more_titles_than_topics_end_page_by_page(titles, platform, told, sql, db):
    keys, moon = await titles(23), await platform()
    reports = [OfferReport(key, moon, "FR", "FREE") for key in keys]
    assert await apply_all(db, reports, "POLL") == 23
    await sql("UPDATE availability SET available_until = now() - interval '1 second'")
    assert await watch_ends(db) == 23
    assert sorted(await told()) == ["ADDED"] * 23 + ["REMOVED"] * 23


async def test_an_answer_about_all_of_a_title_says_what_is_gone(titles, platform, do, sql):
    [title_id], platform_id = await titles(), await platform()
    rent = PlatformOffer(title_id, "FR", "RENT", price_minor=399, asset="EUR")
    buy = PlatformOffer(title_id, "FR", "BUY", price_minor=999, asset="EUR")

    async def take(*offers):
        return await do(
            take_answer,
            platform_id=platform_id,
            region="FR",
            answer=PlatformAnswer(offers, frozenset([title_id])),
            title_ids=[title_id],
            asked_at=await clock(sql),
            source="POLL",
        )

    await take(rent, buy)
    elsewhere = OfferReport(title_id, platform_id, "DE", "BUY")
    await do(apply_reports, reports=[elsewhere], source="POLL")
    changes = await take(buy)
    assert [(change.kind, change.report.tier) for change in changes] == [("REMOVED", "RENT")]
    rows = await sql("SELECT region, tier FROM availability WHERE available ORDER BY region")
    assert [tuple(row) for row in rows] == [("DE", "BUY"), ("FR", "BUY")]


BAD = [
    ({"region": "XX"}, "region"),
    ({"region": "fr"}, "region"),
    ({"tier": "THEFT"}, "tier"),
    ({"price_minor": 1}, "price"),
    ({"asset": "EUR"}, "price"),
    ({"price_minor": -1, "asset": "EUR"}, "price"),
    ({"price_minor": 1, "asset": "XYZ"}, "price"),
    ({"link": "javascript:alert(1)"}, "link"),
    (
        {
            "available_from": datetime(2026, 1, 2, tzinfo=UTC),
            "available_until": datetime(2026, 1, 1, tzinfo=UTC),
        },
        "availableUntil",
    ),
]


@pytest.mark.parametrize(("fields", "field"), BAD, ids=lambda each: str(each)[:30])
async def test_bad_reports_change_nothing_not_even_the_good_ones_beside(
    titles, platform, apply, snapshot, fields, field
):
    [key], moon = await titles(), await platform()
    good = OfferReport(key, moon, "FR", "RENT")
    await apply(good)
    before = await snapshot()
    given = {"title_id": key, "platform_id": moon, "region": "FR", "tier": "BUY"} | fields
    with pytest.raises(InvalidInput) as refused:
        await apply(OfferReport(key, moon, "FR", "RENT", available=False), OfferReport(**given))
    assert refused.value.field == field
    assert await snapshot() == before


async def test_unknown_titles_and_platforms_are_refused(titles, platform, apply, snapshot):
    [key], moon = await titles(), await platform()
    before = await snapshot()
    for title_id, platform_id, what in ((new_id(), moon, "title"), (key, new_id(), "platform")):
        with pytest.raises(NotFound) as refused:
            await apply(OfferReport(title_id, platform_id, "FR", "BUY"))
        assert refused.value.what == what
    with pytest.raises(InvalidInput):
        await apply(*(OfferReport(new_id(), moon, "FR", "BUY") for _ in range(11)))
    assert await snapshot() == before


async def test_reports_at_once_tell_a_change_once(apply, offer, told):
    found = await asyncio.gather(*(apply(offer(price_minor=399, asset="EUR")) for _ in range(8)))
    assert sorted(found) == [[]] * 7 + [["ADDED"]]
    assert await told() == ["ADDED"]


@pytest.fixture
def run_jobs(db, sql):
    """Run `tell_watchers` jobs as a worker would, each twice; how many different ones ran."""

    async def run():
        ran = 0
        while jobs := await sql(
            "DELETE FROM pgqueuer WHERE entrypoint = 'tell_watchers' RETURNING payload"
        ):
            for job in jobs:
                ran += 1
                await tell_watchers_of(db, bytes(job.payload))
                await tell_watchers_of(db, bytes(job.payload))
        return ran

    return run


async def test_watchers_in_the_region_are_told_once_by_jobs(
    apply, offer, make_user, do, run_jobs, sql
):
    title_id = offer().title_id
    watchers = [await make_user("FR") for _ in range(WATCHERS_PAGE + 3)]
    german, nowhere, indifferent = await make_user("DE"), await make_user(), await make_user("FR")
    for user_id in (*watchers, german, nowhere):
        await do(add_to_watchlist, viewer_id=user_id, title_id=title_id)
    await apply(offer(), OfferReport(title_id, offer().platform_id, "DE", "BUY"))
    assert await run_jobs() >= 2
    rows = await sql("SELECT topic, payload FROM event WHERE type = 'WatchlistAvailabilityChanged'")
    by_user = {}
    for row in rows:
        by_user.setdefault(row.topic, []).append((row.payload["kind"], row.payload["region"]))
    assert by_user == {f"user:{one.hex}": [("ADDED", "FR")] for one in watchers} | {
        f"user:{german.hex}": [("ADDED", "DE")]
    }
    assert f"user:{indifferent.hex}" not in by_user
    notes = await sql("SELECT user_id FROM notification WHERE kind = 'AVAILABILITY'")
    assert sorted(note.user_id for note in notes) == sorted([*watchers, german])


async def test_preferences_decide_the_region_and_hidden_titles_are_not_told_of(
    apply, offer, make_user, do, run_jobs, sql
):
    title_id = offer().title_id
    moved, shielded = await make_user("DE"), await make_user("FR")
    for user_id in (moved, shielded):
        await do(add_to_watchlist, viewer_id=user_id, title_id=title_id)
    await sql("UPDATE title SET maturity = 4")
    await sql("INSERT INTO user_preference (user_id, region) VALUES (:u, 'FR')", u=moved)
    await sql("INSERT INTO user_preference (user_id, maturity_limit) VALUES (:u, 2)", u=shielded)
    await apply(offer())
    await run_jobs()
    rows = await sql("SELECT topic FROM event WHERE type = 'WatchlistAvailabilityChanged'")
    assert [row.topic for row in rows] == [f"user:{moved.hex}"]
