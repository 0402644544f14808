"""The inputs of the fields of quests, and what they become for the resolvers."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from core.errors import BadUserInput, InvalidInput
from core.ids import decode_id
from core.money import to_minor
from loaders.quests import NEAR_MAX_M, QuestFilter
from resolvers.auctions import public_key
from resolvers.quests import asked_place, corners_of, near_of
from schema.common import MoneyInput
from schema.quests.types import QuestStatus
from schema.scalars import JSON, code_of
from services.quests.geometry import Box
from services.quests.quests import QuestDetails


def described(description: str, **options: Any) -> Any:
    """An input field with its description; `default` makes it optional."""
    return strawberry.field(description=description, **options)


@strawberry.enum(description="In which order quests come.")
class QuestOrder(Enum):
    DISTANCE = strawberry.enum_value(
        "DISTANCE", description="The nearest centre first; needs `filter.near`."
    )
    NEWEST = strawberry.enum_value("NEWEST", description="The last made first.")
    REWARD = strawberry.enum_value(
        "REWARD", description="The highest reward first, in minor units of whatever asset."
    )
    ENDING = strawberry.enum_value("ENDING", description="The earliest end first.")


@strawberry.input(description="All that is near a place.")
class NearInput:
    latitude: float = described("-90 to 90, WGS 84.")
    longitude: float = described("-180 to 180, WGS 84.")
    radius_m: float = described(
        "How far its centre may be: metres along the Earth, 500,000 at most.", name="radiusMetres"
    )


@strawberry.input(description="A box of the map; where `west` is past `east` it crosses 180°.")
class BoxInput:
    west: float = described("A longitude, -180 to 180.")
    south: float = described("A latitude, -90 to 90.")
    east: float = described("A longitude, -180 to 180.")
    north: float = described("-90 to 90, at least `south`.")


@strawberry.input(description="Which quests: all conditions hold together; null means any.")
class QuestFilterInput:
    near: NearInput | None = described("Near a place.", default=None)
    bbox: BoxInput | None = described("Whose area meets a box of the map.", default=None)
    zone: strawberry.ID | None = described("Of this zone.", default=None)
    category: str | None = described("Of this category, by slug.", default=None)
    difficulty: int | None = described("Of this difficulty, 1 to 5.", default=None)
    region: str | None = described("In this region: ISO 3166-1, as `FR`.", default=None)
    status: list[QuestStatus] | None = described("In one of these states.", default=None)
    sponsor: strawberry.ID | None = described("Paid by this user.", default=None)


@strawberry.input(description="A circle on the Earth.")
class CircleInput:
    latitude: float = described("Of its centre, -90 to 90, WGS 84.")
    longitude: float = described("Of its centre, -180 to 180, WGS 84.")
    radius_m: int = described("1 to 50,000 metres.", name="radiusMetres")


@strawberry.input(description="A quest. A circle, a polygon, or neither where the zone says where.")
class CreateQuestInput:
    title: str = described("1 to 200 characters.")
    category: str = described("The slug of one of `questCategories`.")
    opens_at: datetime = described("From when it may be taken on.")
    closes_at: datetime = described("Until when; two years later at most.")
    story: str = described("10,000 characters at most.", default="")
    difficulty: int = described("How hard it is, 1 to 5.", default=1)
    zone: strawberry.ID | None = described("The named area that it belongs to.", default=None)
    region: str | None = described("ISO 3166-1; the zone's if not given.", default=None)
    circle: CircleInput | None = described("Where it is.", default=None)
    polygon: JSON | None = described(
        "Where it is: a GeoJSON Polygon or MultiPolygon, 1,000 vertices at most.", default=None
    )
    days_to_do: int = described("Days from taking it on to handing in, 1 to 90.", default=7)
    capacity: int | None = described("How many may take it on; null without a limit.", default=None)
    team_size_max: int = described("How many may do it as a team, 1 to 20.", default=1)
    level_min: int = described("The least level that may take it on, 1 to 8.", default=1)
    photos: int = described("How many photos it asks for, 10 at most.", default=1)
    locations: int = described("How many positions it asks for, 20 at most.", default=1)
    notes: int = described("How many notes it asks for, 5 at most.", default=0)
    videos: int = described("How many videos it asks for, 3 at most.", default=0)
    reviewers_needed: int | None = described(
        "How many witnesses decide, 1 to 9; the category's number if not given.", default=None
    )
    on_foot: bool = described("Whether it is done on foot.", default=True)
    auto_verify: bool = described(
        "Whether evidence beyond doubt is verified at once, without witnesses.", default=True
    )
    base_xp: int = described("XP before multipliers, 1 to 10,000.", default=100)
    reward: MoneyInput | None = described("What is paid, before multipliers.", default=None)
    required_quests: list[strawberry.ID] = described(
        "Quests to be done first; 10 prerequisites at most.", default_factory=list
    )
    required_badges: list[str] = described(
        "Badges to be earned first, by slug.", default_factory=list
    )


@strawberry.input(description="Changes of a quest: what is given, the rest stays.")
class UpdateQuestInput:
    quest_id: strawberry.ID = described("Which quest.")
    title: strawberry.Maybe[str] = described("1 to 200 characters.")
    category: strawberry.Maybe[str] = described("The slug of one of `questCategories`.")
    opens_at: strawberry.Maybe[datetime] = described("From when it may be taken on.")
    closes_at: strawberry.Maybe[datetime] = described("Until when it may be taken on.")
    story: strawberry.Maybe[str] = described("10,000 characters at most.")
    difficulty: strawberry.Maybe[int] = described("How hard it is, 1 to 5.")
    zone: strawberry.Maybe[strawberry.ID | None] = described(
        "The named area that it belongs to; null for none. A quest without a circle or polygon "
        "of its own moves along."
    )
    region: strawberry.Maybe[str | None] = described("ISO 3166-1; null for the zone's.")
    circle: strawberry.Maybe[CircleInput] = described("Where it is, in place of where it was.")
    polygon: strawberry.Maybe[JSON] = described("Where it is, in place of where it was.")
    days_to_do: strawberry.Maybe[int] = described("Days to do it, 1 to 90.")
    capacity: strawberry.Maybe[int | None] = described(
        "How many may take it on, not fewer than have; null without a limit."
    )
    team_size_max: strawberry.Maybe[int] = described("How many may do it as a team, 1 to 20.")
    level_min: strawberry.Maybe[int] = described("The least level that may take it on, 1 to 8.")
    photos: strawberry.Maybe[int] = described("How many photos it asks for, 10 at most.")
    locations: strawberry.Maybe[int] = described("How many positions it asks for, 20 at most.")
    notes: strawberry.Maybe[int] = described("How many notes it asks for, 5 at most.")
    videos: strawberry.Maybe[int] = described("How many videos it asks for, 3 at most.")
    reviewers_needed: strawberry.Maybe[int | None] = described(
        "How many witnesses decide, 1 to 9; null for the category's number."
    )
    on_foot: strawberry.Maybe[bool] = described("Whether it is done on foot.")
    auto_verify: strawberry.Maybe[bool] = described(
        "Whether evidence beyond doubt is verified at once, without witnesses."
    )
    required_quests: strawberry.Maybe[list[strawberry.ID]] = described(
        "Quests to be done first, in place of those before; 10 prerequisites at most."
    )
    required_badges: strawberry.Maybe[list[str]] = described(
        "Badges to be earned first, by slug, in place of those before."
    )
    base_xp: strawberry.Maybe[int] = described("XP before multipliers, 1 to 10,000.")
    reward: strawberry.Maybe[MoneyInput] = described("What is paid, before multipliers.")


@strawberry.input(description="Names a quest.")
class QuestIdInput:
    quest_id: strawberry.ID = described("Begins with `qst_`.")


@strawberry.input(description="Says which assignment is meant.")
class AssignmentIdInput:
    assignment_id: strawberry.ID = described("Begins with `asg_`.")


@strawberry.input(description="Names a team.")
class TeamIdInput:
    team_id: strawberry.ID = described("Begins with `tea_`.")


@strawberry.input(description="A new team.")
class CreateTeamInput:
    quest_id: strawberry.ID = described("What it is to do.")
    name: str = described("1 to 60 characters.")


@strawberry.input(description="Whom to invite.")
class InviteToTeamInput:
    team_id: strawberry.ID = described("The team that you lead.")
    user_id: strawberry.ID = described("Whom you ask.")


@strawberry.input(description="A new zone.")
class CreateZoneInput:
    name: str = described("1 to 100 characters.")
    geometry: JSON = described("A GeoJSON Polygon or MultiPolygon, 1,000 vertices at most.")
    region: str | None = described("ISO 3166-1, as `FR`.", default=None)
    need_factor: float = described(
        "How much good deeds are needed there: 0.5 to 2, to hundredths.", default=1.0
    )


def quest_filter(given: QuestFilterInput | None) -> QuestFilter:
    """The loader's filter. Raises `BadUserInput` for a place, box or id that cannot be."""
    if given is None:
        return QuestFilter()
    for text in (given.category, given.region):
        if text is not None and "\0" in text:
            raise BadUserInput("text must not contain a NUL character")
    near = given.near
    if near is not None and not 0 < near.radius_m <= NEAR_MAX_M:
        raise BadUserInput(f"radiusMetres is more than 0, {NEAR_MAX_M} at most")
    return QuestFilter(
        near=None if near is None else near_of(near.latitude, near.longitude, near.radius_m),
        boxes=None if given.bbox is None else corners_of(_box(given.bbox)),
        zone_id=None if given.zone is None else decode_id(given.zone, "zon"),
        category=given.category,
        difficulty=given.difficulty,
        region=given.region,
        statuses=None if given.status is None else [code_of(each) for each in given.status],
        sponsor_id=None if given.sponsor is None else decode_id(given.sponsor, "usr"),
    )


def quest_details(given: CreateQuestInput) -> QuestDetails:
    """The service's details. Raises `InvalidInput` for ids and amounts that cannot be."""
    circle = given.circle
    return QuestDetails(
        title=given.title,
        category=given.category,
        opens_at=given.opens_at,
        closes_at=given.closes_at,
        story=given.story,
        difficulty=given.difficulty,
        zone_id=None if given.zone is None else _key(given.zone, "zon", "zone"),
        region=given.region,
        place=None if circle is None else (circle.latitude, circle.longitude),
        radius_m=None if circle is None else circle.radius_m,
        polygon=given.polygon,
        days_to_do=given.days_to_do,
        capacity=given.capacity,
        team_size_max=given.team_size_max,
        level_min=given.level_min,
        photos=given.photos,
        locations=given.locations,
        notes=given.notes,
        videos=given.videos,
        reviewers_needed=given.reviewers_needed,
        on_foot=given.on_foot,
        auto_verify=given.auto_verify,
        base_xp=given.base_xp,
        required_quest_ids=[_key(each, "qst", "requiredQuests") for each in given.required_quests],
        required_badges=given.required_badges,
        **_reward(given.reward),
    )


def quest_changes(given: UpdateQuestInput) -> dict[str, Any]:
    """The fields that were given, by the service's names."""
    names = vars(given).keys() - {"quest_id"}
    found = {name: getattr(given, name).value for name in names if getattr(given, name) is not None}
    circle = found.pop("circle", None)
    if circle is not None:
        found |= {"place": (circle.latitude, circle.longitude), "radius_m": circle.radius_m}
    if found.get("zone") is not None:
        found["zone_id"] = _key(found.pop("zone"), "zon", "zone")
    elif "zone" in found:
        found["zone_id"] = found.pop("zone")
    if "required_quests" in found:
        asked = found.pop("required_quests")
        found["required_quest_ids"] = [_key(each, "qst", "requiredQuests") for each in asked]
    if "reward" in found:
        found |= _reward(found.pop("reward"))
    return found


def _reward(given: MoneyInput | None) -> dict[str, Any]:
    if given is None:
        return {}
    asset = code_of(given.asset)
    return {"asset": asset, "reward_minor": to_minor(given.amount, asset, field="reward")}


def _key(public_id: str, prefix: str, field: str) -> UUID:
    key = public_key(public_id, prefix)
    if key is None:
        raise InvalidInput(field, "unknown")
    return key


def _box(given: BoxInput) -> Box:
    asked_place(given.south, given.west)
    asked_place(given.north, given.east)
    if given.south > given.north:
        raise BadUserInput("south is at most north")
    east = given.east if given.east >= given.west else given.east + 360
    return Box(given.west, given.south, east, given.north)
