"""What the mutations of quests answer instead of success, and the exceptions behind it."""

from __future__ import annotations

import strawberry

from schema.common import Error
from schema.errors import ErrorRow
from schema.fields import attribute, bounded
from schema.quests.types import AssignmentStatus, QuestStatus
from services.quests import errors
from services.quests.prerequisites import PREREQUISITES_MAX


@strawberry.type(description="The quest takes nobody on at this moment. Nothing was changed.")
class QuestNotOpen(Error):
    status: QuestStatus = attribute("Where it is in its life; OPEN outside of its window.")


@strawberry.type(description="All places of the quest are taken.")
class QuestFull(Error):
    capacity: int = attribute("How many there are.")


@strawberry.type(description="The quest asks first for what you do not have yet.")
class PrerequisiteMissing(Error):
    quest_ids: list[strawberry.ID] = attribute(
        "Quests to be done first.", list_size=bounded(PREREQUISITES_MAX)
    )
    badges: list[str] = attribute(
        "Badges to be earned first, by slug.", list_size=bounded(PREREQUISITES_MAX)
    )
    level_min: int | None = attribute("The level to be reached first; null where yours will do.")


@strawberry.type(description="You have this quest already.")
class AlreadyAssigned(Error):
    assignment_id: strawberry.ID = attribute("Your assignment of it.")


@strawberry.type(description="Somebody else took this on.")
class NotYourAssignment(Error):
    pass


@strawberry.type(description="The assignment is past the state that this needs.")
class WrongAssignmentStatus(Error):
    status: AssignmentStatus = attribute("The assignment's state.")


@strawberry.type(description="The quest's state does not allow this.")
class WrongQuestStatus(Error):
    status: QuestStatus = attribute("The quest's state.")


@strawberry.type(description="The team has as many members as it may.")
class TeamFull(Error):
    size_max: int = attribute("How many it may have.")


@strawberry.type(description="One quest, one team: you are in one.")
class AlreadyInTeam(Error):
    pass


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(errors.QuestNotOpen, QuestNotOpen, lambda e: {"status": QuestStatus(e.status)}),
    ErrorRow(errors.QuestFull, QuestFull, lambda e: {"capacity": e.capacity}),
    ErrorRow(
        errors.PrerequisiteMissing,
        PrerequisiteMissing,
        lambda e: {
            "quest_ids": list(e.quest_ids),
            "badges": list(e.badges),
            "level_min": e.level_min,
        },
    ),
    ErrorRow(errors.AlreadyAssigned, AlreadyAssigned, lambda e: {"assignment_id": e.assignment_id}),
    ErrorRow(errors.NotYourAssignment, NotYourAssignment),
    ErrorRow(
        errors.WrongAssignmentStatus,
        WrongAssignmentStatus,
        lambda e: {"status": AssignmentStatus(e.status)},
    ),
    ErrorRow(
        errors.WrongQuestStatus, WrongQuestStatus, lambda e: {"status": QuestStatus(e.status)}
    ),
    ErrorRow(errors.TeamFull, TeamFull, lambda e: {"size_max": e.size_max}),
    ErrorRow(errors.AlreadyInTeam, AlreadyInTeam),
)
