"""Ids of a seeded world: shaped as UUIDv7 and drawn from its own dice, so that they repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION_7 = 7 << 76
_VARIANT = 2 << 62
_LOW_62 = (1 << 62) - 1


class IdMaker:
    """UUIDv7 (RFC 9562) of given moments; the same dice give the same ids in the same order."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def at(self, moment: datetime) -> UUID:
        """An id made at that moment, to the millisecond."""
        milliseconds = (moment - _EPOCH) // _MILLISECOND
        chance = self._dice.getrandbits(74)
        return UUID(
            int=milliseconds << 80 | _VERSION_7 | (chance >> 62) << 64 | _VARIANT | chance & _LOW_62
        )
