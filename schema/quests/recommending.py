"""The quests that are recommended to whoever asks."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, cast

import strawberry

from loaders import quests as loaders
from resolvers.quest_reads import recommendations
from schema.fields import Context, argument, attribute, bounded, loaded, resolved
from schema.quests.types import Quest
from schema.rows import shows
from services.quests.recommending import RECOMMENDED, Recommended

REASONS_MAX = 6


@strawberry.enum(description="Why a quest is recommended.")
class QuestRecommendationReason(Enum):
    NEARBY = strawberry.enum_value("NEARBY", description="It is within 5 km of you.")
    LIKED_CATEGORY = strawberry.enum_value(
        "LIKED_CATEGORY", description="You often do quests of its category."
    )
    FITTING_DIFFICULTY = strawberry.enum_value(
        "FITTING_DIFFICULTY", description="It is about as difficult as what you manage."
    )
    NEW_QUEST = strawberry.enum_value("NEW_QUEST", description="It was made this week.")
    SOMETHING_NEW = strawberry.enum_value(
        "SOMETHING_NEW", description="You have done no quest of its category yet."
    )
    ENDING_SOON = strawberry.enum_value("ENDING_SOON", description="It closes within three days.")


@strawberry.type(description="A quest that may suit you, and why.")
@shows(Recommended)
class QuestRecommendation:
    distance_m: float | None = attribute(
        "How far its centre is from the place you named, in metres; null if you named none.",
        name="distanceMetres",
    )
    quest: Quest = loaded(loaders.quest_by_id, key="quest_id", description="The quest.")

    @resolved("How well it suits you, 0 to 100, before others of its kind.", cost=0)
    def score(root: strawberry.Parent[Any]) -> int:
        return round(100 * root.score)

    @resolved("Why: what counts most first.", cost=0, list_size=bounded(REASONS_MAX))
    def reasons(root: strawberry.Parent[Any]) -> list[QuestRecommendationReason]:
        return [QuestRecommendationReason(reason) for reason in root.reasons]


@strawberry.type
class QuestRecommendationQuery:
    @resolved(
        f"Up to {RECOMMENDED} quests that you could take on now and that suit you, by distance, "
        "category, difficulty, novelty and diversity, the best first. Where you are is not kept.",
        authenticated=True,
        viewer=True,
        cost=2,
        list_size=bounded(RECOMMENDED),
    )
    async def recommended_quests(
        self,
        info: Context,
        latitude: Annotated[
            float | None, argument("Where you are, -90 to 90; distance does not count without.")
        ] = None,
        longitude: Annotated[float | None, argument("Where you are, -180 to 180.")] = None,
    ) -> list[QuestRecommendation]:
        found = await recommendations(info.context, latitude, longitude)
        return cast("list[QuestRecommendation]", found)
