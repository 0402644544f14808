"""Reading the catalogue: fields, filters, orders, the rating limit, and what it costs."""

import pytest

from core.ids import encode_id, new_id

KILN = {
    "title": "Kiln",
    "year": 2021,
    "release_date": "2021-03-04",
    "cast": ["Ada Quist", {"name": "Bo Lind", "character": "The potter"}],
    "directors": ["Cy Ray"],
    "genres": ["Drama", "Mystery"],
    "language": "sv",
    "country": "SE",
    "runtime": 94,
    "content_rating": "PG-13",
    "imdb_id": "tt0000001",
}
LOOM = {"title": "Loom", "year": 2023, "genres": ["Drama"], "cast": ["Bo Lind"], "kind": "SERIES"}
OLD = {"title": "old river", "year": 1950, "genres": ["Short"], "content_rating": "NC-17"}
BARE = {"title": "Bare 100%"}

WHOLE = """query ($id: ID!) { title(id: $id) {
  id kind name year releasedOn runtimeMinutes contentRating languages countries imdbNumber
  genres { slug name }
  cast(first: 1) { role character position person { name } }
  crew { role person { name } }
  ratingStats { count mean histogram }
  viewerRating inWatchlist viewerReview { id } watchlistItem { priority }
  availability { region } reviews { totalCount }
} }"""


async def test_a_title_with_all_that_is_around_it(ask, add_titles, ttl):
    [kiln] = await add_titles(KILN)
    title = (await ask(WHOLE, id=ttl(kiln)))["title"]
    assert title == {
        "id": ttl(kiln),
        "kind": "MOVIE",
        "name": "Kiln",
        "year": 2021,
        "releasedOn": "2021-03-04",
        "runtimeMinutes": 94,
        "contentRating": "PG_13",
        "languages": ["sv"],
        "countries": ["SE"],
        "imdbNumber": "tt0000001",
        "genres": [{"slug": "drama", "name": "Drama"}, {"slug": "mystery", "name": "Mystery"}],
        "cast": [
            {"role": "ACTOR", "character": None, "position": 1, "person": {"name": "Ada Quist"}}
        ],
        "crew": [{"role": "DIRECTOR", "person": {"name": "Cy Ray"}}],
        "ratingStats": {"count": 0, "mean": None, "histogram": [0] * 11},
        "viewerRating": None,
        "inWatchlist": False,
        "viewerReview": None,
        "watchlistItem": None,
        "availability": [],
        "reviews": {"totalCount": 0},
    }


async def test_what_is_not_there_is_null(ask):
    assert await ask(WHOLE, id=encode_id("ttl", new_id())) == {"title": None}
    assert await ask(WHOLE, id="nonsense") == {"title": None}


async def test_a_person_with_what_they_did_newest_first(ask, add_titles, sql):
    await add_titles(KILN, LOOM)
    [[bo]] = await sql("SELECT id FROM person WHERE name = 'Bo Lind'")
    asked = """query ($id: ID!) { person(id: $id) { name credits(first: 1) {
      totalCount nodes { role title { name } } pageInfo { endCursor hasNextPage } } } }"""
    person = (await ask(asked, id=encode_id("per", bo)))["person"]
    assert person["credits"]["nodes"] == [{"role": "ACTOR", "title": {"name": "Loom"}}]
    assert person["credits"]["totalCount"] == 2
    further = """query ($id: ID!, $after: Cursor) { person(id: $id) {
      credits(after: $after) { nodes { character title { name } } } } }"""
    cursor = person["credits"]["pageInfo"]["endCursor"]
    rest = (await ask(further, id=encode_id("per", bo), after=cursor))["person"]
    assert rest["credits"]["nodes"] == [{"character": "The potter", "title": {"name": "Kiln"}}]


NAMES = """query ($filter: TitleFilterInput, $order: TitleOrder! = TITLE, $first: Int) {
  titles(filter: $filter, orderBy: $order, first: $first) { totalCount nodes { name } } }"""


@pytest.fixture
def names(ask):
    async def read(person=None, order="TITLE", **wanted):
        page = (await ask(NAMES, person, filter=wanted or None, order=order))["titles"]
        assert page["totalCount"] == len(page["nodes"])
        return [node["name"] for node in page["nodes"]]

    return read


async def test_filters(names, add_titles, add_platform, report, plt):
    kiln, loom, _, _ = await add_titles(KILN, LOOM, OLD, BARE)
    moon, sun = await add_platform("moon"), await add_platform("sun")
    await report(kiln, moon, "FR", "SUBSCRIPTION")
    await report(loom, moon, "DE", "BUY")
    await report(loom, sun, "FR", "BUY", available=False)
    assert await names(kind=["SERIES", "SHORT"]) == ["Loom", "old river"]
    assert await names(genres=["drama"]) == ["Kiln", "Loom"]
    assert await names(genres=["drama", "mystery"]) == ["Kiln"]
    assert await names(genres=["nothing"]) == []
    assert await names(yearFrom=1951) == ["Kiln", "Loom"]
    assert await names(yearTo=2021, yearFrom=2021) == ["Kiln"]
    assert await names(yearTo=2**31 - 1) == ["Kiln", "Loom", "old river"]
    assert await names(language="sv") == ["Kiln"]
    assert await names(country="SE") == ["Kiln"]
    assert await names(text="OLD") == ["old river"]
    assert await names(text="%") == ["Bare 100%"]
    assert await names(text="_") == []
    assert await names(platform=plt(moon)) == ["Kiln", "Loom"]
    assert await names(platform=plt(moon), region="FR") == ["Kiln"]
    assert await names(region="FR") == ["Kiln"]  # what is gone does not count
    assert await names(region="DE", tier="RENT") == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"text": ""},
        {"text": "x" * 101},
        {"text": "\0"},
        {"genres": ["a"] * 21},
        {"platform": "usr_1"},
    ],
)
async def test_filters_that_cannot_be(execute, shapes, wanted):
    result = await execute(NAMES, filter=wanted)
    assert shapes.codes(result) == ["BAD_USER_INPUT"]


async def test_orders_and_pages(names, ask, add_titles, sql):
    await add_titles(KILN, LOOM, OLD, BARE)
    await sql("UPDATE title SET popularity = year, trend = 3000 - year WHERE year IS NOT NULL")
    assert await names(order="TITLE") == ["Bare 100%", "Kiln", "Loom", "old river"]
    assert await names(order="NEWEST") == ["Loom", "Kiln", "old river", "Bare 100%"]
    assert await names(order="POPULAR") == ["Loom", "Kiln", "old river", "Bare 100%"]
    assert await names(order="TRENDING") == ["old river", "Kiln", "Loom", "Bare 100%"]
    paged = """query ($order: TitleOrder!, $after: Cursor) { titles(orderBy: $order, first: 1,
      after: $after) { nodes { name } pageInfo { endCursor hasNextPage } } }"""
    for order in ("TITLE", "NEWEST", "POPULAR", "TRENDING"):
        seen, cursor, more = [], None, True
        while more:
            page = (await ask(paged, order=order, after=cursor))["titles"]
            seen += [node["name"] for node in page["nodes"]]
            cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert seen == await names(order=order)


NODE = "query ($id: ID!) { node(id: $id) { id } }"
RATE_ONE = """mutation ($id: ID!) { rateTitle(input: { titleId: $id, value: "1" }) {
  __typename } }"""
WATCH = "subscription ($id: ID!) { availabilityChanged(titleId: $id) { kind } }"
LIMIT = """mutation ($limit: ContentRating) { updatePreferences(input: {
  contentRatingLimit: $limit }) { ... on UpdatePreferencesSuccess {
  preferences { contentRatingLimit } } } }"""


async def test_the_rating_limit_hides_titles_everywhere_and_from_its_owner_alone(
    ask, stream, names, add_titles, make_user, ttl, shapes
):
    kiln, _, old, _ = await add_titles(KILN, LOOM, OLD, BARE)
    ada, bob = await make_user("ada"), await make_user("bob")
    for title in (kiln, old):
        for mutation in ("addToWatchlist", "rateTitle"):
            value = ', value: "7"' if mutation == "rateTitle" else ""
            done = await ask(
                f'mutation {{ {mutation}(input: {{ titleId: "{ttl(title)}"{value} }})'
                " { __typename } }",
                ada,
            )
            assert done[mutation]["__typename"].endswith("Success")
        await ask(
            'mutation ($id: ID!) { reviewTitle(input: { titleId: $id, body: "Fine." })'
            " { __typename } recordView(input: { titleId: $id }) { __typename } }",
            ada,
            id=ttl(title),
        )
    await ask(LIMIT, ada, limit="PG_13")
    assert await names(ada) == ["Bare 100%", "Kiln", "Loom"]
    assert await names(bob) == await names() == ["Bare 100%", "Kiln", "Loom", "old river"]
    assert (await ask(WHOLE, ada, id=ttl(old)))["title"] is None
    assert (await ask("query ($id: ID!) { node(id: $id) { id } }", ada, id=ttl(old)))[
        "node"
    ] is None
    own = await ask(
        "{ me { watchlist { totalCount nodes { title { name } } }"
        " viewingHistory { totalCount nodes { title { name } } }"
        " reviews { totalCount nodes { title { name } } } } }",
        ada,
    )
    for field in ("watchlist", "viewingHistory", "reviews"):
        only_kiln = {"totalCount": 1, "nodes": [{"title": {"name": "Kiln"}}]}
        assert own["me"][field] == only_kiln, field
    done = await ask(RATE_ONE, ada, id=ttl(old))
    assert done["rateTitle"]["__typename"] == "NotFound"
    watched = await stream(WATCH, ada, id=ttl(old))
    assert shapes.codes(await anext(watched)) == ["BAD_USER_INPUT"]
    assert await ask(LIMIT, ada, limit=None)  # and back
    assert len(await names(ada)) == 4


FIFTY = """{ titles(first: 50) { nodes { name
  cast(first: 5) { character person { name } } genres { name }
  availability(region: "FR") { tier price { amount } } ratingStats { count mean } } } }"""


async def test_fifty_titles_with_cast_genres_offers_and_stats_cost_five_statements(
    ask, add_titles, add_platform, report, statements
):
    keys = await add_titles(
        *(
            {
                "title": f"Title {n}",
                "year": 1950 + n,
                "cast": [f"Person {n % 7 + k}" for k in range(8)],
                "genres": ["Drama", f"Genre {n % 3}"],
            }
            for n in range(60)
        )
    )
    moon = await add_platform("moon")
    for key in keys[-5:]:
        await report(key, moon, price_minor=499, asset="EUR")
    statements.clear()
    nodes = (await ask(FIFTY))["titles"]["nodes"]
    assert len(nodes) == 50
    assert {len(node["cast"]) for node in nodes} == {5}
    assert {len(node["genres"]) for node in nodes} == {2}
    assert sum(len(node["availability"]) for node in nodes) == 5
    assert nodes[0]["availability"] == [{"tier": "SUBSCRIPTION", "price": {"amount": "4.99"}}]
    assert len(statements) == 5, "\n".join(statements)


async def test_shelves(ask, add_titles, add_platform, plt):
    await add_titles(KILN, OLD)
    moon = await add_platform("moon", home_url="https://moon.example")
    await add_platform("gone", active=False)
    data = await ask("{ genres { slug } platforms { id slug homeUrl } }")
    assert data["genres"] == [{"slug": "drama"}, {"slug": "mystery"}, {"slug": "short"}]
    [only] = data["platforms"]
    assert only == {"id": plt(moon), "slug": "moon", "homeUrl": "https://moon.example"}
    every = await ask("{ platforms(active: null) { slug } }")
    assert [one["slug"] for one in every["platforms"]] == ["gone", "moon"]
    assert await ask(NODE, id=plt(moon)) == {"node": {"id": plt(moon)}}
