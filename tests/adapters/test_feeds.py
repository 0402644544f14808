"""What adapters understand of feeds' answers, and what they leave alone."""

from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID

import pytest
from pydantic import SecretStr

from core.errors import InvalidInput, PlatformInvalidResponse, PlatformUnavailable
from core.ports import PlatformOffer, PlatformTitle

ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


@pytest.fixture
def check(make_platforms, make_feed, film, feed_server, answer):
    """`await check({"offers": …}, complete=True)`: what is understood about films 1, 2 and 3."""

    async def run(body, **options):
        feed_server.say(answer(body))
        adapter = make_platforms().adapter(make_feed(**options))
        return await adapter.check([film(1), film(2), film(3)], "FR")

    return run


async def test_a_feed_of_another_shape_is_mapped(check, feed_server):
    rows = [
        {
            "film": {"imdb": "tt0000001"},
            "country": "fr",
            "kind": "svod",
            "price": {"value": 3.99, "unit": "eur"},
            "watch": "https://moon.example/1",
            "ends": "2030-01-02T03:04:05Z",
            "begins": 1_800_000_000,
        },
        {"film": {"imdb": "tt0000001"}, "country": "DE", "kind": "svod"},
        {"film": {"imdb": "tt0000002"}, "country": "FR", "kind": "BUY", "gone": True},
    ]
    told = await check(
        {"data": [{"rows": rows}]},
        items="data.0.rows",
        title="film.imdb",
        region="country",
        tier="kind",
        tiers={"svod": "SUBSCRIPTION"},
        price="price.value",
        asset="price.unit",
        link="watch",
        available_from="begins",
        available_until="ends",
    )
    begin, end = (
        datetime.fromtimestamp(1_800_000_000, UTC),
        datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert told.offers == (
        PlatformOffer(
            ONE, "FR", "SUBSCRIPTION", True, 399, "EUR", "https://moon.example/1", begin, end
        ),
        PlatformOffer(TWO, "FR", "BUY"),
    )
    assert (told.covered, told.rejected) == (frozenset(), 0)
    assert feed_server.paths == ["/offers?ids=tt0000001,tt0000002,tt0000003&region=FR"]


@pytest.mark.parametrize(
    ("price", "options", "expected"),
    [
        ({"price": "3.99", "currency": "USD"}, {}, (399, "USD")),
        ({"price": 0.29, "currency": "USD"}, {}, (29, "USD")),
        ({"price": 399, "currency": "usd"}, {"minor_units": True}, (399, "USD")),
        ({"price": 500, "currency": "JPY"}, {}, (500, "JPY")),
        ({"price": 5, "currency": "CAD"}, {}, (None, None)),  # on offer, for what is not counted
        ({}, {}, (None, None)),
    ],
)
async def test_prices_are_exact(check, price, options, expected):
    told = await check({"offers": [{"id": "tt0000001", "tier": "RENT", **price}]}, **options)
    [offer] = told.offers
    assert (offer.price_minor, offer.asset) == expected


SPOILT = [
    {"tier": "THEFT"},
    {"tier": 5},
    {"tier": "RENT", "price": "1.999", "currency": "EUR"},
    {"tier": "RENT", "price": -1, "currency": "EUR"},
    {"tier": "RENT", "price": "cheap", "currency": "EUR"},
    {"tier": "RENT", "price": True, "currency": "EUR"},
    {"tier": "RENT", "price": 1},
    {"tier": "RENT", "available": "no"},
    {"tier": "RENT", "url": ["https://moon.example/"]},
    {"tier": "RENT", "until": "tomorrow"},
    {"tier": "RENT", "until": 1e30},
]


@pytest.mark.parametrize("row", SPOILT, ids=str)
async def test_a_row_that_cannot_be_read_says_nothing_of_its_title(check, row):
    body = {"offers": [{"id": "tt0000001", **row}, {"id": "tt0000002", "tier": "FREE"}]}
    told = await check(body, complete=True)
    assert told.offers == (PlatformOffer(TWO, "FR", "FREE"),)
    assert told.covered == {TWO, THREE}
    assert told.rejected == 1


async def test_what_an_answer_leaves_out_is_gone_only_where_the_feed_says_so(check):
    body = {"offers": [{"id": "tt0000001", "tier": "FREE"}], "asked": ["tt0000001", "tt0000003"]}
    assert (await check(body)).covered == frozenset()
    assert (await check(body, complete=True)).covered == {ONE, TWO, THREE}
    assert (await check(body, covered="asked")).covered == {ONE, THREE}
    nameless = {"offers": [*body["offers"], {"tier": "FREE"}]}
    assert (await check(nameless, complete=True)).covered == frozenset()


async def test_offers_of_other_titles_are_passed_over(check):
    told = await check({"offers": [{"id": "tt9999999", "tier": "FREE"}]}, complete=True)
    assert (told.offers, told.rejected) == ((), 0)


async def test_titles_without_the_feeds_number_are_not_asked_about(
    make_platforms, make_feed, feed_server
):
    adapter = make_platforms().adapter(make_feed(complete=True))
    told = await adapter.check([PlatformTitle(ONE, "MOVIE", tmdb_id="5")], "FR")
    assert (told.offers, told.covered, feed_server.paths) == ((), frozenset(), [])


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/feed",
        "file:///etc/passwd",
        "http://me@127.0.0.1/feed",
        "http://127.0.0.1:notaport/",
        "feed",
        "",
    ],
)
async def test_other_hosts_are_never_asked(make_platforms, make_feed, url):
    for feed in (make_feed(), make_feed(search_url=url)):
        if "search_url" not in feed.options:
            feed = type(feed)(feed.platform_id, feed.slug, feed.kind, url, feed.regions)
        with pytest.raises(InvalidInput):
            make_platforms().adapter(feed)


@pytest.mark.parametrize("options", [{"itmes": "x"}, {"tiers": {"a": "B"}}, {"ids": "isbn"}])
async def test_options_are_checked(make_platforms, make_feed, options):
    with pytest.raises(InvalidInput) as refused:
        make_platforms().adapter(make_feed(**options))
    assert refused.value.field == "options"


async def test_a_platforms_token_is_shown_to_it(make_platforms, make_feed, feed_server):
    platforms = make_platforms(tokens={"moon": SecretStr("s3cret"), "sun": SecretStr("other")})
    await platforms.adapter(make_feed()).authenticate()
    assert "Authorization: Bearer s3cret\r\n" in feed_server.heads[0]


async def test_feeds_are_searched_where_they_say_how(
    make_platforms, make_feed, feed_server, answer
):
    base = feed_server.url
    adapter = make_platforms().adapter(
        make_feed(
            search_url=base + "/search?q={words}",
            details_url=base + "/films/{ref}",
            genres_url=base + "/genres",
        )
    )
    feed_server.say(answer({"results": [{"id": 7, "name": "Moon", "year": 2009}]}))
    [found] = await adapter.search("moon & sun?", limit=5)
    assert (found.ref, found.name, found.year) == ("7", "Moon", 2009)
    assert unquote(feed_server.paths[-1]) == "/search?q=moon & sun?"
    feed_server.say(answer(status=404))
    assert await adapter.details("../7") is None
    assert feed_server.paths[-1] == "/films/..%2F7"
    feed_server.say(answer({"results": ["Drama", {"id": 1, "name": "War"}]}))
    assert await adapter.genres() == ["Drama", "War"]
    assert await adapter.trending() == []  # no address for that


# In the shape that TMDB documents for /movie/{id}/watch/providers.
def providers(number, **regions):
    return {"id": number, "results": regions}


def provider(id, name="Moon"):
    return {
        "logo_path": "/moon.jpg",
        "provider_id": id,
        "provider_name": name,
        "display_priority": 1,
    }


FRANCE = {
    "link": "https://www.themoviedb.org/movie/1/watch?locale=FR",
    "flatrate": [provider(8), provider(9, "Sun")],
    "rent": [provider(9, "Sun")],
    "buy": [provider(8)],
}


@pytest.fixture
def tmdb(make_platforms, make_feed):
    return make_platforms(tokens={"moon": SecretStr("key")}, retries=0).adapter(
        make_feed(kind="TMDB", provider_id=8)
    )


async def test_tmdb_tells_one_providers_offers(tmdb, film, feed_server, answer):
    async def by_path(path, writer):
        number = int(path.split("/")[3])
        if number == 3:
            return answer({"success": False, "status_code": 34}, 404)
        return answer(providers(number, **({"FR": FRANCE} if number == 1 else {})))

    feed_server.say(by_path)
    series, unnumbered = film(2, kind="SERIES"), PlatformTitle(UUID(int=4), "MOVIE")
    told = await tmdb.check([film(1), series, film(3), unnumbered], "FR")
    link = FRANCE["link"]
    assert told.offers == (
        PlatformOffer(ONE, "FR", "SUBSCRIPTION", link=link),
        PlatformOffer(ONE, "FR", "BUY", link=link),
    )
    assert told.covered == {ONE, TWO}  # what TMDB does not know is not gone
    assert sorted(feed_server.paths) == [
        "/3/movie/1/watch/providers",
        "/3/movie/3/watch/providers",
        "/3/tv/2/watch/providers",
    ]
    assert "Authorization: Bearer key\r\n" in feed_server.heads[0]


async def test_tmdb_keeps_what_it_learnt_before_an_error(tmdb, film, feed_server, answer):
    async def by_path(path, writer):
        number = int(path.split("/")[3])
        return answer(providers(number)) if number <= 5 else answer(status=500)

    feed_server.say(by_path)
    told = await tmdb.check([film(n) for n in range(1, 30)], "FR")
    assert {UUID(int=n) for n in range(1, 6)} == told.covered
    assert isinstance(told.error, PlatformUnavailable)
    assert len(feed_server.paths) < 20


BAD_TMDB = [
    {"results": {}},
    providers(2),
    {"id": 1, "results": []},
    providers(1, FR={"flatrate": {"provider_id": 8}}),
    providers(1, FR={"flatrate": [{"provider_id": "8"}]}),
    providers(1, FR={"flatrate": [None]}),
]


@pytest.mark.parametrize("body", BAD_TMDB, ids=str)
async def test_tmdb_answers_of_another_shape_are_refused(tmdb, film, feed_server, answer, body):
    feed_server.say(answer(body))
    with pytest.raises(PlatformInvalidResponse):
        await tmdb.check([film(1)], "FR")


async def test_tmdb_authenticates_and_searches(tmdb, feed_server, answer):
    feed_server.say(answer({"success": True, "status_code": 1, "status_message": "Success."}))
    await tmdb.authenticate()
    assert feed_server.paths == ["/3/authentication"]
    feed_server.say(answer({"success": False, "status_code": 7}, 401))
    with pytest.raises(PlatformUnavailable):
        await tmdb.authenticate()
    page = {"page": 1, "results": [{"id": 17431, "title": "Moon", "release_date": "2009-06-12"}]}
    feed_server.say(answer(page))
    [found] = await tmdb.search("moon")
    assert (found.ref, found.name, found.year) == ("17431", "Moon", 2009)
    assert await tmdb.trending() == [found]
    feed_server.say(answer({"genres": [{"id": 28, "name": "Action"}]}))
    assert await tmdb.genres() == ["Action"]
