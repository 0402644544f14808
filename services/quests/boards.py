"""What leaderboards are: their windows, their names, the order of players. Pure.

Most XP in the window first; of equal ones who got there first, by the time of the last entry that
gave any; of these the lower id, so that the order is total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from core.errors import BadUserInput

WindowName = Literal["DAILY", "WEEKLY", "ALL_TIME"]
ScopeName = Literal["GLOBAL", "REGION", "CATEGORY", "FRIENDS"]

WINDOWS: Final[tuple[WindowName, ...]] = ("DAILY", "WEEKLY", "ALL_TIME")
FIRST_MAX = 100
NEIGHBOURS = 5
"""Players shown before and after whoever asks."""
FRIENDS_MAX = 500
"""Mutual follows that a friends' board is made of, the newest first."""
KEPT_AFTER: Final[Mapping[WindowName, timedelta]] = {
    "DAILY": timedelta(days=7),
    "WEEKLY": timedelta(days=35),
}
"""How long a board is kept after the end of its window."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, `starts_at` included and `ends_at` not; None is without an edge."""

    name: WindowName
    starts_at: datetime | None
    ends_at: datetime | None

    @property
    def kept_until(self) -> datetime | None:
        """When its boards go."""
        return None if self.ends_at is None else self.ends_at + KEPT_AFTER[self.name]


@dataclass(frozen=True, slots=True)
class BoardOf:
    """Which board: `key` is the region or the category, where `scope` is one of these."""

    window: WindowName
    scope: ScopeName
    key: str = ""


@dataclass(frozen=True, slots=True)
class Gain:
    """What one impact entry adds to boards."""

    player_id: UUID
    category: str
    region: str | None
    xp: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A player's place on a board, from 1; `reached_at` is when they got to `xp`."""

    player_id: UUID
    rank: int
    xp: int
    reached_at: datetime


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A board as read: its first players, how many it has, the place of whoever asked (None where
    they have none) and those around it, they included."""

    window: Window
    top: tuple[Standing, ...] = ()
    total: int = 0
    own: Standing | None = None
    around: tuple[Standing, ...] = ()


def window_at(name: WindowName, now: datetime) -> Window:
    """The window of a moment. Days begin at midnight UTC, weeks on Monday."""
    if name == "ALL_TIME":
        return Window(name, None, None)
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "DAILY":
        return Window(name, day, day + timedelta(days=1))
    monday = day - timedelta(days=day.weekday())
    return Window(name, monday, monday + timedelta(days=7))


KEY_MAX = 100
"""Characters of a region's code or a category's slug, with room."""


def board_of(
    window: WindowName, scope: ScopeName, *, region: str | None, category: str | None
) -> BoardOf:
    """The board that is asked for. Raises `BadUserInput` where the scope's key is missing or cannot
    be one, or one is given that the scope does not have."""
    wanted = {"REGION": region, "CATEGORY": category}
    if (region is not None and scope != "REGION") or (category is not None and scope != "CATEGORY"):
        raise BadUserInput(f"a board of scope {scope} takes no other region or category")
    if scope in wanted and not wanted[scope]:
        raise BadUserInput(f"a board of scope {scope} needs the {scope.lower()}")
    key = wanted.get(scope) or ""
    if "\0" in key or len(key) > KEY_MAX:
        raise BadUserInput(f"{scope.lower()}: {KEY_MAX} characters at most, no NUL")
    return BoardOf(window, scope, key)


def name_of(board: BoardOf, window: Window) -> str:
    """What a board is called where it is kept. Friends read the global one."""
    day = "" if window.starts_at is None else f"{window.starts_at:%Y-%m-%d}"
    scope = "GLOBAL" if board.scope == "FRIENDS" else board.scope
    return f"{board.window}:{day}:{scope}:{board.key}"


def boards_of(gain: Gain) -> list[BoardOf]:
    """The boards that a gain counts on."""
    boards = []
    for window in WINDOWS:
        boards.append(BoardOf(window, "GLOBAL"))
        boards.append(BoardOf(window, "CATEGORY", gain.category))
        if gain.region is not None:
            boards.append(BoardOf(window, "REGION", gain.region))
    return boards


@dataclass(frozen=True, slots=True)
class Additions:
    """What is added to boards at once: their names with the second (since 1970) in which they
    expire, 0 for never; and for each board and player the XP and the moment it was reached."""

    boards: Mapping[str, int]
    sums: Mapping[tuple[str, UUID], tuple[int, datetime]]


def additions(gains: Iterable[Gain], now: datetime) -> Additions:
    """Gains summed up for each board; what is too old to be kept is left out. The order of the
    gains does not matter."""
    boards: dict[str, int] = {}
    sums: dict[tuple[str, UUID], tuple[int, datetime]] = {}
    for gain in gains:
        if gain.xp <= 0:
            continue
        for board in boards_of(gain):
            window = window_at(board.window, gain.at)
            until = window.kept_until
            if until is not None and until <= now:
                continue
            name = name_of(board, window)
            boards[name] = 0 if until is None else int(until.timestamp())
            xp, reached = sums.get((name, gain.player_id), (0, gain.at))
            sums[name, gain.player_id] = (xp + gain.xp, max(reached, gain.at))
    return Additions(boards, sums)


def moment_hex(at: datetime) -> str:
    """A moment as 16 hex digits (microseconds since 1970), which sort as the moments do."""
    return f"{(at - _EPOCH) // _MICROSECOND:016x}"


def member_of(player_id: UUID, reached_at: datetime) -> str:
    """A player in a sorted set: of equal scores the set sorts by this, so by when they got there.
    A double has no room for XP and a moment to the microsecond."""
    return moment_hex(reached_at) + player_id.hex


def standing_of(member: str, score: float, rank: int) -> Standing:
    """What `member_of` wrote, with its score (the XP, negative, so that the most comes first)."""
    reached = _EPOCH + int(member[:16], 16) * _MICROSECOND
    return Standing(UUID(hex=member[16:]), rank, -int(score), reached)


def ordered(found: Iterable[tuple[str, float]]) -> list[Standing]:
    """Members with scores as a board of their own."""
    by_place = sorted(found, key=lambda pair: (pair[1], pair[0]))
    return [standing_of(member, score, n) for n, (member, score) in enumerate(by_place, 1)]


def cut(
    window: Window, standings: Sequence[Standing], *, first: int, viewer_id: UUID | None
) -> Leaderboard:
    """What is shown of a whole board."""
    place = next((n for n, one in enumerate(standings) if one.player_id == viewer_id), None)
    around: Sequence[Standing] = ()
    if place is not None:
        around = standings[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
    return Leaderboard(
        window,
        tuple(standings[:first]),
        len(standings),
        None if place is None else standings[place],
        tuple(around),
    )
