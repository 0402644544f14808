"""What quests answer instead of doing as asked. Errors alone: no rule is here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import DomainError

if TYPE_CHECKING:
    from services.quests.contract import Check, Missing


class QuestNotOpen(DomainError):
    """The quest takes nobody on at this moment: `status` as it is, or its window is not now."""

    code = "QUEST_NOT_OPEN"

    def __init__(self, status: str) -> None:
        super().__init__(
            f"the quest is {status}" if status != "OPEN" else "the quest's time is not now"
        )
        self.status = status


class QuestFull(DomainError):
    """All of the quest's places, `capacity` of them, are taken."""

    code = "QUEST_FULL"

    def __init__(self, capacity: int) -> None:
        super().__init__(f"all {capacity} places of the quest are taken")
        self.capacity = capacity


class PrerequisiteMissing(DomainError):
    """The player lacks what the quest asks first: public ids of quests, slugs of badges, a level
    (`level_min`, where the player's is lower)."""

    code = "PREREQUISITE_MISSING"

    def __init__(
        self, *, quest_ids: Sequence[str], badges: Sequence[str], level_min: int | None
    ) -> None:
        super().__init__("the quest asks for what this player does not have yet")
        self.quest_ids = quest_ids
        self.badges = badges
        self.level_min = level_min


class AlreadyAssigned(DomainError):
    """The player has this quest already: `assignment_id` is the public id of the live one."""

    code = "ALREADY_ASSIGNED"

    def __init__(self, assignment_id: str) -> None:
        super().__init__("you have this quest already")
        self.assignment_id = assignment_id


class WrongAssignmentStatus(DomainError):
    """The assignment's `status` does not allow what was asked."""

    code = "WRONG_ASSIGNMENT_STATUS"

    def __init__(self, status: str) -> None:
        super().__init__(f"the assignment is {status}")
        self.status = status


class WrongQuestStatus(DomainError):
    """The quest's `status` does not allow what was asked."""

    code = "WRONG_QUEST_STATUS"

    def __init__(self, status: str) -> None:
        super().__init__(f"the quest is {status}")
        self.status = status


class NotYourAssignment(DomainError):
    """Somebody else took this on."""

    code = "NOT_YOUR_ASSIGNMENT"

    def __init__(self) -> None:
        super().__init__("this assignment is somebody else's")


class TeamFull(DomainError):
    """The team has as many members as it may: `size_max`."""

    code = "TEAM_FULL"

    def __init__(self, size_max: int) -> None:
        super().__init__(f"a team of this quest has {size_max} members at most")
        self.size_max = size_max


class AlreadyInTeam(DomainError):
    """The player is in a team of this quest."""

    code = "ALREADY_IN_TEAM"

    def __init__(self) -> None:
        super().__init__("one quest, one team: this player has one")


class EvidenceIncomplete(DomainError):
    """Less was handed in than the quest asks for: `missing` says of what, and how many."""

    code = "EVIDENCE_INCOMPLETE"

    def __init__(self, missing: Sequence[Missing]) -> None:
        super().__init__("the quest asks for more evidence")
        self.missing = missing


class EvidenceRejected(DomainError):
    """The evidence is refused as it is: `checks` are those that say so."""

    code = "EVIDENCE_REJECTED"

    def __init__(self, checks: Sequence[Check]) -> None:
        super().__init__("this evidence is not taken")
        self.checks = checks


class ConflictOfInterest(DomainError):
    """Who asks may not judge this: it is their own, their friend's or their team's.

    `relation` is OWN, FRIEND or TEAM.
    """

    code = "CONFLICT_OF_INTEREST"

    def __init__(self, relation: str) -> None:
        super().__init__("nobody judges their own, a friend's or their team's evidence")
        self.relation = relation


class AlreadyReviewed(DomainError):
    """This witness has voted on it."""

    code = "ALREADY_REVIEWED"

    def __init__(self) -> None:
        super().__init__("you have voted on this")


class AlreadyDisputed(DomainError):
    """A rejection is disputed once."""

    code = "ALREADY_DISPUTED"

    def __init__(self) -> None:
        super().__init__("this was disputed already")
