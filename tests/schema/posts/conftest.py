"""Posts to test with, written through the schema, and what was told to whom."""

import pytest

from core.ids import decode_id
from services.users import people

CREATE = """
mutation ($input: CreatePostInput!) { createPost(input: $input) { __typename
  ... on Error { message code } ... on InvalidInput { field reason }
  ... on CreatePostSuccess { post { id slug status publishedAt } } } }
"""
COMMENT = """
mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename
  ... on Error { message code } ... on InvalidInput { field reason }
  ... on AddCommentSuccess { comment { id depth text replyCount post { id commentCount } } } } }
"""


@pytest.fixture
def said():
    """`said("Words")`: the blocks of one paragraph."""
    return lambda text: [{"type": "paragraph", "text": text}]


@pytest.fixture
def create_post(ask, said):
    """`await create_post(person, **input)`: what `createPost` answers; published unless told."""

    async def create(person, **given):
        text = said("Some words.")
        given = {"title": "A title", "blocks": text, "publish": True, **given}
        return (await ask(CREATE, person, input=given))["createPost"]

    return create


@pytest.fixture
def write_post(create_post):
    """`await write_post(person, **input)`: the id of a new post, which is published."""

    async def write(person, **given):
        answer = await create_post(person, **given)
        assert answer["__typename"] == "CreatePostSuccess", answer
        return answer["post"]["id"]

    return write


@pytest.fixture
def add_comment(ask):
    """`await add_comment(person, post, **input)`: what `addComment` answers."""

    async def add(person, post_id, text="Indeed.", **given):
        return (await ask(COMMENT, person, input={"postId": post_id, "text": text, **given}))[
            "addComment"
        ]

    return add


@pytest.fixture
def comment(add_comment):
    """`await comment(person, post, text)`: the id of a new comment."""

    async def write(person, post_id, text="Indeed.", **given):
        answer = await add_comment(person, post_id, text, **given)
        assert answer["__typename"] == "AddCommentSuccess", answer
        return answer["comment"]["id"]

    return write


@pytest.fixture
def between(server):
    """`await between(people.follow, ada, bob)`: a service between two people."""

    async def run(verb, one, other):
        await server.db.transaction(lambda tx: verb(tx, viewer_id=one.id, user_id=other.id))

    return run


@pytest.fixture
def follow(between):
    """`await follow(ada, bob)`: Ada follows Bob."""
    return lambda one, other: between(people.follow, one, other)


@pytest.fixture
def told(sql):
    """`await told(person)`: kinds and references of what a person was told, in order."""

    async def read(person):
        rows = await sql(
            "SELECT kind, reference FROM notification WHERE user_id = :user ORDER BY id",
            user=person.id,
        )
        return [(row.kind, row.reference) for row in rows]

    return read


@pytest.fixture
def row_of_post(sql):
    """`await row_of_post(id)`: a post's row as the database has it."""

    async def read(post_id):
        [row] = await sql("SELECT * FROM post WHERE id = :id", id=decode_id(post_id, "pst"))
        return row

    return read


@pytest.fixture
def events_of(sql):
    """`await events_of(topic)`: types and payloads of a topic's events, in order."""

    async def read(topic):
        rows = await sql(
            "SELECT type, payload FROM event WHERE topic = :topic ORDER BY sequence", topic=topic
        )
        return [(row.type, row.payload) for row in rows]

    return read
