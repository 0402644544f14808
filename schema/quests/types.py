"""Quests, zones, categories, assignments and teams as clients see them, and what quests add to a
user."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from execution.caching import INHERITS
from loaders import quests as loaders
from loaders import users as user_loaders
from loaders.quest_rewards import impact_entry_by_assignment_id
from loaders.quests import (
    PREREQUISITES_SHOWN,
    TEAM_SHOWN,
    AssignmentRow,
    CategoryRow,
    NearQuestRow,
    PrerequisiteRow,
    QuestRow,
    TeamMemberRow,
    TeamRow,
    ZoneRow,
)
from resolvers.quests import distance_from, own_assignments
from schema.common import Connection, Money, Node
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    attribute,
    loaded,
    loaded_first,
    page_size,
    resolved,
)
from schema.quests.evidence import EvidenceAssignmentFields
from schema.quests.sponsors import QuestInsightFields
from schema.rows import found_by, shows
from schema.scalars import JSON
from services.quests.contract import Area, Place

if TYPE_CHECKING:
    from schema.quests.impact import ImpactEntry
    from schema.users.types import User

LazyImpactEntry = Annotated["ImpactEntry", strawberry.lazy("schema.quests.impact")]
LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]
LazyQuest = Annotated["Quest", strawberry.lazy("schema.quests.types")]
LazyAssignment = Annotated["Assignment", strawberry.lazy("schema.quests.types")]

PLACES_KEPT_S = 60
"""What changes while people take a quest on is not kept as long as the quest."""


@strawberry.enum(description="Where a quest is in its life.")
class QuestStatus(Enum):
    DRAFT = strawberry.enum_value("DRAFT", description="Its maker's alone, not yet to be played.")
    OPEN = strawberry.enum_value(
        "OPEN", description="To be taken on between `opensAt` and `closesAt`."
    )
    PAUSED = strawberry.enum_value("PAUSED", description="Nobody may take it on for now.")
    CLOSED = strawberry.enum_value("CLOSED", description="It is over.")


@strawberry.enum(description="How far an assignment is.")
class AssignmentStatus(Enum):
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="Taken on, to be done by `dueAt`.")
    SUBMITTED = strawberry.enum_value(
        "SUBMITTED", description="Evidence is handed in, and looked at by a moderator."
    )
    UNDER_REVIEW = strawberry.enum_value("UNDER_REVIEW", description="Witnesses look at it.")
    VERIFIED = strawberry.enum_value("VERIFIED", description="The evidence holds.")
    REJECTED = strawberry.enum_value("REJECTED", description="The evidence does not hold.")
    REWARDED = strawberry.enum_value("REWARDED", description="XP and reward were given.")
    ABANDONED = strawberry.enum_value("ABANDONED", description="The player gave it up.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="It was not done in time.")


@strawberry.enum(description="What kind of thing a quest asks first.")
class PrerequisiteKind(Enum):
    QUEST = strawberry.enum_value("QUEST", description="Another quest, done and rewarded.")
    BADGE = strawberry.enum_value("BADGE", description="A badge, earned before.")


@strawberry.type(description="What quests are sorted by.", directives=[INHERITS])
@shows(CategoryRow)
class QuestCategory:
    slug: str = attribute("Its name in filters: a-z, 0-9 and hyphens.")
    name: str = attribute("What it is called.")
    description: str = attribute("What belongs to it.")


@strawberry.federation.type(keys=["id"], description="A named area.", directives=[INHERITS])
@shows(ZoneRow)
@found_by(loaders.zone_by_id, "zon", shown_as="Zone")
class Zone(Node):
    name: str = attribute("What it is called.")
    region: str | None = attribute("Where it lies: ISO 3166-1, as `FR`.")
    need_factor: float = attribute("How much good deeds are needed there: 0.5 to 2.")
    geometry: JSON = attribute(
        "A GeoJSON Polygon or MultiPolygon. Across the antimeridian longitudes go on past 180."
    )
    latitude: float = attribute("Of a point in its middle, WGS 84.")
    longitude: float = attribute("Of a point in its middle, WGS 84.")


@strawberry.type(description="One thing that a quest asks first.", directives=[INHERITS])
@shows(PrerequisiteRow)
class QuestPrerequisite:
    kind: PrerequisiteKind = attribute("What it is.")
    badge_slug: str | None = attribute("Which badge; null for a quest.")
    quest: LazyQuest | None = loaded(
        loaders.visible_quest_by_id,
        key="required_quest_id",
        description="Which quest; null for a badge.",
        viewer=True,
    )


@strawberry.federation.type(
    keys=["id"], description="A good deed to be done in the real world.", directives=[INHERITS]
)
@shows(QuestRow, NearQuestRow)
@found_by(loaders.visible_quest_by_id, "qst", shown_as="Quest")
class Quest(QuestInsightFields, Node):
    title: str = attribute("What is to be done, in a line.")
    story: str = attribute("Why, and how.")
    difficulty: int = attribute("How hard it is, 1 to 5.")
    region: str | None = attribute("Where it lies: ISO 3166-1, as `FR`.")
    latitude: float = attribute("Of its centre, WGS 84.")
    longitude: float = attribute("Of its centre, WGS 84.")
    radius_m: int | None = attribute(
        "Of its circle, in metres; null where `polygon` says where.", name="radiusMetres"
    )
    polygon: JSON | None = attribute(
        "A GeoJSON Polygon or MultiPolygon, longitudes past 180 across the antimeridian; null for "
        "a circle."
    )
    opens_at: datetime = attribute("From when it may be taken on.")
    closes_at: datetime = attribute("Until when it may be taken on.")
    days_to_do: int = attribute("Days from taking it on to handing in, at most.")
    capacity: int | None = attribute("How many may take it on; null without a limit.")
    taken: int = attribute("How many places are taken.", cache=PLACES_KEPT_S)
    places_left: int | None = attribute(
        "How many places are left; null without a limit.", cache=PLACES_KEPT_S
    )
    team_size_max: int = attribute("How many may do it as a team; 1 for alone.")
    level_min: int = attribute("The least level that may take it on.")
    photos_asked: int = attribute("How many photos are asked for.")
    locations_asked: int = attribute("How many positions are asked for.")
    notes_asked: int = attribute("How many notes are asked for.")
    videos_asked: int = attribute("How many videos are asked for.")
    reviewers_needed: int = attribute("How many witnesses decide where they are asked.")
    on_foot: bool = attribute("Whether it is done on foot: faster tracks are doubted.")
    base_xp: int = attribute("XP before multipliers.")
    reward: Money = attribute("What is paid, before multipliers.")
    status: QuestStatus = attribute("Where it is in its life.", cache=PLACES_KEPT_S)
    created_at: datetime = attribute("When it was made.")
    category: QuestCategory = loaded(
        loaders.category_by_slug, key="category", description="What it is sorted by."
    )
    zone: Zone | None = loaded(
        loaders.zone_by_id, key="zone_id", description="The named area that it belongs to."
    )
    creator: LazyUser = loaded(
        user_loaders.user_by_id, key="creator_id", description="Who made it."
    )
    sponsor: LazyUser | None = loaded(
        user_loaders.user_by_id,
        key="sponsor_id",
        description="Whose budget pays; null where the platform does.",
    )
    prerequisites: list[QuestPrerequisite] = loaded_first(
        loaders.prerequisites_by_quest_id,
        key="id",
        default=PREREQUISITES_SHOWN,
        description="What it asks first.",
    )
    viewer_assignment: LazyAssignment | None = loaded(
        loaders.viewer_assignment_by_quest_id,
        key="id",
        description="Your newest assignment of it.",
        viewer=True,
    )

    @resolved("How far a place is from it, in metres along the Earth (WGS 84); 0 within.", cost=2)
    def distance_metres(
        root: strawberry.Parent[Any],
        latitude: Annotated[float, argument("Of the place, -90 to 90.")],
        longitude: Annotated[float, argument("Of the place, -180 to 180.")],
    ) -> float:
        area = Area(Place(root.latitude, root.longitude), root.radius_m, root.polygon)
        return distance_from(area, latitude, longitude)


@strawberry.type(description="Somebody in a team.")
@shows(TeamMemberRow)
class TeamMember:
    joined_at: datetime = attribute("When they joined.")
    user: LazyUser = loaded(user_loaders.user_by_id, key="user_id", description="Who it is.")


@strawberry.federation.type(keys=["id"], description="Players who do one quest together.")
@shows(TeamRow)
@found_by(loaders.team_by_id, "tea", shown_as="Team")
class Team(Node):
    name: str = attribute("What it is called.")
    size: int = attribute("How many are in it.")
    size_max: int = attribute("How many may be.")
    created_at: datetime = attribute("When it was founded.")
    quest: Quest = loaded(loaders.quest_by_id, key="quest_id", description="What they do.")
    leader: LazyUser = loaded(
        user_loaders.user_by_id, key="leader_id", description="Who leads it, and invites."
    )
    members: list[TeamMember] = loaded_first(
        loaders.members_by_team_id,
        key="id",
        default=TEAM_SHOWN,
        description="Who is in it, the longest first.",
    )


@strawberry.federation.type(keys=["id"], description="That a player took a quest on.")
@shows(AssignmentRow)
@found_by(loaders.own_assignment_by_id, "asg", shown_as="Assignment")
class Assignment(EvidenceAssignmentFields, Node):
    status: AssignmentStatus = attribute("How far it is.")
    base_xp: int = attribute("XP before multipliers, as promised when it was taken on.")
    reward: Money = attribute("What is paid, before multipliers, as promised then.")
    team_size: int = attribute("How many were in the team then; 1 for alone.")
    authenticity: int | None = attribute("How far the evidence is believed, 0 to 100.")
    accepted_at: datetime = attribute("When it was taken on.")
    due_at: datetime = attribute("Until when evidence is taken.")
    submitted_at: datetime | None = attribute("When evidence was handed in.")
    decided_at: datetime | None = attribute("When it was verified or rejected.")
    ended_at: datetime | None = attribute("When it was given up or expired.")
    quest: Quest = loaded(loaders.quest_by_id, key="quest_id", description="What is to be done.")
    team: Team | None = loaded(
        loaders.team_by_id, key="team_id", description="With whom; null for alone."
    )
    player: LazyUser = loaded(
        user_loaders.user_by_id, key="player_id", description="Who took it on."
    )
    impact_entry: LazyImpactEntry | None = loaded(
        impact_entry_by_assignment_id,
        key="id",
        description="What it gave; null until it is rewarded.",
    )


@strawberry.type
class QuestUserFields:
    """What quests add to a user."""

    @resolved(
        "Their assignments, newest first: your own alone, null for anyone else's.",
        list_size=page_size(),
        viewer=True,
    )
    async def assignments(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Assignment] | None:
        return await own_assignments(info.context, root.id, first, after, last, before)
