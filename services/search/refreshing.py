"""What a process holds of a database and reads anew from time to time. What is held is the
caller's; whatever must be as the tables are this moment is not for here (keeping.py)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from core.database import Database

T = TypeVar("T")

REFRESH_S = 60.0
"""How old what is held may be."""


@dataclass(slots=True)
class _Held(Generic[T]):
    value: T
    read_at: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def refreshed(read: Callable[[Database], Awaitable[T]]) -> Callable[[Database], Awaitable[T]]:
    """A function of a database that gives what `read` does, `REFRESH_S` old at most: one caller
    reads it anew, while the others go on with what there is."""
    held: WeakKeyDictionary[Database, _Held[T]] = WeakKeyDictionary()

    async def current(db: Database) -> T:
        kept = held.get(db)
        if kept is None:
            made = await read(db)
            kept = held.setdefault(db, _Held(made, time.monotonic()))
        elif time.monotonic() - kept.read_at > REFRESH_S and not kept.lock.locked():
            async with kept.lock:
                kept.value = await read(db)
                kept.read_at = time.monotonic()
        return kept.value

    return current
