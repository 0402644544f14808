"""Each loader of the catalogue reads a batch in one statement, answers each key in order, and
leaves out what the viewer's rating limit hides."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.ids import new_id
from core.pagination import PageRequest
from loaders.base import Computed, Loaders, ManyBy, OneBy, PageBy, depends_on_viewer
from loaders.content import availability, titles, viewing
from loaders.content.availability import OffersAsked
from models.content.availability import Availability, Platform
from models.content.titles import Credit, Genre, Person, Title, TitleGenre
from models.content.viewing import (
    Rating,
    RatingStats,
    Review,
    UserPreference,
    ViewRecord,
    WatchlistItem,
)

PAGE = PageRequest(limit=5, forward=True)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def ask(loaders, loader, *keys):
    return asyncio.gather(*(loaders.load(loader, key) for key in keys))


@pytest.fixture
async def world(people, write):
    """Ada has a limit of PG_13; `mild` is PG, `adult` NC_17; the same rows stand around both."""
    ada, bob = await people(2)
    mild, adult, person, genre, platform = (new_id() for _ in range(5))
    both = (mild, adult)
    await write(
        Title,
        [
            {"id": key, "kind": "MOVIE", "name": name, "sort_name": name, "maturity": limit}
            for key, name, limit in ((mild, "mild", 1), (adult, "adult", 4))
        ],
    )
    await write(Person, [{"id": person, "name": "Bo"}])
    await write(Genre, [{"id": genre, "slug": "drama", "name": "Drama"}])
    await write(TitleGenre, [{"title_id": key, "genre_id": genre} for key in both])
    await write(
        Credit,
        [
            {"title_id": key, "position": n, "person_id": person, "role": role}
            for key in both
            for n, role in enumerate(("DIRECTOR", "ACTOR"))
        ],
    )
    await write(Platform, [{"id": platform, "slug": "moon", "name": "Moon"}])
    offers = [
        {
            "id": new_id(),
            "title_id": key,
            "platform_id": platform,
            "region": region,
            "tier": "BUY",
            "last_verified_at": MOMENT,
            "source": "POLL",
        }
        for key in both
        for region in ("DE", "FR")
    ]
    await write(Availability, offers)
    own = [{"user_id": ada, "title_id": key} for key in both]
    await write(Rating, [{**each, "value_tenths": 73} for each in own])
    histogram = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    stats = {"count": 1, "sum_tenths": 73, "histogram": histogram}
    await write(RatingStats, [{"title_id": mild, **stats}])
    await write(WatchlistItem, [{**each, "priority": 3} for each in own])
    reviews = [{"id": new_id(), "body": "Fine.", **each} for each in own]
    await write(Review, reviews)
    views = [{"id": new_id(), "watched_at": MOMENT, **each} for each in own]
    await write(ViewRecord, views)
    await write(UserPreference, [{"user_id": ada, "maturity_limit": 2, "genres": ["drama"]}])
    return {
        "ada": ada,
        "bob": bob,
        "mild": mild,
        "adult": adult,
        "person": person,
        "platform": platform,
        "offer": offers[0]["id"],
        "reviews": [review["id"] for review in reviews],
        "views": [view["id"] for view in views],
    }


async def read(db, statements, viewer, loader, *keys):
    """The answers, which took one statement."""
    statements.clear()
    found = await ask(Loaders(db, viewer), loader, *keys)
    assert len(statements) == 1, statements
    return found


async def test_single_rows(db, world, statements):
    absent = new_id()
    for loader, key in (
        (titles.title_by_id, world["mild"]),
        (titles.person_by_id, world["person"]),
        (availability.platform_by_id, world["platform"]),
        (availability.offer_by_id, world["offer"]),
        (viewing.review_by_id, world["reviews"][0]),
        (viewing.own_view_by_id, world["views"][0]),
    ):
        found = await read(db, statements, world["ada"], loader, absent, key)
        assert [row and row.id for row in found] == [None, key], loader.name
    loader = viewing.own_preferences_by_user_id
    for viewer, sees in ((world["ada"], True), (world["bob"], False)):
        [row] = await read(db, statements, viewer, loader, world["ada"])
        assert (row is not None) == sees


@pytest.mark.parametrize(
    ("loader", "keys"),
    [
        (titles.title_by_id, "titles"),
        (viewing.review_by_id, "reviews"),
        (viewing.own_view_by_id, "views"),
    ],
    ids=lambda each: getattr(each, "name", each),
)
async def test_rows_above_the_limit_are_absent(db, world, statements, loader, keys):
    asked = world[keys] if keys in world else [world["mild"], world["adult"]]
    found = await read(db, statements, world["ada"], loader, *asked)
    assert [row is not None for row in found] == [True, False]


async def test_what_stands_around_a_title(db, world, statements):
    mild, none = world["mild"], new_id()
    for loader, fields in (
        (titles.cast_by_title_id, [("role", "ACTOR")]),
        (titles.crew_by_title_id, [("role", "DIRECTOR")]),
        (titles.genres_by_title_id, [("slug", "drama")]),
    ):
        some, nothing = await read(db, statements, None, loader, (mild, 5), (none, 5))
        assert nothing == []
        assert [(name, getattr(some[0], name)) for name, _ in fields] == fields
    found = await read(db, statements, None, viewing.rating_stats_by_title_id, none, mild)
    assert [(stats.ratings, stats.mean) for stats in found] == [(0, None), (1, Decimal("7.30"))]


async def test_offers_of_one_filter_take_one_statement(db, world, statements):
    loader, mild, none = availability.offers_by_title_id, world["mild"], new_id()
    every = [OffersAsked(key, None, None, None, 50) for key in (mild, none)]
    some, nothing = await read(db, statements, None, loader, *every)
    assert ([offer.region for offer in some], nothing) == (["DE", "FR"], [])
    for region, tier, platform_id, first, regions in (
        ("FR", None, None, 50, ["FR"]),
        (None, "RENT", None, 50, []),
        (None, None, new_id(), 50, []),
        (None, "BUY", world["platform"], 1, ["DE"]),
    ):
        asked = OffersAsked(mild, region, tier, platform_id, first)
        [found] = await read(db, statements, None, loader, asked)
        assert [offer.region for offer in found] == regions


async def test_platforms_by_slugs(db, world, statements):
    loader = availability.platforms_by_slugs
    found = await read(db, statements, None, loader, ("none", "moon"), ())
    assert [[row.slug for row in rows] for rows in found] == [["moon"], []]


async def test_what_is_the_viewers_own(db, world, statements):
    ada, mild, none = world["ada"], world["mild"], new_id()
    for loader, own, nothing in (
        (viewing.viewer_rating_by_title_id, Decimal("7.3"), None),
        (viewing.in_watchlist_by_title_id, True, False),
    ):
        assert await read(db, statements, ada, loader, mild, none) == [own, nothing]
        assert await read(db, statements, world["bob"], loader, mild) == [nothing]
        assert await ask(Loaders(db), loader, mild) == [nothing]
    [review] = await read(db, statements, ada, viewing.viewer_review_by_title_id, mild)
    assert review.id == world["reviews"][0]
    [item] = await read(db, statements, ada, viewing.watchlist_item_by_title_id, mild)
    assert item.importance == "HIGH"


@pytest.mark.parametrize(
    ("loader", "key", "viewers"),
    [
        (titles.credits_by_person_id, "person", (4, 2)),
        (viewing.reviews_by_user_id, "ada", (2, 1)),
        (viewing.own_watchlist_by_user_id, "ada", (0, 1)),
        (viewing.own_views_by_user_id, "ada", (0, 1)),
        (viewing.reviews_by_title_id, "adult", (1, 0)),
    ],
    ids=lambda each: getattr(each, "name", None),
)
async def test_pages_and_their_counts_leave_out_what_is_hidden(
    db, world, statements, loader, key, viewers
):
    for viewer, count in zip((world["bob"], world["ada"]), viewers, strict=True):
        [page] = await read(db, statements, viewer, loader, (world[key], PAGE))
        assert len(page.nodes) == count
        assert await page.count() == count
        assert len(statements) == 2


def test_each_loader_is_tested_here():
    kinds = OneBy | ManyBy | PageBy | Computed
    made = {
        name: each
        for module in (titles, availability, viewing)
        for name, each in vars(module).items()
        if isinstance(each, kinds)
    }
    assert {name for name, each in made.items() if each.name != name} == set()
    with open(__file__, encoding="utf-8") as own:
        text = own.read()
    assert [name for name in made if f".{name}" not in text] == []
    assert depends_on_viewer(titles.title_by_id)
    assert not depends_on_viewer(titles.cast_by_title_id)
