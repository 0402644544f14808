"""Each loader of posts, comments and reports reads a batch in one statement, for its viewer."""

import asyncio
from datetime import UTC, datetime

import pytest

from core.ids import new_id
from core.pagination import PageRequest
from loaders.base import Loaders, depends_on_viewer
from loaders.content import moderation, posts
from models.content.moderation import ModerationAction, Report
from models.content.posts import Category, Comment, Post, Reaction
from models.users import Profile

FIRST = PageRequest(limit=2, forward=True)


def ask(loaders, loader, *keys):
    return asyncio.gather(*(loaders.load(loader, key) for key in keys))


@pytest.fixture
async def world(people, write):
    """Ada with a post, two comments, a reaction, a report and an act; Bob, who sees some of it."""
    ada, bob = await people(2)
    await write(Profile, [{"user_id": ada}, {"user_id": bob}])
    [shelf] = await write(Category, [{"id": new_id(), "slug": "shelf", "name": "Shelf"}])
    post = {"author_id": ada, "title": "T", "category_id": shelf}
    published = {"status": "PUBLISHED", "published_at": datetime(2031, 5, 1, tzinfo=UTC)}
    [shown] = await write(Post, [{**post, **published, "id": new_id(), "slug": "shown"}])
    [draft] = await write(Post, [{**post, "id": new_id(), "slug": "draft"}])
    removed = {"status": "REMOVED", "removed_from": "DRAFT"}
    [gone] = await write(Post, [{**post, **removed, "id": new_id(), "slug": "gone"}])
    root = {"id": new_id(), "post_id": shown, "author_id": bob, "text": "x"}
    await write(Comment, [root])
    reply = {**root, "id": new_id(), "author_id": ada, "parent_id": root["id"], "depth": 2}
    await write(Comment, [reply])
    reaction = {"subject_id": shown, "post_id": shown, "user_id": bob, "kind": "LOVE"}
    await write(Reaction, [reaction, {**reaction, "kind": "LIKE"}])
    act = {"moderator_id": bob, "user_id": ada, "subject_kind": "pst", "subject_id": gone}
    [action] = await write(
        ModerationAction, [{**act, "id": new_id(), "action": "REMOVE", "reason": "r"}]
    )
    word = {"reporter_id": bob, "subject_kind": "pst", "subject_id": gone, "reason": "SPAM"}
    [report] = await write(Report, [{**word, "id": new_id()}])
    return {
        "ada": ada,
        "bob": bob,
        "shelf": shelf,
        "shown": shown,
        "draft": draft,
        "gone": gone,
        "root": root["id"],
        "reply": reply["id"],
        "action": action,
        "report": report,
    }


@pytest.mark.parametrize(
    ("loader", "seen"),
    [
        (posts.post_by_id, {"ada": "shown draft", "bob": "shown", None: "shown"}),
        (posts.moderator_post_by_id, {"ada": "shown draft gone", "bob": "shown gone"}),
        (posts.referred_post_by_id, {None: "shown draft gone"}),
        (posts.category_by_id, {None: "shelf"}),
        (posts.comment_by_id, {"ada": "root reply", None: "root reply"}),
        (posts.moderator_comment_by_id, {"bob": "root reply"}),
        (moderation.own_report_by_id, {"bob": "report", "ada": "", None: ""}),
        (moderation.report_by_id, {None: "report"}),
        (moderation.own_action_by_id, {"ada": "action", "bob": "", None: ""}),
        (moderation.action_by_id, {None: "action"}),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
async def test_single_rows_take_one_statement_and_are_the_viewers(
    db, world, statements, loader, seen
):
    keys = list(world.values())
    for viewer, names in seen.items():
        loaders = Loaders(db, None if viewer is None else world[viewer])
        statements.clear()
        rows = await ask(loaders, loader, *keys, new_id())
        assert len(statements) == 1
        found = {row.id for row in rows if row is not None}
        assert found == {world[name] for name in names.split()}


@pytest.mark.parametrize(
    ("loader", "key", "ids"),
    [
        (posts.posts_by_author_id, "ada", ["shown"]),
        (posts.posts_by_category_id, "shelf", ["shown"]),
        (posts.comments_by_post_id, "shown", ["root"]),
        (posts.replies_by_comment_id, "root", ["reply"]),
        (moderation.actions_by_user_id, "ada", ["action"]),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
async def test_pages_take_one_statement_and_so_do_their_counts(
    db, world, statements, loader, key, ids
):
    loaders = Loaders(db)
    statements.clear()
    found, none = await ask(loaders, loader, (world[key], FIRST), (new_id(), FIRST))
    assert [row.id for row in found.nodes] == [world[id] for id in ids]
    assert none.nodes == []
    assert len(statements) == 1
    assert await asyncio.gather(found.count(), none.count()) == [len(ids), 0]
    assert len(statements) == 2


async def test_bodies_take_one_statement_and_no_row_has_one(db, world, statements):
    statements.clear()
    keys = [world["shown"], new_id(), world["draft"]]
    assert await ask(Loaders(db), posts.blocks_by_post_id, *keys) == [[], [], []]
    assert len(statements) == 1
    assert "blocks" not in posts.PostRow._fields


async def test_slugs_take_one_statement(db, world, statements):
    statements.clear()
    found = await ask(Loaders(db), posts.post_id_by_slug, "none", "draft", "shown")
    assert found == [None, world["draft"], world["shown"]]
    [shelf, none] = await ask(Loaders(db), posts.category_by_slug, "shelf", "none")
    assert (shelf.id, none) == (world["shelf"], None)
    assert len(statements) == 2


async def test_ones_own_reactions_take_one_statement_and_nobodys_none(db, world, statements):
    keys = [world["shown"], world["root"]]
    for viewer, expected, number in (
        ("bob", [["LIKE", "LOVE"], []], 1),
        ("ada", [[], []], 1),
        (None, [[], []], 0),
    ):
        loaders = Loaders(db, None if viewer is None else world[viewer])
        statements.clear()
        assert await ask(loaders, posts.viewer_reactions_by_subject_id, *keys) == expected
        assert len(statements) == number


def test_what_depends_on_the_viewer_says_so():
    shared = (
        posts.referred_post_by_id,
        posts.category_by_id,
        posts.post_id_by_slug,
        moderation.report_by_id,
        moderation.action_by_id,
    )
    assert [loader.name for loader in shared if depends_on_viewer(loader)] == []
    for loader in (posts.post_by_id, posts.comments_by_post_id, moderation.own_report_by_id):
        assert depends_on_viewer(loader)
