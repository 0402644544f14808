"""Polls on a real worker: the clock's schedules are kept there, and their jobs are run."""

from functools import partial

from core.database import Database
from core.ports import PlatformAnswer
from jobs.platforms import POLLS, start_polls
from jobs.worker import run_worker
from services.content.feeds import FeedDetails, set_feed
from services.content.platforms import PlatformDetails, upsert_platform


class Silent:
    """Platforms that know nothing, and count how often they are asked."""

    def __init__(self):
        self.asked = 0

    def adapter(self, feed):
        return self

    async def check(self, titles, region):
        self.asked += 1
        return PlatformAnswer((), frozenset())


async def test_a_worker_keeps_the_polls_clock_and_runs_their_jobs(
    market, database_url, settings, eventually
):
    db: Database = market.db
    await market.run(
        "INSERT INTO title (id, kind, name, sort_name, description, languages, countries,"
        " popularity, trend) VALUES (gen_random_uuid(), 'MOVIE', 'Kiln', 'kiln', '', '{}', '{}',"
        " 0, 0)"
    )
    moon = await db.transaction(partial(upsert_platform, details=PlatformDetails("moon", "Moon")))
    feed = FeedDetails("JSON_FEED", "http://moon.test/", ("FR", "DE"))
    await db.transaction(partial(set_feed, platform_id=moon, details=feed))
    platforms = Silent()
    async with run_worker(settings, db, database_url, platforms=platforms) as worker:
        await eventually(lambda: worker.connected)
        assert await start_polls(db, "FULL") == 2
        await eventually(
            partial(
                market.rows,
                "SELECT 1 FROM platform_sync WHERE finished_at IS NOT NULL HAVING count(*) = 2",
            )
        )
        rows = await market.rows(
            "SELECT entrypoint, expression FROM pgqueuer_schedules WHERE entrypoint LIKE '%polls'"
        )
    assert platforms.asked == 2
    assert dict(map(tuple, rows)) == {
        f"start_{scope.lower()}_polls": when for scope, when in POLLS.items()
    }
    assert worker.runs["poll_platform", "ok"] == 4
