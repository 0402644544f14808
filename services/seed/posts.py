"""Something to read in the demo: a few posts on shelves, with threads and reactions, written by
seeded people through the real rules. Small, for it is done before the first page is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from uuid import UUID

from sqlalchemy import text

from core.database import Database, Transaction
from models.content.posts import REACTION_KINDS
from services.content.posts import PostDetails, create_category, create_post
from services.content.posts_comments import add_comment
from services.content.posts_counts import record_post_view, share_post
from services.content.posts_reactions import react
from services.users.people import follow

WRITERS, READERS = 4, 10

# Those whose posts everyone may read.
_FOLK = text(
    """
    SELECT a.id FROM user_account AS a JOIN profile AS p ON p.user_id = a.id
    WHERE p.visibility = 'PUBLIC' AND a.status = 'ACTIVE' AND a.id <> :but
    ORDER BY a.created_at, a.id LIMIT :number
    """
)

SHELVES: tuple[tuple[str, str], ...] = (
    ("Workshops", "How things are made, by those who make them."),
    ("Kitchens", "What is cooked, and why it is cooked so."),
    ("Stories", "Where people and things come from."),
)


@dataclass(frozen=True, slots=True)
class _Story:
    """A post to be. What stands behind the bar of a comment is the writer's answer to it."""

    shelf: str
    title: str
    tags: tuple[str, ...]
    paragraphs: tuple[str, ...]
    comments: tuple[str, ...]
    quote: str | None = None


STORIES: tuple[_Story, ...] = (
    _Story(
        "Workshops",
        "What a narrow loom teaches",
        ("weaving", "textiles", "patience"),
        (
            "A strip of cloth eleven centimetres wide is easy to despise. Sew eleven of them "
            "together and you have a cloth that three people can sleep under.",
            "The narrow loom forgives nothing, but it forgives it quickly: a fault is a hand wide, "
            "and the next strip begins without it.",
        ),
        (
            "How do you keep the edges straight?|With a stretcher of split cane, moved every inch.",
            "My grandmother said the same of bread.",
        ),
        quote="Cloth remembers how you sat.",
    ),
    _Story(
        "Workshops",
        "Ash glaze without a recipe",
        ("pottery", "glaze", "firing"),
        (
            "Two parts of ash, two of feldspar, one of clay: that is where everyone begins, and "
            "nobody stays. Wash the ash, and it runs less; leave it, and it surprises you.",
            "Write down the wood. Apple and oak are two different glazes.",
        ),
        (
            "At which temperature do you stop?|When the third cone bows: about 1,280 degrees.",
            "Olive ash gave me a green I have never found again.",
            "Please wear a mask when you sieve it!",
        ),
    ),
    _Story(
        "Kitchens",
        "Sourdough in a cold kitchen",
        ("bread", "fermenting"),
        (
            "Below eighteen degrees a dough takes its time, and so should you. Mix in the evening, "
            "fold twice, and let the night do the work.",
        ),
        ("Mine took twenty hours, and was worth it.|That is a good age for a dough.",),
        quote="Flour, water, salt and a window that does not close.",
    ),
    _Story(
        "Stories",
        "Why the thumb piano has a buzz",
        ("music", "instruments", "calabash"),
        (
            "The rings and shells on the keys are no ornament. A clean tone, my teacher said, is a "
            "person who speaks and does not listen.",
            "So each note brings a small crowd with it.",
        ),
        (
            "I took mine off when I was young, and put them back on when I was not.",
            "Is there a recording?|Soon: we play at the market on Sunday.",
        ),
    ),
    _Story(
        "Kitchens",
        "A coffee pot is tinned from inside",
        ("copper", "metalwork", "coffee"),
        (
            "Copper and coffee do not like each other. A skin of tin, wiped on with a rag while "
            "the pot glows, keeps the peace for about ten years.",
        ),
        ("Who still does this near Lyon?", "I do, in the courtyard, on Fridays."),
    ),
    _Story(
        "Stories",
        "The baskets that went to sea",
        ("baskets", "willow", "history"),
        (
            "Herring travelled in willow long before it travelled in ice. The baskets were cut, "
            "woven and soaked within sight of the boats.",
            "One of them is in the museum now, and smells of it still.",
        ),
        ("Which museum?|The small one by the harbour; ring the bell.",),
    ),
)


async def seed_posts(db: Database, *, reader_id: UUID) -> int:
    """Write the demo's posts, each in a transaction of its own; how many.

    `reader_id` is who signs in to the demo: they follow the writers, so that their feed is not
    empty. 0 where there are too few people to write and answer.
    """
    async with db.read() as session:
        asked = {"but": reader_id, "number": WRITERS + READERS}
        folk = list((await session.execute(_FOLK, asked)).scalars())
    writers, readers = folk[:WRITERS], folk[WRITERS:]
    if not readers:
        return 0
    shelves = await db.transaction(_make_shelves)
    for writer in writers:
        await db.transaction(
            lambda tx, writer=writer: follow(tx, viewer_id=reader_id, user_id=writer)  # type: ignore[misc]
        )
    for number, (story, writer) in enumerate(zip(STORIES, cycle(writers), strict=False)):
        some = [*readers[number:], *readers[:number]]
        await db.transaction(
            lambda tx, story=story, writer=writer, some=some: _tell(  # type: ignore[misc]
                tx, story, shelves[story.shelf], writer, some
            )
        )
    return len(STORIES)


async def _make_shelves(tx: Transaction) -> dict[str, UUID]:
    return {
        name: await create_category(tx, name=name, description=description, position=number)
        for number, (name, description) in enumerate(SHELVES)
    }


async def _tell(
    tx: Transaction, story: _Story, shelf: UUID, writer: UUID, readers: Sequence[UUID]
) -> None:
    """One post, its threads and what readers feel about it."""
    post_id = await create_post(tx, author_id=writer, details=_details(story, shelf), publish=True)
    for reader, said in zip(readers, story.comments, strict=False):
        comment, _, answer = said.partition("|")
        comment_id = await add_comment(tx, author_id=reader, post_id=post_id, text=comment)
        if answer:
            await add_comment(
                tx, author_id=writer, post_id=post_id, text=answer, parent_id=comment_id
            )
            await react(tx, viewer_id=writer, prefix="cmt", subject_id=comment_id, kind="LIKE")
    for number, reader in enumerate(readers):
        await record_post_view(tx, viewer_id=reader, post_id=post_id)
        if number < len(story.title) % len(readers):
            kind = REACTION_KINDS[number % len(REACTION_KINDS)]
            await react(tx, viewer_id=reader, prefix="pst", subject_id=post_id, kind=kind)
    await share_post(tx, viewer_id=readers[0], post_id=post_id)


def _details(story: _Story, shelf: UUID) -> PostDetails:
    blocks: list[dict[str, object]] = [
        {"type": "paragraph", "text": paragraph} for paragraph in story.paragraphs
    ]
    if story.quote is not None:
        blocks.insert(1, {"type": "quote", "text": story.quote})
    return PostDetails(title=story.title, blocks=blocks, tags=story.tags, category_id=shelf)
