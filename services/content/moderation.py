"""Reports by people, and what moderators do about posts, comments and people. Each act is written
down with its reason, is in the audit log, and tells the person concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from core.database import Transaction
from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import encode_id, new_id
from core.text import clean_text
from models.content.post_tables import actions, reports
from models.user_tables import accounts
from services.content.posts import set_post_status
from services.content.posts_access import (
    REPORTS_A_MINUTE,
    any_post,
    locked_comment,
    locked_post,
    post_of_comment,
    take_turn,
)
from services.content.posts_comments import set_comment_status
from services.content.posts_telling import tell_moderated
from services.users.access import USER_PREFIX, Viewer
from services.users.accounts import REASON_MAX, set_user_status
from services.users.audit import audit

DETAILS_MAX = 2_000

Action = Literal["WARN", "SUSPEND", "REMOVE", "RESTORE"]

SCOPES: Mapping[tuple[str, str], str] = {
    ("WARN", "pst"): "user:warn",
    ("WARN", "cmt"): "user:warn",
    ("WARN", USER_PREFIX): "user:warn",
    ("SUSPEND", "pst"): "user:suspend",
    ("SUSPEND", "cmt"): "user:suspend",
    ("SUSPEND", USER_PREFIX): "user:suspend",
    ("REMOVE", "pst"): "post:delete",
    ("REMOVE", "cmt"): "comment:delete",
    ("RESTORE", "pst"): "post:delete",
    ("RESTORE", "cmt"): "comment:delete",
    ("RESTORE", USER_PREFIX): "user:suspend",
}
"""What may be done to what, and the scope that it takes. SUSPEND and WARN are for the author."""


@dataclass(frozen=True, slots=True)
class Moderated:
    """What was done; the sessions that ended are to be published."""

    action_id: UUID
    revoked: list[UUID]


async def report_content(
    tx: Transaction,
    *,
    reporter_id: UUID,
    prefix: str,
    subject_id: UUID,
    reason: str,
    details: str = "",
) -> UUID:
    """Ask moderators to look at a post, a comment or a person that the reporter can see. While a
    report of theirs is open, another changes nothing; 10 a minute at most.

    Raises `NotFound`, `InvalidInput` (also for what is one's own), `RateLimited`.
    """
    clean_text(details, field="details", minimum=0, maximum=DETAILS_MAX, multiline=True)
    await take_turn(tx, "report", reporter_id, maximum=REPORTS_A_MINUTE)
    if await _seen_author(tx, prefix, subject_id, reporter_id) == reporter_id:
        raise InvalidInput("nodeId", "this is your own")
    row = {
        "id": new_id(),
        "reporter_id": reporter_id,
        "subject_kind": prefix,
        "subject_id": subject_id,
        "reason": reason,
        "details": details,
    }
    await tx.execute(
        upsert(reports)
        .values(**row)
        .on_conflict_do_nothing(
            # Written out: a bound value is no longer the index's predicate in a generic plan.
            index_elements=["subject_id", "reporter_id"],
            index_where=text("status = 'OPEN'"),
        )
    )
    found = await tx.execute(
        select(reports.c.id).where(
            reports.c.subject_id == subject_id,
            reports.c.reporter_id == reporter_id,
            reports.c.status == "OPEN",
        )
    )
    return found.scalar_one()  # type: ignore[no-any-return]


async def moderate_content(
    tx: Transaction,
    *,
    actor: Viewer,
    prefix: str,
    subject_id: UUID,
    action: Action,
    reason: str,
) -> Moderated:
    """Act on a post, a comment or a person, for a reason that the person concerned can read. What
    was reported of it is resolved, save by RESTORE.

    Raises `NotFound`, `InvalidInput`, and `Forbidden` where the actor's scopes do not reach, where
    it is their own, and where it is so already.
    """
    clean_text(reason, field="reason", maximum=REASON_MAX, multiline=True)
    scope = SCOPES.get((action, prefix))
    if scope is None:
        raise InvalidInput("action", "people are suspended, not removed")
    if not actor.has(scope):
        raise Forbidden(f"this needs the scope {scope}")
    subject, user_id = await _subject(tx, prefix, subject_id)
    if user_id == actor.user_id:
        raise Forbidden("nobody moderates what is their own")
    action_id = new_id()
    named = encode_id(prefix, subject_id)
    told = partial(
        tell_moderated, tx, action_id=action_id, user_id=user_id, action=action, subject=named
    )
    if action != "RESTORE":  # before it is done: who is suspended is told nothing any more
        await told()
    revoked = await _act(tx, actor, prefix, subject, user_id, action, reason)
    if action == "RESTORE":
        await told()
    row = {
        "id": action_id,
        "moderator_id": actor.user_id,
        "user_id": user_id,
        "subject_kind": prefix,
        "subject_id": subject_id,
        "action": action,
        "reason": reason,
    }
    await _write_down(tx, actor, row)
    return Moderated(action_id, revoked)


async def dismiss_report(tx: Transaction, *, actor: Viewer, report_id: UUID) -> UUID:
    """Close an open report without an act. Raises `NotFound`, `Forbidden` where it is closed."""
    row = (
        await tx.execute(
            select(reports.c.status, reports.c.reporter_id)
            .where(reports.c.id == report_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("report")
    if row.status != "OPEN":
        raise Forbidden("this report is closed already")
    await tx.execute(
        update(reports)
        .where(reports.c.id == report_id)
        .values(status="DISMISSED", resolved_at=func.clock_timestamp(), resolved_by=actor.user_id)
    )
    await audit(
        tx,
        "REPORT_DISMISSED",
        user_id=row.reporter_id,
        actor_id=actor.user_id,
        session_id=actor.session_id,
        details={"report": encode_id("rpt", report_id)},
    )
    return report_id


async def _seen_author(tx: Transaction, prefix: str, subject_id: UUID, viewer_id: UUID) -> UUID:
    """Whose it is, if the viewer can see it."""
    found: UUID
    if prefix == "pst":
        found = (await locked_post(tx, subject_id, viewer_id)).author_id
    elif prefix == "cmt":
        found = (await locked_comment(tx, subject_id, viewer_id)).author_id
    else:
        found = (await _account(tx, prefix, subject_id)).id
    return found


async def _subject(tx: Transaction, prefix: str, subject_id: UUID) -> tuple[Row[Any], UUID]:
    """What is acted upon, locked, whoever may see it; and whose it is."""
    if prefix == "pst":
        post = await any_post(tx, subject_id)
        if post.status == "DRAFT":
            raise NotFound("post")  # nobody but its author knows of it
        return post, post.author_id
    if prefix == "cmt":
        await any_post(tx, await post_of_comment(tx, subject_id))
        comment = await locked_comment(tx, subject_id, None, hidden=True)
        if comment.status == "DELETED":
            raise NotFound("comment")
        return comment, comment.author_id
    account = await _account(tx, prefix, subject_id)
    return account, account.id


async def _account(tx: Transaction, prefix: str, user_id: UUID) -> Any:
    found = None
    if prefix == USER_PREFIX:
        found = (
            await tx.execute(
                select(accounts.c.id, accounts.c.status).where(
                    accounts.c.id == user_id, accounts.c.status != "DELETED"
                )
            )
        ).one_or_none()
    if found is None:
        raise NotFound("node")
    return found


async def _act(
    tx: Transaction,
    actor: Viewer,
    prefix: str,
    subject: Row[Any],
    user_id: UUID,
    action: Action,
    reason: str,
) -> list[UUID]:
    """Do it; the sessions that it ended."""
    if action == "WARN":
        return []
    if action == "SUSPEND" or prefix == USER_PREFIX:
        return await _set_suspended(tx, actor, user_id, reason, suspended=action == "SUSPEND")
    removed = action == "REMOVE"
    if (subject.status == "REMOVED") == removed:
        raise Forbidden("it is removed already" if removed else "it is not removed")
    if prefix == "cmt":
        status = "REMOVED" if removed else "VISIBLE"
        await set_comment_status(tx, subject, status=status, actor_id=actor.user_id)
    else:
        await set_post_status(
            tx,
            subject,
            status="REMOVED" if removed else subject.removed_from,
            actor_id=actor.user_id,
            removed_from=subject.status if removed else None,
        )
    return []


async def _set_suspended(
    tx: Transaction, actor: Viewer, user_id: UUID, reason: str, *, suspended: bool
) -> list[UUID]:
    status = await tx.scalar(select(accounts.c.status).where(accounts.c.id == user_id))
    if (status == "SUSPENDED") == suspended:
        raise Forbidden("they are suspended already" if suspended else "they are not suspended")
    return await set_user_status(
        tx,
        actor=actor,
        user_id=user_id,
        status="SUSPENDED" if suspended else "ACTIVE",
        reason=reason,
    )


async def _write_down(tx: Transaction, actor: Viewer, row: dict[str, Any]) -> None:
    """The act itself, what it resolves, and its line in the audit log."""
    await tx.execute(insert(actions).values(**row))
    if row["action"] != "RESTORE":
        await tx.execute(
            update(reports)
            .where(reports.c.subject_id == row["subject_id"], reports.c.status == "OPEN")
            .values(
                status="RESOLVED",
                resolved_at=func.clock_timestamp(),
                resolved_by=actor.user_id,
                action_id=row["id"],
            )
        )
    await audit(
        tx,
        "CONTENT_MODERATED",
        user_id=row["user_id"],
        actor_id=actor.user_id,
        session_id=actor.session_id,
        details={
            "id": encode_id("mod", row["id"]),
            "action": row["action"],
            "subject": encode_id(row["subject_kind"], row["subject_id"]),
        },
    )
