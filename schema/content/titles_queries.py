"""Root fields that read the catalogue."""

from __future__ import annotations

from typing import Annotated

import strawberry

from loaders.content import availability as offers
from loaders.content import titles as loaders
from loaders.content.availability import PLATFORMS_MAX
from loaders.content.titles import TITLE_ORDERS
from resolvers.auctions import find
from resolvers.content import titles as resolvers
from resolvers.content.titles import TRENDING_MAX
from schema.common import Connection
from schema.content.timeframes import TRENDING_KEPT_S, Timeframe
from schema.content.titles_inputs import TitleFilterInput, TitleOrder, title_filter
from schema.content.titles_types import Genre, Person, Platform, Title, TitleKind
from schema.content.viewing_types import TrendingTitle
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
from schema.scalars import code_of

GENRES_MAX = 500


@strawberry.type
class TitleQuery:
    @resolved("A title by its id; null where there is none that you may see.", viewer=True)
    async def title(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `ttl_`.")]
    ) -> Title | None:
        return await find(info.context, loaders.title_by_id, id, "ttl")

    @resolved("The catalogue, page by page.", list_size=page_size(), viewer=True)
    async def titles(
        self,
        info: Context,
        filter: Annotated[TitleFilterInput | None, argument("Which; all if not given.")] = None,
        order_by: Annotated[TitleOrder, argument("In which order.")] = TitleOrder.NEWEST,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Title]:
        order = TITLE_ORDERS[code_of(order_by)]
        page = info.context.page_request(order, first, after, last, before)
        return await resolvers.titles(info.context, title_filter(filter), code_of(order_by), page)

    @resolved("Someone who made titles, by id; null where there is nobody.")
    async def person(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `per_`.")]
    ) -> Person | None:
        return await find(info.context, loaders.person_by_id, id, "per")

    @resolved("All genres, by name.", list_size=bounded(GENRES_MAX))
    async def genres(self, info: Context) -> list[Genre]:
        return await resolvers.genres(info.context, GENRES_MAX)

    @resolved("The platforms, by name.", list_size=bounded(PLATFORMS_MAX))
    async def platforms(
        self,
        info: Context,
        active: Annotated[
            bool | None, argument("Those that are asked, or those that are not; all if null.")
        ] = True,
    ) -> list[Platform]:
        return await resolvers.platforms_of(info.context, active=active)

    @resolved("A platform by its id; null where there is none.")
    async def platform(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `plt_`.")]
    ) -> Platform | None:
        return await find(info.context, offers.platform_by_id, id, "plt")

    @resolved(
        "What moves people now: viewers, ratings and watchlists, the fresher the more.",
        list_size=bounded(TRENDING_MAX, by="first"),
        viewer=True,
        cache=TRENDING_KEPT_S,
    )
    async def trending(
        self,
        info: Context,
        timeframe: Annotated[Timeframe, argument("How far back.")] = Timeframe.WEEK,
        kind: Annotated[TitleKind | None, argument("Of this kind alone.")] = None,
        region: Annotated[
            str | None, argument("Among people of this region, as `FR`; of all if not given.")
        ] = None,
        first: Annotated[int, argument("How many, from 0 to 100.")] = 20,
    ) -> list[TrendingTitle]:
        return await resolvers.trending(
            info.context,
            timeframe=code_of(timeframe),
            kind=None if kind is None else code_of(kind),
            region=region,
            first=first,
        )
