"""Reactions to posts and comments: each kind once a person, taken back at will, counted in the row
that they are a reaction to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete
from sqlalchemy.dialects.postgresql import insert

from core.database import Transaction
from core.errors import NotFound
from core.events import NewEvent
from core.ids import encode_id
from models.content.post_tables import reactions
from services.content.posts_access import (
    REACTIONS_A_MINUTE,
    locked_comment,
    locked_post,
    require_published,
    take_turn,
)
from services.content.posts_counts import count_reaction, post_topic
from services.content.posts_telling import tell_reacted

SUBJECTS = {"pst": "post", "cmt": "post_comment"}
"""What takes reactions, by the prefix of its id, and its table."""


async def react(
    tx: Transaction, *, viewer_id: UUID, prefix: str, subject_id: UUID, kind: str
) -> bool:
    """Add the viewer's reaction of a kind to a post or a comment; False where it is there already.
    120 a minute at most. Raises `NotFound`, `Forbidden`, `RateLimited`."""
    await take_turn(tx, "reaction", viewer_id, maximum=REACTIONS_A_MINUTE)
    subject, post_id, status = await _subject(tx, prefix, subject_id, viewer_id)
    require_published(status)
    row = {"subject_id": subject_id, "user_id": viewer_id, "kind": kind, "post_id": post_id}
    added = await tx.execute(
        insert(reactions).values(**row).on_conflict_do_nothing().returning(reactions.c.kind)
    )
    if added.first() is None:
        return False
    await _count(tx, prefix, subject_id, post_id, kind, viewer_id, change=1)
    await tell_reacted(
        tx,
        subject=encode_id(prefix, subject_id),
        actor_id=viewer_id,
        author_id=subject.author_id,
    )
    return True


async def unreact(
    tx: Transaction, *, viewer_id: UUID, prefix: str, subject_id: UUID, kind: str
) -> bool:
    """Take the viewer's reaction of a kind back; False where there is none. Raises `NotFound`."""
    _, post_id, _ = await _subject(tx, prefix, subject_id, viewer_id)
    gone = await tx.execute(
        delete(reactions)
        .where(
            reactions.c.subject_id == subject_id,
            reactions.c.user_id == viewer_id,
            reactions.c.kind == kind,
        )
        .returning(reactions.c.kind)
    )
    if gone.first() is None:
        return False
    await _count(tx, prefix, subject_id, post_id, kind, viewer_id, change=-1)
    return True


async def _subject(
    tx: Transaction, prefix: str, subject_id: UUID, viewer_id: UUID
) -> tuple[Row[Any], UUID, str]:
    """What is reacted to, locked; the post it stands under, and that post's status."""
    if prefix == "pst":
        post = await locked_post(tx, subject_id, viewer_id)
        return post, post.id, post.status
    if prefix == "cmt":
        comment = await locked_comment(tx, subject_id, viewer_id)
        return comment, comment.post_id, comment.post_status
    raise NotFound("post or comment")


async def _count(
    tx: Transaction,
    prefix: str,
    subject_id: UUID,
    post_id: UUID,
    kind: str,
    actor_id: UUID,
    *,
    change: int,
) -> None:
    await count_reaction(tx, SUBJECTS[prefix], subject_id, kind, change=change)
    payload = {"subject": encode_id(prefix, subject_id), "kind": kind, "change": change}
    tx.collect(NewEvent(post_topic(post_id), "ReactionsChanged", payload, actor_id))
