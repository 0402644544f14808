"""A person's standing in quests: XP, level, streak, badges and what their deeds gave."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from loaders import quest_rewards as loaders
from loaders.quest_rewards import AchievementRow, BadgeRow, PlayerRow
from loaders.users import user_by_id
from resolvers.auctions import find
from resolvers.quest_rewards import streak_now
from schema.common import Connection, Node
from schema.fields import Context, argument, attribute, connected, loaded, resolved
from schema.quests.ranks import PlayerRankFields
from schema.rows import found_by, shows
from schema.scalars import BigInt
from services.quests.levels import next_threshold

if TYPE_CHECKING:
    from schema.quests.impact import ImpactEntry
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]
LazyEntry = Annotated["ImpactEntry", strawberry.lazy("schema.quests.impact")]


@strawberry.type(description="Something to be earned by quests, once.")
@shows(BadgeRow)
class Badge:
    slug: str = attribute("Its name in prerequisites of quests.")
    name: str = attribute("What it is called.")
    description: str = attribute("What it is earned by.")


@strawberry.federation.type(keys=["id"], description="That somebody earned a badge.")
@shows(AchievementRow)
@found_by(loaders.achievement_by_id, "ach", shown_as="Achievement")
class Achievement(Node):
    earned_at: datetime = attribute("When it was earned.")
    badge: Badge = loaded(
        loaders.badge_by_slug, key="badge_slug", description="The badge that was earned."
    )
    player: LazyUser = loaded(user_by_id, key="player_id", description="Who earned it.")
    impact_entry: LazyEntry | None = loaded(
        loaders.impact_entry_by_id, key="impact_entry_id", description="The deed that earned it."
    )
    credential: str | None = attribute(
        "It as a signed Open Badges 3.0 credential (VC-JWT), which anybody can verify offline; "
        "null for about a second, until it is signed."
    )


@strawberry.type(description="Somebody's standing in quests.")
@shows(PlayerRow)
class Player(PlayerRankFields):
    level: int = attribute("1 to 8, by XP.")
    xp: BigInt = attribute("All XP of their quests.")
    streak_best_days: int = attribute("The most days in a row there were.")
    completed: int = attribute("How many quests were rewarded.")
    achievements: Connection[Achievement] = connected(
        loaders.achievements_by_player_id, key="user_id", description="Badges, newest first."
    )
    impact: Connection[LazyEntry] = connected(
        loaders.impact_by_player_id, key="user_id", description="What they did gave, newest first."
    )

    @resolved("The XP of the next level; null at the highest.", cost=0)
    def next_level_xp(root: strawberry.Parent[Any]) -> BigInt | None:
        return cast("BigInt | None", next_threshold(root.xp))

    @resolved("Days in a row with a deed, by their own calendar, as they stand now.", cost=0)
    def streak(root: strawberry.Parent[Any]) -> int:
        return streak_now(root.streak_days, root.streak_last_date, root.time_zone)


@strawberry.type
class PlayerUserFields:
    """What rewards add to a user."""

    player: Player | None = loaded(
        loaders.player_by_user_id,
        key="id",
        description="Their standing in quests; null before their first reward.",
    )


@strawberry.type
class PlayerQuery:
    @resolved(
        "An achievement as a signed Open Badges 3.0 credential (VC-JWT): `docs/verify_badge.py` "
        "verifies it offline. Null where there is none, and for about a second until it is signed."
    )
    async def credential(
        self,
        info: Context,
        achievement_id: Annotated[strawberry.ID, argument("Begins with `ach_`.")],
    ) -> str | None:
        row = await find(info.context, loaders.achievement_by_id, achievement_id, "ach")
        return None if row is None else row.credential
