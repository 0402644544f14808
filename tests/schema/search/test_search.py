"""Search over the schema: what is found, counted and marked, page by page, by whom, and with how
many statements."""

import pytest

from core.ids import encode_id, new_id
from services.search.indexing import index_entities

SEARCH = """
query ($q: String!, $types: [SearchResultType!], $filters: SearchFilterInput,
       $facets: [SearchFacetName!], $mode: SearchMode! = ALL, $first: Int, $after: Cursor,
       $last: Int, $before: Cursor) {
  search(query: $q, types: $types, filters: $filters, facets: $facets, mode: $mode, first: $first,
         after: $after, last: $last, before: $before) {
    totalCount tookMs didYouMean
    interpretation { intent remaining semantic retrievers entities { kind text value certain } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    facets { name valuesCount values { value label count selected } }
    edges { cursor node { score matched highlights { field text ranges { start end } } node {
      __typename ... on Title { id name year } ... on Person { id } ... on Post { id }
      ... on User { id } ... on Product { id } ... on Auction { id } } } }
  }
}
"""
FILMS = (
    ("The Shawshank Redemption", 1994, "drama", 3, "Two imprisoned men bond over years."),
    ("Casablanca", 1942, "drama", 2, "An American meets a former lover in wartime."),
    ("War and Peace", 1966, "war", 1, "Families in Russia during the war with Napoleon."),
    ("Paths of Glory", 1957, "war", 4, "Soldiers of a war refuse an attack."),
    ("Airplane!", 1980, "comedy", 0, "A man afraid to fly must land a plane."),
)


@pytest.fixture
def index(server):
    """`await index("TITLE", id, …)`: brought into the index."""

    async def bring(kind, *ids):
        return await server.db.transaction(
            lambda tx: index_entities(tx, [(kind, id) for id in ids])
        )

    return bring


@pytest.fixture
async def films(sql, index):
    """The films by name: their ids. `maturity` is their place in the list."""
    ids = {}
    genres = {slug: new_id() for slug in ("drama", "war", "comedy")}
    for slug, id in genres.items():
        await sql(
            "INSERT INTO genre (id, slug, name) VALUES (:id, :slug, :name)",
            id=id,
            slug=slug,
            name=slug.title(),
        )
    for name, year, genre, maturity, told in FILMS:
        id = ids[name] = new_id()
        await sql(
            "INSERT INTO title (id, kind, name, sort_name, year, maturity, description)"
            " VALUES (:id, 'MOVIE', :name, lower(left(:name, 40)), :year, :maturity, :told)",
            id=id,
            name=name,
            year=year,
            maturity=maturity,
            told=told,
        )
        await sql(
            "INSERT INTO title_genre (title_id, genre_id) VALUES (:id, :genre)",
            id=id,
            genre=genres[genre],
        )
    await index("TITLE", *ids.values())
    return ids


@pytest.fixture
async def offers(sql, films, index):
    """Casablanca free on alpha in France and to rent on beta in the US; Airplane! the other way."""
    platforms = {}
    for slug in ("alpha", "beta"):
        platforms[slug] = new_id()
        await sql(
            "INSERT INTO platform (id, slug, name) VALUES (:id, :slug, :name)",
            id=platforms[slug],
            slug=slug,
            name=slug.title(),
        )
    for name, platform, region, tier in (
        ("Casablanca", "alpha", "FR", "FREE"),
        ("Casablanca", "beta", "US", "RENT"),
        ("Airplane!", "alpha", "US", "RENT"),
        ("Airplane!", "beta", "FR", "FREE"),
    ):
        await sql(
            "INSERT INTO availability (id, title_id, platform_id, region, tier, source,"
            " last_verified_at) VALUES (:id, :title, :platform, :region, :tier, 'MANUAL', now())",
            id=new_id(),
            title=films[name],
            platform=platforms[platform],
            region=region,
            tier=tier,
        )
    await index("TITLE", *films.values())


@pytest.fixture
def find(ask):
    """`await find("war", person, …)`: the page."""

    async def run(q, person=None, **variables):
        return (await ask(SEARCH, person, q=q, **variables))["search"]

    return run


def names(page):
    return [edge["node"]["node"]["name"] for edge in page["edges"]]


def counts(page):
    return {
        facet["name"]: {each["value"]: each["count"] for each in facet["values"]}
        for facet in page["facets"]
    }


async def test_words_find_what_they_stand_in_with_marks_and_counts(find, films):
    page = await find("war", facets=["GENRE", "DECADE"])
    assert names(page) == ["War and Peace", "Paths of Glory"]
    assert page["totalCount"] == 2
    assert counts(page) == {"GENRE": {"war": 2}, "DECADE": {"1950": 1, "1960": 1}}
    first, second = (edge["node"] for edge in page["edges"])
    assert first["matched"] == ["LEXICAL"]
    assert first["highlights"][0] == {
        "field": "NAME",
        "text": "War and Peace",
        "ranges": [{"start": 0, "end": 3}],
    }
    [marked] = [each for each in second["highlights"] if each["field"] == "BODY"]
    assert marked == {
        "field": "BODY",
        "text": "Soldiers of a war refuse an attack.",
        "ranges": [{"start": 14, "end": 17}],
    }


async def test_a_misspelt_title_is_first_and_says_how_it_was_found(find, films):
    page = await find("shawshenk redemtion")
    assert names(page)[0] == "The Shawshank Redemption"
    assert page["edges"][0]["node"]["matched"] == ["FUZZY"]
    assert page["interpretation"]["semantic"] is False
    assert page["interpretation"]["retrievers"] == ["LEXICAL", "FUZZY"]
    assert page["didYouMean"] == "shawshank redemption"


async def test_nothing_typed_is_everything_and_pages_meet(find, films, sql, index):
    await sql("UPDATE title SET popularity = maturity * 10")
    await index("TITLE", *films.values())
    whole = await find("")
    assert whole["totalCount"] == 5
    assert names(whole)[0] == "Paths of Glory"
    assert whole["interpretation"]["intent"] == "BROWSE"
    assert whole["edges"][0]["node"]["matched"] == []
    seen, after = [], None
    while True:
        page = await find("", first=2, after=after)
        seen += names(page)
        assert page["totalCount"] == 5
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen == names(whole)
    back = await find("", last=2, before=whole["edges"][3]["cursor"])
    assert names(back) == names(whole)[1:3]
    assert back["pageInfo"]["hasPreviousPage"] is True


async def test_a_facets_own_filter_is_lifted_where_it_is_counted(find, films):
    page = await find("", filters={"genres": ["war"], "year": {"from": 1950}}, facets=["GENRE"])
    assert sorted(names(page)) == ["Paths of Glory", "War and Peace"]
    [facet] = page["facets"]
    assert {each["value"]: (each["count"], each["selected"]) for each in facet["values"]} == {
        "war": (2, True),
        "drama": (1, False),
        "comedy": (1, False),
    }


async def test_platform_region_and_tier_are_of_one_offer(find, offers):
    asked = {"platforms": ["alpha"], "regions": ["US"], "tiers": ["FREE"]}
    assert (await find("", filters=asked))["totalCount"] == 0
    asked = {"platforms": ["alpha"], "regions": ["US"]}
    page = await find("", filters=asked, facets=["PLATFORM", "TIER", "REGION"])
    assert names(page) == ["Airplane!"]
    assert counts(page) == {
        "PLATFORM": {"beta": 1, "alpha": 1},
        "TIER": {"RENT": 1},
        "REGION": {"FR": 1, "US": 1},
    }


async def test_what_a_viewer_blocked_or_who_blocked_them_is_in_no_answer(
    find, sql, index, make_user, open_stall, list_product
):
    ada, bob = await make_user("ada", roles=("ARTISAN",)), await make_user("bob")
    stall = await open_stall(ada)
    product = await list_product(ada, stall, name="Celadon bowl")
    await index("PRODUCT", product)
    for person, expected in ((None, 1), (bob, 1), (ada, 1)):
        assert (await find("celadon", person))["totalCount"] == expected
    for blocker, blocked in ((bob, ada), (ada, bob)):
        await sql("DELETE FROM block")
        await sql("INSERT INTO block VALUES (:a, :b, now())", a=blocker.id, b=blocked.id)
        page = await find("celadon", bob, facets=["TYPE", "SELLER", "STALL", "CATEGORY"])
        assert (page["totalCount"], page["edges"]) == (0, [])
        assert all(facet["values"] == [] for facet in page["facets"])
        assert (await find("", bob, types=["PRODUCT"]))["totalCount"] == 0
        assert (await find("celadn", bob, mode="FUZZY"))["totalCount"] == 0
        assert (await find("celadon"))["totalCount"] == 1


async def test_titles_above_the_viewers_limit_are_not_counted(find, films, sql, make_user):
    ada = await make_user("ada")
    await sql("INSERT INTO user_preference (user_id, maturity_limit) VALUES (:id, 2)", id=ada.id)
    page = await find("", ada, facets=["GENRE"])
    assert sorted(names(page)) == ["Airplane!", "Casablanca", "War and Peace"]
    assert (page["totalCount"], counts(page)["GENRE"]) == (3, {"drama": 1, "war": 1, "comedy": 1})


async def test_sellers_are_filtered_and_counted_by_their_public_id(
    find, index, make_user, open_stall, list_product
):
    ada = await make_user("ada", roles=("ARTISAN",))
    stall = await open_stall(ada)
    product = await list_product(ada, stall, name="Celadon bowl")
    await index("PRODUCT", product)
    page = await find("", filters={"sellers": [ada.public_id]}, facets=["SELLER", "STALL"])
    assert page["totalCount"] == 1
    assert counts(page) == {"SELLER": {ada.public_id: 1}, "STALL": {encode_id("stl", stall): 1}}


async def test_what_left_the_index_a_moment_ago_is_not_counted(find, films, server, sql):
    assert (await find("war"))["totalCount"] == 2
    await sql("DELETE FROM title_genre")
    await sql("DELETE FROM title WHERE name = 'War and Peace'")

    async def take_out(tx):
        await index_entities(tx, [("TITLE", films["War and Peace"])])

    await server.db.transaction(take_out)
    page = await find("war", facets=["DECADE"])
    assert (names(page), counts(page)) == (["Paths of Glory"], {"DECADE": {"1950": 1}})


async def test_a_hit_that_the_index_has_and_the_table_not_is_left_out(find, films, sql):
    await sql("DELETE FROM title_genre")
    await sql("DELETE FROM title WHERE name = 'War and Peace'")
    page = await find("war")
    assert names(page) == ["Paths of Glory"]


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE title; --",
        "' OR 1=1 --",
        "%_\\",
        "$1 :q {x}",
        "war' UNION SELECT password_hash FROM user_account",
        "!!! ??? ...",
        "\u202e\u0301\ufffd",
    ],
)
async def test_sql_and_signs_are_text(find, films, text):
    page = await find(text)
    assert {"Airplane!"} & set(names(page)) == set()
    assert (await find("war"))["totalCount"] == 2


@pytest.mark.parametrize(
    ("variables", "details"),
    [
        ({"filters": {"regions": ["fr"]}}, {"filter": "regions"}),
        ({"filters": {"sellers": ["usr_1"]}}, {"filter": "sellers"}),
        ({"filters": {"year": {"from": 2001, "to": 2000}}}, {"filter": "yearFrom"}),
        ({"filters": {"price": {"asset": "USD", "from": "1.234"}}}, {"filter": "price.from"}),
        ({"filters": {"genres": ["x"] * 51}}, {"filter": "genres"}),
    ],
)
async def test_a_value_that_a_filter_cannot_have_is_an_error_with_its_name(
    execute, films, variables, details
):
    result = await execute(SEARCH, q="war", **variables)
    [error] = result.errors
    said = error.extensions
    assert (said["code"], said["details"]["filter"]) == ("BAD_USER_INPUT", details["filter"])
    assert said["details"]["reason"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"q": "x" * 501}, "500 characters"),
        ({"q": "a\0b"}, "NUL"),
        ({"q": "war", "first": 101}, "first"),
        ({"q": "war", "after": "bm9uZQ"}, "cursor"),
    ],
)
async def test_questions_that_cannot_be_asked_are_refused(execute, films, variables, message):
    result = await execute(SEARCH, **variables)
    [error] = result.errors
    assert error.extensions["code"] == "BAD_USER_INPUT"
    assert message in error.message


async def test_every_mode_finds_by_its_own_way_alone(find, films):
    assert (await find("shawshenk", mode="LEXICAL"))["totalCount"] == 0
    assert (await find("casablanka", mode="FUZZY"))["edges"][0]["node"]["matched"] == ["FUZZY"]
    page = await find("war", mode="SEMANTIC")
    assert (page["totalCount"], page["interpretation"]["retrievers"]) == (0, [])


async def test_a_page_takes_few_statements_whatever_it_holds(find, films, statements):
    for first in (1, 20):
        await find("war", facets=["GENRE", "YEAR"], first=first)  # what is kept in memory is read
        statements.clear()
        await find("war", facets=["GENRE", "YEAR"], first=first)
        ours = [said for said in statements if "search_" in said]
        reads = [said for said in ours if "FROM search_posting" in said or "left(body" in said]
        assert len(reads) == 2, "postings, and the texts of the page"
        assert len([said for said in ours if "AS maturity_limit" in said]) == 1
        nodes = [said for said in statements if "title.sort_name" in said]
        assert len(nodes) == 1
        assert len(statements) <= 8
