"""Comments: answers to a post and to one another, up to a depth. One that is taken away stays in
its place without its words, so that what answers it can be read."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, update

from core.database import Transaction
from core.errors import Forbidden, InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.text import clean_text
from models.content.post_tables import comments
from services.content.posts_access import (
    COMMENTS_A_MINUTE,
    any_post,
    locked_comment,
    open_post,
    post_of_comment,
    take_turn,
)
from services.content.posts_counts import count_post, count_reply, post_topic
from services.content.posts_telling import tell_commented
from services.idempotency import claim, idempotent_request

TEXT_MAX = 5_000
DEPTH_MAX = 8
COMMENT_MENTIONS_MAX = 5
"""Names in a comment after these are text like any other: nobody is told."""

_NAMED = re.compile(r"(?<![A-Za-z0-9_@.])@([A-Za-z0-9_]{3,30})(?![A-Za-z0-9_@])")


async def add_comment(
    tx: Transaction,
    *,
    author_id: UUID,
    post_id: UUID,
    text: str,
    parent_id: UUID | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Answer a published post, or a comment on it; 20 a minute at most, replies 8 deep at most. The
    same key again gives the first answer. `@username` tells five people at most.

    Raises `NotFound` (post, comment), `Forbidden`, `InvalidInput`, `IdempotencyConflict`,
    `RateLimited`.
    """
    clean_text(text, field="text", maximum=TEXT_MAX, multiline=True)
    comment_id = new_id()
    if idempotency_key is not None:
        said = {"post": post_id, "parent": parent_id, "text": text}
        request = idempotent_request(author_id, idempotency_key, said)
        before = await claim(tx, "addComment", request, {"comment": comment_id.hex})
        if before is not None:
            return UUID(hex=before["comment"])
    await take_turn(tx, "post_comment", author_id, maximum=COMMENTS_A_MINUTE)
    post = await open_post(tx, post_id, author_id)
    parent = None if parent_id is None else await _parent(tx, parent_id, post_id, author_id)
    row = {
        "post_id": post_id,
        "parent_id": parent_id,
        "author_id": author_id,
        "depth": 1 if parent is None else parent.depth + 1,
        "text": text,
    }
    await tx.execute(insert(comments).values(id=comment_id, **row))
    await _count(tx, post_id, parent_id, change=1)
    payload = {"comment": comment_id.hex, "parent": None if parent_id is None else parent_id.hex}
    tx.collect(NewEvent(post_topic(post_id), "CommentAdded", payload, author_id))
    await tell_commented(
        tx,
        comment_id=comment_id,
        actor_id=author_id,
        post_author_id=post.author_id,
        parent_author_id=None if parent is None else parent.author_id,
        usernames=named_in(text),
    )
    return comment_id


async def update_comment(tx: Transaction, *, viewer_id: UUID, comment_id: UUID, text: str) -> UUID:
    """Change the words of one's own comment; nobody new is told. Raises `NotFound`, `Forbidden`,
    `InvalidInput`."""
    clean_text(text, field="text", maximum=TEXT_MAX, multiline=True)
    comment = await _own(tx, comment_id, viewer_id)
    if comment.text != text:
        values = {"text": text, "edited_at": func.clock_timestamp()}
        await tx.execute(update(comments).where(comments.c.id == comment_id).values(**values))
        _tell(tx, comment, "CommentChanged", viewer_id)
    return comment_id


async def delete_comment(tx: Transaction, *, viewer_id: UUID, comment_id: UUID) -> UUID:
    """Take one's own comment away; what answers it stays. Raises `NotFound`, `Forbidden`."""
    await any_post(tx, await post_of_comment(tx, comment_id))
    comment = await _own(tx, comment_id, viewer_id)
    await set_comment_status(tx, comment, status="DELETED", actor_id=viewer_id)
    return comment_id


async def set_comment_status(
    tx: Transaction, comment: Row[Any], *, status: str, actor_id: UUID
) -> None:
    """Show a locked comment on a locked post, or take it away; the counts follow."""
    await tx.execute(update(comments).where(comments.c.id == comment.id).values(status=status))
    change = (status == "VISIBLE") - (comment.status == "VISIBLE")
    if change:
        await _count(tx, comment.post_id, comment.parent_id, change=change)
    _tell(tx, comment, "CommentStatusChanged", actor_id, status=status)


def named_in(text: str) -> list[str]:
    """Usernames behind an @, in lower case, each once; five at most."""
    found = dict.fromkeys(name.lower() for name in _NAMED.findall(text))
    return list(found)[:COMMENT_MENTIONS_MAX]


async def _parent(tx: Transaction, parent_id: UUID, post_id: UUID, viewer_id: UUID) -> Row[Any]:
    parent = await locked_comment(tx, parent_id, viewer_id)
    if parent.post_id != post_id:
        raise NotFound("comment")
    if parent.depth >= DEPTH_MAX:
        raise InvalidInput("parentId", f"replies go {DEPTH_MAX} deep at most: answer one above it")
    return parent


async def _own(tx: Transaction, comment_id: UUID, viewer_id: UUID) -> Row[Any]:
    # One's own, also where the post is hidden by now: who was blocked may take their words back.
    comment = await locked_comment(tx, comment_id, viewer_id, hidden=True)
    own = comment.author_id == viewer_id
    if comment.status != "VISIBLE" or not (own or comment.shown):
        raise NotFound("comment")
    if not own:
        raise Forbidden("only its author changes a comment")
    return comment


async def _count(tx: Transaction, post_id: UUID, parent_id: UUID | None, *, change: int) -> None:
    await count_post(tx, post_id, comments=change)
    if parent_id is not None:
        await count_reply(tx, parent_id, change=change)


def _tell(tx: Transaction, comment: Row[Any], kind: str, actor_id: UUID, **facts: str) -> None:
    payload = {"comment": comment.id.hex, **facts}
    tx.collect(NewEvent(post_topic(comment.post_id), kind, payload, actor_id))
