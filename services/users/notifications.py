"""Telling people: `notify` is what every other service calls in its own transaction; reading,
preferences and browsers that take pushes stand here too. How messages leave the house:
deliveries.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from core.database import MAX_TOPICS, Transaction
from core.errors import InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.jsontext import to_json
from models.notification_kinds import ALWAYS, CHANNELS, DEFAULTS, NotificationKind
from services.jobs import enqueue
from services.users.accounts import user_topic

NOTIFICATION_PREFIX = "ntf"
NOTIFICATION_CREATED = "NotificationCreated"
NOTIFY = "notify"
DELIVER = "deliver_notifications"

TOLD_MAX = 8
"""People told in the transaction itself: leaves room for other topics of the same transaction."""
JOB_USERS = 400
"""People in one job."""
MARKED_MAX = 100
CHANGES_MAX = len(DEFAULTS) * len(CHANNELS)
_DEDUPE_KEY = re.compile(r"[!-~]{1,200}")

# People come in order of their ids, so that two transactions that tell the same people the same
# thing wait for each other and do not deadlock.
_TELL = text(
    """
    WITH recipient AS (
        SELECT a.id AS user_id, r.id
        FROM unnest(CAST(:users AS uuid[]), CAST(:ids AS uuid[])) AS r(user_id, id)
        JOIN user_account AS a ON a.id = r.user_id AND a.status = 'ACTIVE'
        WHERE NOT EXISTS (SELECT FROM mute AS m
                          WHERE m.muter_id = a.id AND m.muted_id = CAST(:actor AS uuid))
          AND NOT EXISTS (SELECT FROM block AS b
                          WHERE b.blocker_id = a.id AND b.blocked_id = CAST(:actor AS uuid)
                             OR b.blocked_id = a.id AND b.blocker_id = CAST(:actor AS uuid))
    ), wanted AS (
        SELECT r.user_id, r.id,
               coalesce(bool_or(p.enabled) FILTER (WHERE p.channel = 'IN_APP'),
                        'IN_APP' = ANY (:defaults)) AS in_app,
               coalesce(bool_or(p.enabled) FILTER (WHERE p.channel = 'EMAIL'),
                        'EMAIL' = ANY (:defaults)) AS email,
               coalesce(bool_or(p.enabled) FILTER (WHERE p.channel = 'PUSH'),
                        'PUSH' = ANY (:defaults))
               AND EXISTS (SELECT FROM push_subscription AS s WHERE s.user_id = r.user_id) AS push
        FROM recipient AS r
        LEFT JOIN notification_preference AS p ON p.user_id = r.user_id AND p.kind = :kind
        GROUP BY r.user_id, r.id
    ), made AS (
        INSERT INTO notification
            (id, user_id, kind, actor_id, reference, dedupe_key, facts, in_app)
        SELECT id, user_id, :kind, :actor, :reference, :dedupe_key, CAST(:facts AS jsonb), in_app
        FROM wanted WHERE in_app OR email OR push ORDER BY user_id
        ON CONFLICT (user_id, dedupe_key) DO NOTHING
        RETURNING id, user_id, in_app
    ), sent AS (
        INSERT INTO notification_delivery (notification_id, channel)
        SELECT made.id, c.channel
        FROM made JOIN wanted USING (id)
        CROSS JOIN LATERAL (VALUES ('EMAIL', wanted.email), ('PUSH', wanted.push))
            AS c(channel, chosen)
        WHERE c.chosen
        RETURNING notification_id
    )
    SELECT id, user_id, in_app, id IN (SELECT notification_id FROM sent) AS to_send FROM made
    ORDER BY user_id
    """
)
_MARK = text(
    """
    UPDATE notification SET read_at = clock_timestamp()
    WHERE user_id = :user AND in_app AND read_at IS NULL
      AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY (CAST(:ids AS uuid[])))
    """
)
_OWN = text(
    "SELECT count(*) FROM notification WHERE user_id = :user AND in_app AND id = ANY (:ids)"
)
_PREFER = text(
    """
    INSERT INTO notification_preference (user_id, kind, channel, enabled)
    SELECT :user, kind, channel, enabled
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(kind text, channel text, enabled boolean)
    ON CONFLICT (user_id, kind, channel) DO UPDATE SET enabled = excluded.enabled
    """
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What `notify` is to say, as something found in the event log."""

    kind: NotificationKind
    user_ids: tuple[UUID, ...]
    dedupe_key: str
    actor_id: UUID | None = None
    reference: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


async def tell(tx: Transaction, notice: Notice) -> None:
    """`notify` of a notice."""
    await notify(
        tx,
        kind=notice.kind,
        user_ids=notice.user_ids,
        dedupe_key=notice.dedupe_key,
        actor_id=notice.actor_id,
        reference=notice.reference,
        facts=notice.facts,
    )


async def notify(
    tx: Transaction,
    *,
    kind: NotificationKind,
    user_ids: Sequence[UUID],
    dedupe_key: str,
    actor_id: UUID | None = None,
    reference: str | None = None,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Tell people of something, if this transaction commits: at once where they are eight at most
    and the transaction has topics left (each person costs one of ten), else by jobs.

    `reference` is the public id of what it is about; `facts` are ids, amounts and enums, never
    text. Each person is told once for a `dedupe_key`, however often this is called. Not told are
    the actor, who has muted or blocked them or is blocked, and accounts that are not active.
    Raises `ValueError` for a key that is not 1 to 200 printable characters.
    """
    if _DEDUPE_KEY.fullmatch(dedupe_key) is None:
        raise ValueError(f"not a dedupe key: {dedupe_key!r}")
    told = sorted({user_id for user_id in user_ids if user_id != actor_id})
    about = {
        "kind": kind,
        "dedupe_key": dedupe_key,
        "actor": None if actor_id is None else actor_id.hex,
        "reference": reference,
        "facts": dict(facts or {}),
    }
    topics = {event.topic for event in tx.collected} | {user_topic(user_id) for user_id in told}
    if len(told) <= TOLD_MAX and len(topics) < MAX_TOPICS:
        await _tell(tx, told, about)
        return
    for i in range(0, len(told), JOB_USERS):
        payload = {**about, "users": [user_id.hex for user_id in told[i : i + JOB_USERS]]}
        await enqueue(tx, NOTIFY, orjson.loads(to_json(payload)))


async def notify_asked(tx: Transaction, asked: Mapping[str, Any], *, start: int) -> int | None:
    """Tell the next eight people of a job's payload, from `start` on; where to go on, or None."""
    users = [UUID(hex=user) for user in asked["users"][start : start + TOLD_MAX]]
    await _tell(tx, users, asked)
    end = start + TOLD_MAX
    return end if end < len(asked["users"]) else None


async def _tell(tx: Transaction, users: Sequence[UUID], about: Mapping[str, Any]) -> None:
    if not users:
        return
    actor = about["actor"]
    rows = await tx.execute(
        _TELL,
        {
            "users": list(users),
            "ids": [new_id() for _ in users],
            "kind": about["kind"],
            "actor": None if actor is None else UUID(hex=actor),
            "reference": about["reference"],
            "dedupe_key": about["dedupe_key"],
            "facts": to_json(about["facts"]),
            "defaults": list(DEFAULTS[about["kind"]]),
        },
    )
    to_send = []
    for row in rows.all():
        if row.in_app:
            payload = {"notification": row.id.hex, "kind": about["kind"]}
            tx.collect(NewEvent(user_topic(row.user_id), NOTIFICATION_CREATED, payload))
        if row.to_send:
            to_send.append(row.id.hex)
    if to_send:
        await enqueue(tx, DELIVER, {"notifications": to_send})


async def mark_read(tx: Transaction, *, user_id: UUID, ids: Sequence[UUID] | None) -> int:
    """Mark one's notifications as read, or all (None); how many were not before.

    Raises `InvalidInput("ids")` for more than 100, `NotFound` if one is not the user's: then
    nothing is marked.
    """
    if ids is not None and len(ids) > MARKED_MAX:
        raise InvalidInput("ids", f"{MARKED_MAX} at most")
    if ids is not None:
        wanted = set(ids)
        found = await tx.execute(_OWN, {"user": user_id, "ids": list(wanted)})
        if found.scalar_one() != len(wanted):
            raise NotFound("notification")
    asked = {"user": user_id, "ids": None if ids is None else list(ids)}
    done: Any = await tx.execute(_MARK, asked)
    marked = int(done.rowcount)
    if marked:
        payload = {"notifications": None if ids is None else [id.hex for id in ids]}
        tx.collect(NewEvent(user_topic(user_id), "NotificationsRead", payload, user_id))
    return marked


async def set_preferences(
    tx: Transaction, *, user_id: UUID, changes: Mapping[tuple[str, str], bool]
) -> None:
    """Choose by (kind, channel) what to be told by. Raises `InvalidInput("changes")` where one may
    not be turned off."""
    for (kind, channel), enabled in changes.items():
        if not enabled and (kind, channel) in ALWAYS:
            raise InvalidInput("changes", f"{kind} by {channel} cannot be turned off")
    rows = [{"kind": k, "channel": c, "enabled": on} for (k, c), on in sorted(changes.items())]
    if rows:
        await tx.execute(_PREFER, {"user": user_id, "rows": to_json(rows)})
        tx.collect(NewEvent(user_topic(user_id), "NotificationPreferencesChanged", {}, user_id))
