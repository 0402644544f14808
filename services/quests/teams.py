"""Teams: players who do one quest together. The team's row is the lock of its size."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from core.database import Transaction, database_now, violated_constraint
from core.errors import Forbidden, InvalidInput, NotFound
from core.events import NewEvent
from core.ids import encode_id, new_id
from core.text import clean_text
from models.quests.assignments import Team, TeamInvitation, TeamMember
from models.quests.quests import Quest
from services.quests.errors import AlreadyAssigned, AlreadyInTeam, QuestNotOpen, TeamFull
from services.users.accounts import user_topic

INVITATIONS_MAX = 60
"""Of one team, answered ones included."""

_INVITED = text(
    """
    SELECT (SELECT count(*) FROM team_invitation WHERE team_id = :team) AS invitations,
           EXISTS (SELECT FROM user_account WHERE id = :user AND status = 'ACTIVE') AS known,
           EXISTS (SELECT FROM block WHERE (blocker_id, blocked_id)
                   IN ((:user, :leader), (:leader, :user))) AS blocked
    """
)
_HELD = text(
    """
    SELECT id FROM assignment WHERE quest_id = :quest AND player_id = :user
      AND status IN ('ACCEPTED', 'SUBMITTED', 'UNDER_REVIEW', 'VERIFIED') LIMIT 1
    """
)
_OLDEST = text(
    "SELECT user_id FROM team_member WHERE team_id = :team ORDER BY joined_at, user_id LIMIT 1"
)
_LEAVE = text("DELETE FROM team_member WHERE team_id = :team AND user_id = :user")


async def create_team(tx: Transaction, *, leader_id: UUID, quest_id: UUID, name: str) -> UUID:
    """Found a team for a quest, and be its first member; before taking the quest on.

    Raises `NotFound`, `QuestNotOpen` once the quest is closed, `InvalidInput` for a quest that is
    done alone, `AlreadyInTeam`, `AlreadyAssigned`.
    """
    quest = await tx.get(Quest, quest_id)
    if quest is None or quest.status == "DRAFT":
        raise NotFound("quest")
    if quest.status == "CLOSED":
        raise QuestNotOpen(quest.status)
    if quest.team_size_max < 2:
        raise InvalidInput("questId", "this quest is done alone")
    team = Team(
        id=new_id(),
        quest_id=quest_id,
        leader_id=leader_id,
        name=clean_text(name, field="name", maximum=60),
        size_max=quest.team_size_max,
    )
    tx.add(team)
    await tx.flush()
    await _enter(tx, team, leader_id)
    return team.id


async def invite_to_team(tx: Transaction, *, leader_id: UUID, team_id: UUID, user_id: UUID) -> UUID:
    """Ask a player to join; asking again changes nothing. Tells the player.

    Raises `NotFound` (no team, no such player, or one of the two blocked the other), `Forbidden`
    but for the leader, `TeamFull`, `InvalidInput` beyond 60 invitations.
    """
    team = await _locked(tx, team_id)
    if team.leader_id != leader_id:
        raise Forbidden("only who leads a team invites")
    given = {"team": team_id, "user": user_id, "leader": leader_id}
    found = (await tx.execute(_INVITED, given)).one()
    if not found.known or found.blocked or user_id == leader_id:
        raise NotFound("user")
    if team.size >= team.size_max:
        raise TeamFull(team.size_max)
    if found.invitations >= INVITATIONS_MAX:
        raise InvalidInput("userId", f"{INVITATIONS_MAX} invitations of a team at most")
    if await _invitation(tx, team_id, user_id) is None:
        invitation = TeamInvitation(
            id=new_id(), team_id=team_id, user_id=user_id, inviter_id=leader_id
        )
        tx.add(invitation)
        payload = {"team": team_id.hex, "quest": team.quest_id.hex}
        tx.collect(NewEvent(user_topic(user_id), "TeamInvited", payload, leader_id))
    return team_id


async def join_team(tx: Transaction, *, user_id: UUID, team_id: UUID) -> UUID:
    """Join a team that one was invited to; before taking the quest on.

    Raises `NotFound` without an invitation, `TeamFull`, `AlreadyInTeam`, `AlreadyAssigned`.
    """
    team = await _locked(tx, team_id)
    invitation = await _invitation(tx, team_id, user_id)
    if invitation is None:
        raise NotFound("team")
    if team.size >= team.size_max:
        raise TeamFull(team.size_max)
    await _enter(tx, team, user_id)
    team.size += 1
    tx.add(team)
    invitation.status = "ACCEPTED"
    invitation.answered_at = await database_now(tx)
    tx.add(invitation)
    return team_id


async def leave_team(tx: Transaction, *, user_id: UUID, team_id: UUID) -> None:
    """Leave; what one has taken on with the team stays as it was. The last one out ends it, and who
    has been in it longest leads after a leader. Raises `NotFound` for who is not in it."""
    team = await _locked(tx, team_id)
    left = await tx.execute(_LEAVE, {"team": team_id, "user": user_id})
    if not left.rowcount:  # type: ignore[attr-defined]
        raise NotFound("team")
    team.size -= 1
    if team.size == 0:
        team.disbanded_at = await database_now(tx)
    elif team.leader_id == user_id:
        team.leader_id = (await tx.execute(_OLDEST, {"team": team_id})).scalar_one()
    tx.add(team)
    payload = {"team": team_id.hex, "quest": team.quest_id.hex}
    tx.collect(NewEvent(user_topic(user_id), "TeamLeft", payload, user_id))


async def _locked(tx: Transaction, team_id: UUID) -> Team:
    lock = {"key_share": True}
    team = await tx.get(Team, team_id, with_for_update=lock, populate_existing=True)
    if team is None or team.disbanded_at is not None:
        raise NotFound("team")
    return team


async def _invitation(tx: Transaction, team_id: UUID, user_id: UUID) -> TeamInvitation | None:
    wanted = select(TeamInvitation).where(
        col(TeamInvitation.team_id) == team_id, col(TeamInvitation.user_id) == user_id
    )
    return (await tx.execute(wanted)).scalar_one_or_none()


async def _enter(tx: Transaction, team: Team, user_id: UUID) -> None:
    """Raises `AlreadyAssigned`, `AlreadyInTeam`."""
    held = await tx.scalar(_HELD, {"quest": team.quest_id, "user": user_id})
    if held is not None:
        raise AlreadyAssigned(encode_id("asg", held))
    tx.add(TeamMember(team_id=team.id, user_id=user_id, quest_id=team.quest_id))
    try:
        await tx.flush()
    except IntegrityError as error:
        if violated_constraint(error) in ("uq_team_member_quest_id_user_id", "pk_team_member"):
            raise AlreadyInTeam from None
        raise
    payload = {"team": team.id.hex, "quest": team.quest_id.hex}
    tx.collect(NewEvent(user_topic(user_id), "TeamJoined", payload, user_id))
