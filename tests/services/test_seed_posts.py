"""The demo's posts: there, on shelves, answered, and counted as the rules count."""

from sqlalchemy import text

from models.content.posts import REACTION_KINDS
from services.seed.demo import DEMO_USERNAME, seed_demo
from services.seed.posts import SHELVES, STORIES
from services.users.passwords import Passwords


async def test_the_demo_has_posts_that_are_answered_and_counted(db, database_url, tmp_path):
    passwords = Passwords(memory_kib=1_024, time_cost=1)
    try:
        await seed_demo(database_url, state_dir=tmp_path, passwords=passwords)
    finally:
        passwords.close()

    async def rows(statement):

        async with db.read() as session:
            return (await session.execute(text(statement))).all()

    posts = await rows("SELECT * FROM post ORDER BY created_at, id")
    assert [post.title for post in posts] == [story.title for story in STORIES]
    assert {post.status for post in posts} == {"PUBLISHED"}
    assert len({post.category_id for post in posts}) == len(SHELVES)
    for post in posts:
        [counted] = await rows(
            "SELECT (SELECT count(*) FROM post_comment WHERE post_id = p.id) AS comments,"
            " (SELECT count(*) FROM reaction WHERE subject_id = p.id) AS reactions,"
            " (SELECT count(*) FROM post_visit WHERE post_id = p.id) AS readers"
            f" FROM post AS p WHERE id = '{post.id}'"
        )
        assert post.comment_count == counted.comments >= 2
        assert post.reaction_count == sum(post.reactions) == counted.reactions
        assert post.view_count == counted.readers
        assert len(post.reactions) == len(REACTION_KINDS)
    assert sum(post.reaction_count for post in posts) > 10
    feed = await rows(
        "SELECT count(*) FROM post JOIN follow ON followee_id = author_id"
        " JOIN user_account AS u ON u.id = follower_id"
        f" WHERE u.username = '{DEMO_USERNAME}'"
    )
    assert feed == [(len(STORIES),)]
