"""Feeds: whose posts come, in which order, page by page, and what a page costs."""

import pytest

from core.ids import decode_id
from services.users import people

HOME = """
query ($first: Int, $after: Cursor, $last: Int, $before: Cursor) {
  homeFeed(first: $first, after: $after, last: $last, before: $before) { totalCount
    pageInfo { hasNextPage hasPreviousPage endCursor startCursor } nodes { title } } }
"""
FULL = """
query { homeFeed(first: 20) { nodes {
  id title excerpt commentCount reactionCount shareCount viewCount eventCursor
  reactions { kind count } viewerReactions author { username avatarUrl }
  comments(first: 2) { nodes { text reactionCount author { username } } } } } }
"""
LIST = """
query ($by: PostOrder!, $first: Int, $after: Cursor) {
  posts(orderBy: $by, first: $first, after: $after) {
    pageInfo { hasNextPage endCursor } nodes { title } } }
"""
TRENDING = "query ($of: Timeframe!) { trendingPosts(timeframe: $of) { nodes { title } } }"


def titles(connection):
    return [node["title"] for node in connection["nodes"]]


async def walk(ask, query, person, name, size, **variables):
    """All titles, page after page."""
    found, after = [], None
    while True:
        data = await ask(query, person, first=size, after=after, **variables)
        page = data[name]
        assert len(page["nodes"]) <= size
        found += titles(page)
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.fixture
def age(sql):
    """`await age(post, hours=5)`: let a post have been published so long ago."""

    async def make(post_id, **span):
        [(unit, number)] = span.items()
        await sql(
            f"UPDATE post SET published_at = published_at - interval '{number} {unit}',"
            f" heat = heat - round(extract(epoch FROM interval '{number} {unit}') * 1000 / 43200)"
            " WHERE id = :id",
            id=decode_id(post_id, "pst"),
        )

    return make


async def test_a_home_feed_has_those_one_follows_and_nobody_muted_or_absent(
    ask, execute, shapes, make_user, write_post, follow, between
):
    me, ada, bob, eve, zoe = [
        await make_user(name) for name in ("me_1", "ada", "bob", "eve", "zoe")
    ]
    for person in (ada, bob, eve):
        await follow(me, person)
    for n in range(2):
        for person in (ada, bob, eve, zoe, me):
            await write_post(person, title=f"{person.username} {n}")
    await write_post(ada, title="a draft", publish=False)
    feed = (await ask(HOME, me))["homeFeed"]
    assert titles(feed) == ["eve 1", "bob 1", "ada 1", "eve 0", "bob 0", "ada 0"]
    assert feed["totalCount"] == 6
    await between(people.mute, me, bob)
    await between(people.block, eve, me)
    feed = (await ask(HOME, me))["homeFeed"]
    assert (titles(feed), feed["totalCount"]) == (["ada 1", "ada 0"], 2)
    await between(people.unmute, me, bob)
    assert await walk(ask, HOME, me, "homeFeed", 1) == ["bob 1", "ada 1", "bob 0", "ada 0"]
    assert titles((await ask(HOME, zoe))["homeFeed"]) == []
    assert shapes.codes(await execute(HOME)) == ["UNAUTHENTICATED"]


async def test_pages_of_the_home_feed_go_both_ways_without_gaps(ask, make_user, write_post, follow):
    me, authors = await make_user("me_1"), [await make_user() for _ in range(3)]
    for author in authors:
        await follow(me, author)
    for n in range(12):
        await write_post(authors[n % 3], title=f"{n}")
    everything = [f"{n}" for n in reversed(range(12))]
    for size in (1, 4, 5, 12, 20):
        assert await walk(ask, HOME, me, "homeFeed", size) == everything
    last = (await ask(HOME, me, last=5))["homeFeed"]
    assert titles(last) == everything[-5:]
    assert last["pageInfo"]["hasPreviousPage"] is True
    before = last["pageInfo"]["startCursor"]
    assert titles((await ask(HOME, me, last=5, before=before))["homeFeed"]) == everything[2:7]


async def test_a_full_home_feed_takes_six_statements(
    ask, make_user, write_post, follow, comment, statements, sql
):
    """Twenty posts with authors, counts, one's own reactions, and the first two comments with
    theirs."""
    me = await make_user("me_1")
    authors = [await make_user() for _ in range(5)]
    readers = [await make_user() for _ in range(3)]
    for author in authors:
        await follow(me, author)
    posts = [await write_post(authors[n % 5], title=f"{n}") for n in range(22)]
    for n, post in enumerate(posts):
        for reader in readers[: n % 4]:
            await comment(reader, post, f"of {reader.username}")
    react = """mutation ($id: ID!) {
      react(input: {nodeId: $id, kind: FUNNY}) { __typename } }"""
    for post in posts[::2]:
        await ask(react, me, id=post)
    statements.clear()
    nodes = (await ask(FULL, me))["homeFeed"]["nodes"]
    assert len(statements) <= 6, statements
    assert [node["title"] for node in nodes] == [f"{n}" for n in range(21, 1, -1)]
    for node in nodes:
        n = int(node["title"])
        assert node["author"]["username"] == authors[n % 5].username
        assert node["commentCount"] == n % 4
        expected = [f"of {reader.username}" for reader in readers[: min(2, n % 4)]]
        assert [c["text"] for c in node["comments"]["nodes"]] == expected
        assert [f"of {c['author']['username']}" for c in node["comments"]["nodes"]] == expected
        assert node["viewerReactions"] == (["FUNNY"] if n % 2 == 0 else [])


async def test_posts_come_in_three_orders_page_by_page(
    ask, make_user, write_post, comment, age, sql
):
    ada, bob = await make_user("ada"), await make_user("bob")
    old = await write_post(ada, title="old and loved")
    middle = await write_post(ada, title="younger, less loved")
    await write_post(ada, title="new")
    for post, n in ((old, 7), (middle, 3)):
        for _ in range(n):
            await comment(bob, post)
    await age(old, hours=48)
    await age(middle, hours=24)
    # log2(1 + 14) = 3.9 and log2(1 + 6) = 2.8 doublings, of twelve hours each: 47 and 34 hours.
    orders = {
        "NEWEST": ["new", "younger, less loved", "old and loved"],
        "POPULAR": ["old and loved", "younger, less loved", "new"],
        "TRENDING": ["younger, less loved", "new", "old and loved"],
    }
    for by, expected in orders.items():
        for size in (1, 2, 20):
            assert await walk(ask, LIST, None, "posts", size, by=by) == expected


async def test_trends_are_of_a_span_and_without_the_muted(ask, make_user, write_post, age, between):
    ada, bob, me = [await make_user(name) for name in ("ada", "bob", "me_1")]
    await write_post(ada, title="today")
    await age(await write_post(bob, title="two days ago"), hours=48)
    await age(await write_post(ada, title="a fortnight ago"), days=14)
    await age(await write_post(ada, title="long ago"), days=90)
    spans = {
        "DAY": ["today"],
        "WEEK": ["today", "two days ago"],
        "MONTH": ["today", "two days ago", "a fortnight ago"],
        "ALL": ["today", "two days ago", "a fortnight ago", "long ago"],
    }
    for of, expected in spans.items():
        assert titles((await ask(TRENDING, of=of))["trendingPosts"]) == expected
    await between(people.mute, me, ada)
    assert titles((await ask(TRENDING, me, of="ALL"))["trendingPosts"]) == ["two days ago"]


async def test_posts_are_narrowed_by_what_is_given(ask, execute, shapes, make_user, write_post):
    ada, bob = await make_user("ada"), await make_user("bob")
    await write_post(ada, title="one", tags=["a", "b"])
    await write_post(bob, title="two", tags=["a"])
    query = "query ($f: PostFilterInput) { posts(filter: $f) { totalCount nodes { title } } }"
    for given, expected in (
        ({}, ["two", "one"]),
        ({"author": ada.public_id}, ["one"]),
        ({"tags": ["a"]}, ["two", "one"]),
        ({"tags": ["a", "b"]}, ["one"]),
        ({"publishedFrom": "2020-01-01T00:00:00Z"}, ["two", "one"]),
        ({"publishedTo": "2020-01-01T00:00:00Z"}, []),
    ):
        found = (await ask(query, f=given))["posts"]
        assert (titles(found), found["totalCount"]) == (expected, len(expected))
    for bad in ({"author": "usr_1"}, {"tags": ["\0"]}, {"tags": ["t"] * 21}, {"category": "x"}):
        assert shapes.codes(await execute(query, f=bad)) == ["BAD_USER_INPUT"]


async def test_a_persons_posts_are_the_listed_ones_and_ones_own_all(ask, make_user, write_post):
    ada, bob = await make_user("ada"), await make_user("bob")
    await write_post(ada, title="public")
    await write_post(ada, title="draft", publish=False)
    away = await write_post(ada, title="archived")
    await ask(
        "mutation ($id: ID!) { archivePost(input: {postId: $id}) { __typename } }", ada, id=away
    )
    query = 'query { user(username: "ada") { posts { totalCount nodes { title } } } }'
    for person, expected in (
        (ada, ["archived", "draft", "public"]),
        (bob, ["public"]),
        (None, ["public"]),
    ):
        found = (await ask(query, person))["user"]["posts"]
        assert (titles(found), found["totalCount"]) == (expected, len(expected))


async def test_threads_of_many_posts_take_one_statement_a_level(
    ask, make_user, write_post, comment, statements
):
    ada = await make_user("ada")
    for n in range(4):
        post = await write_post(ada, title=f"{n}")
        root = await comment(ada, post)
        await comment(ada, post, parentId=root)
    query = """query { posts { nodes { comments { nodes { text viewerReactions
      replies(first: 2) { nodes { text author { username } parent { id } } } } } } } }"""
    statements.clear()
    nodes = (await ask(query, ada))["posts"]["nodes"]
    assert len(statements) <= 6, statements
    assert [len(n["comments"]["nodes"][0]["replies"]["nodes"]) for n in nodes] == [1] * 4
