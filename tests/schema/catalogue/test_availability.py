"""Availability through the schema: by hand, its streams, trends; who may, and what is pushed."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from core.clock import utc_now
from core.ids import encode_id, new_id
from jobs.catalogue import refresh, tell_watchers_of
from services.content.viewing import add_to_watchlist
from subscriptions.cursors import encode_cursor

UPSERT = """mutation ($input: UpsertAvailabilityInput!) { upsertAvailability(input: $input) {
  __typename ... on UpsertAvailabilitySuccess { changes title { availability {
  region tier price { amount asset } link source stale platform { slug } } } }
  ... on InvalidInput { field } ... on NotFound { what } } }"""
CHANGED = """subscription ($id: ID!, $region: String, $after: Cursor) {
  availabilityChanged(titleId: $id, region: $region, after: $after) {
  cursor kind region tier price { amount } oldPrice { amount } platform { slug }
  offer { available } title { name } } }"""


@pytest.fixture
async def kiln(add_titles):
    [key] = await add_titles({"title": "Kiln", "year": 2021})
    return key


@pytest.fixture
async def admin(make_user):
    return await make_user("root", roles=("ADMIN",))


@pytest.fixture
def offer(kiln, ttl, plt, add_platform):
    """`await offer(price="3.99")`: an input of `upsertAvailability`."""

    async def make(price=None, **fields):
        moon = await add_platform("moon")
        money = None if price is None else {"amount": price, "asset": "EUR"}
        given = {"titleId": ttl(kiln), "platformId": plt(moon), "region": "FR", "tier": "RENT"}
        return given | {"price": money} | fields

    return make


async def test_offers_are_kept_by_hand_and_tell_what_changed(ask, admin, offer):
    given = await offer("3.99", link="https://moon.example/kiln")
    done = (await ask(UPSERT, admin, input=given))["upsertAvailability"]
    assert done["changes"] == ["ADDED"]
    assert done["title"]["availability"] == [
        {
            "region": "FR",
            "tier": "RENT",
            "price": {"amount": "3.99", "asset": "EUR"},
            "link": "https://moon.example/kiln",
            "source": "MANUAL",
            "stale": False,
            "platform": {"slug": "moon"},
        }
    ]
    for fields, changes in (
        ({}, []),
        ({"price": "2.99"}, ["PRICE_CHANGED"]),
        (
            {"price": "1.99", "availableUntil": (utc_now() + timedelta(days=2)).isoformat()},
            ["PRICE_CHANGED", "LEAVING_SOON"],
        ),
        ({"available": False}, ["REMOVED"]),
    ):
        again = await offer(**({"price": "3.99"} | fields), link="https://moon.example/kiln")
        done = (await ask(UPSERT, admin, input=again))["upsertAvailability"]
        assert done["changes"] == changes
    assert done["title"]["availability"] == []


async def test_who_may_not_and_what_cannot_be_change_nothing(
    ask, execute, admin, make_user, offer, shapes, sql
):
    given = await offer("3.99")
    for person, code in ((None, "UNAUTHENTICATED"), (await make_user(), "FORBIDDEN")):
        assert shapes.codes(await execute(UPSERT, person, input=given)) == [code]
    for fields, answer in (
        ({"region": "XX"}, {"__typename": "InvalidInput", "field": "region"}),
        ({"titleId": encode_id("ttl", new_id())}, {"__typename": "NotFound", "what": "title"}),
        (
            {"platformId": encode_id("plt", new_id())},
            {"__typename": "NotFound", "what": "platform"},
        ),
        ({"link": "ftp://moon"}, {"__typename": "InvalidInput", "field": "link"}),
        (
            {"price": {"amount": "0.001", "asset": "EUR"}},
            {"__typename": "InvalidInput", "field": "price.amount"},
        ),
    ):
        done = await ask(UPSERT, admin, input=given | fields)
        assert done == {"upsertAvailability": answer}
    assert await sql("SELECT 1 FROM availability") == []
    assert await sql("SELECT 1 FROM event WHERE topic LIKE 'title:%'") == []


async def test_platforms_are_kept_by_hand(ask, admin, make_user, execute, shapes):
    upsert = """mutation ($slug: String!, $name: String!) { upsertPlatform(input: { slug: $slug,
      name: $name }) { ... on UpsertPlatformSuccess { platform { id name } } __typename } }"""
    one = (await ask(upsert, admin, slug="moon-cast", name="Moon"))["upsertPlatform"]["platform"]
    two = (await ask(upsert, admin, slug="moon-cast", name="Mooncast"))["upsertPlatform"]
    assert two["platform"] == {"id": one["id"], "name": "Mooncast"}
    bad = await ask(upsert, admin, slug="Moon Cast", name="x")
    assert bad["upsertPlatform"]["__typename"] == "InvalidInput"
    refused = await execute(upsert, await make_user(), slug="a-b", name="x")
    assert shapes.codes(refused) == ["FORBIDDEN"]


async def take(stream, count):
    async with asyncio.timeout(10):
        found = []
        for _ in range(count):
            result = await anext(stream)
            assert result.errors is None, result.errors
            [event] = result.data.values()
            found.append(event)
        return found


async def test_a_titles_changes_are_pushed_and_resumed(
    ask, stream, kiln, ttl, add_platform, report
):
    moon = await add_platform("moon")
    before = await ask("query ($id: ID!) { title(id: $id) { eventCursor } }", id=ttl(kiln))
    await report(kiln, moon, "FR", price_minor=399, asset="EUR")
    events = await stream(CHANGED, id=ttl(kiln), after=before["title"]["eventCursor"])
    [added] = await take(events, 1)
    await report(kiln, moon, "FR", price_minor=399, asset="EUR")
    await report(kiln, moon, "FR", price_minor=299, asset="EUR")
    [cheaper] = await take(events, 1)
    await events.aclose()
    assert added["kind"] == "ADDED"
    assert added["title"] == {"name": "Kiln"}
    assert added["offer"] == {"available": True}
    assert (cheaper["kind"], cheaper["platform"]) == ("PRICE_CHANGED", {"slug": "moon"})
    assert (cheaper["oldPrice"], cheaper["price"]) == ({"amount": "3.99"}, {"amount": "2.99"})
    resumed = await stream(CHANGED, id=ttl(kiln), after=added["cursor"])
    assert (await take(resumed, 1))[0]["cursor"] == cheaper["cursor"]
    await resumed.aclose()


async def test_only_the_regions_changes(stream, kiln, ttl, add_platform, report):
    moon = await add_platform("moon")
    from_start = encode_after(kiln)
    await report(kiln, moon, "DE")
    await report(kiln, moon, "FR")
    events = await stream(CHANGED, id=ttl(kiln), region="FR", after=from_start)
    assert [event["region"] for event in await take(events, 1)] == ["FR"]
    await events.aclose()


def encode_after(title_id):
    return encode_cursor(f"title:{title_id.hex}", 0)


async def test_no_title_to_subscribe_to(stream, shapes):
    events = await stream(CHANGED, id=encode_id("ttl", new_id()))
    assert shapes.codes(await anext(events)) == ["BAD_USER_INPUT"]


WATCHED = """subscription ($after: Cursor) { watchlistAvailabilityChanged(after: $after) {
  cursor kind region title { name } } }"""


async def test_all_of_a_watchlist_in_one_stream_in_ones_region(
    server, stream, add_titles, add_platform, report, make_user, sql
):
    keys = await add_titles(*({"title": f"T{n}", "year": 2000} for n in range(3)))
    moon, ada = await add_platform("moon"), await make_user("ada")
    await sql("UPDATE profile SET region = 'FR' WHERE user_id = :u", u=ada.id)
    for key in keys[:2]:
        work = partial(add_to_watchlist, viewer_id=ada.id, title_id=key)
        await server.db.transaction(work)
    events = await stream(WATCHED, ada, after=encode_cursor(f"user:{ada.id.hex}", 0))
    for key in keys:
        await report(key, moon, "FR")
        await report(key, moon, "DE")
    for (payload,) in await sql(
        "SELECT payload FROM pgqueuer WHERE entrypoint = 'tell_watchers' ORDER BY id"
    ):
        await tell_watchers_of(server.db, bytes(payload))
    told = await take(events, 2)
    assert [(one["kind"], one["region"], one["title"]["name"]) for one in told] == [
        ("ADDED", "FR", "T0"),
        ("ADDED", "FR", "T1"),
    ]
    await events.aclose()


async def test_nobodys_watchlist_is_not_pushed(stream, shapes):
    events = await stream(WATCHED)
    result = events if hasattr(events, "errors") else await anext(events)
    assert shapes.codes(result) == ["UNAUTHENTICATED"]


TRENDING = """query ($frame: Timeframe!, $kind: TitleKind, $region: String, $first: Int! = 20) {
  trending(timeframe: $frame, kind: $kind, region: $region, first: $first) {
  rank score computedAt title { name inWatchlist } } }"""


async def test_trends_are_read_as_last_computed(
    server, ask, add_titles, make_user, sql, statements, execute, shapes
):
    film, show, adult = await add_titles(
        {"title": "Film", "year": 2000},
        {"title": "Show", "year": 2000, "kind": "SERIES"},
        {"title": "Adult", "year": 2000, "content_rating": "NC-17"},
    )
    people = [await make_user() for _ in range(3)]
    await sql("UPDATE profile SET region = 'FR' WHERE user_id = :u", u=people[0].id)
    for title, some in ((adult, people), (film, people[:2]), (show, people[:1])):
        for person in some:
            work = partial(add_to_watchlist, viewer_id=person.id, title_id=title)
            await server.db.transaction(work)
    assert await ask(TRENDING, frame="WEEK") == {"trending": []}
    await refresh(server.db)
    statements.clear()
    told = (await ask(TRENDING, frame="WEEK"))["trending"]
    assert len(statements) == 1
    assert [(one["rank"], one["title"]["name"]) for one in told] == [
        (1, "Adult"),
        (2, "Film"),
        (3, "Show"),
    ]
    shows = (await ask(TRENDING, frame="DAY", kind="SERIES"))["trending"]
    assert [one["title"]["name"] for one in shows] == ["Show"]
    assert len((await ask(TRENDING, frame="ALL", region="FR"))["trending"]) == 3
    assert (await ask(TRENDING, frame="ALL", region="DE"))["trending"] == []
    limit = "INSERT INTO user_preference (user_id, maturity_limit) VALUES (:u, 1)"
    await sql(limit, u=people[0].id)
    mild = (await ask(TRENDING, people[0], frame="WEEK", first=1))["trending"]
    assert [(one["rank"], one["title"]["name"]) for one in mild] == [(1, "Film")]
    assert mild[0]["title"]["inWatchlist"] is True
    for first in (-1, 101):
        result = await execute(TRENDING, frame="WEEK", first=first)
        assert shapes.codes(result) == ["BAD_USER_INPUT"]
