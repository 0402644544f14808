"""What a quest asks to be done or earned first: kept here, within a limit and without circles."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput
from core.ids import new_id

PREREQUISITES_MAX = 10

_KNOWN_QUESTS = text("SELECT count(*) FROM quest WHERE id = ANY (CAST(:ids AS uuid[]))")
_KNOWN_BADGES = text("SELECT count(*) FROM badge WHERE slug = ANY (CAST(:slugs AS text[]))")
# Whoever writes prerequisites takes turns: two at once could each wait for the other's quest.
_ORDER_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('quest_prerequisites', 0))")
_WAITS = text(
    """
    WITH RECURSIVE needed(id) AS (
        SELECT unnest(CAST(:ids AS uuid[]))
        UNION
        SELECT p.required_quest_id FROM quest_prerequisite AS p JOIN needed AS n
            ON p.quest_id = n.id
        WHERE p.required_quest_id IS NOT NULL
    )
    SELECT EXISTS (SELECT FROM needed WHERE id = :quest)
    """
)
_REQUIRED = text(
    """
    SELECT array_remove(array_agg(required_quest_id ORDER BY id), NULL) AS quests,
           array_remove(array_agg(badge_slug ORDER BY id), NULL) AS badges
    FROM quest_prerequisite WHERE quest_id = :quest
    """
)
_FORGET = text("DELETE FROM quest_prerequisite WHERE quest_id = :quest")
_REQUIRE = text(
    """
    INSERT INTO quest_prerequisite (id, quest_id, kind, required_quest_id, badge_slug)
    VALUES (:id, :quest, :kind, :required, :badge)
    """
)


async def require_first(
    tx: Transaction,
    quest_id: UUID,
    *,
    quests: Sequence[UUID] | None,
    badges: Sequence[str] | None,
) -> None:
    """Set what a locked quest asks first; None leaves those of a kind as they are. Raises
    `InvalidInput` for what is unknown, more than 10 together, and where the quest would wait for
    itself."""
    before = (await tx.execute(_REQUIRED, {"quest": quest_id})).one()
    quests = list(dict.fromkeys(before.quests or () if quests is None else quests))
    badges = list(dict.fromkeys(before.badges or () if badges is None else badges))
    if len(quests) + len(badges) > PREREQUISITES_MAX:
        raise InvalidInput("requiredQuests", f"{PREREQUISITES_MAX} prerequisites at most")
    if quests and await tx.scalar(_KNOWN_QUESTS, {"ids": quests}) != len(quests):
        raise InvalidInput("requiredQuests", "unknown")
    if badges and await tx.scalar(_KNOWN_BADGES, {"slugs": badges}) != len(badges):
        raise InvalidInput("requiredBadges", "unknown")
    if quests:
        await tx.execute(_ORDER_LOCK)
        if await tx.scalar(_WAITS, {"ids": quests, "quest": quest_id}):
            raise InvalidInput("requiredQuests", "the quest would wait for itself")
    await tx.execute(_FORGET, {"quest": quest_id})
    rows = [("QUEST", quest, None) for quest in quests] + [("BADGE", None, b) for b in badges]
    for kind, required, badge in rows:
        row = {"id": new_id(), "quest": quest_id, "kind": kind}
        await tx.execute(_REQUIRE, {**row, "required": required, "badge": badge})
