"""Root fields that change quests, assignments and teams; what they answer."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import quests as resolvers
from schema.common import Forbidden, InvalidInput, NotFound
from schema.fields import Context, argument, attribute, mutation
from schema.quests.errors import (
    AlreadyAssigned,
    AlreadyInTeam,
    NotYourAssignment,
    PrerequisiteMissing,
    QuestFull,
    QuestNotOpen,
    TeamFull,
    WrongAssignmentStatus,
    WrongQuestStatus,
)
from schema.quests.inputs import (
    AssignmentIdInput,
    CreateQuestInput,
    CreateTeamInput,
    CreateZoneInput,
    InviteToTeamInput,
    QuestIdInput,
    TeamIdInput,
    UpdateQuestInput,
    quest_changes,
    quest_details,
)
from schema.quests.types import Assignment, Quest, Team, Zone


@strawberry.type(description="The zone is made.")
class CreateZoneSuccess:
    zone: Zone = attribute("The zone as it is now.")


@strawberry.type(description="The quest is drafted: `openQuest` lets it be played.")
class CreateQuestSuccess:
    quest: Quest = attribute("The quest, a DRAFT.")


@strawberry.type(description="The quest was changed.")
class QuestChangeSuccess:
    quest: Quest = attribute("The quest as it is now.")


@strawberry.type(description="The quest is yours to do.")
class AcceptQuestSuccess:
    assignment: Assignment = attribute("Your assignment, with its terms.")


@strawberry.type(description="The assignment was given up; its place is free.")
class AbandonQuestSuccess:
    assignment: Assignment = attribute("The assignment as it is now.")


@strawberry.type(description="It is done.")
class TeamSuccess:
    team: Team = attribute("The team as it is now.")


CreateZoneResult = Annotated[
    CreateZoneSuccess | InvalidInput,
    strawberry.union("CreateZoneResult", description="What became of a new zone."),
]
CreateQuestResult = Annotated[
    CreateQuestSuccess | Forbidden | InvalidInput,
    strawberry.union("CreateQuestResult", description="What became of a new quest."),
]
UpdateQuestResult = Annotated[
    QuestChangeSuccess | WrongQuestStatus | NotFound | Forbidden | InvalidInput,
    strawberry.union("UpdateQuestResult", description="What became of a quest's changes."),
]
OpenQuestResult = Annotated[
    QuestChangeSuccess | WrongQuestStatus | NotFound | Forbidden | InvalidInput,
    strawberry.union("OpenQuestResult", description="What became of opening a quest."),
]
PauseQuestResult = Annotated[
    QuestChangeSuccess | WrongQuestStatus | NotFound | Forbidden,
    strawberry.union("PauseQuestResult", description="What became of pausing a quest."),
]
CloseQuestResult = Annotated[
    QuestChangeSuccess | WrongQuestStatus | NotFound | Forbidden,
    strawberry.union("CloseQuestResult", description="What became of closing a quest."),
]
AcceptQuestResult = Annotated[
    AcceptQuestSuccess
    | QuestFull
    | QuestNotOpen
    | AlreadyAssigned
    | PrerequisiteMissing
    | NotFound
    | Forbidden,
    strawberry.union("AcceptQuestResult", description="What became of taking a quest on."),
]
AbandonQuestResult = Annotated[
    AbandonQuestSuccess | NotYourAssignment | WrongAssignmentStatus | NotFound,
    strawberry.union("AbandonQuestResult", description="What became of giving a quest up."),
]
CreateTeamResult = Annotated[
    TeamSuccess | QuestNotOpen | AlreadyInTeam | AlreadyAssigned | NotFound | InvalidInput,
    strawberry.union("CreateTeamResult", description="What became of a new team."),
]
InviteToTeamResult = Annotated[
    TeamSuccess | TeamFull | NotFound | Forbidden | InvalidInput,
    strawberry.union("InviteToTeamResult", description="What became of an invitation."),
]
JoinTeamResult = Annotated[
    TeamSuccess | TeamFull | AlreadyInTeam | AlreadyAssigned | NotFound,
    strawberry.union("JoinTeamResult", description="What became of joining a team."),
]
LeaveTeamResult = Annotated[
    TeamSuccess | NotFound,
    strawberry.union("LeaveTeamResult", description="What became of leaving a team."),
]


@strawberry.type
class QuestMutation:
    @mutation("Name an area.", scopes=["content:write"])
    async def create_zone(
        self, info: Context, input: Annotated[CreateZoneInput, argument("Where it lies.")]
    ) -> CreateZoneResult:
        zone = await resolvers.create_zone(
            info.context,
            name=input.name,
            geometry=input.geometry,
            region=input.region,
            need_factor=input.need_factor,
        )
        return CreateZoneSuccess(zone=zone)

    @mutation(
        "Draft a quest: a sponsor's own, paid from their budget, or an administrator's for the "
        "platform.",
        authenticated=True,
    )
    async def create_quest(
        self, info: Context, input: Annotated[CreateQuestInput, argument("What is to be done.")]
    ) -> CreateQuestResult:
        return CreateQuestSuccess(
            quest=await resolvers.create_quest(info.context, quest_details(input))
        )

    @mutation(
        "Change a quest of yours, or any as an administrator. Who took it on keeps its terms.",
        authenticated=True,
    )
    async def update_quest(
        self, info: Context, input: Annotated[UpdateQuestInput, argument("What changes.")]
    ) -> UpdateQuestResult:
        return QuestChangeSuccess(
            quest=await resolvers.update_quest(info.context, input.quest_id, quest_changes(input))
        )

    @mutation("Let players take a drafted or paused quest on.", authenticated=True)
    async def open_quest(
        self, info: Context, input: Annotated[QuestIdInput, argument("Which one it is.")]
    ) -> OpenQuestResult:
        return QuestChangeSuccess(quest=await resolvers.open_quest(info.context, input.quest_id))

    @mutation("Take nobody more on for now.", authenticated=True)
    async def pause_quest(
        self, info: Context, input: Annotated[QuestIdInput, argument("Which one it is.")]
    ) -> PauseQuestResult:
        return QuestChangeSuccess(quest=await resolvers.pause_quest(info.context, input.quest_id))

    @mutation("End a quest for good; who took it on before may still finish.", authenticated=True)
    async def close_quest(
        self, info: Context, input: Annotated[QuestIdInput, argument("Which one it is.")]
    ) -> CloseQuestResult:
        return QuestChangeSuccess(quest=await resolvers.close_quest(info.context, input.quest_id))

    @mutation(
        "Take a quest on, in your team of it if you are in one. Its terms as they are now stay "
        "yours.",
        scopes=["quest:play"],
    )
    async def accept_quest(
        self, info: Context, input: Annotated[QuestIdInput, argument("Which one it is.")]
    ) -> AcceptQuestResult:
        return AcceptQuestSuccess(
            assignment=await resolvers.accept_quest(info.context, input.quest_id)
        )

    @mutation("Give up what you took on and did not hand in.", scopes=["quest:play"])
    async def abandon_quest(
        self, info: Context, input: Annotated[AssignmentIdInput, argument("Which one it is.")]
    ) -> AbandonQuestResult:
        return AbandonQuestSuccess(
            assignment=await resolvers.abandon_quest(info.context, input.assignment_id)
        )

    @mutation("Found a team for a quest that you have not taken on yet.", scopes=["quest:play"])
    async def create_team(
        self, info: Context, input: Annotated[CreateTeamInput, argument("What it is for.")]
    ) -> CreateTeamResult:
        return TeamSuccess(
            team=await resolvers.create_team(info.context, input.quest_id, input.name)
        )

    @mutation("Ask somebody into the team that you lead.", scopes=["quest:play"])
    async def invite_to_team(
        self, info: Context, input: Annotated[InviteToTeamInput, argument("Whom, where to.")]
    ) -> InviteToTeamResult:
        return TeamSuccess(
            team=await resolvers.invite_to_team(info.context, input.team_id, input.user_id)
        )

    @mutation("Join a team that you were asked into.", scopes=["quest:play"])
    async def join_team(
        self, info: Context, input: Annotated[TeamIdInput, argument("Which one it is.")]
    ) -> JoinTeamResult:
        return TeamSuccess(team=await resolvers.join_team(info.context, input.team_id))

    @mutation("Leave a team; what you took on with it stays.", scopes=["quest:play"])
    async def leave_team(
        self, info: Context, input: Annotated[TeamIdInput, argument("Which one it is.")]
    ) -> LeaveTeamResult:
        return TeamSuccess(team=await resolvers.leave_team(info.context, input.team_id))
