"""The made-up platforms: they move, they fail, and Mela understands what they say."""

import random

import httpx
import orjson
import pytest

from adapters.platforms.json_feed import JsonFeedAdapter, JsonFeedOptions
from core.ids import new_id
from core.ports import PlatformFeed, PlatformTitle
from jobs.simulated_platforms import (
    PLATFORMS,
    Simulation,
    changes_between,
    offers_at,
    simulated_platforms,
)
from services.content.platform_messages import read_offers

IDS = [f"tt{n:07}" for n in range(60)]


def test_offers_move_a_little_at_each_step():
    for slug in PLATFORMS:
        now, then = (offers_at(slug, IDS, "FR", step) for step in (1_000, 1_001))
        assert now == offers_at(slug, IDS, "FR", 1_000)
        changed = sum(len(changes_between(slug, id, "FR", 1_000, 1_001)) for id in IDS)
        assert 0 < changed < len(IDS) * len(PLATFORMS[slug]) / 2
        assert now != then
        assert now != offers_at(slug, IDS, "DE", 1_000)


def test_what_they_tell_by_webhook_can_be_read():
    said = [c for slug in PLATFORMS for id in IDS for c in changes_between(slug, id, "FR", 5, 17)]
    read = read_offers(new_id(), {"data": {"offers": said}})
    assert len(read) == len(said) > 50
    assert {offer.report.available for offer in read} == {True, False}


@pytest.fixture
async def client():
    """`client(trouble=…)`: an HTTP client of made-up platforms."""
    made = []

    def make(**options):
        app = simulated_platforms(Simulation(now=lambda: 60_000.0, **options))
        transport = httpx.ASGITransport(app)
        made.append(httpx.AsyncClient(transport=transport, base_url="http://here"))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def test_a_feed_adapter_understands_them(client):
    here = client()
    options = JsonFeedOptions(complete=True)
    url = "/mooncast/offers?ids={ids}&region={region}"
    feed = PlatformFeed(new_id(), "mooncast", "JSON_FEED", url, ("FR",))

    async def fetch(url):
        return orjson.loads((await here.get(url)).content)

    titles = [PlatformTitle(new_id(), "MOVIE", imdb_id=id) for id in IDS]
    told = await JsonFeedAdapter(feed, options, fetch).check(titles, "FR")
    assert (len(told.covered), told.rejected) == (60, 0)
    assert len(told.offers) == len(offers_at("mooncast", IDS, "FR", 1_000)) > 40
    rents = {offer.price_minor for offer in told.offers if offer.tier == "RENT"}
    assert rents <= {399, 449, 499}
    assert len(rents) > 1


async def test_they_fail_as_often_as_they_are_told_to(client):
    class Dice(random.Random):
        def choice(self, ways):
            return super().choice([way for way in ways if way != "slow"])

    here = client(trouble=1.0, dice=Dice(7))
    answers = [await here.get("/harbour/offers?ids=tt1&region=FR") for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200, 429, 500}
    with pytest.raises(orjson.JSONDecodeError):
        [orjson.loads(answer.content) for answer in answers]
    assert (await here.get("/nowhere/offers")).status_code == 404
