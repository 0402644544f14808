"""Titles that have become watchable: who is told, why, once, and how many a day."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from core.ids import encode_id
from jobs.catalogue import apply_all, tell_new_title_of
from models.content.availability import TIERS
from services.content.availability import apply_reports
from services.content.new_titles import (
    FIRST,
    NEW_TITLES_A_DAY,
    TELL_NEW_TITLE,
    VIEWERS_PAGE,
    tell_new_title,
)
from services.content.offers import OfferReport
from services.content.preferences import update_preferences
from services.content.ratings import rate_title
from services.content.viewing import add_to_watchlist, record_view
from services.users.notifications import TOLD_MAX, set_preferences


@pytest.fixture
def apply(do):
    async def run(*reports):
        changes = await do(apply_reports, reports=reports, source="POLL")
        return [change.kind for change in changes]

    return run


@pytest.fixture
def viewer(make_user, do, drama):
    """`await viewer(genres=…)`: who likes drama in France, unless it is said otherwise."""

    async def make(region="FR", genres=("drama",), **changes):
        user_id = await make_user(region)
        changes = {"genres": genres} | changes
        await do(update_preferences, user_id=user_id, changes=changes)
        return user_id

    return make


@pytest.fixture
async def drama(titles):
    [title_id] = await titles(genres=["drama"])
    return title_id


@pytest.fixture
def jobs_waiting(sql):
    async def read():
        rows = await sql(
            "SELECT payload FROM pgqueuer WHERE entrypoint = :job ORDER BY id", job=TELL_NEW_TITLE
        )
        return [bytes(row.payload) for row in rows]

    return read


@pytest.fixture
def run_jobs(db, sql):
    """Run the jobs that are due as a worker would, each twice; how many there were."""

    async def run(**options):
        ran = 0
        while jobs := await sql(
            "DELETE FROM pgqueuer WHERE entrypoint = :job AND execute_after <= now()"
            " RETURNING payload",
            job=TELL_NEW_TITLE,
        ):
            for job in jobs:
                ran += 1
                await tell_new_title_of(db, bytes(job.payload), **options)
                await tell_new_title_of(db, bytes(job.payload), **options)
        return ran

    return run


@pytest.fixture
def told(sql):
    """Who was pushed which title and why; who was notified of which; in order."""

    async def read():
        pushes = await sql(
            "SELECT topic, payload FROM event WHERE type = 'NewContentAvailable'"
            " ORDER BY occurred_at, topic"
        )
        notes = await sql(
            "SELECT user_id, reference FROM notification WHERE kind = 'NEW_TITLE' ORDER BY id"
        )
        return (
            [(p.topic.removeprefix("user:"), *p.payload.values()) for p in pushes],
            [(n.user_id.hex, n.reference) for n in notes],
        )

    return read


@pytest.fixture
def goes_with(sql):
    """`await goes_with(title, [others])`: as the model's run would have it."""

    async def keep(title_id, others):
        await sql(
            "INSERT INTO title_neighbours (title_id, neighbours, scores)"
            " VALUES (:title, CAST(:others AS uuid[]), CAST(:scores AS real[]))",
            title=title_id,
            others=others,
            scores=[1.0] * len(others),
        )

    return keep


async def test_one_push_and_one_notification_for_what_becomes_watchable(
    viewer, drama, platform, apply, run_jobs, told
):
    ada = await viewer()
    moon, sun = await platform(), await platform("sun")
    assert await apply(OfferReport(drama, moon, "FR", "RENT")) == ["ADDED"]
    assert await told() == ([], [])
    assert await run_jobs() == 1
    push = (ada.hex, *sorted_payload(drama, "GENRE_YOU_CHOSE", None))
    note = (ada.hex, encode_id("ttl", drama))
    assert await told() == ([push], [note])
    assert await apply(OfferReport(drama, sun, "FR", "FREE")) == ["ADDED"]
    assert await apply(OfferReport(drama, moon, "FR", "RENT")) == []
    assert await run_jobs() == 1
    assert await told() == ([push], [note])


def sorted_payload(title_id, reason, because_id):
    """As PostgreSQL keeps an object's keys: the shortest first."""
    by_key = {
        "title": title_id.hex,
        "reason": reason,
        "because": None if because_id is None else because_id.hex,
    }
    return [by_key[key] for key in sorted(by_key, key=lambda key: (len(key), key))]


async def test_a_second_offer_is_news_to_nobody_even_when_claims_are_forgotten(
    viewer, drama, platform, apply, run_jobs, told, sql
):
    await viewer()
    moon, sun = await platform(), await platform("sun")
    await apply(OfferReport(drama, moon, "FR", "RENT"))
    await run_jobs()
    before = await told()
    await sql("DELETE FROM idempotency_key")
    await apply(OfferReport(drama, sun, "FR", "FREE"))
    # One that takes another's place in the same answer is no news either.
    await apply(
        OfferReport(drama, moon, "FR", "RENT", available=False),
        OfferReport(drama, sun, "FR", "FREE", available=False),
        OfferReport(drama, sun, "FR", "ADS"),
    )
    await run_jobs()
    assert await told() == before
    assert len(before[0]) == len(before[1]) == 1


async def test_two_offers_one_after_the_other_before_any_job_ran(
    viewer, drama, platform, apply, run_jobs, told
):
    await viewer()
    await apply(OfferReport(drama, await platform(), "FR", "RENT"))
    await apply(OfferReport(drama, await platform("sun"), "FR", "RENT"))
    assert await run_jobs() == 2
    pushes, notes = await told()
    assert (len(pushes), len(notes)) == (1, 1)


async def test_who_cannot_watch_it_or_would_not_hears_nothing(
    viewer, drama, titles, platform, apply, run_jobs, told, do, sql
):
    moon = await platform()
    await platform("sun")
    await sql("UPDATE title SET maturity = 3")
    await viewer(region="DE")
    await viewer(region=None)
    await viewer(region="FR", **{"contentRatingLimit": "PG"})
    await viewer(platforms=["sun"])
    await viewer(memberships=["sun"])
    await viewer(genres=[])
    suspended, rated, listed, seen = [await viewer() for _ in range(4)]
    await sql("UPDATE user_account SET status = 'SUSPENDED' WHERE id = :id", id=suspended)
    await do(rate_title, viewer_id=rated, title_id=drama, value_tenths=20)
    await do(add_to_watchlist, viewer_id=listed, title_id=drama)
    await do(record_view, viewer_id=seen, title_id=drama)
    has_it = await viewer(memberships=["moon"], platforms=["moon"])
    moved = await viewer(region="DE", **{"contentRatingLimit": "R"})
    await do(update_preferences, user_id=moved, changes={"region": "FR"})
    await apply(OfferReport(drama, moon, "FR", "SUBSCRIPTION"))
    await run_jobs()
    pushes, notes = await told()
    assert {push[0] for push in pushes} == {has_it.hex, moved.hex}
    assert sorted(note[0] for note in notes) == sorted([has_it.hex, moved.hex])


async def test_for_a_member_of_another_platform_it_is_new_when_theirs_has_it(
    viewer, drama, platform, apply, run_jobs, told
):
    moon, sun = await platform(), await platform("sun")
    anyone, member = await viewer(), await viewer(platforms=["sun"])
    await apply(OfferReport(drama, moon, "FR", "FREE"))
    await run_jobs()
    assert [push[0] for push in (await told())[0]] == [anyone.hex]
    await apply(OfferReport(drama, sun, "FR", "FREE"))
    await run_jobs()
    assert [push[0] for push in (await told())[0]] == [anyone.hex, member.hex]


async def test_because_of_the_title_that_goes_best_with_it_of_those_rated_well(
    viewer, drama, titles, platform, apply, run_jobs, told, do, goes_with, sql
):
    ada, bob, cem = [await viewer(genres=[]) for _ in range(3)]
    adult, first, second = await titles(3)
    await sql("UPDATE title SET maturity = 4 WHERE id = :id", id=adult)
    await goes_with(drama, [adult, first, second])
    for one, tenths in ((adult, 100), (first, 69), (second, 70)):
        await do(rate_title, viewer_id=ada, title_id=one, value_tenths=tenths)
    await do(rate_title, viewer_id=bob, title_id=first, value_tenths=69)
    await do(rate_title, viewer_id=cem, title_id=second, value_tenths=70)
    # What a limit hides is no reason to be given.
    await do(update_preferences, user_id=ada, changes={"contentRatingLimit": "PG"})
    await apply(OfferReport(drama, await platform(), "FR", "FREE"))
    await run_jobs()
    payload = sorted_payload(drama, "BECAUSE_YOU_LIKED", second)
    assert (await told())[0] == [(one.hex, *payload) for one in sorted([ada, cem])]


async def test_who_turned_notifications_off_still_has_the_stream(
    viewer, drama, platform, apply, run_jobs, told, do
):
    ada = await viewer()
    await do(set_preferences, user_id=ada, changes={("NEW_TITLE", "IN_APP"): False})
    await apply(OfferReport(drama, await platform(), "FR", "FREE"))
    await run_jobs()
    pushes, notes = await told()
    assert ([push[0] for push in pushes], notes) == ([ada.hex], [])


async def test_an_offer_that_begins_later_is_told_of_then(
    viewer, drama, platform, apply, run_jobs, told, sql
):
    await viewer()
    [[now]] = await sql("SELECT clock_timestamp()")
    begins = now + timedelta(hours=1)
    await apply(OfferReport(drama, await platform(), "FR", "FREE", available_from=begins))
    assert await run_jobs() == 0
    [[run_at]] = await sql(
        "SELECT execute_after FROM pgqueuer WHERE entrypoint = :job", job=TELL_NEW_TITLE
    )
    assert run_at == begins
    await sql("UPDATE availability SET available_from = clock_timestamp()")
    await sql("UPDATE pgqueuer SET execute_after = now()")
    assert await run_jobs() == 1
    pushes, notes = await told()
    assert (len(pushes), len(notes)) == (1, 1)


async def test_what_is_gone_before_the_job_runs_is_not_told_of(
    viewer, drama, platform, apply, run_jobs, told
):
    await viewer()
    moon = await platform()
    await apply(OfferReport(drama, moon, "FR", "FREE"))
    await apply(OfferReport(drama, moon, "FR", "FREE", available=False))
    assert await run_jobs() == 1
    assert await told() == ([], [])


async def test_pages_and_jobs_go_on_where_the_one_before_ended(
    viewer, drama, platform, apply, run_jobs, told
):
    people = [await viewer() for _ in range(2 * TOLD_MAX + 3)]
    await apply(OfferReport(drama, await platform(), "FR", "FREE"))
    # Each runs twice and asks for the next both times, but nobody is told twice.
    assert await run_jobs(pages=1) >= 3
    pushes, notes = await told()
    assert sorted(push[0] for push in pushes) == sorted(one.hex for one in people)
    assert sorted(note[0] for note in notes) == sorted(one.hex for one in people)


async def test_a_page_takes_so_many_statements_and_topics_whoever_is_told(
    viewer, drama, platform, apply, jobs_waiting, db, do, sql
):
    for _ in range(TOLD_MAX + 1):
        await viewer()
    moon = await platform()
    await apply(OfferReport(drama, moon, "FR", "FREE"))
    [[offer]] = await sql("SELECT id FROM availability")
    db.published.clear()
    sent = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", before)
    page = {"title_id": drama, "added": [offer], "before": []}
    after = await do(tell_new_title, **page, after=FIRST)
    eight = len(sent)
    assert len({one.topic for one in db.published}) == TOLD_MAX
    sent.clear()
    assert await do(tell_new_title, **page, after=after) is None
    one = len(sent)
    sent.clear()
    assert await do(tell_new_title, **page, after=after) is None
    # The page; the lock, the day's count, the claim, the notification; the log's.
    assert (eight, one, len(sent)) == (one, eight, 1)
    assert eight <= 7


async def test_a_thousand_offers_at_once_do_not_flood(
    viewer, titles, platform, db, run_jobs, told, sql
):
    ada = await viewer()
    moon = await platform()
    keys = await titles(100, genres=["drama"])
    reports = [
        OfferReport(key, moon, region, tier)
        for key in keys
        for region in ("FR", "DE")
        for tier in TIERS
    ]
    assert await apply_all(db, reports, "POLL") == 1_000
    assert await run_jobs() == len(keys)
    pushes, notes = await told()
    assert len(pushes) == len(notes) == NEW_TITLES_A_DAY
    assert {push[0] for push in pushes} == {ada.hex}
    await sql("UPDATE idempotency_key SET created_at = created_at - interval '1 day'")
    [later] = await titles(genres=["drama"])
    await apply_all(db, [OfferReport(later, moon, "FR", "FREE")], "POLL")
    await run_jobs()
    assert [len(some) for some in await told()] == [NEW_TITLES_A_DAY + 1] * 2


async def test_jobs_of_many_titles_at_once_keep_to_the_days_bound(
    viewer, titles, platform, db, jobs_waiting, told
):
    people = [await viewer() for _ in range(3)]
    moon = await platform()
    keys = await titles(12, genres=["drama"])
    await apply_all(db, [OfferReport(key, moon, "FR", "FREE") for key in keys], "POLL")
    jobs = await jobs_waiting()
    assert len(jobs) == len(keys)
    await asyncio.gather(*(tell_new_title_of(db, job) for job in jobs + jobs))
    pushes, notes = await told()
    for one in people:
        assert sum(push[0] == one.hex for push in pushes) == NEW_TITLES_A_DAY
        assert sum(note[0] == one.hex for note in notes) == NEW_TITLES_A_DAY


async def test_a_unit_that_fails_tells_nobody_and_its_retry_tells_once(
    viewer, drama, platform, apply, db, jobs_waiting, told
):
    await viewer()
    await apply(OfferReport(drama, await platform(), "FR", "FREE"))
    [job] = await jobs_waiting()

    async def fail(tx):
        [[offer]] = await tx.execute(text("SELECT id FROM availability"))
        await tell_new_title(tx, title_id=drama, added=[offer], before=[], after=FIRST)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await db.transaction(fail)
    assert await told() == ([], [])
    await tell_new_title_of(db, job)
    pushes, notes = await told()
    assert (len(pushes), len(notes)) == (1, 1)


async def test_a_page_of_nobody_is_passed(viewer, drama, platform, apply, run_jobs, told, sql):
    await sql(
        "INSERT INTO user_account (id, email, username, password_hash, display_name)"
        " SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), n || '@x.test', 'low_' || n, '-', 'x'"
        " FROM generate_series(1, :n) AS n",
        n=2 * VIEWERS_PAGE,
    )
    ada = await viewer()
    await apply(OfferReport(drama, await platform(), "FR", "FREE"))
    assert await run_jobs() == 1
    assert [push[0] for push in (await told())[0]] == [ada.hex]
