"""Who may see whose presence, and when they were last here by the database, in one batch. What
Redis says of them is asked by resolvers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, bindparam, case, exists, func, or_, select

from core.database import Database
from loaders.base import Computed, one_by
from loaders.rows import row_of
from loaders.users import PRESENT, open_to
from models.presence import LastSeen, PrivacySettings
from models.user_tables import accounts, follows

_seen: Table = LastSeen.__table__  # type: ignore[attr-defined]
_privacy: Table = PrivacySettings.__table__  # type: ignore[attr-defined]


class SeenRow(NamedTuple):
    """Someone whose presence the viewer may see."""

    user_id: UUID
    seen_at: datetime | None


class PrivacyRow(row_of(PrivacySettings, "")):  # type: ignore[misc]
    """What a person lets others know; for themselves."""

    __slots__ = ()


privacy_by_user_id = one_by("privacy_by_user_id", PrivacyRow, _privacy.c.user_id)
seen_by_user_id = Computed(
    "seen_by_user_id", lambda db, viewer_id, keys: read_seen(db, viewer_id, keys), viewer=True
)


async def read_seen(
    db: Database, viewer_id: UUID | None, user_ids: Sequence[UUID]
) -> list[SeenRow | None]:
    """When each was last here, in order; None for who is not there to see, or hides it from the
    viewer. One statement."""
    them = accounts.c.id
    follower = exists().where(follows.c.follower_id == them, follows.c.followee_id == viewer_id)
    audience = func.coalesce(_privacy.c.presence, "EVERYONE")
    statement = (
        select(them, _seen.c.seen_at)
        .select_from(
            accounts.outerjoin(_seen, _seen.c.user_id == them).outerjoin(
                _privacy, _privacy.c.user_id == them
            )
        )
        .where(
            them == func.any(bindparam("keys", type_=ARRAY(Uuid))),
            PRESENT,
            open_to(viewer_id, them),
            or_(
                them == viewer_id,
                case((audience == "FOLLOWED", follower), else_=audience == "EVERYONE"),
            ),
        )
    )
    async with db.read() as session:
        rows = (await session.execute(statement, {"keys": list(user_ids)})).all()
    found = {row.id: SeenRow(row.id, row.seen_at) for row in rows}
    return [found.get(user_id) for user_id in user_ids]
