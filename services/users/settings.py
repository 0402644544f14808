"""What people let others know of them."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import NotFound
from core.events import NewEvent
from services.users.access import user_public_id
from services.users.accounts import user_topic

PresenceAudience = Literal["EVERYONE", "FOLLOWED", "NOBODY"]

_SET = text(
    """
    INSERT INTO privacy_settings AS p (user_id, presence)
    SELECT id, :presence FROM user_account WHERE id = :user
    ON CONFLICT (user_id) DO UPDATE SET presence = :presence, updated_at = clock_timestamp()
    RETURNING user_id
    """
)


async def set_presence_audience(
    tx: Transaction, *, user_id: UUID, audience: PresenceAudience
) -> None:
    """Choose who sees whether one is here. Whoever watches is to be told to look again. Raises
    `NotFound` for an account that is not there."""
    done = await tx.execute(_SET, {"user": user_id, "presence": audience})
    if done.first() is None:
        raise NotFound("user")
    payload = {"userId": user_public_id(user_id)}
    tx.collect(NewEvent(user_topic(user_id), "PrivacySettingsChanged", payload, user_id))
