"""What a quest gave, with all that it follows from, and its place in the ledger's log."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from loaders.quest_rewards import ImpactRow, impact_entry_by_id
from loaders.quests import own_assignment_by_id, quest_by_id
from loaders.users import user_by_id
from resolvers.auctions import find
from resolvers.quest_rewards import BreakdownView, MultiplierView, breakdown_view
from schema.common import Money, Node
from schema.fields import Context, argument, attribute, bounded, loaded, resolved
from schema.rows import found_by, shows
from schema.scalars import BigInt
from services.quests.multipliers import FACTORS

if TYPE_CHECKING:
    from schema.quests.types import Assignment, Quest
    from schema.users.types import User

LazyAssignment = Annotated["Assignment", strawberry.lazy("schema.quests.types")]
LazyQuest = Annotated["Quest", strawberry.lazy("schema.quests.types")]
LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.enum(description="What XP are multiplied by; each from 0.5 to 2.")
class MultiplierName(Enum):
    DIFFICULTY = strawberry.enum_value("difficulty", description="The quest's difficulty.")
    AUTHENTICITY = strawberry.enum_value(
        "authenticity", description="How far the evidence is believed."
    )
    STREAK = strawberry.enum_value("streak", description="Days in a row; not of tokens.")
    ZONE_NEED = strawberry.enum_value("zoneNeed", description="How much its zone needs good deeds.")
    TEAM = strawberry.enum_value("team", description="Members of the team; not of tokens.")
    TIMELINESS = strawberry.enum_value(
        "timeliness", description="More in the first third of the quest's time, less at its end."
    )


@strawberry.type(description="One of the six multipliers.")
@shows(MultiplierView)
class ImpactMultiplier:
    fraction: str = attribute("Exactly, as a fraction: `57/50`.")
    value: Decimal = attribute("The same as a decimal number.")

    @resolved("Which it is.", cost=0)
    def name(root: strawberry.Parent[Any]) -> MultiplierName:
        return MultiplierName(root.name)


@strawberry.type(
    description="All that a reward follows from. XP: `baseXp` times all six, rounded half to even, "
    "once. Tokens: `reward` times all but streak and team. Impact: `baseXp` times zone need and "
    "authenticity."
)
@shows(BreakdownView)
class ImpactBreakdown:
    base_xp: int = attribute("XP before multipliers.")
    reward: Money = attribute("Tokens before multipliers.")
    multipliers: list[ImpactMultiplier] = attribute(
        "The six multipliers.", list_size=bounded(len(FACTORS))
    )
    streak_days: int = attribute("Days in a row then, that one with them.")
    team_members: int = attribute("Members of the team then; 0 for alone.")


@strawberry.federation.type(
    keys=["id"],
    description="What an assignment gave. Nobody can change it: it is a leaf of the ledger's log, "
    "which `ledgerInclusionProof(transferId)` proves by this id.",
)
@shows(ImpactRow)
@found_by(impact_entry_by_id, "imp", shown_as="ImpactEntry")
class ImpactEntry(Node):
    xp_awarded: BigInt = attribute("The XP that were given.")
    token_awarded: Money = attribute("The tokens that were paid.")
    impact_value: Decimal = attribute("What it did for the world: nothing personal counts.")
    leaf_hash: str | None = attribute(
        "The SHA-256, in hex, of its leaf; null for about a second, until the log has it."
    )
    signature: str | None = attribute(
        "The Ed25519 signature, in hex, of the first tree head that has the leaf; null until then."
    )
    region: str | None = attribute("Where it was done: ISO 3166-1, as `FR`.")
    created_at: datetime = attribute("When it was given.")
    player: LazyUser = loaded(user_by_id, key="player_id", description="Who did it.")
    sponsor: LazyUser | None = loaded(
        user_by_id, key="sponsor_id", description="Who paid; null where the platform did."
    )

    quest: LazyQuest = loaded(quest_by_id, key="quest_id", description="What was done.")
    assignment: LazyAssignment | None = loaded(
        own_assignment_by_id,
        key="assignment_id",
        description="The assignment that gave it: its player's alone, null for others.",
        viewer=True,
    )

    @resolved("All that it follows from.", cost=0)
    def breakdown(root: strawberry.Parent[Any]) -> ImpactBreakdown:
        return cast(ImpactBreakdown, breakdown_view(root.breakdown, root.asset))


@strawberry.type
class ImpactQuery:
    @resolved("What an assignment gave, by its id; null where there is none.")
    async def impact_entry(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `imp_`.")]
    ) -> ImpactEntry | None:
        found: ImpactEntry | None = await find(
            info.context, impact_entry_by_id, id, "imp", "ImpactEntry"
        )
        return found
