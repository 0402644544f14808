"""The demo's catalogue: made by the rules, once."""

from services.seed.catalogue import seed_catalogue


async def test_the_demos_catalogue_is_made_once(db, make_user, sql):
    for _ in range(8):
        await make_user("FR")
    assert await seed_catalogue(db) == 32
    [[titles, offers, ratings, reviews, trends]] = await sql(
        "SELECT (SELECT count(*) FROM title), (SELECT count(*) FROM availability),"
        " (SELECT count(*) FROM rating), (SELECT count(*) FROM review),"
        " (SELECT count(*) FROM title_trend)"
    )
    assert titles == 32
    assert min(offers, ratings, reviews, trends) > 0
    [[wrong]] = await sql(
        "SELECT count(*) FROM rating_stats AS s WHERE (s.count, s.sum_tenths) <> ("
        " SELECT count(*), coalesce(sum(value_tenths), 0) FROM rating AS r"
        " WHERE r.title_id = s.title_id)"
    )
    assert wrong == 0
    assert await seed_catalogue(db) == 32
    assert await sql("SELECT count(*) FROM title") == [(32,)]
