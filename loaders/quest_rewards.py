"""Batched reads of what quests gave: players, impact entries with their leaves, achievements. All
of it is for everybody who sees the person.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from loaders.base import one_by, page_by
from loaders.pages import order
from loaders.rows import Money, row_of
from models.ledger_log import LedgerLeaf, LedgerTreeHead
from models.quests.rewards import Achievement, Badge, ImpactEntry, Player

_HASH = (
    select(col(LedgerLeaf.hash))
    .where(col(LedgerLeaf.impact_entry_id) == col(ImpactEntry.id))
    .correlate(ImpactEntry)
    .scalar_subquery()
    .label("leaf")
)
_place = (
    select(col(LedgerLeaf.index))
    .where(col(LedgerLeaf.impact_entry_id) == col(ImpactEntry.id))
    .correlate(ImpactEntry)
    .scalar_subquery()
)
_SIGNED = (
    select(col(LedgerTreeHead.signature))
    .where(col(LedgerTreeHead.size) > _place)
    .order_by(col(LedgerTreeHead.size))
    .limit(1)
    .correlate(ImpactEntry)
    .scalar_subquery()
    .label("head_signature")
)


_Impact: Any = row_of(
    ImpactEntry, "imp", without=("row_id", "transaction_id"), extra=(_HASH, _SIGNED)
)


class ImpactRow(_Impact):  # type: ignore[misc]
    """What an assignment gave."""

    __slots__ = ()

    @property
    def token_awarded(self) -> Money:
        """The tokens."""
        return Money(self.token_minor, self.asset)

    @property
    def impact_value(self) -> Decimal:
        """The impact, to two places."""
        return Decimal(self.impact_hundredths).scaleb(-2)

    @property
    def leaf_hash(self) -> str | None:
        """The leaf's hash in hex; None until the log has it."""
        return None if self.leaf is None else self.leaf.hex()

    @property
    def signature(self) -> str | None:
        """The signature, in hex, of the first head over the leaf."""
        return None if self.head_signature is None else self.head_signature.hex()


class PlayerRow(row_of(Player, "")):  # type: ignore[misc]
    """Somebody's standing in quests."""

    __slots__ = ()


class BadgeRow(row_of(Badge, "")):  # type: ignore[misc]
    """A badge."""

    __slots__ = ()


class AchievementRow(row_of(Achievement, "ach")):  # type: ignore[misc]
    """That somebody earned a badge."""

    __slots__ = ()


_NEWEST_ENTRIES = order("impact", ImpactEntry.created_at, ImpactEntry.id, descending=True)
_NEWEST_EARNED = order("achievements", Achievement.earned_at, Achievement.id, descending=True)

player_by_user_id = one_by("player_by_user_id", PlayerRow, Player.user_id)
badge_by_slug = one_by("badge_by_slug", BadgeRow, Badge.slug)
impact_entry_by_id = one_by("impact_entry_by_id", ImpactRow, ImpactEntry.id)
impact_entry_by_assignment_id = one_by(
    "impact_entry_by_assignment_id", ImpactRow, ImpactEntry.assignment_id
)
achievement_by_id = one_by("achievement_by_id", AchievementRow, Achievement.id)
impact_by_player_id: Any = page_by(
    "impact_by_player_id", ImpactRow, ImpactEntry.player_id, order=_NEWEST_ENTRIES
)
achievements_by_player_id: Any = page_by(
    "achievements_by_player_id", AchievementRow, Achievement.player_id, order=_NEWEST_EARNED
)
