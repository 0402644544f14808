"""Feeds, syncs and verification through the schema: who may, and what is answered."""

import pytest

from adapters.platforms.making import FeedPlatforms
from core.errors import PlatformInvalidResponse, PlatformRateLimited, PlatformUnavailable
from core.ports import PlatformAnswer, PlatformOffer
from execution.rates import RateGuard

SET = """mutation ($input: SetPlatformFeedInput!) { setPlatformFeed(input: $input) { __typename
  ... on SetPlatformFeedSuccess { platform { slug } } ... on InvalidInput { field reason }
  ... on NotFound { what } } }"""
SYNC = """mutation ($input: SyncPlatformInput!) { syncPlatform(input: $input) { __typename
  ... on SyncPlatformSuccess { started platform { slug } } ... on NotFound { what }
  ... on PlatformUnavailable { code platformSlug } ... on PlatformRateLimited { code retryAfter }
  ... on PlatformInvalidResponse { code platformSlug } } }"""
VERIFY = """mutation ($input: VerifyAvailabilityInput!) { verifyAvailability(input: $input) {
  __typename ... on VerifyAvailabilitySuccess {
    title { name availability { region tier source stale platform { slug } } }
    platforms { outcome retryAfter platform { slug } } }
  ... on InvalidInput { field } ... on NotFound { what } } }"""
SELECTABLE = "api.themoviedb.org"


class Adapter:
    """Says that everything is free everywhere, or raises."""

    def __init__(self):
        self.error = None

    async def authenticate(self):
        if self.error is not None:
            raise self.error

    async def check(self, titles, region):
        await self.authenticate()
        ids = [title.id for title in titles]
        offers = tuple(PlatformOffer(id, region, "FREE") for id in ids)
        return PlatformAnswer(offers, frozenset(ids))


@pytest.fixture
def said(monkeypatch):
    """What all platforms say: their feeds are still looked at."""
    adapter = Adapter()

    def made(self, feed):
        self.check(feed)
        return adapter

    monkeypatch.setattr(FeedPlatforms, "adapter", made)
    return adapter


@pytest.fixture
async def admin(make_user):
    return await make_user("root", roles=("ADMIN",))


@pytest.fixture
def feed(plt, add_platform):
    """`await feed(url=…)`: an input of `setPlatformFeed` for a platform that is there."""

    async def make(**fields):
        moon = plt(await add_platform("moon"))
        options = {"provider_id": 8}
        url = f"https://{SELECTABLE}/3"
        given = {"platformId": moon, "kind": "TMDB", "url": url, "regions": ["FR"]}
        return given | {"options": options} | fields

    return make


async def test_feeds_are_set_by_who_may_write_content(ask, execute, make_user, admin, feed, sql):
    given = await feed(perSecond=10, perHour=5_000, burst=20)
    ada = await make_user("ada")
    for person in (None, ada):
        refused = await execute(SET, person, input=given)
        assert refused.errors[0].extensions["code"] in ("UNAUTHENTICATED", "FORBIDDEN")
    assert await sql("SELECT 1 FROM platform_feed") == []
    done = (await ask(SET, admin, input=given))["setPlatformFeed"]
    assert done == {"__typename": "SetPlatformFeedSuccess", "platform": {"slug": "moon"}}
    rows = await sql("SELECT kind, url, regions, options FROM platform_feed")
    assert [tuple(row) for row in rows] == [
        ("TMDB", f"https://{SELECTABLE}/3", ["FR"], {"provider_id": 8})
    ]
    rows = await sql("SELECT per_second, per_minute, per_hour, burst FROM platform")
    assert [tuple(row) for row in rows] == [(10, None, 5_000, 20)]


BAD = [
    ({"url": "http://169.254.169.254/"}, "url"),
    ({"url": "http://localhost:5432/"}, "url"),
    ({"url": ""}, "url"),
    ({"url": "http://a\0b/"}, "url"),
    ({"regions": []}, "regions"),
    ({"regions": ["XX"]}, "regions"),
    ({"regions": ["FR", "FR"]}, "regions"),
    ({"options": {}}, "options"),
    ({"options": None}, "options"),
    ({"options": [1]}, "options"),
    ({"options": {"provider_id": 8, "more": "x" * 6_000}}, "options"),
    ({"options": {"provider_id": 8, "more": "\0"}}, "options"),
    ({"kind": "JSON_FEED", "options": {"health_url": "http://10.0.0.1/"}}, "options"),
    ({"perMinute": 0}, "perMinute"),
    ({"burst": 1_000_001}, "burst"),
]


@pytest.mark.parametrize(("fields", "field"), BAD, ids=lambda each: str(each)[:40])
async def test_feeds_that_cannot_be_asked_are_refused(ask, admin, feed, sql, fields, field):
    done = (await ask(SET, admin, input=await feed(**fields)))["setPlatformFeed"]
    assert (done["__typename"], done["field"]) == ("InvalidInput", field)
    assert await sql("SELECT 1 FROM platform_feed") == []


async def test_a_sync_begins_where_the_platform_answers(ask, admin, feed, said, sql, plt):
    given = await feed(regions=["FR", "DE"])
    await ask(SET, admin, input=given)
    wanted = {"platformId": given["platformId"], "scope": "FULL"}
    for error, answer in (
        (PlatformUnavailable("moon"), {"code": "PLATFORM_UNAVAILABLE", "platformSlug": "moon"}),
        (PlatformRateLimited("moon", 7), {"code": "PLATFORM_RATE_LIMITED", "retryAfter": 7}),
        (
            PlatformInvalidResponse("moon"),
            {"code": "PLATFORM_INVALID_RESPONSE", "platformSlug": "moon"},
        ),
    ):
        said.error = error
        done = (await ask(SYNC, admin, input=wanted))["syncPlatform"]
        assert done == {"__typename": type(error).__name__} | answer
    assert await sql("SELECT 1 FROM pgqueuer") == []
    said.error = None
    for started in (2, 0):
        done = (await ask(SYNC, admin, input=wanted))["syncPlatform"]
        assert (done["started"], done["platform"]) == (started, {"slug": "moon"})
    assert len(await sql("SELECT 1 FROM pgqueuer WHERE entrypoint = 'poll_platform'")) == 2


async def test_a_platform_without_a_feed_is_not_synced(ask, execute, make_user, admin, feed):
    given = {"platformId": (await feed())["platformId"], "scope": "FULL"}
    done = (await ask(SYNC, admin, input=given))["syncPlatform"]
    assert done == {"__typename": "NotFound", "what": "platform"}
    refused = await execute(SYNC, await make_user("ada"), input=given)
    assert refused.errors[0].extensions["code"] == "FORBIDDEN"


async def test_who_is_signed_in_has_availability_verified(
    ask, execute, make_user, admin, feed, said, add_titles, ttl
):
    [kiln] = await add_titles({"title": "Kiln", "year": 2021, "tmdb_id": "1"})
    await ask(SET, admin, input=await feed())
    ada, wanted = await make_user("ada"), {"titleId": ttl(kiln), "region": "FR"}
    assert (await execute(VERIFY, input=wanted)).errors[0].extensions["code"] == "UNAUTHENTICATED"
    offer = {
        "region": "FR",
        "tier": "FREE",
        "source": "ON_DEMAND",
        "stale": False,
        "platform": {"slug": "moon"},
    }
    for outcome in ("VERIFIED", "FRESH"):
        done = (await ask(VERIFY, ada, input=wanted))["verifyAvailability"]
        assert done["title"] == {"name": "Kiln", "availability": [offer]}
        assert done["platforms"] == [
            {"outcome": outcome, "retryAfter": None, "platform": {"slug": "moon"}}
        ]
    done = (await ask(VERIFY, ada, input={"titleId": ttl(kiln)}))["verifyAvailability"]
    assert done == {"__typename": "InvalidInput", "field": "region"}
    done = await ask(VERIFY, ada, input={"titleId": "ttl_" + "0" * 32, "region": "FR"})
    assert done["verifyAvailability"] == {"__typename": "NotFound", "what": "title"}


async def test_a_platform_that_fails_leaves_a_stale_answer(
    ask, make_user, admin, feed, said, add_titles, ttl, sql
):
    [kiln] = await add_titles({"title": "Kiln", "year": 2021, "tmdb_id": "1"})
    await ask(SET, admin, input=await feed())
    ada, wanted = await make_user("ada"), {"titleId": ttl(kiln), "region": "FR"}
    await ask(VERIFY, ada, input=wanted)
    await sql(
        "UPDATE availability_check SET checked_at = now() - interval '2 hours',"
        " claimed_until = now() - interval '2 hours'"
    )
    said.error = PlatformRateLimited("moon", 9)
    done = (await ask(VERIFY, ada, input=wanted))["verifyAvailability"]
    [offer] = done["title"]["availability"]
    assert (offer["tier"], offer["stale"]) == ("FREE", True)
    assert done["platforms"] == [
        {"outcome": "RATE_LIMITED", "retryAfter": 9, "platform": {"slug": "moon"}}
    ]


async def test_who_may_not_ask_takes_no_turn(execute, make_user, monkeypatch):
    taken = []

    async def take_turn(guard, info):
        taken.append(guard.declared.limit)

    monkeypatch.setattr(RateGuard, "take_turn", take_turn)
    wanted = {"titleId": "ttl_" + "0" * 32, "region": "FR"}
    refused = await execute(VERIFY, input=wanted)
    assert refused.errors[0].extensions["code"] == "UNAUTHENTICATED"
    assert taken == []
    asked = await execute(VERIFY, await make_user("ada"), input=wanted)
    assert asked.data["verifyAvailability"]["__typename"] == "NotFound"
    assert taken == [20]
