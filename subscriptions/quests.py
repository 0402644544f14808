"""The streams of quests: what changes a quest, and the viewer's own assignments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.quests.quests import quest_topic
from services.quests.rewards import REWARDED
from services.quests.verifying import ASSIGNMENT_CHANGED
from services.users.accounts import user_topic
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent

QUEST_KINDS: Mapping[str, str] = {
    "QuestChanged": "TERMS",
    "QuestOpened": "OPENED",
    "QuestPaused": "PAUSED",
    "QuestClosed": "CLOSED",
    "QuestAccepted": "ACCEPTED",
    "QuestPlaceFreed": "PLACE_FREED",
    REWARDED: "COMPLETED",
}
"""What an event changed, as a value of the GraphQL enum `QuestChangeKind`."""
_QUEST_TYPES = frozenset(QUEST_KINDS)
_OWN_TYPES = frozenset({ASSIGNMENT_CHANGED, REWARDED})


def quest_changes(quest_id: UUID) -> Feed:
    """What changes at a quest: its terms and state, its places, and that somebody completed it."""
    return Feed(quest_topic(quest_id), types=_QUEST_TYPES)


def assignment_changes(user_id: UUID) -> Feed:
    """Changes of a player's own assignments."""
    return Feed(user_topic(user_id), types=_OWN_TYPES)


class QuestChangeRow(NamedTuple):
    """One change of a quest; who made it is nobody's business."""

    cursor: str
    occurred_at: datetime
    kind: str
    quest_id: UUID


class AssignmentChangeRow(NamedTuple):
    """One change of an assignment, as of its event."""

    cursor: str
    occurred_at: datetime
    status: str
    assignment_id: UUID


def quest_change_of(event: LogEvent) -> QuestChangeRow:
    """What an event of a quest's topic says."""
    quest_id = UUID(hex=event.topic.partition(":")[2])
    return QuestChangeRow(event.cursor, event.occurred_at, QUEST_KINDS[event.type], quest_id)


def assignment_change_of(event: LogEvent) -> AssignmentChangeRow:
    """What an event of a player's topic says of an assignment."""
    status = "REWARDED" if event.type == REWARDED else event.payload["status"]
    assignment_id = UUID(hex=event.payload["assignment"])
    return AssignmentChangeRow(event.cursor, event.occurred_at, status, assignment_id)
