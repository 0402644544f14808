"""Notifications on their way out of the house: which wait, what they say, what became of them.
Handing them over is the jobs' business, outside any transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import text

from core.database import ReadSession, Transaction
from models.notification_kinds import Channel, NotificationKind

TRIES_MAX = 8
FIRST_RETRY = timedelta(minutes=1)
"""Pause after the first failure; each further one doubles it: two hours in all."""
SENDING_MAX = timedelta(minutes=10)
"""After so long in SENDING, whoever sent it has died."""

Outcome = Literal["SENT", "PENDING", "SKIPPED", "FAILED"]

_CLAIM = text(
    """
    UPDATE notification_delivery AS d
    SET status = 'SENDING', tries = tries + 1, changed_at = clock_timestamp()
    FROM (
        SELECT notification_id, channel FROM notification_delivery
        WHERE notification_id = ANY (:ids) AND status = 'PENDING'
        ORDER BY notification_id, channel FOR UPDATE SKIP LOCKED
    ) AS found
    WHERE d.notification_id = found.notification_id AND d.channel = found.channel
    RETURNING d.notification_id, d.channel, d.tries
    """
)
_DUE = text(
    """
    SELECT DISTINCT notification_id FROM (
        SELECT notification_id FROM notification_delivery
        WHERE status = 'PENDING' AND changed_at <
            clock_timestamp() - CAST(:first AS interval) * power(2, greatest(tries - 1, 0))
        ORDER BY changed_at LIMIT :limit
    ) AS found
    """
)
_LOST = text(
    """
    UPDATE notification_delivery SET changed_at = clock_timestamp(),
        status = CASE WHEN channel = ANY (:repeatable) THEN 'PENDING' ELSE 'FAILED' END
    WHERE status = 'SENDING' AND changed_at < clock_timestamp() - CAST(:age AS interval)
    """
)
_SETTLE = text(
    """
    UPDATE notification_delivery SET status = :status, changed_at = clock_timestamp()
    WHERE notification_id = :id AND channel = :channel AND status = 'SENDING'
    """
)
_CONTENTS = text(
    """
    SELECT n.id, n.user_id, n.kind, n.reference, n.facts, a.email, a.display_name AS name,
           a.status = 'ACTIVE' AS active, w.display_name AS actor
    FROM notification AS n
    JOIN user_account AS a ON a.id = n.user_id
    LEFT JOIN user_account AS w ON w.id = n.actor_id AND w.status <> 'DELETED'
    WHERE n.id = ANY (:ids)
    """
)
_BROWSERS = text(
    """
    SELECT user_id, id, endpoint, p256dh, auth FROM push_subscription
    WHERE user_id = ANY (:users) ORDER BY user_id, id
    """
)
_GONE = text("DELETE FROM push_subscription WHERE id = ANY (:ids)")
_NAMES = text(
    "SELECT id, display_name FROM user_account WHERE id = ANY (:ids) AND status <> 'DELETED'"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to make now; nobody else makes it."""

    notification_id: UUID
    channel: Channel
    tries: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a notification is about and whom it goes to; `thing` is to be named by its reference."""

    id: UUID
    user_id: UUID
    kind: NotificationKind
    reference: str | None
    facts: dict[str, Any]
    email: str
    name: str
    active: bool
    actor: str | None


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a push goes."""

    id: UUID
    endpoint: str
    p256dh: str
    auth: str


async def claim(tx: Transaction, ids: Sequence[UUID]) -> list[Claimed]:
    """Take what waits of these notifications. Whoever claims it settles it; if they die first, a
    sweep says what becomes of it."""
    rows = await tx.execute(_CLAIM, {"ids": list(ids)})
    return [Claimed(*row) for row in rows]


async def settle(tx: Transaction, claimed: Claimed, outcome: Outcome) -> None:
    """Say what became of a claimed delivery: PENDING, and it is tried again, later each time, eight
    times in all."""
    over = outcome == "PENDING" and claimed.tries >= TRIES_MAX
    asked = {"id": claimed.notification_id, "channel": claimed.channel}
    await tx.execute(_SETTLE, {**asked, "status": "FAILED" if over else outcome})


async def recover(tx: Transaction, *, repeatable: Sequence[Channel]) -> int:
    """Decide about what was being sent when its process died: channels on which the same message
    twice is seen once try again; on the others nobody knows, and it is left. How many."""
    done: Any = await tx.execute(_LOST, {"age": SENDING_MAX, "repeatable": list(repeatable)})
    return int(done.rowcount)


async def due(session: ReadSession, *, limit: int) -> list[UUID]:
    """Notifications that wait to be sent for too long, or again."""
    rows = await session.execute(_DUE, {"first": FIRST_RETRY, "limit": limit})
    return list(rows.scalars())


async def contents_of(session: ReadSession, ids: Sequence[UUID]) -> dict[UUID, Content]:
    """What these say and to whom, as of now."""
    rows = await session.execute(_CONTENTS, {"ids": list(ids)})
    return {row.id: Content(*row) for row in rows}


async def browsers_of(session: ReadSession, user_ids: Sequence[UUID]) -> dict[UUID, list[Browser]]:
    """Where each of these people's pushes go."""
    found: dict[UUID, list[Browser]] = {}
    for user_id, *browser in await session.execute(_BROWSERS, {"users": list(user_ids)}):
        found.setdefault(cast("UUID", user_id), []).append(Browser(*browser))
    return found


async def forget_browsers(tx: Transaction, ids: Sequence[UUID]) -> None:
    """These have unsubscribed."""
    await tx.execute(_GONE, {"ids": list(ids)})


async def names_of(session: ReadSession, ids: Sequence[UUID]) -> dict[UUID, str]:
    """What people are called, for messages about them."""
    return {row.id: row.display_name for row in await session.execute(_NAMES, {"ids": list(ids)})}
