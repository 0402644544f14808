"""Where a player stands among all, and what suits them next."""

from __future__ import annotations

from typing import Any

import strawberry

from resolvers.leaderboards import rank_of
from resolvers.quest_reads import own_difficulty
from schema.fields import Context, resolved


@strawberry.type
class PlayerRankFields:
    """What leaderboards add to a player."""

    @resolved(
        "Their place on the leaderboard of all time, from 1; null without any XP on it.", cost=2
    )
    async def rank(root: strawberry.Parent[Any], info: Context) -> int | None:
        return await rank_of(info.context, root.user_id)

    @resolved(
        "The difficulty that suits you next, 1 to 5, by how your last quests went; null for anyone "
        "else's.",
        viewer=True,
        cost=2,
    )
    async def recommended_difficulty(root: strawberry.Parent[Any], info: Context) -> int | None:
        return await own_difficulty(info.context, root.user_id)
