"""Leaderboards: the field that reads one, and the one that pushes it as it changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast

import strawberry

from execution.caching import INHERITS
from loaders.users import user_by_id
from resolvers.leaderboards import BoardRow, asked_board, read_board, watch_board
from schema.fields import (
    Context,
    argument,
    attribute,
    bounded,
    loaded,
    resolved,
    subscription,
)
from schema.rows import shows
from schema.scalars import BigInt, code_of
from schema.users.types import LazyUser
from services.quests.boards import FIRST_MAX, FRIENDS_MAX, NEIGHBOURS, Standing

FIRST = 10
BOARD_KEPT_S = 300


@strawberry.enum(description="The time that a leaderboard counts. Its edges are in UTC.")
class LeaderboardWindow(Enum):
    DAILY = strawberry.enum_value("DAILY", description="Since midnight.")
    WEEKLY = strawberry.enum_value("WEEKLY", description="Since Monday.")
    ALL_TIME = strawberry.enum_value("ALL_TIME", description="Since the beginning.")


@strawberry.enum(description="Whom and what a leaderboard counts.")
class LeaderboardScope(Enum):
    GLOBAL = strawberry.enum_value("GLOBAL", description="Everyone, everything.")
    REGION = strawberry.enum_value("REGION", description="What was done in one region.")
    CATEGORY = strawberry.enum_value("CATEGORY", description="What was done in one category.")
    FRIENDS = strawberry.enum_value(
        "FRIENDS",
        description=f"You and those you follow who follow you: {FRIENDS_MAX} of them at most.",
    )


@strawberry.type(
    description="A player's place. Of equal XP, who got there first is before; so no place is "
    "shared.",
    directives=[INHERITS],
)
@shows(Standing)
class LeaderboardEntry:
    rank: int = attribute("The place, from 1.")
    xp: BigInt = attribute("XP of the board's window.")
    reached_at: datetime = attribute("When the player got to it.")
    player: LazyUser = loaded(user_by_id, key="player_id", description="Whose place it is.")


@strawberry.type(description="Players by the XP of their quests.", directives=[INHERITS])
@shows(BoardRow)
class Leaderboard:
    entries: list[LeaderboardEntry] = attribute(
        "The first players, in order.", list_size=bounded(FIRST_MAX)
    )
    read_at: datetime = attribute("When it was read, by the server's clock.")

    @resolved("What time it counts.", cost=0)
    def window(root: strawberry.Parent[Any]) -> LeaderboardWindow:
        return LeaderboardWindow(root.of.window)

    @resolved("Whom and what it counts.", cost=0)
    def scope(root: strawberry.Parent[Any]) -> LeaderboardScope:
        return LeaderboardScope(root.of.scope)

    @resolved("Its region, where that is its scope: ISO 3166, `FR`.", cost=0)
    def region(root: strawberry.Parent[Any]) -> str | None:
        return root.of.key if root.of.scope == "REGION" else None

    @resolved("Its category's slug, where that is its scope.", cost=0)
    def category(root: strawberry.Parent[Any]) -> str | None:
        return root.of.key if root.of.scope == "CATEGORY" else None

    @resolved("When its window began; null for all time.", cost=0)
    def starts_at(root: strawberry.Parent[Any]) -> datetime | None:
        starts_at: datetime | None = root.found.window.starts_at
        return starts_at

    @resolved("When its window ends, and the next board begins; null for all time.", cost=0)
    def ends_at(root: strawberry.Parent[Any]) -> datetime | None:
        ends_at: datetime | None = root.found.window.ends_at
        return ends_at

    @resolved("How many players it has.", cost=0)
    def total_count(root: strawberry.Parent[Any]) -> int:
        total: int = root.found.total
        return total

    @resolved("The place of whom it is around; null where they have none.", cost=0)
    def own(root: strawberry.Parent[Any]) -> LeaderboardEntry | None:
        return cast("LeaderboardEntry | None", root.found.own)

    @resolved(
        f"Up to {NEIGHBOURS} players before and after that place, and it; empty without one.",
        cost=0,
        list_size=bounded(2 * NEIGHBOURS + 1),
    )
    def around(root: strawberry.Parent[Any]) -> list[LeaderboardEntry]:
        return list(root.found.around)


Window = Annotated[LeaderboardWindow, argument("What time counts.")]
Scope = Annotated[LeaderboardScope, argument("Whom and what to count.")]
Region = Annotated[
    str | None, argument("Which region, where that is the scope: an ISO 3166 code, `FR`.")
]
Category = Annotated[str | None, argument("Which category, where that is the scope: its slug.")]
Players = Annotated[int, argument(f"How many of the first players, from 1 to {FIRST_MAX}.")]


@strawberry.type
class LeaderboardQuery:
    @resolved(
        "Players by XP, and the place of one of them with who is around it.",
        viewer=True,
        cost=2,
        cache=BOARD_KEPT_S,
    )
    async def leaderboard(
        self,
        info: Context,
        window: Window = LeaderboardWindow.ALL_TIME,
        scope: Scope = LeaderboardScope.GLOBAL,
        region: Region = None,
        category: Category = None,
        first: Players = FIRST,
        around: Annotated[
            strawberry.ID | None,
            argument("The user whose place and neighbours to give; you, if not given."),
        ] = None,
    ) -> Leaderboard:
        board = asked_board(code_of(window), code_of(scope), region, category)
        return cast(Leaderboard, await read_board(info.context, board, first, around))


@strawberry.type
class LeaderboardSubscription:
    @subscription(
        "A leaderboard as it is now, and again when it has changed: once a second at most, the "
        "last change always. When its window ends, the next one's. Nobody's place is given: ask "
        "`leaderboard` for yours. Not for FRIENDS.",
        cost=5,
    )
    async def leaderboard_changed(
        self,
        info: Context,
        window: Window = LeaderboardWindow.ALL_TIME,
        scope: Scope = LeaderboardScope.GLOBAL,
        region: Region = None,
        category: Category = None,
        first: Players = FIRST,
    ) -> AsyncGenerator[Leaderboard, None]:
        board = asked_board(code_of(window), code_of(scope), region, category)
        async with aclosing(watch_board(info.context, board, first)) as boards:
            async for row in boards:
                yield cast(Leaderboard, row)
