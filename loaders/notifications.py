"""Batched reads of one's own notifications: nobody else ever sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, false, func, select
from sqlmodel import col

from core.database import Database
from core.pagination import PageRequest
from loaders.base import Computed, count_by, many_by, one_by, read_page
from loaders.pages import Page, order
from loaders.rows import row_of
from models.events import EventTopic
from models.notification_kinds import CHANNELS, DEFAULTS, KINDS
from models.notifications import Notification, NotificationPreference
from models.user_tables import accounts

PREFERENCES_MAX = len(KINDS) * len(CHANNELS)


class NotificationRow(row_of(Notification, "ntf", without=("dedupe_key", "in_app"))):  # type: ignore[misc]
    """A notification, for the one it tells."""

    __slots__ = ()


class ChosenRow(row_of(NotificationPreference, "")):  # type: ignore[misc]
    """A departure from the defaults."""

    __slots__ = ()


class PreferenceRow(NamedTuple):
    """What someone is told of one kind by."""

    kind: str
    in_app: bool
    email: bool
    push: bool


NEWEST_NOTIFICATIONS = order(
    "notifications", Notification.created_at, Notification.id, descending=True
)


def _own(viewer_id: UUID | None) -> ColumnElement[bool]:
    if viewer_id is None:
        return false()
    return (col(Notification.user_id) == viewer_id) & col(Notification.in_app)


own_notification_by_id = one_by(
    "own_notification_by_id", NotificationRow, Notification.id, visible=_own
)
unread_by_user_id = count_by(
    "unread_by_user_id",
    Notification.user_id,
    where=col(Notification.in_app) & col(Notification.read_at).is_(None),
)
chosen_by_user_id = many_by(
    "chosen_by_user_id",
    ChosenRow,
    NotificationPreference.user_id,
    order_by=(NotificationPreference.kind, NotificationPreference.channel),
    limit=PREFERENCES_MAX,
)
event_sequence_by_user_id = Computed(
    "event_sequence_by_user_id", lambda db, _, keys: _event_sequences(db, keys)
)


async def notifications_page(
    db: Database, user_id: UUID, request: PageRequest, *, unread_only: bool
) -> Page:
    """One page of a person's notifications, the newest first."""
    conditions = [_own(user_id)]
    if unread_only:
        conditions.append(col(Notification.read_at).is_(None))
    return await read_page(db, NotificationRow, NEWEST_NOTIFICATIONS, request, conditions)


def preferences_of(chosen: Sequence[Any]) -> list[PreferenceRow]:
    """Every kind with its channels: the defaults, but for what was chosen."""
    enabled = {(row.kind, row.channel): row.enabled for row in chosen}
    return [
        PreferenceRow(kind, *(enabled.get((kind, c), c in DEFAULTS[kind]) for c in CHANNELS))
        for kind in KINDS
    ]


async def _event_sequences(db: Database, user_ids: Sequence[UUID]) -> list[int]:
    topic = "user:" + func.replace(cast(accounts.c.id, Text), "-", "")
    statement = (
        select(accounts.c.id, col(EventTopic.head))
        .join(EventTopic, col(EventTopic.topic) == topic)
        .where(accounts.c.id.in_(user_ids))
    )
    async with db.read() as session:
        heads = {row[0]: row[1] for row in await session.execute(statement)}
    return [heads.get(user_id, 0) for user_id in user_ids]
