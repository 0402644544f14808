"""What quests did for a region, and what the next months may bring."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, cast

import strawberry

from loaders import quests as loaders
from resolvers.quest_reads import ForecastRow, forecast_months, money, points, summary
from schema.common import Money
from schema.fields import Context, argument, attribute, bounded, loaded, resolved
from schema.quests.types import QuestCategory
from schema.rows import shows
from schema.scalars import BigInt, code_of
from services.quests.forecasting import CONFIDENCE_PERCENT, MONTHS_AHEAD_MAX
from services.quests.summaries import CATEGORIES_MAX, CategorySum, Summary

ASSETS_MAX = 5


@strawberry.enum(description="How far back from now a summary goes.")
class ImpactPeriod(Enum):
    DAY = strawberry.enum_value("DAY", description="The last 24 hours.")
    WEEK = strawberry.enum_value("WEEK", description="The last 7 days.")
    MONTH = strawberry.enum_value("MONTH", description="The last 30 days.")
    YEAR = strawberry.enum_value("YEAR", description="The last 365 days.")
    ALL_TIME = strawberry.enum_value("ALL_TIME", description="Since the beginning.")


@strawberry.type(description="What was done in one category.")
@shows(CategorySum)
class CategoryImpact:
    completed: int = attribute("Quests that were verified and rewarded.")
    category: QuestCategory = loaded(
        loaders.category_by_slug, key="category", description="Which category."
    )

    @resolved("Base XP x zone need x authenticity, summed up.", cost=0)
    def impact(root: strawberry.Parent[Any]) -> Decimal:
        return points(root.impact_hundredths)


@strawberry.type(description="What quests did in a region and a time.")
@shows(Summary)
class ImpactSummary:
    region: str | None = attribute("The region; null for everywhere.")
    since: datetime | None = attribute("From when on; null for all time.")
    until: datetime = attribute("Until when: the moment of asking.")
    completed: int = attribute("Quests that were verified and rewarded.")
    players: int = attribute("How many players did them.")
    quests: int = attribute("How many different quests they are.")
    xp: BigInt = attribute("XP that they gave.")
    categories: list[CategoryImpact] = attribute(
        "By category, the most impact first.", list_size=bounded(CATEGORIES_MAX)
    )

    @resolved("Base XP x zone need x authenticity, summed up: no personal multipliers.", cost=0)
    def impact(root: strawberry.Parent[Any]) -> Decimal:
        return points(root.impact_hundredths)

    @resolved("What was paid as rewards, by asset.", cost=0, list_size=bounded(ASSETS_MAX))
    def rewards(root: strawberry.Parent[Any]) -> list[Money]:
        return cast("list[Money]", [money(amount, asset) for asset, amount in root.tokens])


@strawberry.type(description="What a month may bring.")
@shows(ForecastRow)
class ImpactForecastMonth:
    month: date = attribute("The first of the month, UTC.")
    expected: Decimal = attribute("The impact that is expected.")
    low: Decimal = attribute(f"The lower end of the {CONFIDENCE_PERCENT} % interval.")
    high: Decimal = attribute(f"The upper end of the {CONFIDENCE_PERCENT} % interval.")


Region = Annotated[str | None, argument("ISO 3166 country code: `FR`; everywhere if not given.")]


@strawberry.type
class ImpactSummaryQuery:
    @resolved("What quests did in a region, over a time before now.", cost=10)
    async def impact_summary(
        self,
        info: Context,
        region: Region = None,
        period: Annotated[ImpactPeriod, argument("How far back.")] = ImpactPeriod.MONTH,
    ) -> ImpactSummary:
        return cast(ImpactSummary, await summary(info.context, region, code_of(period)))

    @resolved(
        "The impact that this month and the next may bring, by exponential smoothing of the full "
        "months before, with intervals; null without a year of full months.",
        cost=5,
        list_size=bounded(MONTHS_AHEAD_MAX, by="months"),
    )
    async def impact_forecast(
        self,
        info: Context,
        region: Region = None,
        months: Annotated[int, argument(f"How many, 1 to {MONTHS_AHEAD_MAX}.")] = 3,
    ) -> list[ImpactForecastMonth] | None:
        found = await forecast_months(info.context, region, months)
        return cast("list[ImpactForecastMonth] | None", found)
