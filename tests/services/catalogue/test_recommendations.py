"""What viewers are recommended and why, from rows written by hand; runs of the model over a real
database, alone and at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import event

from core.ids import new_id
from jobs.recommendations import refresh_recommendations
from services.content import recommendations as rules
from services.content.recommendations import Recommended, recommend

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def people(sql):
    """`await people(2)`: accounts."""

    async def make(count):
        ids = [new_id() for _ in range(count)]
        for id in ids:
            await sql(
                "INSERT INTO user_account (id, username, email, password_hash, display_name)"
                " VALUES (:id, :name, :mail, 'x', 'X')",
                id=id,
                name=f"u{id.hex[-12:]}",
                mail=f"{id.hex}@example.org",
            )
        return ids

    return make


@pytest.fixture
def title(sql):
    """`await title("Kiln", popularity=3, genres=["drama"])`: its key."""

    async def make(name, *, popularity=0, trend=0, maturity=None, genres=(), description=""):
        id = new_id()
        await sql(
            "INSERT INTO title (id, kind, name, sort_name, description, popularity, trend,"
            " maturity) VALUES (:id, 'MOVIE', :name, :name, :description, :popularity, :trend,"
            " :maturity)",
            id=id,
            name=name,
            description=description,
            popularity=popularity,
            trend=trend,
            maturity=maturity,
        )
        for slug in genres:
            await sql(
                "INSERT INTO genre (id, slug, name) VALUES (:id, :slug, :slug)"
                " ON CONFLICT DO NOTHING",
                id=new_id(),
                slug=slug,
            )
            await sql(
                "INSERT INTO title_genre SELECT :title, id FROM genre WHERE slug = :slug",
                title=id,
                slug=slug,
            )
        return id

    return make


@pytest.fixture
def rate(sql):
    async def make(user, title, tenths, *, days_ago=0):
        await sql(
            "INSERT INTO rating (user_id, title_id, value_tenths, updated_at)"
            " VALUES (:user, :title, :tenths, :at)",
            user=user,
            title=title,
            tenths=tenths,
            at=NOW - timedelta(days=days_ago),
        )

    return make


@pytest.fixture
def prefer(sql):
    async def make(user, **wishes):
        names = ", ".join(wishes)
        values = ", ".join(f":{name}" for name in wishes)
        await sql(
            f"INSERT INTO user_preference (user_id, {names}) VALUES (:user, {values})",
            user=user,
            **wishes,
        )

    return make


@pytest.fixture
def together(sql):
    """`await together(one, (other, 0.5), …)`: what a run found to go with a title."""

    async def keep(title, *others):
        await sql(
            "INSERT INTO title_neighbours VALUES (:title, :ids, :scores)",
            title=title,
            ids=[other for other, _ in others],
            scores=[score for _, score in others],
        )

    return keep


@pytest.fixture
def offer(sql):
    async def make(title, platform, region, tier="ADS", **more):
        await sql(
            "INSERT INTO platform (id, slug, name) VALUES (:id, :slug, :slug)"
            " ON CONFLICT DO NOTHING",
            id=new_id(),
            slug=platform,
        )
        given = {"available": True, "available_from": None, "available_until": None} | more
        await sql(
            "INSERT INTO availability (id, title_id, platform_id, region, tier, available,"
            " available_from, available_until, last_verified_at, source)"
            " SELECT :id, :title, id, :region, :tier, :available, :available_from,"
            " :available_until, now(), 'POLL' FROM platform WHERE slug = :slug",
            id=new_id(),
            title=title,
            slug=platform,
            region=region,
            tier=tier,
            **given,
        )

    return make


@pytest.fixture
def wanted(db):
    """`await wanted(viewer, 10)`: the recommendations and how many statements they took."""

    async def read(viewer, first=10):
        seen = []

        def note(_, __, statement, *rest):
            seen.append(statement)

        event.listen(db.engine.sync_engine, "before_cursor_execute", note)
        try:
            async with db.read() as session:
                found = await recommend(session, viewer_id=viewer, first=first)
        finally:
            event.remove(db.engine.sync_engine, "before_cursor_execute", note)
        return found, len(seen)

    return read


def liked(title, because):
    return Recommended(title, "BECAUSE_YOU_LIKED", because)


async def test_who_is_unknown_gets_what_is_popular(people, title, wanted):
    [ada] = await people(1)
    quiet, loud = await title("quiet"), await title("loud", popularity=10)
    risen = await title("risen", popularity=1, trend=5)
    popular = [Recommended(one, "POPULAR", None) for one in (risen, loud, quiet)]
    assert await wanted(ada) == (popular, 2)
    assert await wanted(None) == (popular, 1)
    assert await wanted(None, 1) == (popular[:1], 1)
    assert (await wanted(None, 0))[0] == []


async def test_what_people_of_the_region_watch_comes_first(
    people, title, prefer, wanted, sql, offer
):
    [ada] = await people(1)
    await prefer(ada, region="FR")
    world, local = await title("world", trend=9), await title("local", trend=1)
    for one in (world, local):
        await offer(one, "moon", "FR")
    await sql(
        "INSERT INTO title_trend (timeframe, region, title_id, kind, score)"
        " VALUES ('MONTH', 'FR', :local, 'MOVIE', 5), ('MONTH', '', :world, 'MOVIE', 9)",
        local=local,
        world=world,
    )
    assert [one.title_id for one in (await wanted(ada))[0]] == [local, world]


async def test_preferred_genres_come_before_what_is_popular(people, title, prefer, wanted):
    [ada] = await people(1)
    await prefer(ada, genres=["drama"])
    loud = await title("loud", popularity=10, genres=["crime"])
    drama = await title("drama", popularity=1, genres=["drama", "crime"])
    assert (await wanted(ada))[0] == [
        Recommended(drama, "SIMILAR_GENRES", None),
        Recommended(loud, "POPULAR", None),
    ]


async def test_neighbours_of_liked_titles_come_by_score_with_the_title_that_speaks_for_them(
    people, title, rate, together, wanted
):
    [ada] = await people(1)
    old, new = await title("old"), await title("new")
    one, two, three = await title("one"), await title("two"), await title("three")
    await rate(ada, old, 100, days_ago=30)
    await rate(ada, new, 70)
    await together(old, (one, 0.9), (three, 0.9))
    await together(new, (two, 0.8), (one, 0.2))
    # new counts whole, old 1 / (1 + 1/5): one 0.2 + 0.75, two 0.8, three 0.75.
    expected = [liked(one, old), liked(two, new), liked(three, old)]
    assert await wanted(ada, 3) == (expected, 1)
    assert await wanted(ada, 10) == (expected, 2)


async def test_a_bad_rating_is_the_last_word_and_a_middling_one_no_reason(
    people, title, rate, together, wanted, sql
):
    [ada] = await people(1)
    bad, middling, seen = await title("bad"), await title("middling"), await title("seen")
    one, two, three = await title("one"), await title("two"), await title("three")
    await rate(ada, bad, 49)
    await rate(ada, middling, 50)
    await sql(
        "INSERT INTO view_record"
        " (id, user_id, title_id, watched_at, duration_s, progress, completed) VALUES"
        " (:a, :ada, :bad, now(), 1, 99, true), (:b, :ada, :seen, now(), 1, 99, true)",
        a=new_id(),
        b=new_id(),
        ada=ada,
        bad=bad,
        seen=seen,
    )
    await together(bad, (one, 0.9))
    await together(middling, (two, 0.9), (three, 0.1))
    await together(seen, (three, 0.1))
    assert (await wanted(ada))[0] == [
        liked(three, seen),
        Recommended(two, "POPULAR", None),
        Recommended(one, "POPULAR", None),
    ]


async def test_what_was_rated_watched_or_listed_is_left_out(
    people, title, rate, together, wanted, sql
):
    ada, bob = await people(2)
    source, rated, begun, listed, fresh = [await title(name) for name in "srblf"]
    await rate(ada, source, 90, days_ago=5)
    await rate(ada, rated, 10)
    await sql(
        "INSERT INTO view_record (id, user_id, title_id, watched_at, duration_s, progress)"
        " VALUES (:id, :ada, :t, now(), 1, 1)",
        id=new_id(),
        ada=ada,
        t=begun,
    )
    await sql("INSERT INTO watchlist_item VALUES (:ada, :t, 2, now())", ada=ada, t=listed)
    await together(source, (rated, 0.9), (begun, 0.8), (listed, 0.7), (fresh, 0.1))
    assert (await wanted(ada))[0] == [liked(fresh, source)]
    # Another's acts leave out nothing.
    assert {one.title_id for one in (await wanted(bob))[0]} == {
        source, rated, begun, listed, fresh,
    }  # fmt: skip


async def test_only_what_can_be_watched_in_the_region(
    people, title, rate, together, prefer, offer, wanted
):
    [ada] = await people(1)
    names = ("source", "here", "there", "ended", "later", "gone", "nowhere")
    ids = {name: await title(name, popularity=9) for name in names}
    await prefer(ada, region="FR")
    await rate(ada, ids["source"], 90)
    await together(ids["source"], *((ids[name], 0.5) for name in names[1:]))
    past, future = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    await offer(ids["here"], "moon", "FR", available_from=past, available_until=future)
    await offer(ids["there"], "moon", "DE")
    await offer(ids["ended"], "moon", "FR", available_until=past)
    await offer(ids["later"], "moon", "FR", available_from=future)
    await offer(ids["gone"], "moon", "FR", available=False)
    assert (await wanted(ada))[0] == [liked(ids["here"], ids["source"])]


@pytest.mark.parametrize(
    ("wishes", "seen"),
    [
        ({}, ["ads", "paid", "rent", "none"]),
        ({"platforms": ["moon"]}, ["ads", "paid"]),
        ({"platforms": ["sun"]}, ["rent"]),
        ({"memberships": ["sun"]}, ["ads", "rent"]),
        ({"memberships": ["moon"]}, ["ads", "paid", "rent"]),
        ({"platforms": ["sun"], "memberships": ["moon"]}, ["ads", "paid", "rent"]),
        ({"platforms": ["moon"], "region": "DE"}, []),
    ],
    ids=str,
)
async def test_only_what_platforms_and_memberships_show(
    people, title, prefer, offer, wanted, wishes, seen
):
    [ada] = await people(1)
    ids = {name: await title(name) for name in ("ads", "paid", "rent", "none")}
    await offer(ids["ads"], "moon", "FR", "ADS")
    await offer(ids["paid"], "moon", "FR", "SUBSCRIPTION")
    await offer(ids["rent"], "sun", "FR", "RENT")
    if wishes:
        await prefer(ada, **wishes)
    assert {one.title_id for one in (await wanted(ada))[0]} == {ids[name] for name in seen}


async def test_the_rating_limit_hides_titles_and_reasons(
    people, title, rate, together, prefer, wanted
):
    [ada] = await people(1)
    await prefer(ada, maturity_limit=2)
    adult, mild = await title("adult", maturity=4), await title("mild", maturity=2)
    more, other = await title("more", maturity=3), await title("other")
    await rate(ada, adult, 90)
    await rate(ada, mild, 90, days_ago=5)
    await together(adult, (more, 0.9), (other, 0.9))
    await together(mild, (other, 0.1), (more, 0.1))
    assert (await wanted(ada))[0] == [liked(other, mild)]


async def neighbours(sql):
    rows = await sql("SELECT title_id, neighbours, scores, xmin::text FROM title_neighbours")
    return {row.title_id: tuple(row[1:]) for row in rows}


@pytest.fixture
async def crowd(people, title, rate):
    """Twelve who like either the three of one kind or the three of another; and a new title that is
    like the first kind, which nobody knows."""
    war = [await title(f"war {n}", genres=["war"]) for n in range(3)]
    love = [await title(f"love {n}", genres=["romance"]) for n in range(3)]
    unknown = await title("unknown", genres=["war"])
    for number, person in enumerate(await people(12)):
        for one in war if number % 2 else love:
            await rate(person, one, 80)
    return war, love, unknown


async def test_a_run_finds_what_goes_together_and_again_changes_nothing(db, sql, crowd):
    war, love, unknown = crowd
    run = await refresh_recommendations(db)
    assert (run.titles, run.changed) == (7, 7)
    found = await neighbours(sql)
    assert set(found[war[0]][0][:2]) == {war[1], war[2]}
    assert set(found[war[0]][0]) == {war[1], war[2], unknown}
    assert set(found[love[0]][0]) == {love[1], love[2]}
    assert set(found[unknown][0]) == set(war)
    assert await refresh_recommendations(db) is None
    again = await refresh_recommendations(db, again=True)
    assert (again.titles, again.changed) == (7, 0)
    assert await neighbours(sql) == found
    assert db.published == []


async def test_a_run_after_a_new_rating_writes_what_changed(db, sql, crowd, people, rate):
    war, love, _ = crowd
    await refresh_recommendations(db)
    before = await neighbours(sql)
    [ada] = await people(1)
    await rate(ada, war[0], 90)
    await rate(ada, love[0], 90)
    run = await refresh_recommendations(db)
    after = await neighbours(sql)
    assert love[0] in after[war[0]][0]
    assert run.changed == sum(before[title] != after[title] for title in before) > 0


async def test_of_two_runs_at_once_one_runs(db, sql, crowd):
    runs = await asyncio.gather(*(refresh_recommendations(db, again=True) for _ in range(2)))
    assert sorted(run is None for run in runs) == [False, True]
    assert len(await neighbours(sql)) == 7
    [row] = await sql("SELECT runner, runs_until, made_from, computed_at FROM recommendation_run")
    assert (row.runner, row.runs_until) == (None, None)
    assert row.made_from is not None
    assert row.computed_at is not None


async def test_a_killed_run_makes_place_after_a_while_and_keeps_nothing_more(db, sql, crowd):
    killed = new_id()
    await db.transaction(partial(rules.begin_run, runner=killed))
    assert await refresh_recommendations(db) is None
    await sql("UPDATE recommendation_run SET runs_until = now() - interval '1 second'")
    assert (await refresh_recommendations(db)).changed == 7
    before = await neighbours(sql)
    rows = f'[{{"title": "{crowd[2]}", "neighbours": [], "scores": []}}]'
    kept = await db.transaction(partial(rules.keep_neighbours, runner=killed, rows=rows))
    assert kept == 0
    assert await neighbours(sql) == before


async def test_a_run_that_is_cancelled_lets_the_next_begin(db, sql, crowd):
    run = asyncio.create_task(refresh_recommendations(db))
    async with asyncio.timeout(10):
        while not (await sql("SELECT runner FROM recommendation_run"))[0].runner:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await sql("SELECT made_from FROM recommendation_run"))[0].made_from is None
    assert (await refresh_recommendations(db)).titles == 7


async def test_a_run_over_nothing_ends(db):
    run = await refresh_recommendations(db)
    assert (run.titles, run.changed) == (0, 0)
