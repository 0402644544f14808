"""Posts: written, changed, published, archived, deleted; who sees which."""

import asyncio
import random
import re

import pytest

from core.ids import decode_id
from services.content import posts
from services.content.posts import PostDetails
from services.content.posts_access import POSTS_A_MINUTE
from services.users import people

READ = """
query ($id: ID, $slug: String) { post(id: $id, slug: $slug) {
  id title slug blocks excerpt coverUrl tags status readingTimeSeconds commentCount reactionCount
  shareCount viewCount publishedAt editedAt featuredAt author { username } category { slug }
  eventCursor } }
"""
STATUS = "query ($id: ID!) { post(id: $id) { status } node(id: $id) { id } }"
UPDATE = """
mutation ($input: UpdatePostInput!) { updatePost(input: $input) { __typename
  ... on Error { message } ... on InvalidInput { field }
  ... on UpdatePostSuccess { post { title excerpt slug tags editedAt readingTimeSeconds } } } }
"""
ACT = """
mutation ($id: ID!) { NAME(input: {postId: $id}) { __typename ... on Error { message } } }
"""


async def act(ask, name, person, post_id):
    return (await ask(ACT.replace("NAME", name), person, id=post_id))[name]["__typename"]


async def test_a_post_is_read_as_it_was_written(ask, make_user, create_post):
    ada = await make_user("ada")
    blocks = [
        {"type": "heading", "level": 2, "text": "On <i>weaving</i>"},
        {"type": "paragraph", "text": "One. " * 100},
        {"type": "list", "ordered": True, "items": ["warp", "weft"]},
        {"type": "image", "url": "https://example.com/a.png", "alt": "A loom"},
        {"type": "video", "url": "https://example.com/v", "caption": "Slowly"},
        {"type": "link", "url": "https://example.com/l", "text": "More"},
        {"type": "quote", "text": "So it is.", "cite": "Someone"},
        {"type": "code", "text": "print()", "language": "python"},
    ]
    made = await create_post(
        ada,
        title="Wie man webt & färbt",
        blocks=blocks,
        tags=["craft", "loom", "craft"],
        coverUrl="https://example.com/c.png",
    )
    assert made["__typename"] == "CreatePostSuccess"
    assert re.fullmatch(r"wie-man-webt-farbt-[0-9a-f]{10}", made["post"]["slug"])
    for names in ({"id": made["post"]["id"]}, {"slug": made["post"]["slug"]}):
        post = (await ask(READ, **names))["post"]
        assert post["blocks"] == blocks
        assert post["title"] == "Wie man webt & färbt"
        assert post["excerpt"] == ("One. " * 100)[:300]
        assert post["tags"] == ["craft", "loom"]
        assert post["coverUrl"] == "https://example.com/c.png"
        assert post["readingTimeSeconds"] == 31  # 116 words at 230 a minute
        assert post["author"] == {"username": "ada"}
        assert (post["status"], post["category"]) == ("PUBLISHED", None)
        assert post["publishedAt"] is not None
        assert post["editedAt"] is None
        assert [post[n] for n in ("commentCount", "reactionCount", "viewCount")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": " \u3164"}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"excerpt": "x" * 501}, "excerpt"),
        ({"tags": ["t"] * 21}, "tags"),
        ({"tags": ["x" * 41]}, "tags"),
        ({"coverUrl": "javascript:alert(1)"}, "coverUrl"),
        ({"slug": "No"}, "slug"),
        ({"slug": "a--b"}, "slug"),
        ({"blocks": "<p>words</p>"}, "blocks"),
        ({"blocks": [{"type": "html", "text": "x"}]}, "blocks"),
        ({"blocks": [{"type": "paragraph", "text": "x" * 10_001}]}, "blocks"),
        ({"blocks": [{"type": "paragraph", "text": "x"}] * 201}, "blocks"),
        ({"blocks": [{"type": "paragraph", "text": "x", "onclick": "y"}]}, "blocks"),
    ],
)
async def test_what_breaks_a_limit_is_refused_by_name_and_nothing_is_written(
    sql, make_user, create_post, given, field
):
    answer = await create_post(await make_user(), **given)
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", field)
    assert (await sql("SELECT count(*) AS n FROM post"))[0].n == 0
    assert (await sql("SELECT count(*) AS n FROM event"))[0].n == 0


async def test_a_slug_that_is_given_is_kept_and_belongs_to_one_post(make_user, create_post):
    ada, bob = await make_user("ada"), await make_user("bob")
    first = await create_post(ada, slug="on-weaving")
    assert first["post"]["slug"] == "on-weaving"
    second = await create_post(bob, slug="on-weaving")
    assert (second["__typename"], second["field"]) == ("InvalidInput", "slug")
    assert (await create_post(bob, title="On weaving"))["__typename"] == "CreatePostSuccess"
    assert re.fullmatch("post-[0-9a-f]{10}", (await create_post(bob, title="🧵"))["post"]["slug"])


async def test_the_same_key_writes_one_post(ask, sql, make_user, create_post):
    ada = await make_user("ada")
    first = await create_post(ada, idempotencyKey="k")
    again = await create_post(ada, idempotencyKey="k")
    assert again["post"]["id"] == first["post"]["id"]
    other = await create_post(ada, idempotencyKey="k", title="Another")
    assert other["__typename"] == "IdempotencyConflict"
    assert (await sql("SELECT count(*) AS n FROM post"))[0].n == 1
    assert await act(ask, "deletePost", ada, first["post"]["id"]) == "DeletePostSuccess"
    assert (await create_post(ada, idempotencyKey="k"))["__typename"] == "NotFound"


async def test_drafts_are_their_authors_and_publishing_is_news_once(
    ask, make_user, write_post, events_of
):
    ada, bob = await make_user("ada"), await make_user("bob")
    moderator = await make_user("mod", roles=("MODERATOR",))
    draft = await write_post(ada, publish=False)
    assert (await ask(STATUS, ada, id=draft))["post"] == {"status": "DRAFT"}
    for person in (bob, moderator, None):
        assert await ask(STATUS, person, id=draft) == {"post": None, "node": None}
    assert await events_of("posts") == []
    assert await act(ask, "publishPost", bob, draft) == "NotFound"
    assert await act(ask, "publishPost", ada, draft) == "PublishPostSuccess"
    assert await act(ask, "publishPost", ada, draft) == "PublishPostSuccess"
    assert (await ask(STATUS, id=draft))["post"] == {"status": "PUBLISHED"}
    key = decode_id(draft, "pst").hex
    assert await events_of("posts") == [("PostPublished", {"post": key, "author": ada.id.hex})]
    # Put away and published again, it is no news.
    assert await act(ask, "archivePost", ada, draft) == "ArchivePostSuccess"
    assert (await ask(STATUS, bob, id=draft))["post"] == {"status": "ARCHIVED"}
    assert await act(ask, "publishPost", ada, draft) == "PublishPostSuccess"
    assert len(await events_of("posts")) == 1
    kinds = [(kind, payload.get("status")) for kind, payload in await events_of(f"post:{key}")]
    assert kinds == [("PostStatusChanged", "ARCHIVED"), ("PostStatusChanged", "PUBLISHED")]


async def test_only_the_author_changes_a_post_and_what_is_not_given_stays(
    ask, make_user, write_post, said, events_of
):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada, tags=["a"], excerpt="Short.")
    given = {"postId": post, "title": "Mine"}
    assert (await ask(UPDATE, bob, input=given))["updatePost"]["__typename"] == "Forbidden"
    changed = (await ask(UPDATE, ada, input={**given, "title": "Anew"}))["updatePost"]["post"]
    assert (changed["title"], changed["excerpt"], changed["tags"]) == ("Anew", "Short.", ["a"])
    assert changed["editedAt"] is not None
    given = {"postId": post, "excerpt": None, "blocks": said("Other words."), "tags": []}
    changed = (await ask(UPDATE, ada, input=given))["updatePost"]["post"]
    assert (changed["excerpt"], changed["tags"]) == ("Other words.", [])
    assert (await ask(UPDATE, ada, input={"postId": post}))["updatePost"]["post"] == changed
    bad = {"postId": post, "title": "Anew again", "blocks": 1}
    refused = (await ask(UPDATE, ada, input=bad))["updatePost"]
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "blocks")
    assert (await ask(READ, id=post))["post"]["title"] == "Anew"
    topic = f"post:{decode_id(post, 'pst').hex}"
    assert [kind for kind, _ in await events_of(topic)] == ["PostChanged"] * 2


async def test_a_deleted_post_is_gone_for_all_and_its_row_stays(
    ask, make_user, write_post, row_of_post
):
    ada, moderator = await make_user("ada"), await make_user("mod", roles=("MODERATOR",))
    post = await write_post(ada)
    slug = (await ask(READ, id=post))["post"]["slug"]
    assert await act(ask, "deletePost", moderator, post) == "Forbidden"
    assert await act(ask, "deletePost", ada, post) == "DeletePostSuccess"
    for person in (ada, moderator, None):
        assert await ask(STATUS, person, id=post) == {"post": None, "node": None}
        assert await ask(READ, person, slug=slug) == {"post": None}
    assert await act(ask, "publishPost", ada, post) == "NotFound"
    assert (await row_of_post(post)).deleted_at is not None


async def test_blocked_people_and_private_authors_are_absent(
    ask, make_user, write_post, between, follow, sql
):
    ada, bob, eve = [await make_user(name) for name in ("ada", "bob", "eve")]
    post = await write_post(ada)
    listed = "query { posts { nodes { id } } }"

    async def sees(person):
        one = (await ask(STATUS, person, id=post))["post"] is not None
        many = (await ask(listed, person))["posts"]["nodes"] == [{"id": post}]
        assert one == many
        return one

    assert [await sees(person) for person in (ada, bob, eve, None)] == [True] * 4
    await between(people.block, ada, bob)
    await between(people.block, eve, ada)
    assert [await sees(person) for person in (ada, bob, eve, None)] == [True, False, False, True]
    await between(people.unblock, ada, bob)
    await follow(bob, ada)
    await sql("UPDATE profile SET visibility = 'PRIVATE' WHERE user_id = :ada", ada=ada.id)
    assert [await sees(person) for person in (ada, bob, eve, None)] == [True, True, False, False]


async def test_posts_are_counted_as_read_once_a_day_and_shared_once(
    ask, make_user, write_post, row_of_post, sql
):
    ada, bob, eve = [await make_user(name) for name in ("ada", "bob", "eve")]
    post = await write_post(ada)
    for person in (ada, bob, bob, eve):
        assert await act(ask, "recordPostView", person, post) == "RecordPostViewSuccess"
    assert (await row_of_post(post)).view_count == 2  # an author's own reading is none
    await sql("UPDATE post_visit SET viewed_at = viewed_at - interval '25 hours'")
    await act(ask, "recordPostView", bob, post)
    for person in (bob, bob, eve):
        assert await act(ask, "sharePost", person, post) == "SharePostSuccess"
    row = await row_of_post(post)
    assert (row.view_count, row.share_count, row.popularity) == (3, 2, 6)


async def test_tags_count_listed_posts_alone(ask, make_user, write_post):
    ada = await make_user("ada")
    tags = "query ($p: String) { tags(prefix: $p) { totalCount nodes { name postCount } } }"

    async def counts(prefix=None):
        return {t["name"]: t["postCount"] for t in (await ask(tags, p=prefix))["tags"]["nodes"]}

    one = await write_post(ada, tags=["loom", "Dye"])
    two = await write_post(ada, tags=["loom"], publish=False)
    assert await counts() == {"loom": 1, "Dye": 1}
    await act(ask, "publishPost", ada, two)
    assert await counts() == {"loom": 2, "Dye": 1}
    assert await counts("d") == {"Dye": 1}
    await ask(UPDATE, ada, input={"postId": one, "tags": ["loom", "warp"]})
    assert await counts() == {"loom": 2, "warp": 1}
    await act(ask, "archivePost", ada, one)
    await act(ask, "deletePost", ada, two)
    assert await counts() == {}
    assert await counts("%") == {}


async def test_categories_are_the_administrators_and_hold_posts(
    ask, execute, shapes, make_user, write_post, create_post
):
    ada, admin = await make_user("ada"), await make_user("root", roles=("ADMIN",))
    make = """mutation ($name: String!) { createCategory(input: {name: $name}) { __typename
      ... on InvalidInput { field } ... on CreateCategorySuccess { category { id slug } } } }"""
    assert shapes.codes(await execute(make, ada, name="Crafts")) == ["FORBIDDEN"]
    shelf = (await ask(make, admin, name="Crafts"))["createCategory"]["category"]
    assert shelf["slug"] == "crafts"
    taken = (await ask(make, admin, name="Crafts"))["createCategory"]
    assert (taken["__typename"], taken["field"]) == ("InvalidInput", "slug")
    post = await write_post(ada, categoryId=shelf["id"])
    await write_post(ada)
    read = """query ($id: ID!) { category(slug: "crafts") { id name posts { nodes { id } } }
      categories { nodes { id } } posts(filter: {category: $id}) { nodes { id } } }"""
    assert await ask(read, id=shelf["id"]) == {
        "category": {"id": shelf["id"], "name": "Crafts", "posts": {"nodes": [{"id": post}]}},
        "categories": {"nodes": [{"id": shelf["id"]}]},
        "posts": {"nodes": [{"id": post}]},
    }
    assert (await create_post(ada, categoryId="cat_1"))["__typename"] == "NotFound"
    nowhere = shelf["id"][:-1] + ("0" if shelf["id"][-1] != "0" else "1")
    assert (await create_post(ada, categoryId=nowhere))["__typename"] == "NotFound"


async def test_moderators_feature_posts(ask, execute, shapes, make_user, write_post):
    ada, moderator = await make_user("ada"), await make_user("mod", roles=("MODERATOR",))
    post, other = await write_post(ada), await write_post(ada)
    feature = """mutation ($id: ID!, $on: Boolean!) {
      featurePost(input: {postId: $id, featured: $on}) { __typename } }"""
    assert shapes.codes(await execute(feature, ada, id=post, on=True)) == ["FORBIDDEN"]
    await ask(feature, moderator, id=post, on=True)
    listed = "query ($on: Boolean!) { posts(filter: {featured: $on}) { nodes { id } } }"
    assert (await ask(listed, on=True))["posts"]["nodes"] == [{"id": post}]
    assert (await ask(listed, on=False))["posts"]["nodes"] == [{"id": other}]
    await ask(feature, moderator, id=post, on=False)
    assert (await ask(listed, on=True))["posts"]["nodes"] == []


async def test_an_author_writes_ten_posts_a_minute(
    execute, shapes, make_user, write_post, said, sql
):
    ada, bob = await make_user("ada"), await make_user("bob")
    for _ in range(POSTS_A_MINUTE):
        await write_post(ada)
    query = "mutation ($i: CreatePostInput!) { createPost(input: $i) { __typename } }"
    given = {"title": "One more", "blocks": said("x")}
    result = await execute(query, ada, i=given)
    assert shapes.codes(result) == ["RATE_LIMITED"]
    assert 1 <= result.errors[0].original_error.retry_after_s <= 61
    await write_post(bob)
    await sql("UPDATE post SET created_at = created_at - interval '61 seconds'")
    await write_post(ada)


async def test_people_who_are_mentioned_are_told_once_and_when_it_is_published(
    ask, make_user, write_post, between, told
):
    ada, bob, eve, zoe = [await make_user(name) for name in ("ada", "bob", "eve", "zoe")]
    await between(people.mute, eve, ada)

    def of(*named):
        return [{"type": "mention", "userId": person.public_id} for person in named]

    post = await write_post(ada, blocks=of(bob, eve, ada, bob), publish=False)
    assert await told(bob) == []
    await act(ask, "publishPost", ada, post)
    assert [await told(person) for person in (ada, bob, eve)] == [[], [("MENTION", post)], []]
    await ask(UPDATE, ada, input={"postId": post, "blocks": of(bob, zoe)})
    await act(ask, "archivePost", ada, post)
    await act(ask, "publishPost", ada, post)
    assert [await told(person) for person in (bob, zoe)] == [[("MENTION", post)]] * 2


async def test_eight_mentions_in_a_category_fit_into_one_transaction(
    ask, make_user, write_post, told, sql
):
    ada, admin = await make_user("ada"), await make_user("root", roles=("ADMIN",))
    make = """mutation { createCategory(input: {name: "C"}) {
      ... on CreateCategorySuccess { category { id } } } }"""
    shelf = (await ask(make, admin))["createCategory"]["category"]["id"]
    eight = [await make_user() for _ in range(8)]
    blocks = [{"type": "mention", "userId": person.public_id} for person in eight]
    post = await write_post(ada, blocks=blocks, categoryId=shelf)
    assert [await told(person) for person in eight] == [[("MENTION", post)]] * 8


async def test_tags_are_counted_exactly_when_many_publish_and_put_away_at_once(
    server, make_user, sql
):
    """Each names the same tags in another order: who locked them as they come would deadlock."""
    folk = [await make_user() for _ in range(6)]
    names = [f"tag {number}" for number in range(8)]
    dice = random.Random(3)

    async def busy(person):
        for turn in range(4):
            tags = dice.sample(names, 6)
            made = await server.db.transaction(
                lambda tx, tags=tags: posts.create_post(
                    tx, author_id=person.id, details=PostDetails("T", tags=tags), publish=True
                )
            )
            if turn % 2:
                await server.db.transaction(
                    lambda tx, made=made: posts.archive_post(tx, viewer_id=person.id, post_id=made)
                )

    await asyncio.gather(*(busy(person) for person in folk))
    wrong = await sql(
        "SELECT t.name FROM tag AS t WHERE t.post_count <> (SELECT count(*) FROM post AS p"
        " WHERE p.status = 'PUBLISHED' AND t.name = ANY (p.tags))"
    )
    assert wrong == []
    [total] = await sql("SELECT sum(post_count) AS n FROM tag")
    assert total.n == 6 * 2 * 6
