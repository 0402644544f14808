"""What sponsors see: how their quests went, what they paid, what is left of their budgets. And how
difficult a quest turned out to be, which everyone sees."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from loaders.quest_sponsors import sponsored_quests_by_user_id
from resolvers.quest_reads import (
    money,
    own_budgets,
    performance,
    points,
    suggested_difficulty_by_quest_id,
)
from schema.common import Connection, Money
from schema.fields import Context, attribute, bounded, connected, loaded, resolved
from schema.rows import shows
from services.quests.recommending import SUGGEST_FROM
from services.quests.sponsoring import Budget, Performance

if TYPE_CHECKING:
    from schema.quests.types import Quest

LazyQuest = Annotated["Quest", strawberry.lazy("schema.quests.types")]
ASSETS_MAX = 5


@strawberry.type(description="How a quest went so far.")
@shows(Performance)
class QuestPerformance:
    accepted: int = attribute("How often it was taken on.")
    running: int = attribute("Of these, not decided yet.")
    completed: int = attribute("Of these, verified.")
    rejected: int = attribute("Of these, rejected.")
    given_up: int = attribute("Of these, given up or not done in time.")
    players: int = attribute("How many players were rewarded.")
    authenticity: int | None = attribute(
        "How far the evidence of those completed is believed, on average: 0 to 100."
    )

    @resolved("What was paid for it.", cost=0)
    def paid(root: strawberry.Parent[Any]) -> Money:
        return cast(Money, money(root.paid_minor, root.asset))

    @resolved("The rewards, before multipliers, of what is not paid yet.", cost=0)
    def promised(root: strawberry.Parent[Any]) -> Money:
        return cast(Money, money(root.promised_minor, root.asset))

    @resolved("Base XP x zone need x authenticity, summed up.", cost=0)
    def impact(root: strawberry.Parent[Any]) -> Decimal:
        return points(root.impact_hundredths)


@strawberry.type(description="A sponsor's budget of an asset, for all their quests that pay in it.")
@shows(Budget)
class SponsorBudget:
    @resolved("What is left in it.", cost=0)
    def left(root: strawberry.Parent[Any]) -> Money:
        return cast(Money, money(root.left_minor, root.asset))

    @resolved("What was paid from it as rewards.", cost=0)
    def paid(root: strawberry.Parent[Any]) -> Money:
        return cast(Money, money(root.paid_minor, root.asset))

    @resolved("The rewards, before multipliers, of what is not paid yet.", cost=0)
    def promised(root: strawberry.Parent[Any]) -> Money:
        return cast(Money, money(root.promised_minor, root.asset))


@strawberry.type
class QuestInsightFields:
    """What outcomes add to a quest."""

    suggested_difficulty: int | None = loaded(
        suggested_difficulty_by_quest_id,
        key="id",
        description="The difficulty that its outcomes speak for, 1 to 5; null before "
        f"{SUGGEST_FROM} of them.",
    )

    @resolved(
        "How it went, for its sponsor and who made it; null for everybody else.",
        viewer=True,
        cost=2,
    )
    async def performance(root: strawberry.Parent[Any], info: Context) -> QuestPerformance | None:
        asked = (root.id, root.sponsor_id, root.creator_id)
        return cast("QuestPerformance | None", await performance(info.context, *asked))


@strawberry.type
class SponsorUserFields:
    """What sponsoring adds to a user."""

    sponsored_quests: Connection[LazyQuest] = connected(
        sponsored_quests_by_user_id,
        key="id",
        description="The quests that you pay for, newest first; empty for anyone else's.",
        viewer=True,
    )

    @resolved(
        "Your budgets, one for each asset that your quests pay in; null for anyone else's.",
        viewer=True,
        list_size=bounded(ASSETS_MAX),
    )
    async def sponsor_budgets(
        root: strawberry.Parent[Any], info: Context
    ) -> list[SponsorBudget] | None:
        found = await own_budgets(info.context, root.id)
        return cast("list[SponsorBudget] | None", found)
