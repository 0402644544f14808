"""Who is told of mentions, comments, replies and reactions, each of one thing and once. How they
are told, and who does not want to hear of whom, is for services/users/notifications.py to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.ids import encode_id
from services.content.posts_blocks import mentioned_in
from services.users.notifications import notify

_NAMED = text(
    "SELECT id FROM user_account WHERE lower(username) = ANY(CAST(:names AS text[]))"
    " AND status = 'ACTIVE'"
)


async def tell_mentioned(
    tx: Transaction, *, post_id: UUID, author_id: UUID, blocks: Sequence[Mapping[str, Any]]
) -> None:
    """Tell whom a published post mentions: once a post, however often it is changed."""
    mentioned = mentioned_in(blocks)
    if mentioned:
        post = encode_id("pst", post_id)
        await notify(
            tx,
            kind="MENTION",
            user_ids=mentioned,
            dedupe_key=f"mention:{post}",
            actor_id=author_id,
            reference=post,
        )


async def tell_commented(
    tx: Transaction,
    *,
    comment_id: UUID,
    actor_id: UUID,
    post_author_id: UUID,
    parent_author_id: UUID | None,
    usernames: Sequence[str],
) -> None:
    """Tell whom a new comment answers, whose post it is under, and whom it names: each the first of
    these that is true."""
    named: list[UUID] = []
    if usernames:
        named = list((await tx.execute(_NAMED, {"names": list(usernames)})).scalars())
    comment = encode_id("cmt", comment_id)
    replied = () if parent_author_id is None else (parent_author_id,)
    told: set[UUID] = set()
    for kind, user_ids in (
        ("REPLY", replied),
        ("COMMENT", (post_author_id,)),
        ("MENTION", tuple(named)),
    ):
        waiting = [user_id for user_id in user_ids if user_id not in told | {actor_id}]
        told.update(waiting)
        if waiting:
            await notify(
                tx,
                kind=kind,  # type: ignore[arg-type]  # a literal, which the loop widens
                user_ids=waiting,
                dedupe_key=f"comment:{comment}",
                actor_id=actor_id,
                reference=comment,
            )


async def tell_reacted(tx: Transaction, *, subject: str, actor_id: UUID, author_id: UUID) -> None:
    """Tell an author that someone reacted: once a person and thing, however often they do."""
    if author_id != actor_id:
        await notify(
            tx,
            kind="REACTION",
            user_ids=[author_id],
            dedupe_key=f"reaction:{subject}:{actor_id.hex}",
            actor_id=actor_id,
            reference=subject,
        )


async def tell_moderated(
    tx: Transaction, *, action_id: UUID, user_id: UUID, action: str, subject: str
) -> None:
    """Tell someone what moderators did. Who of them did it is not told: they answer together."""
    reference = encode_id("mod", action_id)
    await notify(
        tx,
        kind="MODERATION",
        user_ids=[user_id],
        dedupe_key=f"moderation:{reference}",
        reference=reference,
        facts={"action": action, "subject": subject},
    )
