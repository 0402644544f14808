"""Quests: who makes, changes, opens, pauses and closes them, within which limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.database import Transaction, database_now
from core.errors import Forbidden, InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.money import ASSETS
from core.text import clean_text
from models.quests.quests import (
    LOCATIONS_MAX,
    NOTES_MAX,
    PHOTOS_MAX,
    RADIUS_MAX_M,
    VIDEOS_MAX,
    Quest,
    QuestCategory,
    Zone,
)
from services.quests.contract import Area, Place
from services.quests.errors import WrongQuestStatus
from services.quests.geometry import checked_place, checked_polygon, earth_point, polygon_area
from services.quests.prerequisites import require_first
from services.quests.zones import checked_region, place_columns

WINDOW_MAX = timedelta(days=730)
REWARD_MAX_MINOR = 10**15
SPONSOR_SCOPE = "quest:sponsor"


@dataclass(frozen=True, slots=True)
class QuestDetails:
    """What a quest is. A circle (`place`, `radius_m`), or a GeoJSON `polygon`, or neither where
    `zone_id` says where. Limits: title 1-200, story ≤ 10,000 characters, difficulty 1-5, radius 1
    to 50,000 m, two years, 1-90 days to do it, teams of 20, level 1-8, base XP 1-10,000; 10 photos,
    20 locations, 5 notes, 3 videos; 10 prerequisites."""

    title: str
    category: str
    opens_at: datetime
    closes_at: datetime
    story: str = ""
    difficulty: int = 1
    zone_id: UUID | None = None
    region: str | None = None
    place: tuple[float, float] | None = None
    radius_m: int | None = None
    polygon: object = None
    days_to_do: int = 7
    capacity: int | None = None
    team_size_max: int = 1
    level_min: int = 1
    photos: int = 1
    locations: int = 1
    notes: int = 0
    videos: int = 0
    reviewers_needed: int | None = None
    on_foot: bool = True
    auto_verify: bool = True
    base_xp: int = 100
    reward_minor: int = 0
    asset: str = "SPARK"
    required_quest_ids: Sequence[UUID] = ()
    required_badges: Sequence[str] = ()


async def create_quest(
    tx: Transaction, *, actor_id: UUID, manages: bool, sponsors: bool, details: QuestDetails
) -> UUID:
    """Draft a quest: a sponsor's own, whose budget pays, or the platform's by whoever `manages`.

    Raises `Forbidden` for others, `InvalidInput`.
    """
    if not (manages or sponsors):
        raise Forbidden("only sponsors and administrators make quests")
    columns = await _checked(tx, details)
    quest = Quest(
        id=new_id(),
        creator_id=actor_id,
        sponsor_id=None if manages else actor_id,
        **columns,
    )
    tx.add(quest)
    await tx.flush()
    await require_first(
        tx, quest.id, quests=details.required_quest_ids, badges=details.required_badges
    )
    tx.collect(quest_event(quest, "QuestCreated", actor_id))
    return quest.id


async def update_quest(
    tx: Transaction, *, actor_id: UUID, manages: bool, quest_id: UUID, changes: Mapping[str, Any]
) -> None:
    """Change the given fields of a quest (those of `QuestDetails`); what was taken on before keeps
    its terms. Raises `NotFound`, `Forbidden`, `WrongQuestStatus` once closed, `InvalidInput`."""
    quest = await _locked(tx, quest_id, actor_id=actor_id, manages=manages)
    if quest.status == "CLOSED":
        raise WrongQuestStatus(quest.status)
    details = _details_of(quest)
    if {"place", "radius_m", "polygon"} & changes.keys():
        details |= {"place": None, "radius_m": None, "polygon": None}
    elif "zone_id" in changes:
        details |= await _left_to_zone(tx, quest)
    columns = await _checked(tx, QuestDetails(**{**details, **changes}))
    capacity = columns["capacity"]
    if capacity is not None and capacity < quest.taken:
        raise InvalidInput("capacity", f"{quest.taken} places are taken")
    for name, value in columns.items():
        setattr(quest, name, value)
    tx.add(quest)
    if {"required_quest_ids", "required_badges"} & changes.keys():
        await require_first(
            tx,
            quest.id,
            quests=changes.get("required_quest_ids"),
            badges=changes.get("required_badges"),
        )
    tx.collect(quest_event(quest, "QuestChanged", actor_id))


async def open_quest(tx: Transaction, *, actor_id: UUID, manages: bool, quest_id: UUID) -> None:
    """Let players take a drafted or paused quest on, within its window.

    Raises `NotFound`, `Forbidden`, `WrongQuestStatus`, `InvalidInput` where its time is over.
    """
    quest = await _locked(tx, quest_id, actor_id=actor_id, manages=manages)
    if quest.status not in ("DRAFT", "PAUSED"):
        raise WrongQuestStatus(quest.status)
    now = await database_now(tx)
    if quest.closes_at <= now:
        raise InvalidInput("closesAt", "this quest's time is over")
    quest.opened_at = quest.opened_at or now
    _turn(tx, quest, "OPEN", "QuestOpened", actor_id)


async def pause_quest(tx: Transaction, *, actor_id: UUID, manages: bool, quest_id: UUID) -> None:
    """Take nobody more on for now. Raises `NotFound`, `Forbidden`, `WrongQuestStatus`."""
    quest = await _locked(tx, quest_id, actor_id=actor_id, manages=manages)
    if quest.status != "OPEN":
        raise WrongQuestStatus(quest.status)
    _turn(tx, quest, "PAUSED", "QuestPaused", actor_id)


async def close_quest(tx: Transaction, *, actor_id: UUID, manages: bool, quest_id: UUID) -> None:
    """End a quest for good; who took it on before may still finish.

    Raises `NotFound`, `Forbidden`, `WrongQuestStatus`.
    """
    quest = await _locked(tx, quest_id, actor_id=actor_id, manages=manages)
    if quest.status == "CLOSED":
        raise WrongQuestStatus(quest.status)
    quest.closed_at = await database_now(tx)
    _turn(tx, quest, "CLOSED", "QuestClosed", actor_id)


async def close_overdue(tx: Transaction, quest_id: UUID) -> bool:
    """Close a quest whose time is over; whether it was closed now."""
    quest = await lock_quest(tx, quest_id)
    now = await database_now(tx)
    if quest is None or quest.status not in ("OPEN", "PAUSED") or quest.closes_at > now:
        return False
    quest.closed_at = now
    _turn(tx, quest, "CLOSED", "QuestClosed", None)
    return True


async def lock_quest(tx: Transaction, quest_id: UUID) -> Quest | None:
    """The quest, which nobody else changes or takes on until this transaction ends."""
    return await tx.get(
        Quest, quest_id, with_for_update={"key_share": True}, populate_existing=True
    )


def quest_topic(quest_id: UUID) -> str:
    """Where a quest's changes are told."""
    return f"quest:{quest_id.hex}"


def quest_event(quest: Quest, type: str, actor_id: UUID | None) -> NewEvent:
    """What to tell of a quest."""
    payload = {"quest": quest.id.hex, "status": quest.status, "taken": quest.taken}
    return NewEvent(quest_topic(quest.id), type, payload, actor_id)


def _turn(tx: Transaction, quest: Quest, status: str, type: str, actor_id: UUID | None) -> None:
    quest.status = status
    tx.add(quest)
    tx.collect(quest_event(quest, type, actor_id))


async def _locked(tx: Transaction, quest_id: UUID, *, actor_id: UUID, manages: bool) -> Quest:
    quest = await lock_quest(tx, quest_id)
    own = quest is not None and quest.creator_id == actor_id
    if quest is None or (quest.status == "DRAFT" and not (own or manages)):
        raise NotFound("quest")
    if not (own or manages):
        raise Forbidden("this quest is not yours")
    return quest


async def _left_to_zone(tx: Transaction, quest: Quest) -> dict[str, Any]:
    """What its zone said of a quest, open again: another zone is to say it."""
    zone = None if quest.zone_id is None else await tx.get(Zone, quest.zone_id)
    found: dict[str, Any] = {}
    if zone is not None and quest.polygon == zone.geometry:
        found |= {"place": None, "radius_m": None, "polygon": None}
    if zone is not None and quest.region == zone.region:
        found["region"] = None
    return found


def _details_of(quest: Quest) -> dict[str, Any]:
    return {
        "title": quest.title,
        "category": quest.category,
        "opens_at": quest.opens_at,
        "closes_at": quest.closes_at,
        "story": quest.story,
        "difficulty": quest.difficulty,
        "zone_id": quest.zone_id,
        "region": quest.region,
        "place": None if quest.polygon else (quest.latitude, quest.longitude),
        "radius_m": quest.radius_m,
        "polygon": quest.polygon and _rolled(quest.polygon),
        "days_to_do": quest.days_to_do,
        "capacity": quest.capacity,
        "team_size_max": quest.team_size_max,
        "level_min": quest.level_min,
        "photos": quest.photos_asked,
        "locations": quest.locations_asked,
        "notes": quest.notes_asked,
        "videos": quest.videos_asked,
        "reviewers_needed": quest.reviewers_needed,
        "on_foot": quest.on_foot,
        "auto_verify": quest.auto_verify,
        "base_xp": quest.base_xp,
        "reward_minor": quest.reward_minor,
        "asset": quest.asset,
    }


def _rolled(polygon: Mapping[str, Any]) -> dict[str, Any]:
    """A kept polygon as it could come in: longitudes from -180 to 180."""

    def roll(part: Any) -> Any:
        if isinstance(part[0], list):
            return [roll(each) for each in part]
        return [part[0] - 360 * round(part[0] / 360) if abs(part[0]) > 180 else part[0], part[1]]

    return {"type": polygon["type"], "coordinates": roll(polygon["coordinates"])}


async def _checked(tx: Transaction, details: QuestDetails) -> dict[str, Any]:
    """A quest's columns from what is said of it. Raises `InvalidInput`."""
    category = await tx.get(QuestCategory, details.category)
    if category is None:
        raise InvalidInput("category", "unknown")
    zone = None if details.zone_id is None else await tx.get(Zone, details.zone_id)
    if details.zone_id is not None and zone is None:
        raise InvalidInput("zone", "unknown")
    area = _area(details, zone)
    x_m, y_m, z_m = earth_point(area.centre)
    reviewers = details.reviewers_needed
    _check_numbers(details)
    _check_window(details)
    return {
        "title": clean_text(details.title, field="title", maximum=200),
        "story": clean_text(
            details.story, field="story", minimum=0, maximum=10_000, multiline=True
        ),
        "category": details.category,
        "difficulty": details.difficulty,
        "zone_id": details.zone_id,
        "region": checked_region(details.region or (zone.region if zone else None)),
        **place_columns(area),
        "radius_m": area.radius_m,
        "polygon": area.polygon,
        "x_m": x_m,
        "y_m": y_m,
        "z_m": z_m,
        "opens_at": details.opens_at,
        "closes_at": details.closes_at,
        "days_to_do": details.days_to_do,
        "capacity": details.capacity,
        "team_size_max": details.team_size_max,
        "level_min": details.level_min,
        "photos_asked": details.photos,
        "locations_asked": details.locations,
        "notes_asked": details.notes,
        "videos_asked": details.videos,
        "reviewers_needed": category.reviewers_default if reviewers is None else reviewers,
        "on_foot": details.on_foot,
        "auto_verify": details.auto_verify,
        "base_xp": details.base_xp,
        "reward_minor": details.reward_minor,
        "asset": details.asset,
    }


def _area(details: QuestDetails, zone: Zone | None) -> Area:
    if details.polygon is not None:
        if details.place is not None or details.radius_m is not None:
            raise InvalidInput("polygon", "a circle or a polygon, not both")
        return polygon_area(checked_polygon(details.polygon, field="polygon"))
    if details.place is not None:
        latitude, longitude = details.place
        radius_m = _within("radiusM", details.radius_m or 0, 1, RADIUS_MAX_M)
        centre: Place = checked_place(latitude, longitude, field="circle")
        return Area(centre, radius_m)
    if zone is None:
        raise InvalidInput("circle", "a circle, a polygon, or a zone says where")
    return polygon_area(zone.geometry)


def _check_numbers(details: QuestDetails) -> None:
    bounds = (
        ("difficulty", details.difficulty, 1, 5),
        ("daysToDo", details.days_to_do, 1, 90),
        ("capacity", 1 if details.capacity is None else details.capacity, 1, 1_000_000),
        ("teamSizeMax", details.team_size_max, 1, 20),
        ("levelMin", details.level_min, 1, 8),
        ("photos", details.photos, 0, PHOTOS_MAX),
        ("locations", details.locations, 0, LOCATIONS_MAX),
        ("notes", details.notes, 0, NOTES_MAX),
        ("videos", details.videos, 0, VIDEOS_MAX),
        ("reviewersNeeded", details.reviewers_needed or 1, 1, 9),
        ("baseXp", details.base_xp, 1, 10_000),
        ("reward", details.reward_minor, 0, REWARD_MAX_MINOR),
    )
    for field, value, least, most in bounds:
        _within(field, value, least, most)
    if not details.photos + details.locations + details.notes + details.videos:
        raise InvalidInput("photos", "some evidence must be asked for")
    if details.asset not in ASSETS:
        raise InvalidInput("reward", "unknown asset")


def _check_window(details: QuestDetails) -> None:
    if not details.opens_at < details.closes_at:
        raise InvalidInput("closesAt", "after it opens")
    if details.closes_at - details.opens_at > WINDOW_MAX:
        raise InvalidInput("closesAt", f"{WINDOW_MAX.days} days after it opens, at most")


def _within(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise InvalidInput(field, f"from {least} to {most}")
    return value
