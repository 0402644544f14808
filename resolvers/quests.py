"""From a field of quests to one unit of work: the viewer, ids decoded, a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from core.errors import BadUserInput
from core.pagination import PageRequest
from loaders import quests as loaders
from loaders.quests import Corners, Near, QuestFilter, QuestRow
from resolvers.auctions import named_key
from resolvers.context import OperationContext
from services.quests import assignments, quests, teams, zones
from services.quests.contract import Area, Place
from services.quests.geometry import (
    Box,
    boxes_to_look_in,
    chord_m,
    circle_box,
    distance_m,
    earth_point,
)
from services.quests.quests import SPONSOR_SCOPE, QuestDetails
from services.quests.zones import MANAGE_SCOPE

CATEGORIES_MAX = 200


async def quests_page(
    context: OperationContext, wanted: QuestFilter, ordering: str, request: PageRequest
) -> Any:
    """A page of quests; the rows are remembered for `node` and references."""
    near = ordering == "DISTANCE"
    if near and wanted.near is None:
        raise BadUserInput("orderBy DISTANCE needs filter.near")
    shown = context.loaders.shown(QuestRow, "Quest", loaders.QUEST_ORDERS[ordering])
    page = await loaders.quests_page(
        context.server.db, context.viewer_id, wanted, ordering, request, shown
    )
    if not near:
        context.loaders.prime_shown(loaders.visible_quest_by_id, page.nodes, "Quest")
    return page


async def zones_page(context: OperationContext, region: str | None, request: PageRequest) -> Any:
    """A page of zones by name."""
    return await loaders.zones_page(context.server.db, region, request)


async def categories(context: OperationContext) -> Any:
    """All categories by name."""
    return await loaders.all_categories(context.server.db, limit=CATEGORIES_MAX)


async def own_assignments(context: OperationContext, user_id: UUID, *page: Any) -> Any:
    """A page of the viewer's own assignments; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    loader = loaders.own_assignments_by_player_id
    return await context.loaders.load(loader, (user_id, context.page_request(loader.order, *page)))


async def create_zone(context: OperationContext, *, need_factor: float, **fields: Any) -> Any:
    """Make a zone; the row."""
    actor_id = context.signed_in().user_id
    # What is no number, or far off, is out of the service's range too.
    need = round(need_factor * 100) if abs(need_factor) <= 100 else 0
    work = partial(zones.create_zone, actor_id=actor_id, need_hundredths=need, **fields)
    zone_id = await context.transact(work)
    return await context.loaders.load(loaders.zone_by_id, zone_id)


async def create_quest(context: OperationContext, details: QuestDetails) -> Any:
    """Draft a quest; the row."""
    quest_id = await context.transact(
        partial(
            quests.create_quest,
            **_maker(context),
            sponsors=context.signed_in().has(SPONSOR_SCOPE),
            details=details,
        )
    )
    return await context.loaders.load(loaders.visible_quest_by_id, quest_id)


async def update_quest(context: OperationContext, quest_id: str, changes: Mapping[str, Any]) -> Any:
    """Change the given fields of a quest; the row."""
    return await _change(context, quest_id, partial(quests.update_quest, changes=changes))


async def open_quest(context: OperationContext, quest_id: str) -> Any:
    """Open a quest; the row."""
    return await _change(context, quest_id, quests.open_quest)


async def pause_quest(context: OperationContext, quest_id: str) -> Any:
    """Pause a quest; the row."""
    return await _change(context, quest_id, quests.pause_quest)


async def close_quest(context: OperationContext, quest_id: str) -> Any:
    """Close a quest; the row."""
    return await _change(context, quest_id, quests.close_quest)


async def accept_quest(context: OperationContext, quest_id: str) -> Any:
    """Take a quest on for the viewer; the assignment's row."""
    player_id = context.signed_in().user_id
    key = named_key(quest_id, "qst", "quest")
    assignment_id = await context.transact(
        partial(assignments.accept_quest, player_id=player_id, quest_id=key)
    )
    context.forget()
    return await context.loaders.load(loaders.own_assignment_by_id, assignment_id)


async def abandon_quest(context: OperationContext, assignment_id: str) -> Any:
    """Give the viewer's assignment up; its row."""
    player_id = context.signed_in().user_id
    key = named_key(assignment_id, "asg", "assignment")
    await context.transact(
        partial(assignments.abandon_quest, player_id=player_id, assignment_id=key)
    )
    context.forget()
    return await context.loaders.load(loaders.own_assignment_by_id, key)


async def create_team(context: OperationContext, quest_id: str, name: str) -> Any:
    """Found a team led by the viewer; its row."""
    leader_id = context.signed_in().user_id
    key = named_key(quest_id, "qst", "quest")
    work = partial(teams.create_team, leader_id=leader_id, quest_id=key, name=name)
    return await context.loaders.load(loaders.team_by_id, await context.transact(work))


async def invite_to_team(context: OperationContext, team_id: str, user_id: str) -> Any:
    """Invite somebody to the team that the viewer leads; its row."""
    leader_id = context.signed_in().user_id
    team, user = named_key(team_id, "tea", "team"), named_key(user_id, "usr", "user")
    work = partial(teams.invite_to_team, leader_id=leader_id, team_id=team, user_id=user)
    return await context.loaders.load(loaders.team_by_id, await context.transact(work))


async def join_team(context: OperationContext, team_id: str) -> Any:
    """Join a team that the viewer was invited to; its row."""
    user_id = context.signed_in().user_id
    key = named_key(team_id, "tea", "team")
    await context.transact(partial(teams.join_team, user_id=user_id, team_id=key))
    context.forget()
    return await context.loaders.load(loaders.team_by_id, key)


async def leave_team(context: OperationContext, team_id: str) -> Any:
    """Leave a team; its row."""
    user_id = context.signed_in().user_id
    key = named_key(team_id, "tea", "team")
    await context.transact(partial(teams.leave_team, user_id=user_id, team_id=key))
    context.forget()
    return await context.loaders.load(loaders.team_by_id, key)


def near_of(latitude: float, longitude: float, radius_m: float) -> Near:
    """What is looked for near a place. Raises `BadUserInput` where there is none."""
    place = asked_place(latitude, longitude)
    boxes = corners_of(circle_box(place, radius_m))
    return Near(earth_point(place), chord_m(radius_m), boxes)


def corners_of(box: Box) -> list[Corners]:
    """A box wherever the index may hold what it meets."""
    return [(each.west, each.south, each.east, each.north) for each in boxes_to_look_in(box)]


def distance_from(area: Area, latitude: float, longitude: float) -> float:
    """Metres from a place to an area. Raises `BadUserInput` where there is no such place."""
    return distance_m(asked_place(latitude, longitude), area)


def asked_place(latitude: float, longitude: float) -> Place:
    """A place that a query names. Raises `BadUserInput` where there is none."""
    # Written so that NaN fails too.
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise BadUserInput("latitude is from -90 to 90, longitude from -180 to 180")
    return Place(latitude, longitude)


def _maker(context: OperationContext) -> dict[str, Any]:
    viewer = context.signed_in()
    return {"actor_id": viewer.user_id, "manages": viewer.has(MANAGE_SCOPE)}


async def _change(
    context: OperationContext, quest_id: str, work: Callable[..., Awaitable[None]]
) -> Any:
    key = named_key(quest_id, "qst", "quest")
    await context.transact(partial(work, **_maker(context), quest_id=key))
    context.forget()
    return await context.loaders.load(loaders.quest_by_id, key)
