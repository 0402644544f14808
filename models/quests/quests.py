"""Tables of quests and where they are: categories, zones, quests, what a quest asks first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.auctions import ASSET_KNOWN
from models.columns import UUID, datetime, json, key, minor_units, moment, reference, words

QUEST_STATUSES = ("DRAFT", "OPEN", "PAUSED", "CLOSED")
PREREQUISITE_KINDS = ("QUEST", "BADGE")
SLUG_FORM = "'^[a-z0-9](-?[a-z0-9]){1,59}$'"
RADIUS_MAX_M = 50_000
PHOTOS_MAX, LOCATIONS_MAX, NOTES_MAX, VIDEOS_MAX = 10, 20, 5, 3

AREA_BOX = "box(point(west, south), point(east, north))"
"""The box of an area, as the spatial index holds it. Where it crosses the antimeridian `east` is
past 180°: look for it 360° to the west and to the east too."""


def _box_checks() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint("south BETWEEN -90 AND north AND north <= 90", name="latitudes_range"),
        CheckConstraint(
            "west BETWEEN -180 AND 180 AND east BETWEEN west AND west + 360",
            name="longitudes_range",
        ),
        CheckConstraint("latitude BETWEEN south AND north", name="centre_latitude_within"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="centre_longitude_range"),
    )


def one_of(column: str, values: tuple[str, ...]) -> str:
    """A CHECK that a column has one of `values`."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def degrees() -> Any:
    """A latitude or longitude, WGS 84."""
    return Field(sa_type=Double)


def flag(*, default: bool) -> Any:
    """A yes or no that the database fills in too."""
    word = "true" if default else "false"
    return Field(default=default, sa_column_kwargs={"server_default": text(word)})


def count(default: int = 0) -> Any:
    """A small whole number that the database fills in too."""
    return Field(default=default, sa_column_kwargs={"server_default": text(str(default))})


def big_count(default: int = 0) -> Any:
    """A large whole number that the database fills in too."""
    return Field(
        default=default, sa_type=BigInteger, sa_column_kwargs={"server_default": text(str(default))}
    )


def slug_of(target: str, *, primary_key: bool = False) -> Any:
    """A reference to a row that is known by its slug."""
    return Field(sa_column_args=[ForeignKey(target)], sa_type=Text, primary_key=primary_key)


class QuestCategory(SQLModel, table=True):
    """What quests are sorted by; `reviewers_default` is how many witnesses a new quest asks for."""

    __tablename__ = "quest_category"
    __table_args__ = (
        CheckConstraint(f"slug ~ {SLUG_FORM}", name="slug_form"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("char_length(description) <= 1000", name="description_length"),
        CheckConstraint("reviewers_default BETWEEN 1 AND 9", name="reviewers_range"),
    )

    slug: str = Field(primary_key=True, sa_type=Text)
    name: str = words()
    description: str = words(default="")
    reviewers_default: int = count(3)
    created_at: datetime = moment(now=True)


class Zone(SQLModel, table=True):
    """A named area. `need_hundredths`: how much good deeds are needed there, 50 to 200.

    `geometry` is a GeoJSON Polygon or MultiPolygon that services/quests/geometry.py has checked;
    the box and the centre follow from it.
    """

    __tablename__ = "zone"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("region ~ '^[A-Z]{2}$'", name="region_iso3166"),
        CheckConstraint("need_hundredths BETWEEN 50 AND 200", name="need_range"),
        *_box_checks(),
        Index("ix_zone_area", text(AREA_BOX), postgresql_using="gist"),
        Index("ix_zone_region", "region", "name", "id"),
    )

    id: UUID = key()
    name: str = words()
    region: str | None = words(nullable=True)
    geometry: dict[str, Any] = json()
    need_hundredths: int = count(100)
    latitude: float = degrees()
    longitude: float = degrees()
    west: float = degrees()
    south: float = degrees()
    east: float = degrees()
    north: float = degrees()
    created_at: datetime = moment(now=True)


class Quest(SQLModel, table=True):
    """A good deed that players may take on, and its terms.

    Where it is: `polygon`, or the circle of `radius_m` about the centre. `x_m`, `y_m`, `z_m` are
    the centre on the ellipsoid, from the middle of the Earth: distances are sorted by them.
    `taken` counts the assignments that hold a place; what an assignment was taken on with stands in
    the assignment, so a change here is for those to come.
    """

    __tablename__ = "quest"
    __table_args__ = (
        CheckConstraint(one_of("status", QUEST_STATUSES), name="status_known"),
        CheckConstraint("char_length(title) BETWEEN 1 AND 200", name="title_length"),
        CheckConstraint("char_length(story) <= 10000", name="story_length"),
        CheckConstraint("difficulty BETWEEN 1 AND 5", name="difficulty_range"),
        CheckConstraint("region ~ '^[A-Z]{2}$'", name="region_iso3166"),
        CheckConstraint(f"radius_m BETWEEN 1 AND {RADIUS_MAX_M}", name="radius_range"),
        CheckConstraint("(radius_m IS NULL) <> (polygon IS NULL)", name="circle_or_polygon"),
        *_box_checks(),
        CheckConstraint("opens_at < closes_at", name="opens_before_it_closes"),
        CheckConstraint("capacity BETWEEN 1 AND 1000000", name="capacity_range"),
        # What a race for the last places comes down to.
        CheckConstraint("taken <= capacity", name="not_oversold"),
        CheckConstraint("taken >= 0", name="taken_not_negative"),
        CheckConstraint("team_size_max BETWEEN 1 AND 20", name="team_size_range"),
        CheckConstraint("level_min BETWEEN 1 AND 8", name="level_range"),
        CheckConstraint(
            f"photos_asked BETWEEN 0 AND {PHOTOS_MAX}"
            f" AND locations_asked BETWEEN 0 AND {LOCATIONS_MAX}"
            f" AND notes_asked BETWEEN 0 AND {NOTES_MAX}"
            f" AND videos_asked BETWEEN 0 AND {VIDEOS_MAX}",
            name="evidence_bounded",
        ),
        CheckConstraint(
            "photos_asked + locations_asked + notes_asked + videos_asked > 0",
            name="evidence_asked",
        ),
        CheckConstraint("reviewers_needed BETWEEN 1 AND 9", name="reviewers_range"),
        CheckConstraint("base_xp BETWEEN 1 AND 10000", name="base_xp_range"),
        CheckConstraint("reward_minor >= 0", name="reward_not_negative"),
        CheckConstraint(ASSET_KNOWN, name="asset_known"),
        CheckConstraint("days_to_do BETWEEN 1 AND 90", name="days_to_do_range"),
        Index("ix_quest_area", text(AREA_BOX), postgresql_using="gist"),
        Index("ix_quest_newest", "created_at", "id"),
        Index("ix_quest_ending", "closes_at", "id"),
        Index("ix_quest_reward", "reward_minor", "id"),
        Index("ix_quest_category", "category", "created_at", "id"),
        Index("ix_quest_zone", "zone_id", "created_at", "id"),
        Index("ix_quest_region", "region", "created_at", "id"),
        Index("ix_quest_sponsor", "sponsor_id", "created_at", "id"),
        Index("ix_quest_creator", "creator_id", "created_at", "id"),
    )

    id: UUID = key()
    creator_id: UUID = reference("user_account.id")
    sponsor_id: UUID | None = reference("user_account.id", nullable=True)
    title: str = words()
    story: str = words(default="")
    category: str = slug_of("quest_category.slug")
    difficulty: int = count(1)
    zone_id: UUID | None = reference("zone.id", nullable=True)
    region: str | None = words(nullable=True)
    latitude: float = degrees()
    longitude: float = degrees()
    radius_m: int | None = Field(default=None)
    # None is no JSON null: a circle has no polygon.
    polygon: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    west: float = degrees()
    south: float = degrees()
    east: float = degrees()
    north: float = degrees()
    x_m: float = degrees()
    y_m: float = degrees()
    z_m: float = degrees()
    opens_at: datetime = moment()
    closes_at: datetime = moment()
    days_to_do: int = count(7)
    capacity: int | None = Field(default=None)
    taken: int = count()
    team_size_max: int = count(1)
    level_min: int = count(1)
    photos_asked: int = count()
    locations_asked: int = count()
    notes_asked: int = count()
    videos_asked: int = count()
    reviewers_needed: int = count(3)
    on_foot: bool = flag(default=True)
    auto_verify: bool = flag(default=True)
    base_xp: int = count(100)
    reward_minor: int = minor_units(default=0)
    asset: str = words(default="SPARK")
    status: str = words(default="DRAFT")
    created_at: datetime = moment(now=True)
    opened_at: datetime | None = moment(nullable=True)
    closed_at: datetime | None = moment(nullable=True)


class QuestPrerequisite(SQLModel, table=True):
    """What a player must have before this quest: another quest done, or a badge."""

    __tablename__ = "quest_prerequisite"
    __table_args__ = (
        CheckConstraint(one_of("kind", PREREQUISITE_KINDS), name="kind_known"),
        CheckConstraint(
            "(kind = 'QUEST') = (required_quest_id IS NOT NULL)"
            " AND (kind = 'BADGE') = (badge_slug IS NOT NULL)",
            name="one_thing",
        ),
        CheckConstraint("required_quest_id <> quest_id", name="another_quest"),
        UniqueConstraint(
            "quest_id",
            "required_quest_id",
            "badge_slug",
            name="uq_quest_prerequisite",
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: UUID = key()
    quest_id: UUID = reference("quest.id")
    kind: str = words()
    required_quest_id: UUID | None = reference("quest.id", nullable=True)
    badge_slug: str | None = words(nullable=True)
