"""A platform that is down for an hour, from its socket to the stored offers: the circuit opens,
what is known stays and is marked stale, nobody is told anything; then it is up again."""

from functools import partial

import orjson
import pytest

from jobs.platforms import poll_batch, start_polls
from services.content.feeds import FeedDetails, configure_feed
from services.content.importing import import_titles
from services.content.platforms import PlatformDetails, upsert_platform

TITLES = 250


@pytest.fixture
async def catalogue(database_url, tmp_path):
    records = [
        {"title": f"Title {n}", "year": 1900 + n % 100, "imdb_id": f"tt{n:07}"}
        for n in range(TITLES)
    ]
    path = tmp_path / "titles.json"
    path.write_bytes(orjson.dumps(records))
    await import_titles(database_url, path)


async def test_a_platform_down_for_an_hour(
    catalogue, db, sql, feed_server, answer, make_platforms, clock
):
    platforms = make_platforms(body_max_bytes=100_000)
    details = PlatformDetails("moon", "Moon")
    platform_id = await db.transaction(partial(upsert_platform, details=details))
    url = feed_server.url + "/offers?ids={ids}&region={region}"
    feed = FeedDetails("JSON_FEED", url, ("FR",), {"complete": True})
    await configure_feed(db, platforms, platform_id=platform_id, details=feed)

    async def everything(path, writer):
        ids = path.split("ids=")[1].split("&")[0].split(",")
        return answer({"offers": [{"id": id, "tier": "FREE"} for id in ids]})

    async def poll(scope):
        await start_polls(db, scope)
        while jobs := await sql(
            "DELETE FROM pgqueuer WHERE entrypoint = 'poll_platform' RETURNING payload"
        ):
            for job in jobs:
                await poll_batch(db, platforms, bytes(job.payload))

    async def stored():
        [row] = await sql(
            "SELECT count(*) FILTER (WHERE available) AS available,"
            " count(*) FILTER (WHERE stale) AS stale FROM availability"
        )
        return tuple(row)

    feed_server.say(everything)
    await poll("FULL")
    assert await stored() == (TITLES, 0)
    told = await sql("SELECT id FROM event ORDER BY id")
    guard = next(iter(platforms._guards.values()))
    asked = len(feed_server.paths)
    assert asked == 3

    async def down(path, writer):
        writer.transport.abort()

    feed_server.say(down)
    began = clock.at
    await poll("FULL")
    assert await stored() == (TITLES, TITLES)
    assert guard.breaker.state == "OPEN"
    tries = len(feed_server.paths) - asked
    assert tries <= 12  # four for a batch, until the circuit opened
    for minutes in (15, 30, 45):
        clock.at = began + 60 * minutes
        await poll("HIGH")  # all that is stale, each quarter of an hour
        assert await stored() == (TITLES, TITLES)
        assert guard.breaker.state == "OPEN"
    # One trial a visit, which opens it again: the other batches ask nobody.
    assert len(feed_server.paths) - asked - tries == 3
    clock.at = began + 3_600
    feed_server.say(everything)
    await poll("HIGH")
    assert await stored() == (TITLES, 0)
    assert guard.breaker.state == "CLOSED"
    assert await sql("SELECT id FROM event ORDER BY id") == told
