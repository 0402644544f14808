"""Root fields that recommend."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers.content import recommendations as resolvers
from resolvers.content.recommendations import RECOMMENDATIONS_MAX
from schema.content.recommendations_types import Recommendation
from schema.fields import Context, argument, bounded, resolved


@strawberry.type
class RecommendationQuery:
    @resolved(
        "What you may want to watch next, the best first: what you can watch by your preferences "
        "(region, platforms, memberships, content rating limit) and have not rated, watched or put "
        "on your watchlist. What is popular for those of whom nothing is known, signed in or not.",
        list_size=bounded(RECOMMENDATIONS_MAX, by="first"),
        viewer=True,
        cost=2,
    )
    async def recommendations(
        self,
        info: Context,
        first: Annotated[int, argument("How many, from 0 to 50.")] = 10,
    ) -> list[Recommendation]:
        return await resolvers.recommendations(info.context, first)
