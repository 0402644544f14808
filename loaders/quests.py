"""Batched reads of quests, zones, categories, assignments and teams. A draft is its maker's alone;
an assignment its player's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Uuid,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col

from core.database import Database
from core.pagination import PageRequest
from loaders.base import Computed, many_by, one_by, page_by, read_page
from loaders.beside import WHOLE, Shown
from loaders.pages import Page, make_page, order
from loaders.rows import Money, row_of
from models.quests.assignments import Assignment, Team, TeamMember
from models.quests.quests import AREA_BOX, Quest, QuestCategory, QuestPrerequisite, Zone

PREREQUISITES_SHOWN = 10
TEAM_SHOWN = 20
NEAR_MAX_M = 500_000

_INNER = ("x_m", "y_m", "z_m", "west", "south", "east", "north")


class _QuestFields:
    """What follows from a quest's columns."""

    __slots__ = ()

    @property
    def reward(self) -> Money:
        """What a completion is paid, before multipliers."""
        return Money(self.reward_minor, self.asset)  # type: ignore[attr-defined]

    @property
    def places_left(self) -> int | None:
        """How many may still take it on; None without a limit."""
        capacity: int | None = self.capacity  # type: ignore[attr-defined]
        return None if capacity is None else capacity - self.taken  # type: ignore[attr-defined]


class QuestRow(row_of(Quest, "qst", without=_INNER), _QuestFields):  # type: ignore[misc]
    """A quest as players see it."""

    __slots__ = ()


def _squared(column: Any, name: str) -> Any:
    apart = col(column) - bindparam(name, type_=Double())
    return apart * apart


# The chord through the Earth, in millimetres: what is nearer has a shorter one, everywhere.
_DISTANCE = cast(
    func.round(
        1000
        * func.sqrt(
            _squared(Quest.x_m, "near_x")
            + _squared(Quest.y_m, "near_y")
            + _squared(Quest.z_m, "near_z")
        )
    ),
    BigInteger,
).label("chord_mm")


class NearQuestRow(
    row_of(Quest, "qst", without=_INNER, extra=(_DISTANCE,)),  # type: ignore[misc]
    _QuestFields,
):
    """A quest, and how long the chord to it is."""

    __slots__ = ()


class ZoneRow(row_of(Zone, "zon", without=("west", "south", "east", "north"))):  # type: ignore[misc]
    """A zone as anyone may see it."""

    __slots__ = ()

    @property
    def need_factor(self) -> float:
        """How much good deeds are needed there: 0.5 to 2."""
        return float(self.need_hundredths / 100)


class CategoryRow(row_of(QuestCategory, "qct")):  # type: ignore[misc]
    """A category of quests."""

    __slots__ = ()


class PrerequisiteRow(row_of(QuestPrerequisite, "qpr")):  # type: ignore[misc]
    """One thing that a quest asks first."""

    __slots__ = ()


class AssignmentRow(row_of(Assignment, "asg", without=("terms",))):  # type: ignore[misc]
    """An assignment as its player sees it."""

    __slots__ = ()

    @property
    def reward(self) -> Money:
        """What was promised, before multipliers."""
        return Money(self.reward_minor, self.asset)


class TeamRow(row_of(Team, "tea")):  # type: ignore[misc]
    """A team."""

    __slots__ = ()


class TeamMemberRow(row_of(TeamMember, "tmb")):  # type: ignore[misc]
    """Somebody in a team."""

    __slots__ = ()


def quest_visible(viewer_id: UUID | None) -> ColumnElement[bool]:
    """A draft is its maker's alone."""
    shown: ColumnElement[bool] = col(Quest.status) != "DRAFT"
    return shown if viewer_id is None else or_(shown, col(Quest.creator_id) == viewer_id)


def _own(viewer_id: UUID | None) -> ColumnElement[bool]:
    return false() if viewer_id is None else col(Assignment.player_id) == viewer_id


QUEST_ORDERS = {
    "NEWEST": order("newest_quests", Quest.created_at, Quest.id, descending=True),
    "REWARD": order("reward_quests", Quest.reward_minor, Quest.id, descending=True),
    "ENDING": order("ending_quests", Quest.closes_at, Quest.id),
    "DISTANCE": order("near_quests", _DISTANCE, Quest.id),
}
NEWEST_ASSIGNMENTS = order("assignments", Assignment.accepted_at, Assignment.id, descending=True)
ZONES_BY_NAME = order("zones", Zone.name, Zone.id)

quest_by_id = one_by("quest_by_id", QuestRow, Quest.id)
visible_quest_by_id = one_by("visible_quest_by_id", QuestRow, Quest.id, visible=quest_visible)
zone_by_id = one_by("zone_by_id", ZoneRow, Zone.id)
category_by_slug = one_by("category_by_slug", CategoryRow, QuestCategory.slug)
own_assignment_by_id = one_by("own_assignment_by_id", AssignmentRow, Assignment.id, visible=_own)
team_by_id = one_by("team_by_id", TeamRow, Team.id)
prerequisites_by_quest_id = many_by(
    "prerequisites_by_quest_id",
    PrerequisiteRow,
    QuestPrerequisite.quest_id,
    order_by=(QuestPrerequisite.id,),
    limit=PREREQUISITES_SHOWN,
)
members_by_team_id = many_by(
    "members_by_team_id",
    TeamMemberRow,
    TeamMember.team_id,
    order_by=(TeamMember.joined_at, TeamMember.user_id),
    limit=TEAM_SHOWN,
)
own_assignments_by_player_id = page_by(
    "own_assignments_by_player_id",
    AssignmentRow,
    Assignment.player_id,
    order=NEWEST_ASSIGNMENTS,
    visible=_own,
)
viewer_assignment_by_quest_id = Computed(
    "viewer_assignment_by_quest_id",
    lambda db, viewer, keys: _viewer_assignments(db, viewer, keys),
    viewer=True,
)


async def _viewer_assignments(
    db: Database, viewer_id: UUID | None, quest_ids: Sequence[UUID]
) -> list[Any]:
    """The viewer's newest assignment of each quest."""
    if viewer_id is None:
        return [None] * len(quest_ids)
    assignment: Any = Assignment
    statement = (
        select(*AssignmentRow.__columns__)
        .where(assignment.player_id == viewer_id, assignment.quest_id.in_(quest_ids))
        .ext(distinct_on(assignment.quest_id))
        .order_by(assignment.quest_id, assignment.accepted_at.desc(), assignment.id.desc())
    )
    async with db.read() as session:
        rows = [AssignmentRow(*row) for row in await session.execute(statement)]
    found = {row.quest_id: row for row in rows}
    return [found.get(key) for key in quest_ids]


Corners = tuple[float, float, float, float]
"""West, south, east, north of a box."""


@dataclass(frozen=True, slots=True)
class Near:
    """A place, as metres from the middle of the Earth, and how long a chord to it may be; `boxes`
    hold all that is so near."""

    earth: tuple[float, float, float]
    chord_m: float
    boxes: Sequence[Corners]


@dataclass(frozen=True, slots=True)
class QuestFilter:
    """What `quests` narrows by; None means any. `near`: quests whose centre is. `boxes`: quests
    whose area meets one."""

    near: Near | None = None
    boxes: Sequence[Corners] | None = None
    zone_id: UUID | None = None
    category: str | None = None
    difficulty: int | None = None
    region: str | None = None
    statuses: Sequence[str] | None = None
    sponsor_id: UUID | None = None


async def quests_page(
    db: Database,
    viewer_id: UUID | None,
    wanted: QuestFilter,
    ordering: str,
    request: PageRequest,
    shown: Shown = WHOLE,
) -> Page:
    """One page of the quests under a filter that this viewer sees. DISTANCE needs `near`."""
    conditions = [quest_visible(viewer_id), *_conditions(wanted)]
    if ordering == "DISTANCE":
        return await _nearest(db, wanted, request, conditions)
    order = QUEST_ORDERS[ordering]
    return await read_page(db, QuestRow, order, request, conditions, shown)


async def zones_page(db: Database, region: str | None, request: PageRequest) -> Page:
    """One page of the zones, of a region or of all, by name."""
    conditions = [] if region is None else [col(Zone.region) == region]
    return await read_page(db, ZoneRow, ZONES_BY_NAME, request, conditions)


async def all_categories(db: Database, *, limit: int) -> list[Any]:
    """Categories by name."""
    statement = select(*CategoryRow.__columns__).order_by(col(QuestCategory.name)).limit(limit)
    async with db.read() as session:
        return [CategoryRow(*row) for row in await session.execute(statement)]


async def _nearest(
    db: Database, wanted: QuestFilter, request: PageRequest, conditions: Sequence[Any]
) -> Page:
    assert wanted.near is not None
    by = QUEST_ORDERS["DISTANCE"]
    values = dict(zip(("near_x", "near_y", "near_z"), wanted.near.earth, strict=True))
    read = select(*NearQuestRow.__columns__).where(*conditions).subquery()
    sides = ((request.after, True), (request.before, False))
    within = [_beyond(read, at, rising=rising) for at, rising in sides if at is not None]
    ways = [read.c.chord_mm, read.c.id]
    statement = (
        select(read)
        .where(*within)
        .order_by(*(way.asc() if request.forward else way.desc() for way in ways))
        .limit(request.limit + 1)
    )

    async def count() -> int:
        async with db.read() as session:
            counted = select(func.count()).select_from(Quest).where(*conditions)
            return int((await session.execute(counted)).scalar_one())

    async with db.read() as session:
        rows = [NearQuestRow(*row) for row in await session.execute(statement, values)]
    return make_page(rows, by, request, count)


def _beyond(read: Any, position: tuple[Any, ...], *, rising: bool) -> ColumnElement[bool]:
    ours: Any = tuple_(read.c.chord_mm, read.c.id)
    theirs = tuple_(*position, types=[BigInteger(), Uuid()])
    beyond: ColumnElement[bool] = ours > theirs if rising else ours < theirs
    return beyond


def _conditions(wanted: QuestFilter) -> list[ColumnElement[bool]]:
    quest: Any = Quest  # its attributes are columns, which SQLModel's types do not say
    conditions: list[tuple[object, Callable[[Any], ColumnElement[bool]]]] = [
        (wanted.near, _near),
        (wanted.boxes, _meets),
        (wanted.zone_id, quest.zone_id.__eq__),
        (wanted.category, quest.category.__eq__),
        (wanted.difficulty, quest.difficulty.__eq__),
        (wanted.region, quest.region.__eq__),
        (wanted.statuses, quest.status.in_),
        (wanted.sponsor_id, quest.sponsor_id.__eq__),
    ]
    return [condition(value) for value, condition in conditions if value is not None]


def _near(near: Near) -> ColumnElement[bool]:
    """The index leaves a few boxes; of those, the centres within the chord."""
    x, y, z = near.earth
    quest: Any = Quest
    apart = (
        (quest.x_m - x) * (quest.x_m - x)
        + (quest.y_m - y) * (quest.y_m - y)
        + (quest.z_m - z) * (quest.z_m - z)
    )
    within: ColumnElement[bool] = apart <= near.chord_m**2
    return and_(_meets(near.boxes), within)


def _meets(boxes: Sequence[Corners]) -> ColumnElement[bool]:
    area: Any = literal_column(AREA_BOX)
    return or_(
        *(
            area.op("&&", is_comparison=True)(
                func.box(func.point(west, south), func.point(east, north))
            )
            for west, south, east, north in boxes
        )
    )
