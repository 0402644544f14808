"""Naughty strings, HTML among them, as posts and comments over HTTP: each comes out as it went in,
or is refused by name. The list is not kept here; without it these tests skip."""

import pytest

from tests.data import NAUGHTY, at_once, naughty_strings

POSTS_EACH = 9

WRITE = """
mutation ($input: CreatePostInput!) { createPost(input: $input) { __typename
  ... on InvalidInput { field } ... on CreatePostSuccess { post { id } } } }
"""
COMMENT = """
mutation ($id: ID!, $text: String!) { addComment(input: {postId: $id, text: $text}) { __typename
  ... on InvalidInput { field } ... on AddCommentSuccess { comment { id } } } }
"""
BACK = """
query ($ids: [ID!]!) { nodes(ids: $ids) {
  ... on Post { title blocks excerpt tags comments { nodes { text } } } } }
"""
FIND = """
query ($s: String!, $id: ID!) {
  post(slug: $s) { id }
  byId: post(id: $id) { id }
  category(slug: $s) { id }
  posts(filter: {tags: [$s]}) { totalCount }
  tags(prefix: $s) { nodes { name } }
}
"""


@pytest.fixture(scope="module")
def strings() -> list[str]:
    return naughty_strings()


def as_post(string):
    """A post that has the string wherever it fits."""
    blocks = [
        {"type": "paragraph", "text": string},
        {"type": "heading", "level": 1, "text": string},
        {"type": "code", "text": string},
        {"type": "quote", "text": string, "cite": string[:500]},
        {"type": "list", "ordered": False, "items": [string, string]},
        {"type": "image", "url": "https://example.com/x", "alt": string[:500]},
        {"type": "link", "url": "https://example.com/x", "text": string[:500]},
    ]
    return {
        "title": string if len(string) <= 300 else "Long",
        "blocks": blocks,
        "excerpt": string[:500],
        "tags": [string] if len(string) <= 40 else [],
    }


@pytest.mark.timeout(240)
async def test_each_string_comes_out_as_it_went_in_or_is_refused_by_name(strings, post, make_user):
    authors = [await make_user() for _ in range(0, NAUGHTY, POSTS_EACH)]
    written, said = {}, {}

    async def write(number, string):
        author = authors[number % len(authors)]
        given = as_post(string)
        answer = (await post(WRITE, author, input={**given, "publish": True})).json()
        assert "errors" not in answer, (string, answer)
        made = answer["data"]["createPost"]
        if made["__typename"] == "InvalidInput":
            assert made["field"] in ("title", "tags"), (string, made)
            plain = {**given, "title": "Plain", "tags": []}
            again = (await post(WRITE, author, input={**plain, "publish": True})).json()
            made, given = again["data"]["createPost"], plain
        assert made["__typename"] == "CreatePostSuccess", (string, made)
        id = made["post"]["id"]
        written[id] = given
        answer = (await post(COMMENT, author, id=id, text=string)).json()
        assert "errors" not in answer, (string, answer)
        done = answer["data"]["addComment"]
        assert done["__typename"] == "AddCommentSuccess" or done["field"] == "text", (string, done)
        said[id] = [{"text": string}] if done["__typename"] == "AddCommentSuccess" else []

    await at_once(write, strings)
    ids = list(written)
    for start in range(0, len(ids), 50):
        some = ids[start : start + 50]
        nodes = (await post(BACK, ids=some)).json()["data"]["nodes"]
        for id, node in zip(some, nodes, strict=True):
            assert node.pop("comments") == {"nodes": said[id]}
            assert node == written[id]
    # Mostly taken: a server that refused everything would pass all of the above.
    assert sum(map(bool, said.values())) > 480
    assert sum(given["title"] != "Plain" for given in written.values()) > 480


@pytest.mark.timeout(240)
async def test_each_string_finds_nothing_or_is_refused_clearly(strings, post):
    async def find(number, string):
        body = (await post(FIND, s=string, id=string)).json()
        assert "errors" not in body, (string, body)
        assert body["data"] == {
            "post": None,
            "byId": None,
            "category": None,
            "posts": {"totalCount": 0},
            "tags": {"nodes": []},
        }

    await at_once(find, strings)
