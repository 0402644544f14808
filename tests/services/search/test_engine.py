"""Search as a server does it: by meaning where a model is ready, in the viewer's order if they
want it, and found without either."""

import pytest
from sqlalchemy import event

from adapters.embedder import FunctionEmbedder
from core.ids import new_id
from core.settings import Settings
from jobs.search_vectors import encode
from services.search.contract import SearchQuery
from services.search.encoding import Encoder
from services.search.engine import make_engine
from services.search.indexing import index_entities
from services.search.personal import Profile, Profiles, read_profile

WORDS = {"dread": 0, "horror": 0, "love": 1, "romance": 1}


def meaning(texts):
    vectors = []
    for one in texts:
        counts = [0.01, 0.01, 0.02]
        for word, place in WORDS.items():
            counts[place] += word in one.lower()
        length = sum(x * x for x in counts) ** 0.5
        vectors.append([x / length for x in counts])
    return vectors


MODEL = FunctionEmbedder("words-1", 3, meaning)


@pytest.fixture
def title(db, sql):
    """`await title("Ran", genres=["war"])`: a title in the index; its id."""

    async def make(name, description="", genres=()):
        id = new_id()
        await sql(
            "INSERT INTO title (id, kind, name, sort_name, description)"
            " VALUES (:id, 'MOVIE', :n, lower(:n), :d)",
            id=id,
            n=name,
            d=description,
        )
        for slug in genres:
            await sql(
                "INSERT INTO genre (id, slug, name) VALUES (:id, :s, initcap(:s))"
                " ON CONFLICT DO NOTHING",
                id=new_id(),
                s=slug,
            )
            await sql(
                "INSERT INTO title_genre SELECT :t, id FROM genre WHERE slug = :s", t=id, s=slug
            )
        await db.transaction(lambda tx: index_entities(tx, [("TITLE", id)]))
        return id

    return make


@pytest.fixture
async def user(sql):
    id = new_id()
    await sql(
        "INSERT INTO user_account (id, email, username, password_hash, display_name)"
        " VALUES (:id, 'ada@mela.test', 'ada', '-', 'Ada')",
        id=id,
    )
    return id


def engine_of(db, embedder=None):
    return make_engine(Settings(profile="test"), db, Encoder(embedder))


async def test_what_means_alike_is_found_once_the_model_is_ready(db, title):
    it = await title("It", "A clown and his dread")
    await title("Emma", "Of love")
    engine = engine_of(db, MODEL)
    asked = SearchQuery("horror", understand=False)
    page = await engine.search(asked)
    assert (page.total, page.retrievers) == (0, ("LEXICAL", "FUZZY"))
    await encode(db, MODEL)
    ready = engine_of(db, MODEL)
    page = await ready.search(asked)
    assert [(hit.entity_id, hit.matched) for hit in page.hits] == [(it, ("SEMANTIC",))]
    assert "SEMANTIC" in page.retrievers
    only = await ready.search(SearchQuery("horror", mode="SEMANTIC"))
    assert [hit.entity_id for hit in only.hits] == [it]
    words = await ready.search(SearchQuery("horror", mode="LEXICAL"))
    assert words.total == 0
    # Without a model by meaning alone: nothing, and it says so.
    nothing = await engine_of(db).search(SearchQuery("horror", mode="SEMANTIC"))
    assert (nothing.total, nothing.retrievers) == (0, ())
    await ready.semantic.encoder.close()


async def test_the_viewers_order_is_theirs_alone_and_can_be_left(db, title, user, sql):
    plain = [await title(f"House {n}") for n in range(6)]
    liked = await title("House of wax", genres=["horror"])
    await sql("INSERT INTO user_preference (user_id, genres) VALUES (:u, '{horror}')", u=user)
    engine = engine_of(db)

    async def order(**given):
        page = await engine.search(SearchQuery("house", understand=False, **given))
        return [hit.entity_id for hit in page.hits]

    everybodys = await order()
    assert sorted(everybodys) == sorted([*plain, liked])
    assert everybodys[-1] == liked  # the longest name
    assert await order(viewer_id=user, personalize=False) == everybodys
    theirs = await order(viewer_id=user)
    assert theirs.index(liked) == 5
    assert [id for id in theirs if id != liked] == [id for id in everybodys if id != liked]


async def test_a_profile_is_read_in_one_statement_and_believed_for_a_while(db, title, user, sql):
    one = await title("One", genres=["horror"])
    two = await title("Two", genres=["horror", "war"])
    three = await title("Three", genres=["comedy"])
    bob = new_id()
    await sql(
        "INSERT INTO user_account (id, email, username, password_hash, display_name)"
        " VALUES (:id, 'bob@mela.test', 'bob', '-', 'Bob')",
        id=bob,
    )
    await sql("INSERT INTO profile (user_id, region) VALUES (:u, 'FR')", u=user)
    await sql("INSERT INTO follow (follower_id, followee_id) VALUES (:u, :b)", u=user, b=bob)
    await sql(
        "INSERT INTO rating (user_id, title_id, value_tenths) VALUES (:u, :t, 90)", u=user, t=one
    )
    await sql(
        "INSERT INTO rating (user_id, title_id, value_tenths) VALUES (:u, :t, 20)", u=user, t=three
    )
    await sql(
        "INSERT INTO watchlist_item (user_id, title_id, priority) VALUES (:u, :t, 2)", u=user, t=two
    )
    statements = []

    def note(connection, cursor, statement, *rest):
        statements.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    profiles = Profiles(db)
    found = [await profiles.of(user), await profiles.of(user)]
    event.remove(db.engine.sync_engine, "before_cursor_execute", note)
    assert len(statements) == 1
    assert found == [Profile(genres={"horror": 1.0, "war": 1.0}, region="FR", follows=(bob,))] * 2
    assert await profiles.of(None) is None
    await sql(
        "INSERT INTO user_preference (user_id, genres, platforms, memberships, region)"
        " VALUES (:u, '{drama}', '{mubi}', '{netflix}', 'US')",
        u=user,
    )
    async with db.read() as session:
        profile = await read_profile(session, user)
    assert profile.genres == {"horror": 1.0, "war": 1.0, "drama": 1.0}
    assert (profile.region, profile.platforms) == ("US", {"mubi"})
    assert profile.memberships == {"netflix"}
