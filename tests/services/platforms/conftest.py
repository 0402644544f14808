"""Platforms that answer as the test says, behind the port; titles, watchers and jobs."""

import itertools
from dataclasses import dataclass, field

import orjson
import pytest

from core.ids import new_id
from core.ports import PlatformAnswer, PlatformLimits, PlatformOffer
from jobs.catalogue import tell_watchers_of
from jobs.platforms import poll_batch
from services.content.feeds import FeedDetails, set_feed
from services.content.importing import import_titles
from services.content.platforms import PlatformDetails, upsert_platform


@pytest.fixture
def titles(database_url, sql, tmp_path):
    """`await titles(3)`: the ids of new titles with numbers tt0000001 … and 1 …"""
    numbers = itertools.count(1)

    async def make(count=1):
        ns = [next(numbers) for _ in range(count)]
        records = [
            {
                "title": f"Title {n}",
                "year": 1900 + n % 100,
                "imdb_id": f"tt{n:07}",
                "tmdb_id": str(n),
            }
            for n in ns
        ]
        path = tmp_path / f"titles-{ns[0]}.json"
        path.write_bytes(orjson.dumps(records))
        assert (await import_titles(database_url, path)).added == count
        rows = await sql("SELECT imdb_id, id FROM title")
        ids = {row.imdb_id: row.id for row in rows}
        return [ids[f"tt{n:07}"] for n in ns]

    return make


@pytest.fixture
def make_user(sql):
    """`await make_user("FR")`: the id of a new account in a region."""
    numbers = itertools.count(1)

    async def make(region=None):
        user_id, name = new_id(), f"user_{next(numbers)}"
        await sql(
            "INSERT INTO user_account (id, email, username, password_hash, display_name)"
            " VALUES (:id, :email, :name, '-', :name)",
            id=user_id,
            email=f"{name}@mela.test",
            name=name,
        )
        await sql(
            "INSERT INTO profile (user_id, region) VALUES (:id, :region)", id=user_id, region=region
        )
        return user_id

    return make


@pytest.fixture
def make_platform(do):
    """`await make_platform("moon", regions=("FR",))`: a platform with a feed."""

    async def make(slug="moon", regions=("FR",), url="http://moon.test/feed", **options):
        platform_id = await do(upsert_platform, details=PlatformDetails(slug, slug.title()))
        details = FeedDetails("JSON_FEED", url, tuple(regions), options)
        await do(set_feed, platform_id=platform_id, details=details)
        return platform_id

    return make


@dataclass
class SaidAdapter:
    """What a test lets a platform say: `offers` by title, and `error`, which is raised."""

    offers: dict = field(default_factory=dict)
    error: Exception | None = None
    asked: list = field(default_factory=list)
    before: object = None

    async def authenticate(self):
        if self.error is not None:
            raise self.error

    async def check(self, titles, region):
        self.asked.append([title.id for title in titles])
        if self.before is not None:
            await self.before()
        if self.error is not None:
            raise self.error
        found = tuple(
            PlatformOffer(title.id, region, tier, **fields)
            for title in titles
            for tier, fields in self.offers.get(title.id, {}).items()
        )
        return PlatformAnswer(found, frozenset(title.id for title in titles))

    def rate_limits(self):
        return PlatformLimits()


@dataclass
class SaidPlatforms:
    """One adapter for all feeds."""

    said: SaidAdapter = field(default_factory=SaidAdapter)

    def check(self, feed):
        pass

    def adapter(self, feed):
        return self.said

    async def close(self):
        pass


@pytest.fixture
def platforms():
    return SaidPlatforms()


@pytest.fixture
def run_jobs(db, sql):
    """Run what waits for polls and for watchers as a worker would; how many polls there were.
    Each of the watchers' jobs twice."""

    async def run(by):
        polls = 0
        while jobs := await sql(
            "DELETE FROM pgqueuer WHERE entrypoint IN ('tell_watchers', 'poll_platform')"
            " AND execute_after <= now() RETURNING entrypoint, payload"
        ):
            for job in jobs:
                if job.entrypoint == "poll_platform":
                    polls += 1
                    await poll_batch(db, by, bytes(job.payload))
                else:
                    await tell_watchers_of(db, bytes(job.payload))
                    await tell_watchers_of(db, bytes(job.payload))
        return polls

    return run


@pytest.fixture
def told(sql):
    """What stands on titles' topics, in order; what each user was pushed and notified of."""

    async def read():
        rows = await sql("SELECT topic, type, payload FROM event ORDER BY id")
        changes = [r.payload["kind"] for r in rows if r.type == "AvailabilityChanged"]
        pushes = [
            (r.topic, r.payload["kind"]) for r in rows if r.type == "WatchlistAvailabilityChanged"
        ]
        notes = await sql(
            "SELECT user_id, facts FROM notification WHERE kind = 'AVAILABILITY' ORDER BY id"
        )
        return changes, pushes, [(f"user:{n.user_id.hex}", n.facts["kind"]) for n in notes]

    return read
