"""Comments: threads, depth, counts that stay exact, and who is told."""

import asyncio

import pytest

from core.ids import decode_id
from services.content.posts_access import COMMENTS_A_MINUTE
from services.content.posts_comments import DEPTH_MAX, add_comment, delete_comment, named_in
from services.users import people

UPDATE = """
mutation ($id: ID!, $text: String!) { updateComment(input: {commentId: $id, text: $text}) {
  __typename ... on Error { message } ... on UpdateCommentSuccess { comment { text editedAt } } } }
"""
DELETE = """
mutation ($id: ID!) { deleteComment(input: {commentId: $id}) {
  __typename ... on DeleteCommentSuccess { comment { text author { id } isVisible } } } }
"""
THREAD = """
query ($id: ID!) { post(id: $id) { commentCount comments { totalCount nodes {
  id text isVisible depth replyCount author { username } parent { id }
  replies { totalCount nodes { id text depth parent { id } post { id } } } } } } }
"""


async def test_a_thread_is_read_in_order_with_its_counts(ask, make_user, write_post, comment):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    first = await comment(bob, post, "<script>alert(1)</script>")
    second = await comment(ada, post, "Two\nlines")
    reply = await comment(ada, post, "Yes", parentId=first)
    deeper = await comment(bob, post, "No", parentId=reply)
    found = (await ask(THREAD, id=post))["post"]
    assert (found["commentCount"], found["comments"]["totalCount"]) == (4, 2)
    one, two = found["comments"]["nodes"]
    assert one["replies"] == {
        "totalCount": 1,
        "nodes": [
            {"id": reply, "text": "Yes", "depth": 2, "parent": {"id": first}, "post": {"id": post}}
        ],
    }
    assert (one["id"], one["text"]) == (first, "<script>alert(1)</script>")
    assert (one["depth"], one["replyCount"], one["parent"]) == (1, 1, None)
    assert (two["id"], two["text"], two["author"]) == (second, "Two\nlines", {"username": "ada"})
    node = "query ($id: ID!) { node(id: $id) { ... on Comment { depth parent { id } } } }"
    assert (await ask(node, id=deeper))["node"] == {"depth": 3, "parent": {"id": reply}}


async def test_replies_go_eight_deep(ask, make_user, write_post, comment, add_comment, row_of_post):
    ada = await make_user("ada")
    post = await write_post(ada)
    at = await comment(ada, post)
    for _ in range(DEPTH_MAX - 1):
        at = await comment(ada, post, parentId=at)
    refused = await add_comment(ada, post, parentId=at)
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "parentId")
    assert (await row_of_post(post)).comment_count == DEPTH_MAX == 8


async def test_what_is_taken_away_stays_in_its_place_without_its_words(
    ask, make_user, write_post, comment, row_of_post, add_comment
):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    first = await comment(bob, post, "Rash words")
    reply = await comment(ada, post, "Really?", parentId=first)
    assert (await ask(DELETE, ada, id=first))["deleteComment"]["__typename"] == "Forbidden"
    left = (await ask(DELETE, bob, id=first))["deleteComment"]["comment"]
    assert left == {"text": None, "author": None, "isVisible": False}
    for person in (ada, bob, None):
        found = (await ask(THREAD, person, id=post))["post"]
        assert found["commentCount"] == 1
        [node] = found["comments"]["nodes"]
        assert (node["text"], node["author"], node["replyCount"]) == (None, None, 1)
        assert [n["id"] for n in node["replies"]["nodes"]] == [reply]
    assert (await ask(DELETE, bob, id=first))["deleteComment"]["__typename"] == "NotFound"
    assert (await ask(UPDATE, bob, id=first, text="x"))["updateComment"]["__typename"] == "NotFound"
    assert (await add_comment(ada, post, parentId=first))["__typename"] == "NotFound"
    await ask(DELETE, ada, id=reply)
    assert (await row_of_post(post)).comment_count == 0


async def test_words_are_changed_by_their_author_alone(ask, make_user, write_post, comment):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    mine = await comment(bob, post, "Old")
    assert (await ask(UPDATE, ada, id=mine, text="x"))["updateComment"]["__typename"] == "Forbidden"
    changed = (await ask(UPDATE, bob, id=mine, text="New"))["updateComment"]["comment"]
    assert changed["text"] == "New"
    assert changed["editedAt"] is not None
    refused = (await ask(UPDATE, bob, id=mine, text=""))["updateComment"]
    assert refused["__typename"] == "InvalidInput"


@pytest.mark.parametrize("text", ["", " \u200b", "x" * 5_001, "a\0b"])
async def test_comments_without_words_or_with_too_many_are_refused(
    make_user, write_post, add_comment, row_of_post, text
):
    ada = await make_user()
    post = await write_post(ada)
    answer = await add_comment(ada, post, text)
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "text")
    assert (await row_of_post(post)).comment_count == 0


async def test_comments_stand_under_published_posts_that_one_sees(
    ask, make_user, write_post, comment, add_comment, between, sql
):
    ada, bob, eve = [await make_user(name) for name in ("ada", "bob", "eve")]
    post, other = await write_post(ada), await write_post(ada)
    draft = await write_post(ada, publish=False)
    there = await comment(bob, other)
    assert (await add_comment(bob, draft))["__typename"] == "NotFound"
    assert (await add_comment(ada, draft))["__typename"] == "Forbidden"
    assert (await add_comment(bob, "pst_1"))["__typename"] == "NotFound"
    assert (await add_comment(bob, post, parentId=there))["__typename"] == "NotFound"
    await between(people.block, ada, eve)
    assert (await add_comment(eve, post))["__typename"] == "NotFound"
    archive = "mutation ($id: ID!) { archivePost(input: {postId: $id}) { __typename } }"
    await ask(archive, ada, id=post)
    assert (await add_comment(bob, post))["__typename"] == "Forbidden"
    assert (await sql("SELECT count(*) AS n FROM post_comment"))[0].n == 1


async def test_people_who_block_one_another_do_not_read_one_another(
    ask, make_user, write_post, comment, between
):
    ada, bob, eve = [await make_user(name) for name in ("ada", "bob", "eve")]
    post = await write_post(ada)
    words = await comment(bob, post, "Bob's")
    await comment(eve, post, "Eve's")
    await between(people.block, bob, eve)
    for person, expected in ((bob, ["Bob's"]), (eve, ["Eve's"]), (ada, ["Bob's", "Eve's"])):
        nodes = (await ask(THREAD, person, id=post))["post"]["comments"]["nodes"]
        assert [node["text"] for node in nodes] == expected
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert await ask(node, eve, id=words) == {"node": None}
    # Who is blocked by the post's author may still take their words back.
    await between(people.block, ada, bob)
    assert (await ask(DELETE, bob, id=words))["deleteComment"]["__typename"].endswith("Success")


async def test_a_comment_is_found_as_long_as_its_post_is(
    ask, make_user, write_post, comment, between
):
    ada, bob, eve = [await make_user(name) for name in ("ada", "bob", "eve")]
    post = await write_post(ada)
    words = await comment(bob, post)
    node = "query ($id: ID!) { node(id: $id) { id } }"

    async def seen_by():
        folk = {"ada": ada, "bob": bob, "eve": eve, "nobody": None}
        found = {name: (await ask(node, who, id=words))["node"] for name, who in folk.items()}
        return [name for name, row in found.items() if row == {"id": words}]

    assert await seen_by() == ["ada", "bob", "eve", "nobody"]
    await between(people.block, ada, eve)
    assert await seen_by() == ["ada", "bob", "nobody"]
    delete = "mutation ($id: ID!) { deletePost(input: {postId: $id}) { __typename } }"
    await ask(delete, ada, id=post)
    assert await seen_by() == []


async def test_each_person_is_told_one_thing_of_a_comment(
    make_user, write_post, comment, between, told
):
    ada, bob, eve, zoe = [await make_user(name) for name in ("ada", "bob", "eve", "Zoe")]
    await between(people.mute, zoe, eve)
    post = await write_post(ada)
    one = await comment(bob, post, "@bob @ada, what of @zoe? Not a@zoe.com.")
    assert await told(ada) == [("COMMENT", one)]
    assert await told(bob) == []
    assert await told(zoe) == [("MENTION", one)]
    two = await comment(eve, post, "@ZOE @ada", parentId=one)
    assert await told(bob) == [("REPLY", two)]
    assert await told(ada) == [("COMMENT", one), ("COMMENT", two)]
    assert await told(zoe) == [("MENTION", one)]  # she has muted Eve
    await comment(ada, post, "My own")
    assert len(await told(ada)) == 2


def test_names_are_found_behind_an_at_sign():
    assert named_in("@Ada_1, (@bob) a@b.c @ab @@eve @ada_1 x@zoe") == ["ada_1", "bob"]
    assert named_in(" ".join(f"@name_{n}" for n in range(9))) == [f"name_{n}" for n in range(5)]
    assert named_in("@" + "x" * 31) == []


async def test_the_same_key_comments_once(make_user, write_post, add_comment, row_of_post):
    ada = await make_user("ada")
    post = await write_post(ada)
    first = await add_comment(ada, post, idempotencyKey="k")
    again = await add_comment(ada, post, idempotencyKey="k")
    assert again["comment"]["id"] == first["comment"]["id"]
    other = await add_comment(ada, post, "Other", idempotencyKey="k")
    assert other["__typename"] == "IdempotencyConflict"
    assert (await row_of_post(post)).comment_count == 1


async def test_an_author_comments_twenty_times_a_minute_also_all_at_once(
    execute, shapes, make_user, write_post, row_of_post
):
    ada = await make_user("ada")
    post = await write_post(ada)
    query = """mutation ($id: ID!) {
      addComment(input: {postId: $id, text: "x"}) { __typename } }"""
    tries = [execute(query, ada, id=post) for _ in range(COMMENTS_A_MINUTE + 5)]
    codes = [shapes.codes(result) for result in await asyncio.gather(*tries)]
    assert codes.count([]) == COMMENTS_A_MINUTE
    assert codes.count(["RATE_LIMITED"]) == 5
    assert (await row_of_post(post)).comment_count == COMMENTS_A_MINUTE


async def test_counts_are_exact_when_many_write_and_delete_at_once(
    server, make_user, write_post, comment, sql
):
    """Whatever comes in between, the counts are those of the rows."""
    folk = [await make_user() for _ in range(6)]
    post = await write_post(folk[0])
    post_key = decode_id(post, "pst")
    roots = [await comment(person, post) for person in folk]

    async def busy(number, person):
        for turn in range(4):
            parent = decode_id(roots[(number + turn) % len(roots)], "cmt")
            made = await server.db.transaction(
                lambda tx, parent=parent, person=person: add_comment(
                    tx, author_id=person.id, post_id=post_key, text="x", parent_id=parent
                )
            )
            if turn % 2:
                await server.db.transaction(
                    lambda tx, made=made, person=person: delete_comment(
                        tx, viewer_id=person.id, comment_id=made
                    )
                )

    await asyncio.gather(*(busy(number, person) for number, person in enumerate(folk)))
    [counted] = await sql(
        "SELECT comment_count, (SELECT count(*) FROM post_comment WHERE status = 'VISIBLE') AS n,"
        " popularity FROM post"
    )
    assert counted.comment_count == counted.n == 6 + 6 * 2
    assert counted.popularity == 2 * counted.n
    wrong = await sql(
        "SELECT c.id FROM post_comment AS c WHERE c.reply_count <> (SELECT count(*)"
        " FROM post_comment AS r WHERE r.parent_id = c.id AND r.status = 'VISIBLE')"
    )
    assert wrong == []
