"""Who is told of mentions, comments, replies and reactions: each person once, in ids alone, and
nobody of someone whom they have muted or who is blocked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.events import NewEvent
from core.ids import encode_id
from services.content.posts_blocks import mentioned_in
from services.jobs import enqueue
from services.users.accounts import user_topic

TELL_MENTIONED = "tell_mentioned"
TOLD_AT_ONCE = 8
"""People told in one transaction: each is a topic."""

# Who may hear of the actor, of those asked about.
_HEARING = text(
    """
    SELECT u.id FROM user_account AS u
    WHERE u.id = ANY(CAST(:users AS uuid[])) AND u.id <> :actor AND u.status <> 'DELETED'
      AND NOT EXISTS (SELECT FROM mute WHERE muter_id = u.id AND muted_id = :actor)
      AND NOT EXISTS (SELECT FROM block WHERE blocker_id = u.id AND blocked_id = :actor)
      AND NOT EXISTS (SELECT FROM block WHERE blocker_id = :actor AND blocked_id = u.id)
    """
)
_NAMED = text(
    "SELECT id FROM user_account WHERE lower(username) = ANY(CAST(:names AS text[]))"
    " AND status <> 'DELETED'"
)
_ONCE = text(
    """
    INSERT INTO post_told (subject_id, user_id, kind, actor_id)
    SELECT :subject, user_id, :kind, :actor FROM unnest(CAST(:users AS uuid[])) AS u(user_id)
    ON CONFLICT DO NOTHING RETURNING user_id
    """
)
_LISTED = text(
    "SELECT author_id, blocks FROM post"
    " WHERE id = :post AND status = 'PUBLISHED' AND deleted_at IS NULL"
)
_TOLD = text("SELECT user_id FROM post_told WHERE subject_id = :subject AND kind = 'MENTION'")


async def tell_mentioned(
    tx: Transaction, post_id: UUID, blocks: Sequence[Mapping[str, Any]]
) -> None:
    """Ask for a job that tells who is mentioned in a post: they may be more than a transaction may
    have topics."""
    if mentioned_in(blocks):
        await enqueue(tx, TELL_MENTIONED, {"post": post_id.hex})


async def tell_mentioned_in(tx: Transaction, *, post_id: UUID) -> int:
    """Tell the first eight of those whom a listed post mentions and who were not told yet; how many
    are left. Safe to run again."""
    post = (await tx.execute(_LISTED, {"post": post_id})).one_or_none()
    if post is None:
        return 0
    known = set((await tx.execute(_TOLD, {"subject": post_id})).scalars())
    waiting = [id for id in mentioned_in(post.blocks) if id not in known]
    hearing = await _hearing(tx, waiting, post.author_id)
    now = [id for id in waiting if id in hearing][:TOLD_AT_ONCE]
    await _tell_once(tx, "MENTION", now, encode_id("pst", post_id), post_id, post.author_id)
    return len(hearing) - len(now)


async def tell_commented(
    tx: Transaction,
    *,
    comment_id: UUID,
    actor_id: UUID,
    post_author_id: UUID,
    parent_author_id: UUID | None,
    usernames: Sequence[str],
) -> None:
    """Tell whom a new comment answers, whose post it is under, and whom it names: each one thing,
    the first of these that is true."""
    kinds: dict[UUID, str] = {}
    if usernames:
        named = await tx.execute(_NAMED, {"names": list(usernames)})
        kinds = dict.fromkeys(named.scalars(), "MENTION")
    kinds[post_author_id] = "COMMENT"
    if parent_author_id is not None:
        kinds[parent_author_id] = "REPLY"
    reference = encode_id("cmt", comment_id)
    for user_id in await _hearing(tx, list(kinds), actor_id):
        _notify(tx, kinds[user_id], user_id, reference, actor_id)


async def tell_reacted(
    tx: Transaction, *, subject: str, subject_id: UUID, actor_id: UUID, author_id: UUID
) -> None:
    """Tell an author that someone reacted: once a person and thing, however often they do."""
    hearing = await _hearing(tx, [author_id], actor_id)
    await _tell_once(tx, "REACTION", list(hearing), subject, subject_id, actor_id)


async def _hearing(tx: Transaction, user_ids: Sequence[UUID], actor_id: UUID) -> set[UUID]:
    if not user_ids or set(user_ids) == {actor_id}:
        return set()
    found = await tx.execute(_HEARING, {"users": list(user_ids), "actor": actor_id})
    return set(found.scalars())


async def _tell_once(
    tx: Transaction,
    kind: str,
    user_ids: Sequence[UUID],
    reference: str,
    subject_id: UUID,
    actor_id: UUID,
) -> None:
    if not user_ids:
        return
    asked = {"subject": subject_id, "kind": kind, "actor": actor_id, "users": list(user_ids)}
    for user_id in (await tx.execute(_ONCE, asked)).scalars():
        _notify(tx, kind, user_id, reference, actor_id)


_EVENTS = {
    "MENTION": "Mentioned",
    "COMMENT": "Commented",
    "REPLY": "Replied",
    "REACTION": "Reacted",
}


def _notify(tx: Transaction, kind: str, user_id: UUID, reference: str, actor_id: UUID) -> None:
    payload = {"kind": kind, "reference": reference}
    tx.collect(NewEvent(user_topic(user_id), _EVENTS[kind], payload, actor_id))
