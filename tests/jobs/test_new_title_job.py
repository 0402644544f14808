"""New titles on a real worker: the job that reports ask for is known there, and tells."""

from functools import partial

from jobs.worker import run_worker
from services.content.availability import apply_reports
from services.content.new_titles import TELL_NEW_TITLE
from services.content.offers import OfferReport
from services.content.platforms import PlatformDetails, upsert_platform


async def test_a_worker_tells_of_a_title_that_was_reported(
    market, database_url, settings, eventually
):
    db, ada = market.db, market.buyers[0]
    await market.run(
        "INSERT INTO title (id, kind, name, sort_name, description, languages, countries,"
        " popularity, trend) VALUES (gen_random_uuid(), 'MOVIE', 'Kiln', 'kiln', '', '{}', '{}',"
        " 0, 0)"
    )
    await market.run(
        "INSERT INTO genre (id, slug, name) VALUES (gen_random_uuid(), 'drama', 'Drama')"
    )
    await market.run(
        "INSERT INTO title_genre (title_id, genre_id) SELECT t.id, g.id FROM title AS t, genre AS g"
    )
    await market.run(
        "INSERT INTO user_preference (user_id, region, genres) VALUES (:ada, 'FR', '{drama}')",
        ada=ada,
    )
    [[title_id]] = await market.rows("SELECT id FROM title")
    moon = await db.transaction(partial(upsert_platform, details=PlatformDetails("moon", "Moon")))
    reports = [OfferReport(title_id, moon, "FR", "FREE")]
    async with run_worker(settings, db, database_url) as worker:
        await eventually(lambda: worker.connected)
        await db.transaction(partial(apply_reports, reports=reports, source="POLL"))
        await eventually(lambda: worker.runs[TELL_NEW_TITLE, "ok"] == 1)
    told = await market.rows("SELECT user_id, kind FROM notification WHERE kind = 'NEW_TITLE'")
    assert [tuple(row) for row in told] == [(ada, "NEW_TITLE")]
