"""Root fields that read quests, zones, categories and assignments."""

from __future__ import annotations

from typing import Annotated

import strawberry

from core.errors import BadUserInput
from loaders import quests as loaders
from loaders.quests import QUEST_ORDERS, ZONES_BY_NAME
from resolvers.auctions import find
from resolvers.quests import CATEGORIES_MAX, categories, quests_page, zones_page
from schema.common import Connection
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    bounded,
    page_size,
    resolved,
)
from schema.quests.inputs import QuestFilterInput, QuestOrder, quest_filter
from schema.quests.types import Assignment, Quest, QuestCategory, Team, Zone
from schema.scalars import code_of

QUESTS_KEPT_S = 900


@strawberry.type
class QuestQuery:
    @resolved(
        "A quest by its id; null where there is none, or it is somebody else's draft.",
        viewer=True,
        cache=QUESTS_KEPT_S,
    )
    async def quest(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `qst_`.")]
    ) -> Quest | None:
        return await find(info.context, loaders.visible_quest_by_id, id, "qst", "Quest")

    @resolved(
        "Quests, page by page; drafts are their maker's alone.",
        list_size=page_size(),
        viewer=True,
        cache=QUESTS_KEPT_S,
    )
    async def quests(
        self,
        info: Context,
        filter: Annotated[QuestFilterInput | None, argument("Which; all if not given.")] = None,
        order_by: Annotated[QuestOrder, argument("In which order.")] = QuestOrder.NEWEST,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Quest]:
        order = QUEST_ORDERS[code_of(order_by)]
        page = info.context.page_request(order, first, after, last, before)
        return await quests_page(info.context, quest_filter(filter), code_of(order_by), page)

    @resolved("Zones by name, page by page.", list_size=page_size(), cache=QUESTS_KEPT_S)
    async def zones(
        self,
        info: Context,
        region: Annotated[str | None, argument("Of this region alone: ISO 3166-1.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Zone]:
        if region is not None and "\0" in region:
            raise BadUserInput("text must not contain a NUL character")
        page = info.context.page_request(ZONES_BY_NAME, first, after, last, before)
        return await zones_page(info.context, region, page)

    @resolved(
        "What quests are sorted by, by name.",
        list_size=bounded(CATEGORIES_MAX),
        cache=QUESTS_KEPT_S,
    )
    async def quest_categories(self, info: Context) -> list[QuestCategory]:
        return await categories(info.context)

    @resolved("Your own assignment by its id; null for any other.", viewer=True)
    async def assignment(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `asg_`.")]
    ) -> Assignment | None:
        return await find(info.context, loaders.own_assignment_by_id, id, "asg", "Assignment")

    @resolved("A team by its id; null where there is none.")
    async def team(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `tea_`.")]
    ) -> Team | None:
        return await find(info.context, loaders.team_by_id, id, "tea", "Team")
