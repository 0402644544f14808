"""What quests push: changes of one, and of one's own assignments."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated, cast

import strawberry

from loaders import quests as loaders
from resolvers.quest_reads import watch_assignments, watch_quest
from schema.fields import Context, argument, attribute, loaded, subscription
from schema.quests.types import Assignment, AssignmentStatus, Quest
from schema.rows import shows
from schema.scalars import Cursor
from subscriptions.quests import (
    AssignmentChangeRow,
    QuestChangeRow,
    assignment_change_of,
    quest_change_of,
)

After = Annotated[
    Cursor | None,
    argument(
        "Go on after this event: the last `cursor` you saw. From now on if not given. "
        "`CURSOR_EXPIRED` where the log no longer goes back so far."
    ),
]


@strawberry.enum(description="What happened to a quest.")
class QuestChangeKind(Enum):
    TERMS = strawberry.enum_value("TERMS", description="What it says or asks was changed.")
    OPENED = strawberry.enum_value("OPENED", description="It may be taken on.")
    PAUSED = strawberry.enum_value("PAUSED", description="Nobody may take it on for now.")
    CLOSED = strawberry.enum_value("CLOSED", description="It is over.")
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="Somebody took it on.")
    PLACE_FREED = strawberry.enum_value("PLACE_FREED", description="A place is free again.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="Somebody was rewarded for it.")


@strawberry.type(description="Something about a quest changed.")
@shows(QuestChangeRow)
class QuestChange:
    cursor: Cursor = attribute("Where this event is in the quest's stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    kind: QuestChangeKind = attribute("What changed.")
    quest: Quest = loaded(
        loaders.quest_by_id, key="quest_id", description="The quest as it is now."
    )


@strawberry.type(description="One of your assignments changed.")
@shows(AssignmentChangeRow)
class AssignmentChange:
    cursor: Cursor = attribute("Where this event is in your stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    status: AssignmentStatus = attribute("How far it was then.")
    assignment: Assignment | None = loaded(
        loaders.own_assignment_by_id,
        key="assignment_id",
        description="The assignment as it is now.",
        viewer=True,
    )


@strawberry.type
class QuestSubscription:
    @subscription(
        "What changes a quest: its terms, its state, its places, each completion. Each once, in "
        "order; who did it is not told.",
        viewer=True,
        cost=2,
    )
    async def quest_changed(
        self,
        info: Context,
        quest_id: Annotated[strawberry.ID, argument("Which quest.")],
        after: After = None,
    ) -> AsyncGenerator[QuestChange, None]:
        async with aclosing(watch_quest(info.context, quest_id, after)) as events:
            async for event in events:
                yield cast(QuestChange, quest_change_of(event))

    @subscription(
        "Each change of your assignments, once, in order.", authenticated=True, viewer=True
    )
    async def assignment_changed(
        self, info: Context, after: After = None
    ) -> AsyncGenerator[AssignmentChange, None]:
        async with aclosing(watch_assignments(info.context, after)) as events:
            async for event in events:
                yield cast(AssignmentChange, assignment_change_of(event))
