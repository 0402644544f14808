"""From the fields of leaderboards to a board, and who of it is shown."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.clock import utc_now
from core.errors import BadUserInput
from core.ids import decode_id
from resolvers.context import OperationContext
from services.quests.board_feeding import leaderboard
from services.quests.boards import FIRST_MAX, BoardOf, Leaderboard, Standing, board_of


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A board as it is shown."""

    of: BoardOf
    found: Leaderboard
    first: int
    read_at: datetime

    @property
    def entries(self) -> list[Standing]:
        """The first players."""
        return list(self.found.top[: self.first])


def asked_board(window: str, scope: str, region: str | None, category: str | None) -> BoardOf:
    """The board that arguments name. Raises `BadUserInput`."""
    if region is not None and not (len(region) == 2 and region.isascii() and region.isupper()):
        raise BadUserInput("a region is an ISO 3166 country code: FR")
    if category is not None and not 1 <= len(category) <= 60:
        raise BadUserInput("a category is a slug of 60 characters at most")
    return board_of(window, scope, region=region, category=category)  # type: ignore[arg-type]


def checked_first(first: int) -> int:
    """How many players to show. Raises `BadUserInput` outside 1 … FIRST_MAX."""
    if not 1 <= first <= FIRST_MAX:
        raise BadUserInput(f"first must be from 1 to {FIRST_MAX}", {"maximum": FIRST_MAX})
    return first


async def read_board(
    context: OperationContext, board: BoardOf, first: int, around: str | None
) -> BoardRow:
    """A board with the place of a player, the viewer if none is named. Raises `BadUserInput` and,
    for a friends' board of nobody, `Unauthenticated`."""
    if board.scope == "FRIENDS":
        context.signed_in()
        if around is not None:
            raise BadUserInput("a friends' board is around yourself")
    player_id = context.viewer_id if around is None else decode_id(around, "usr")
    now = utc_now()
    found = await leaderboard(
        context.server.db,
        context.server.live.boards.store,
        board,
        now=now,
        first=checked_first(first),
        viewer_id=player_id,
    )
    return BoardRow(board, found, first, now)


async def rank_of(context: OperationContext, user_id: UUID) -> int | None:
    """A player's place on the board of all time, None without XP."""
    row = await read_board_of(context, user_id)
    return None if row.own is None else row.own.rank


async def read_board_of(context: OperationContext, user_id: UUID) -> Leaderboard:
    """The board of all time around a player."""
    return await leaderboard(
        context.server.db,
        context.server.live.boards.store,
        BoardOf("ALL_TIME", "GLOBAL"),
        now=utc_now(),
        first=1,
        viewer_id=user_id,
    )


async def watch_board(
    context: OperationContext, board: BoardOf, first: int
) -> AsyncGenerator[BoardRow, None]:
    """A board as it is, then each second in which it changed. Raises `BadUserInput` for a friends'
    board, and as `BoardWatch.watch`."""
    checked_first(first)
    if board.scope == "FRIENDS":
        raise BadUserInput("a friends' board is not pushed: watch GLOBAL, and read it again")
    async with aclosing(context.server.live.boards.watch(board)) as pushes:
        async for push in pushes:
            context.renew()
            # Those who watch the same board read its players once.
            context.read_with(push.shared)
            yield BoardRow(board, push.board, first, push.read_at)
