"""Reactions: said twice they count once, and the counts are exact whoever comes at once."""

import asyncio
import random

import pytest

from core.ids import decode_id
from models.content.posts import REACTION_KINDS
from schema.content.posts_types import ReactionKind
from services.content.posts_reactions import react, unreact
from services.users import people

REACT = """
mutation ($id: ID!, $kind: ReactionKind!) { VERB(input: {nodeId: $id, kind: $kind}) { __typename
  ... on Error { message }
  ... on SUCCESS { subject { id
    ... on Post { reactionCount viewerReactions reactions { kind count } }
    ... on Comment { reactionCount viewerReactions reactions { kind count } } } } } }
"""


def verb(name):
    return REACT.replace("VERB", name).replace("SUCCESS", f"{name.capitalize()}Success")


@pytest.fixture
def reacting(ask):
    """`await reacting("react", person, id, kind)`: what the mutation answers."""

    async def run(name, person, node_id, kind="LIKE"):
        return (await ask(verb(name), person, id=node_id, kind=kind))[name]

    return run


def test_the_schemas_kinds_are_the_rows():
    assert tuple(kind.value for kind in ReactionKind) == REACTION_KINDS


async def test_reactions_count_once_by_kind_and_are_taken_back(
    make_user, write_post, comment, reacting, events_of
):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    words = await comment(ada, post)
    for subject in (post, words):
        for _ in range(2):
            answer = await reacting("react", bob, subject, "LOVE")
            assert answer == {
                "__typename": "ReactSuccess",
                "subject": {
                    "id": subject,
                    "reactionCount": 1,
                    "viewerReactions": ["LOVE"],
                    "reactions": [{"kind": "LOVE", "count": 1}],
                },
            }
        await reacting("react", bob, subject, "LIKE")
        both = (await reacting("react", ada, subject, "LIKE"))["subject"]
        assert both["reactions"] == [{"kind": "LIKE", "count": 2}, {"kind": "LOVE", "count": 1}]
        assert both["viewerReactions"] == ["LIKE"]
        for _ in range(2):
            left = (await reacting("unreact", bob, subject, "LIKE"))["subject"]
            assert left["reactions"] == [{"kind": "LIKE", "count": 1}, {"kind": "LOVE", "count": 1}]
            assert (left["reactionCount"], left["viewerReactions"]) == (2, ["LOVE"])
    told = [
        (p["subject"], p["kind"], p["change"])
        for kind, p in await events_of(f"post:{decode_id(post, 'pst').hex}")
        if kind == "ReactionsChanged"
    ]
    each = [("LOVE", 1), ("LIKE", 1), ("LIKE", 1), ("LIKE", -1)]
    assert told == [(subject, *change) for subject in (post, words) for change in each]


async def test_what_one_does_not_see_takes_no_reaction(
    ask, make_user, write_post, comment, reacting, between, sql
):
    ada, bob = await make_user("ada"), await make_user("bob")
    draft = await write_post(ada, publish=False)
    post = await write_post(ada)
    words = await comment(ada, post)
    assert (await reacting("react", bob, draft))["__typename"] == "NotFound"
    assert (await reacting("react", ada, draft))["__typename"] == "Forbidden"
    assert (await reacting("react", bob, ada.public_id))["__typename"] == "NotFound"
    await between(people.block, ada, bob)
    for subject in (post, words):
        assert (await reacting("react", bob, subject))["__typename"] == "NotFound"
    assert (await sql("SELECT count(*) AS n FROM reaction"))[0].n == 0


async def test_an_author_is_told_once_of_who_reacts(make_user, write_post, reacting, told):
    ada, bob = await make_user("ada"), await make_user("bob")
    post = await write_post(ada)
    for kind in ("LIKE", "LOVE"):
        await reacting("react", bob, post, kind)
        await reacting("unreact", bob, post, kind)
        await reacting("react", ada, post, kind)
    assert await told(ada) == [("REACTION", post)]


@pytest.mark.parametrize("on", ["pst", "cmt"])
async def test_counts_are_exact_when_many_react_and_take_back_at_once(
    server, make_user, write_post, comment, sql, on
):
    folk = [await make_user() for _ in range(8)]
    post = await write_post(folk[0])
    subject = post if on == "pst" else await comment(folk[0], post)
    key = decode_id(subject, on)
    dice = random.Random(5)

    async def busy(person, choices):
        for service, kind in choices:
            await server.db.transaction(
                lambda tx, service=service, kind=kind: service(
                    tx, viewer_id=person.id, prefix=on, subject_id=key, kind=kind
                )
            )

    def choices():
        return [
            (dice.choice((react, react, unreact)), dice.choice(REACTION_KINDS[:3]))
            for _ in range(12)
        ]

    # Each person twice at once: the same reaction is added and taken back beside itself.
    await asyncio.gather(*(busy(person, choices()) for person in folk for _ in range(2)))
    table = "post" if on == "pst" else "post_comment"
    [row] = await sql(f"SELECT * FROM {table}")
    counted = await sql("SELECT kind, count(*) AS n FROM reaction GROUP BY kind")
    expected = {r.kind: r.n for r in counted}
    assert row.reactions == [expected.get(kind, 0) for kind in REACTION_KINDS]
    assert row.reaction_count == sum(expected.values()) > 0
    if on == "pst":
        assert row.popularity == row.reaction_count
