"""Taking quests on and giving them up: places, prerequisites, deadlines. The quest's row is locked,
then the assignment's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction, database_now
from core.errors import Forbidden, NotFound
from core.ids import encode_id, new_id
from models.quests.assignments import Assignment
from models.quests.quests import Quest
from services.parameters import QUEST_UPLOAD_WITHIN_H, read_parameters
from services.quests.contract import Area, Place, Terms, terms_json
from services.quests.errors import (
    AlreadyAssigned,
    NotYourAssignment,
    PrerequisiteMissing,
    QuestFull,
    QuestNotOpen,
    WrongAssignmentStatus,
)
from services.quests.multipliers import PARAMETER_KEYS
from services.quests.quests import lock_quest, quest_event
from services.quests.verifying import tell_change

# One statement for all that a player is judged by: the live or rewarded assignment, the team, the
# zone's need, what is missing of the prerequisites, the level.
_STANDING = text(
    """
    SELECT
        (SELECT a.id FROM assignment AS a
         WHERE a.quest_id = q.id AND a.player_id = :player
           AND a.status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW', 'VERIFIED', 'REWARDED')
         LIMIT 1) AS held,
        m.team_id,
        coalesce((SELECT t.size FROM team AS t WHERE t.id = m.team_id), 1) AS team_size,
        coalesce((SELECT z.need_hundredths FROM zone AS z WHERE z.id = q.zone_id), 100) AS need,
        coalesce((SELECT p.level FROM player AS p WHERE p.user_id = :player), 1) AS level,
        ARRAY(SELECT r.required_quest_id FROM quest_prerequisite AS r
              WHERE r.quest_id = q.id AND r.kind = 'QUEST' AND NOT EXISTS (
                  SELECT FROM assignment AS d
                  WHERE d.quest_id = r.required_quest_id AND d.player_id = :player
                    AND d.status = 'REWARDED')
              ORDER BY 1) AS quests,
        ARRAY(SELECT r.badge_slug FROM quest_prerequisite AS r
              WHERE r.quest_id = q.id AND r.kind = 'BADGE' AND NOT EXISTS (
                  SELECT FROM achievement AS h
                  WHERE h.badge_slug = r.badge_slug AND h.player_id = :player)
              ORDER BY 1) AS badges
    FROM quest AS q
    LEFT JOIN team_member AS m ON m.quest_id = q.id AND m.user_id = :player
    WHERE q.id = :quest
    """
)
_OF = text("SELECT quest_id FROM assignment WHERE id = :id")
_DUE = text(
    """
    SELECT id FROM assignment WHERE status = 'ACCEPTED' AND due_at <= clock_timestamp()
      AND id <> ALL (CAST(:but AS uuid[]))
    ORDER BY due_at LIMIT :limit
    """
)
_OVER = text(
    """
    SELECT id FROM quest WHERE status IN ('OPEN', 'PAUSED') AND closes_at <= clock_timestamp()
      AND id <> ALL (CAST(:but AS uuid[]))
    ORDER BY closes_at LIMIT :limit
    """
)


async def accept_quest(tx: Transaction, *, player_id: UUID, quest_id: UUID) -> UUID:
    """Take a quest on, in the team of it that the player is in; the assignment's id.

    Raises `NotFound`, `Forbidden` (one's own quest), `AlreadyAssigned` (also once it was rewarded),
    `QuestNotOpen`, `PrerequisiteMissing`, `QuestFull`.
    """
    quest = await lock_quest(tx, quest_id)
    if quest is None or quest.status == "DRAFT":
        raise NotFound("quest")
    if player_id in (quest.creator_id, quest.sponsor_id):
        raise Forbidden("nobody plays their own quest")
    now = await database_now(tx)
    standing = (await tx.execute(_STANDING, {"player": player_id, "quest": quest_id})).one()
    _judge(quest, standing, now)
    maps = await read_parameters(tx, *PARAMETER_KEYS, QUEST_UPLOAD_WITHIN_H)
    terms = terms_now(quest, standing.need, maps)
    assignment = Assignment(
        id=new_id(),
        quest_id=quest_id,
        player_id=player_id,
        team_id=standing.team_id,
        team_size=max(1, standing.team_size),
        terms=terms_json(terms),
        base_xp=quest.base_xp,
        reward_minor=quest.reward_minor,
        asset=quest.asset,
        accepted_at=now,
        due_at=min(now + timedelta(days=quest.days_to_do), quest.closes_at),
    )
    quest.taken += 1
    tx.add(quest)
    tx.add(assignment)
    tell_change(tx, assignment, "ACCEPTED", by=player_id)
    tx.collect(quest_event(quest, "QuestAccepted", player_id))
    return assignment.id


async def abandon_quest(tx: Transaction, *, player_id: UUID, assignment_id: UUID) -> None:
    """Give an accepted assignment up; its place is free again.

    Raises `NotFound`, `NotYourAssignment`, `WrongAssignmentStatus`.
    """
    quest, assignment = await _locked(tx, assignment_id)
    if assignment.player_id != player_id:
        raise NotYourAssignment
    if assignment.status != "ACCEPTED":
        raise WrongAssignmentStatus(assignment.status)
    now = await database_now(tx)
    _give_back(tx, quest, assignment, "ABANDONED", now, player_id)


async def expire_assignment(tx: Transaction, assignment_id: UUID) -> bool:
    """End an accepted assignment whose time is over; whether it ended now."""
    quest, assignment = await _locked(tx, assignment_id)
    now = await database_now(tx)
    if assignment.status != "ACCEPTED" or assignment.due_at > now:
        return False
    _give_back(tx, quest, assignment, "EXPIRED", now, None)
    return True


async def due_assignments(tx: Transaction, *, limit: int, but: tuple[UUID, ...] = ()) -> list[UUID]:
    """Accepted assignments whose time is over, the longest over first."""
    return list((await tx.execute(_DUE, {"limit": limit, "but": list(but)})).scalars())


async def overdue_quests(tx: Transaction, *, limit: int, but: tuple[UUID, ...] = ()) -> list[UUID]:
    """Quests that are open or paused past their end."""
    return list((await tx.execute(_OVER, {"limit": limit, "but": list(but)})).scalars())


def terms_now(quest: Quest, need_hundredths: int, maps: dict[str, int]) -> Terms:
    """What a quest is at this moment, as an assignment keeps it."""
    return Terms(
        quest_id=quest.id,
        category=quest.category,
        region=quest.region,
        difficulty=quest.difficulty,
        area=Area(Place(quest.latitude, quest.longitude), quest.radius_m, quest.polygon),
        opens_at=quest.opens_at,
        closes_at=quest.closes_at,
        need_hundredths=need_hundredths,
        photos=quest.photos_asked,
        locations=quest.locations_asked,
        notes=quest.notes_asked,
        videos=quest.videos_asked,
        reviewers_needed=quest.reviewers_needed,
        on_foot=quest.on_foot,
        auto_verify=quest.auto_verify,
        base_xp=quest.base_xp,
        reward_minor=quest.reward_minor,
        asset=quest.asset,
        sponsor_id=quest.sponsor_id,
        maps=maps,
    )


def _judge(quest: Quest, standing: Any, now: datetime) -> None:
    if standing.held is not None:
        raise AlreadyAssigned(encode_id("asg", standing.held))
    if quest.status != "OPEN" or not quest.opens_at <= now < quest.closes_at:
        raise QuestNotOpen(quest.status)
    low = standing.level < quest.level_min
    if standing.quests or standing.badges or low:
        raise PrerequisiteMissing(
            quest_ids=[encode_id("qst", each) for each in standing.quests],
            badges=list(standing.badges),
            level_min=quest.level_min if low else None,
        )
    if quest.capacity is not None and quest.taken >= quest.capacity:
        raise QuestFull(quest.capacity)


async def _locked(tx: Transaction, assignment_id: UUID) -> tuple[Quest, Assignment]:
    quest_id = await tx.scalar(_OF, {"id": assignment_id})
    quest = None if quest_id is None else await lock_quest(tx, quest_id)
    if quest is None:
        raise NotFound("assignment")
    lock = {"key_share": True}
    assignment = await tx.get(
        Assignment, assignment_id, with_for_update=lock, populate_existing=True
    )
    if assignment is None:
        raise NotFound("assignment")
    return quest, assignment


def _give_back(
    tx: Transaction,
    quest: Quest,
    assignment: Assignment,
    status: str,
    now: datetime,
    actor_id: UUID | None,
) -> None:
    quest.taken -= 1
    assignment.status = status
    assignment.ended_at = now
    tx.add(quest)
    tx.add(assignment)
    tell_change(tx, assignment, status, by=actor_id)
    tx.collect(quest_event(quest, "QuestPlaceFreed", actor_id))
