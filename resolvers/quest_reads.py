"""From fields of players, recommendations, sponsors and impact to their services."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from core.clock import utc_now
from core.errors import BadUserInput
from loaders import quests as quest_loaders
from loaders.base import Computed
from loaders.rows import Money
from resolvers.auctions import find as find_row
from resolvers.context import OperationContext
from resolvers.following import follow
from resolvers.quests import asked_place
from services.quests.forecasting import MONTHS_AHEAD_MAX, ForecastMonth
from services.quests.recommending import Recommended, recommended_difficulty
from services.quests.recommending_reads import (
    past_of,
    recommended_quests,
    suggested_difficulties,
)
from services.quests.sponsoring import Budget, Performance, budgets, performances
from services.quests.summaries import Summary, impact_summary
from subscriptions.feeds import Feed
from subscriptions.log import LogEvent
from subscriptions.quests import assignment_changes, quest_changes

suggested_difficulty_by_quest_id = Computed(
    "suggested_difficulty_by_quest_id",
    lambda db, viewer, keys: suggested_difficulties(db, keys),
)
performance_by_quest_id = Computed(
    "performance_by_quest_id", lambda db, viewer, keys: performances(db, keys)
)


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A month of a forecast, in impact points."""

    month: date
    expected: Decimal
    low: Decimal
    high: Decimal


async def own_difficulty(context: OperationContext, user_id: UUID) -> int | None:
    """The difficulty that suits the viewer; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    return recommended_difficulty((await past_of(context.server.db, user_id)).outcomes)


async def recommendations(
    context: OperationContext, latitude: float | None, longitude: float | None
) -> list[Recommended]:
    """The quests that suit the viewer. Raises `BadUserInput` for half a place, or none on Earth."""
    viewer = context.signed_in()
    if (latitude is None) != (longitude is None):
        raise BadUserInput("latitude and longitude are given together")
    near = None
    if latitude is not None and longitude is not None:
        near = asked_place(latitude, longitude)
    return await recommended_quests(context.server.db, player_id=viewer.user_id, near=near)


async def performance(
    context: OperationContext, quest_id: UUID, sponsor_id: UUID | None, creator_id: UUID
) -> Performance | None:
    """How a quest went, for its sponsor and whoever made it; None for all others."""
    if context.viewer_id is None or context.viewer_id not in (sponsor_id, creator_id):
        return None
    found: Performance | None = await context.loaders.load(performance_by_quest_id, quest_id)
    return found


async def own_budgets(context: OperationContext, user_id: UUID) -> list[Budget] | None:
    """The viewer's budgets; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    return await budgets(context.server.db, user_id)


def money(minor: int, asset: str) -> Money:
    """An amount as it is shown."""
    return Money(minor, asset)


def points(hundredths: int) -> Decimal:
    """Impact as it is shown."""
    return Decimal(hundredths).scaleb(-2)


async def summary(context: OperationContext, region: str | None, period: str) -> Summary:
    """The sums of a region over a period. Raises `BadUserInput`."""
    _check_region(region)
    return await impact_summary(context.server.db, region=region, period=period, now=utc_now())


async def forecast_months(
    context: OperationContext, region: str | None, months: int
) -> list[ForecastRow] | None:
    """What a region's next months may bring; None without a year of data. Raises `BadUserInput`
    and `TooManyForecasts`."""
    _check_region(region)
    if not 1 <= months <= MONTHS_AHEAD_MAX:
        raise BadUserInput(f"months is from 1 to {MONTHS_AHEAD_MAX}")
    server = context.server
    found = await server.forecaster.months(server.db, region=region, months=months, now=utc_now())
    return None if found is None else [_shown(one) for one in found]


def _shown(one: ForecastMonth) -> ForecastRow:
    return ForecastRow(one.month, points(one.expected), points(one.low), points(one.high))


def _check_region(region: str | None) -> None:
    fits = region is None or (
        len(region) == 2 and region.isascii() and region.isalpha() and region.isupper()
    )
    if not fits:
        raise BadUserInput("a region is an ISO 3166 country code: FR")


def watch_quest(
    context: OperationContext, quest_id: str, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of a quest that the viewer may see, from a cursor on."""

    async def find() -> Feed:
        loader = quest_loaders.visible_quest_by_id
        quest = await find_row(context, loader, quest_id, "qst")
        if quest is None:
            raise BadUserInput("there is no such quest to subscribe to")
        return quest_changes(quest.id)

    return follow(context, after, find)


def watch_assignments(
    context: OperationContext, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of the viewer's own assignments, from a cursor on."""

    async def find() -> Feed:
        return assignment_changes(context.signed_in().user_id)

    return follow(context, after, find)
