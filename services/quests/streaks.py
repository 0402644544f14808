"""Days in a row, by the player's own calendar: right over daylight saving, over calendars that
leave a day out, and for who travels. Pure.

A day counts once. It follows the last one if it is the next on the calendar of the player's zone,
or of the zone that they were in then: who flies over the date line loses nothing and, as days only
go forward, wins no more than the one day that the calendar gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Streak:
    """So many days in a row up to `last`, a day of the calendar of `zone`; the longest so far."""

    days: int = 0
    last: date | None = None
    zone: str = "UTC"
    longest: int = 0


def local_day(at: datetime, zone: str) -> date:
    """The day that a moment is on in a zone; in UTC where the zone is not known (any more)."""
    return at.astimezone(_zone(zone)).date()


def next_day(day: date, zone: str) -> date:
    """The day after `day` on a zone's calendar, which may leave a day out (Samoa's 30 December
    2011)."""
    following = day + _DAY
    # A day that is there at all is there at noon: no gap but that of a whole day is so wide.
    noon = datetime.combine(following, time(12), _zone(zone))
    there = noon.astimezone(UTC).astimezone(noon.tzinfo)
    return following if there.date() == following else following + _DAY


def advance(streak: Streak, *, at: datetime, zone: str) -> Streak:
    """The streak after a deed at `at` by a player who lives by `zone` then. A deed on a day that
    was counted, or before it, changes nothing."""
    day = local_day(at, zone)
    if streak.last is None:
        return Streak(1, day, zone, max(1, streak.longest))
    if day <= streak.last:
        return streak
    follows = day <= next_day(streak.last, zone) or local_day(at, streak.zone) <= next_day(
        streak.last, streak.zone
    )
    days = streak.days + 1 if follows else 1
    return Streak(days, day, zone, max(days, streak.longest))


def fold_deeds(deeds: Iterable[tuple[datetime, str]]) -> Streak:
    """The streak of deeds (moment, zone), in the order of their moments."""
    streak = Streak()
    for at, zone in deeds:
        streak = advance(streak, at=at, zone=zone)
    return streak


def standing_days(streak: Streak, *, now: datetime, zone: str) -> int:
    """The days of a streak as it stands: 0 once a whole day has passed without a deed."""
    if streak.last is None:
        return 0
    stands = local_day(now, zone) <= next_day(streak.last, zone) or local_day(
        now, streak.zone
    ) <= next_day(streak.last, streak.zone)
    return streak.days if stands else 0


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
