"""Recommendations as clients see them, and what goes with a title."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from loaders.content import titles as loaders
from loaders.content.recommendations import SIMILAR_MAX
from resolvers.content import recommendations as resolvers
from schema.fields import Context, argument, attribute, bounded, loaded, resolved
from schema.rows import shows
from services.content.recommendations import Recommended

if TYPE_CHECKING:
    from schema.content.titles_types import Title


@strawberry.enum(description="Why a title is recommended.")
class RecommendationReason(Enum):
    BECAUSE_YOU_LIKED = strawberry.enum_value(
        "BECAUSE_YOU_LIKED",
        description="It goes with one that you rated well, saw to the end or want to watch.",
    )
    SIMILAR_GENRES = strawberry.enum_value(
        "SIMILAR_GENRES", description="It is popular, and of a genre that you like."
    )
    POPULAR = strawberry.enum_value("POPULAR", description="Many people watch it.")


@strawberry.type(description="A title that you may want to watch, and why.")
@shows(Recommended)
class Recommendation:
    reason: RecommendationReason = attribute("Why it is here.")
    title: Annotated[Title, strawberry.lazy("schema.content.titles_types")] = loaded(
        loaders.title_by_id, key="title_id", description="What to watch.", viewer=True
    )
    because: Annotated[Title, strawberry.lazy("schema.content.titles_types")] | None = loaded(
        loaders.title_by_id,
        key="because_id",
        description="What you liked, for `BECAUSE_YOU_LIKED`; else null.",
        viewer=True,
    )


@strawberry.type
class RecommendationTitleFields:
    """What recommendations add to a title."""

    @resolved(
        "Titles that go with it, the best first: liked by the same people, or alike in genres, "
        "people and words. Empty until they are computed, once an hour.",
        list_size=bounded(SIMILAR_MAX, by="first"),
        viewer=True,
    )
    async def similar(
        root: strawberry.Parent[Any],
        info: Context,
        first: Annotated[int, argument("How many, from 0 to 50.")] = 10,
    ) -> list[Annotated[Title, strawberry.lazy("schema.content.titles_types")]]:
        return await resolvers.similar(info.context, root.id, first)
