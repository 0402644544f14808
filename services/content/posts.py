"""Posts: written, changed, published, archived, featured, deleted; the categories they stand in.
Only their author does it; featuring is the moderators', and removing stands in moderation.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from slugify import slugify
from sqlalchemy import Row, exists, func, insert, literal_column, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Transaction, violated_constraint
from core.errors import Forbidden, InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.text import clean_text
from models.content.post_tables import POSTS_TOPIC, categories, posts
from services.content.posts_access import (
    POSTS_A_MINUTE,
    any_post,
    own_post,
    take_turn,
)
from services.content.posts_blocks import checked_blocks, opening_of, reading_time_s
from services.content.posts_counts import count_tags, heat_sql, post_topic
from services.content.posts_telling import tell_mentioned
from services.idempotency import claim, idempotent_request
from services.users.profiles import clean_url

TITLE_MAX = 300
EXCERPT_MAX = 500
TAGS_MAX = 20
TAG_MAX = 40
CATEGORIES_MAX = 200

_SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){2,119}")
_SLUG_WORDS = 100
"""Characters of a made slug that come from the title; the rest are the id's last digits."""

_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class PostDetails:
    """What an author says. Limits: title 1-300, excerpt ≤ 500 characters, 20 tags of 1-40, blocks
    as posts_blocks.py says. Without an excerpt, the beginning of the text stands for it."""

    title: str
    blocks: Sequence[Mapping[str, Any]] = ()
    excerpt: str | None = None
    cover_url: str | None = None
    tags: Sequence[str] = ()
    category_id: UUID | None = None


async def create_post(
    tx: Transaction,
    *,
    author_id: UUID,
    details: PostDetails,
    slug: str | None = None,
    publish: bool = False,
    idempotency_key: str | None = None,
) -> UUID:
    """Write a post, a draft unless `publish`; 10 a minute at most. The same key again gives the
    first answer. Without `slug` one is made of the title and the id.

    Raises `InvalidInput`, `NotFound("category")`, `IdempotencyConflict`, `RateLimited`.
    """
    post_id = new_id()
    values = _checked(details)
    address = _made_slug(details.title, post_id) if slug is None else _given_slug(slug)
    if idempotency_key is not None:
        said = {**values, "slug": slug, "publish": publish}
        request = idempotent_request(author_id, idempotency_key, said)
        before = await claim(tx, "createPost", request, {"post": post_id.hex})
        if before is not None:
            return UUID(hex=before["post"])
    await _require_category(tx, details.category_id)
    await take_turn(tx, "post", author_id, maximum=POSTS_A_MINUTE)
    await _write(tx, insert(posts).values(id=post_id, author_id=author_id, slug=address, **values))
    if publish:
        await _publish(tx, await any_post(tx, post_id))
    return post_id


async def update_post(
    tx: Transaction, *, viewer_id: UUID, post_id: UUID, changes: Mapping[str, Any]
) -> UUID:
    """Change the given fields (`PostDetails`' and `slug`), all or none. A published post says since
    when it differs from what was published. Raises as `create_post`, and `Forbidden`."""
    post = await own_post(tx, post_id, viewer_id)
    kept = {field.name: getattr(post, field.name) for field in fields(PostDetails)}
    given = {name: value for name, value in changes.items() if name in kept}
    values = _checked(PostDetails(**{**kept, **given}))
    if changes.get("slug") is not None:
        values["slug"] = _given_slug(changes["slug"])
    changed = {name: value for name, value in values.items() if getattr(post, name) != value}
    if not changed:
        return post_id
    if "category_id" in changed:
        await _require_category(tx, changed["category_id"])
    if post.published_at is not None:
        changed["edited_at"] = _NOW
    await _write(tx, update(posts).where(posts.c.id == post_id).values(**changed))
    if post.status == "PUBLISHED":
        await count_tags(tx, before=post.tags, after=values["tags"])
        await tell_mentioned(tx, post_id=post_id, author_id=viewer_id, blocks=values["blocks"])
    _tell(tx, post, "PostChanged")
    return post_id


async def publish_post(tx: Transaction, *, viewer_id: UUID, post_id: UUID) -> UUID:
    """Show one's draft to everyone, or an archived post again; only the first time is news. A post
    that is published stays so. Raises `NotFound`, `Forbidden`."""
    post = await own_post(tx, post_id, viewer_id)
    if post.status != "PUBLISHED":
        await _publish(tx, post)
    return post_id


async def archive_post(tx: Transaction, *, viewer_id: UUID, post_id: UUID) -> UUID:
    """Take one's published post out of all lists; it can be read at its address and takes no more
    comments or reactions. Raises `NotFound`, `Forbidden` (also for a draft)."""
    post = await own_post(tx, post_id, viewer_id)
    if post.status == "DRAFT":
        raise Forbidden("a draft is in no list: there is nothing to archive")
    if post.status != "ARCHIVED":
        await set_post_status(tx, post, status="ARCHIVED", actor_id=viewer_id)
    return post_id


async def delete_post(tx: Transaction, *, viewer_id: UUID, post_id: UUID) -> UUID:
    """Take one's post away from everyone; its row stays. Raises `NotFound`, `Forbidden`."""
    post = await own_post(tx, post_id, viewer_id)
    await tx.execute(update(posts).where(posts.c.id == post_id).values(deleted_at=_NOW))
    if post.status == "PUBLISHED":
        await count_tags(tx, before=post.tags, after=())
    _tell(tx, post, "PostDeleted")
    return post_id


async def feature_post(
    tx: Transaction, *, viewer_id: UUID, post_id: UUID, featured: bool = True
) -> UUID:
    """Mark a published post as worth reading, or take the mark away: for moderators. Raises
    `NotFound`, `Forbidden` for what is not published."""
    post = await any_post(tx, post_id)
    if post.status == "DRAFT":
        raise NotFound("post")
    if post.status != "PUBLISHED":
        raise Forbidden("only a published post is featured")
    if (post.featured_at is not None) != featured:
        values = {"featured_at": _NOW if featured else None}
        await tx.execute(update(posts).where(posts.c.id == post_id).values(**values))
        _tell(tx, post, "PostFeatured" if featured else "PostUnfeatured", actor_id=viewer_id)
    return post_id


async def set_post_status(
    tx: Transaction, post: Row[Any], *, status: str, actor_id: UUID, **values: object
) -> None:
    """Give a locked post another status, with what else changes in its row."""
    await tx.execute(update(posts).where(posts.c.id == post.id).values(status=status, **values))
    await count_tags(
        tx,
        before=post.tags if post.status == "PUBLISHED" else (),
        after=post.tags if status == "PUBLISHED" else (),
    )
    _tell(tx, post, "PostStatusChanged", actor_id=actor_id, status=status)


async def create_category(
    tx: Transaction, *, name: str, slug: str | None = None, description: str = "", position: int = 0
) -> UUID:
    """Make a shelf; 200 at most. Raises `InvalidInput`."""
    clean_text(name, field="name", maximum=60)
    clean_text(description, field="description", minimum=0, maximum=1_000, multiline=True)
    slug = slugify(name, max_length=60) if slug is None else slug
    if len(slug) > 60 or not re.fullmatch(r"[a-z0-9](-?[a-z0-9])*", slug):
        raise InvalidInput("slug", "1 to 60 of a-z and 0-9, with single hyphens between them")
    if not 0 <= position <= 1_000_000:
        raise InvalidInput("position", "from 0 to 1,000,000")
    if (await tx.scalar(select(func.count()).select_from(categories))) >= CATEGORIES_MAX:  # type: ignore[operator]
        raise InvalidInput("name", f"{CATEGORIES_MAX} categories at most")
    category_id = new_id()
    row = {"slug": slug, "name": name, "description": description, "position": position}
    await _write(tx, insert(categories).values(id=category_id, **row))
    return category_id


def category_topic(category_id: UUID) -> str:
    """The topic of the publications in a category."""
    return f"category:{category_id.hex}"


def is_post_slug(slug: str) -> bool:
    """Whether a post could stand at this address."""
    return _SLUG.fullmatch(slug) is not None


async def _publish(tx: Transaction, post: Row[Any]) -> None:
    first = post.published_at is None
    values: dict[str, Any] = {"status": "PUBLISHED"}
    if first:
        values |= {"published_at": _NOW, "heat": literal_column(heat_sql("0", "clock_timestamp()"))}
    await tx.execute(update(posts).where(posts.c.id == post.id).values(**values))
    await count_tags(tx, before=(), after=post.tags)
    await tell_mentioned(tx, post_id=post.id, author_id=post.author_id, blocks=post.blocks)
    if not first:
        _tell(tx, post, "PostStatusChanged", status="PUBLISHED")
        return
    # Not on the post's own topic, which nobody else could follow yet: two topics, and the eight of
    # people who are told at once, are all that a transaction may have.
    told = {"post": post.id.hex, "author": post.author_id.hex}
    for topic in _publication_topics(post):
        tx.collect(NewEvent(topic, "PostPublished", told, post.author_id))


def _publication_topics(post: Row[Any]) -> Iterable[str]:
    yield POSTS_TOPIC
    if post.category_id is not None:
        yield category_topic(post.category_id)


def _checked(details: PostDetails) -> dict[str, Any]:
    title = clean_text(details.title, field="title", maximum=TITLE_MAX)
    blocks = checked_blocks(details.blocks)
    excerpt, cover_url = details.excerpt, details.cover_url
    if excerpt is not None:
        clean_text(excerpt, field="excerpt", minimum=0, maximum=EXCERPT_MAX, multiline=True)
    if len(details.tags) > TAGS_MAX:
        raise InvalidInput("tags", f"{TAGS_MAX} at most")
    return {
        "title": title,
        "blocks": blocks,
        "excerpt": excerpt,
        "opening": opening_of(blocks),
        "cover_url": None if cover_url is None else clean_url("coverUrl", cover_url),
        "tags": _tags(details.tags),
        "category_id": details.category_id,
        "reading_time_s": reading_time_s(title, blocks),
    }


def _tags(given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(clean_text(tag, field="tags", maximum=TAG_MAX) for tag in given))


def _given_slug(slug: str) -> str:
    if not is_post_slug(slug):
        raise InvalidInput("slug", "3 to 120 of a-z and 0-9, with single hyphens between them")
    return slug


def _made_slug(title: str, post_id: UUID) -> str:
    """From the title as far as it has letters, and the random end of the id: so never taken."""
    words = slugify(title, max_length=_SLUG_WORDS) or "post"
    return f"{words}-{post_id.hex[-10:]}"


async def _require_category(tx: Transaction, category_id: UUID | None) -> None:
    if category_id is None:
        return
    if not await tx.scalar(select(exists().where(categories.c.id == category_id))):
        raise NotFound("category")


async def _write(tx: Transaction, statement: Any) -> None:
    try:
        async with tx.begin_nested():
            await tx.execute(statement)
    except IntegrityError as error:
        if violated_constraint(error) in ("uq_post_slug", "uq_category_slug"):
            raise InvalidInput("slug", "it is taken") from None
        raise


def _tell(
    tx: Transaction, post: Row[Any], kind: str, *, actor_id: UUID | None = None, **facts: str
) -> None:
    payload = {"post": post.id.hex, **facts}
    tx.collect(NewEvent(post_topic(post.id), kind, payload, actor_id or post.author_id))
