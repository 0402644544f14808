"""One a process: tells Redis of the sockets open here, hears who comes and goes anywhere, and
sweeps away what killed processes left behind.

Sockets are the truth and Redis a copy of it: whatever Redis loses is told again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar, cast
from uuid import UUID

import structlog

from core.clock import utc_now
from core.database import Database
from core.errors import Unavailable
from core.ids import new_id
from core.tasks import stop_all
from subscriptions.presence_seen import moment_of, write_seen
from subscriptions.presence_store import (
    CHUNK,
    SWEEP_CHUNK,
    UNREACHABLE,
    Device,
    OpenConnection,
    PresenceStore,
    Standing,
    Status,
)
from subscriptions.presence_watch import Watch, Watchers
from subscriptions.reading import GOING_DOWN
from subscriptions.signals import Signals

log = structlog.get_logger(__name__)

T = TypeVar("T")

USERS_MAX = 500
"""People in one read or one subscription."""
CLOSED_MAX = 100_000
"""Closed sockets that Redis has not been told of; past it the oldest expire by themselves."""
PAUSE_S = 0.5
PATIENCE_MIN_S = 3.0
"""However quick the heartbeat: what a process takes to hear that Redis is back and to tell it,
with a try or two that failed between."""
DRAIN = 1_000
GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class PresenceTimes:
    """See `core.settings.Settings`: `presence_…`."""

    heartbeat_s: float = 20.0
    expiry_s: float = 60.0
    sweep_s: float = 3.0
    write_s: float = 60.0


class Presence:
    """`start` before the first socket, `close` after the last. Redis may be away at any time."""

    def __init__(
        self, db: Database, signals: Signals, redis_url: str, *, prefix: str, times: PresenceTimes
    ) -> None:
        patience_s = max(1.5 * times.heartbeat_s, 4 * times.sweep_s, PATIENCE_MIN_S)
        self.store = PresenceStore(
            redis_url, prefix=prefix, expiry_s=times.expiry_s, patience_s=patience_s
        )
        self.watchers = Watchers()
        self._db = db
        self._signals = signals
        self._times = times
        self._name = new_id().hex
        self._open: dict[str, OpenConnection] = {}
        self._here: Counter[UUID] = Counter()
        self._away: set[UUID] = set()
        self._untold: dict[str, None] = {}
        self._closed: dict[str, OpenConnection] = {}
        self._rechecks: dict[UUID, None] = {}
        self._left: dict[UUID, datetime] = {}
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        signals.on_connect(self._tell_all_again)

    async def start(self) -> None:
        """Begin to tell and to hear. `signals` must have been started."""
        await self._signals.listen(self.store.channel, self._hear)
        for name, work in (
            ("tell", self._tell()),
            ("beat", self._beat()),
            ("sweep", self._sweep()),
            ("compare", self._compare()),
            ("write", self._write()),
        ):
            self._tasks.append(asyncio.create_task(work, name=f"presence-{name}"))

    async def close(self) -> None:
        """Say goodbye for the sockets that closed, and stop. A process that is killed instead is
        swept by another."""
        self.watchers.end(Unavailable(GOING_DOWN))
        await stop_all(self._tasks)
        if self._tasks:
            self._tasks = []
            self._closed |= self._open
            self._open.clear()
            with suppress(TimeoutError, *UNREACHABLE):
                async with asyncio.timeout(GOODBYE_S):
                    await self.store.leave(list(self._closed.values()))
            await self._signals.forget(self.store.channel, self._hear)
        await self.store.close()

    # Sockets of this process

    def join(self, connection: OpenConnection) -> None:
        """A socket of someone signed in is open. Returns at once."""
        self._open[connection.id] = connection
        self._here[connection.user_id] += 1
        self._untold[connection.id] = None
        self._work.set()

    def leave(self, connection_id: str | None) -> None:
        """It is closed, or its viewer is not signed in any longer. Twice is harmless."""
        connection = None if connection_id is None else self._open.pop(connection_id, None)
        if connection_id is None or connection is None:
            return
        self._untold.pop(connection_id, None)
        user_id = connection.user_id
        self._here[user_id] -= 1
        if not self._here[user_id]:
            del self._here[user_id]
            self._away.discard(user_id)
            self._left[user_id] = utc_now()
        self._closed[connection_id] = connection
        if len(self._closed) > CLOSED_MAX:
            del self._closed[next(iter(self._closed))]
        self._work.set()

    # What others ask

    async def set_status(self, user_id: UUID, status: Status) -> bool:
        """Say ONLINE or AWAY of someone; False where none of their sockets is open. Raises
        `Unavailable`."""
        return await self._asked(self.store.set_status(user_id, status))

    async def read(self, user_ids: Sequence[UUID]) -> list[Standing]:
        """Everyone's standing, in order. Raises `Unavailable`."""
        return await self._asked(self.store.read(user_ids))

    async def devices(self, user_id: UUID) -> list[Device]:
        """Someone's open sockets. Raises `Unavailable`."""
        return await self._asked(self.store.devices(user_id))

    def tell_recheck(self, *user_ids: UUID) -> None:
        """What others may see of these has changed: whoever watches them looks again. Returns at
        once; without Redis they do as soon as it is back."""
        self._rechecks |= dict.fromkeys(user_ids)
        self._work.set()

    async def watch(self, user_ids: Iterable[UUID]) -> Watch:
        """Be told of some people: of each one's standing now, where Redis can be asked, and of each
        change. Give it to `unwatch` in the end."""
        watch = Watch(user_ids)
        unknown = self.watchers.add(watch)
        try:
            with suppress(*UNREACHABLE):
                self.watchers.compare(unknown, await self.store.read(unknown))
        except BaseException:
            self.unwatch(watch)
            raise
        for user_id in watch.user_ids:
            watch.mark(user_id)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Be told no longer."""
        self.watchers.remove(watch)

    @staticmethod
    async def _asked(question: Coroutine[Any, Any, T]) -> T:
        try:
            return await question
        except UNREACHABLE as error:
            log.warning("presence_without_redis", reason=str(error)[:200])
            raise Unavailable("presence cannot be read now") from None

    # What is published

    def _hear(self, message: bytes) -> None:
        user, said, version, at = message.decode().split(" ")
        user_id = UUID(hex=user)
        if said == "RECHECK":
            self.watchers.recheck(user_id)
            return
        if said == "AWAY" and user_id in self._here:
            self._away.add(user_id)
        else:
            self._away.discard(user_id)
        self.watchers.hear(user_id, Standing(cast("Status", said), int(version), int(at)))

    def _tell_all_again(self) -> None:
        """Redis is there again, and may have lost everything."""
        self.watchers.begin_anew()
        self._untold |= dict.fromkeys(self._open)
        self._work.set()

    # Telling Redis

    async def _tell(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._untold or self._closed or self._rechecks:
                try:
                    await self._tell_some()
                except Exception as error:
                    # Whatever it was: a process that tells nothing loses all its people.
                    log.warning("presence_not_told", reason=repr(error)[:200])
                    await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1.5))

    async def _tell_some(self) -> None:
        """Arrivals before departures: who reloads a page has never gone."""
        rechecks = list(islice(self._rechecks, CHUNK))
        if rechecks:
            await self.store.tell_recheck(rechecks)
            for user_id in rechecks:
                self._rechecks.pop(user_id, None)
        touched = list(islice(self._untold, CHUNK))
        if touched:
            await self.store.touch([(self._open[id], self._status(id)) for id in touched])
            for id in touched:
                self._untold.pop(id, None)
            return
        closed = list(islice(self._closed.values(), CHUNK))
        await self.store.leave(closed)
        for connection in closed:
            self._closed.pop(connection.id, None)

    def _status(self, connection_id: str) -> Status:
        return "AWAY" if self._open[connection_id].user_id in self._away else "ONLINE"

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._times.heartbeat_s)
            self._untold |= dict.fromkeys(self._open)
            self._work.set()

    # Looking after the whole

    async def _sweep(self) -> None:
        """One process at a time by a lease, two at once by a killed one's: the script does not
        mind."""
        pause_s = self._times.sweep_s
        await self._regularly("sweep", self._sweep_once, lambda: pause_s * random.uniform(0.8, 1.2))

    async def _sweep_once(self) -> None:
        if not await self.store.lead(self._name, lease_s=2 * self._times.sweep_s):
            return
        while await self.store.sweep() == SWEEP_CHUNK:
            pass
        while rows := await self.store.unwritten(DRAIN):
            await write_seen(self._db, [(user, moment_of(at)) for user, at in rows])
            await self.store.written(rows)

    async def _compare(self) -> None:
        """Publications can be lost: look at everyone watched here, once a heartbeat."""
        await self._regularly("compare", self._compare_once, lambda: self._times.heartbeat_s)

    async def _compare_once(self) -> None:
        watched = self.watchers.watched
        for i in range(0, len(watched), USERS_MAX):
            some = watched[i : i + USERS_MAX]
            found, sure = await self.store.read_surely(some)
            if sure:
                self.watchers.compare(some, found)

    async def _write(self) -> None:
        """So that a restart of Redis, and even of everything, forgets a minute at most."""
        pause_s = self._times.write_s
        await self._regularly("write", self._write_once, lambda: pause_s * random.uniform(0.8, 1.2))

    async def _write_once(self) -> None:
        left, self._left = self._left, {}
        try:
            rows = left | dict.fromkeys(self._here, utc_now())
            await write_seen(self._db, list(rows.items()))
        except BaseException:
            self._left = left | self._left
            raise

    async def _regularly(
        self, name: str, work: Callable[[], Coroutine[Any, Any, None]], pause: Callable[[], float]
    ) -> None:
        while True:
            await asyncio.sleep(pause())
            try:
                await work()
            except Exception as error:
                # Whatever it was, the next round may do better; nobody would start this one again.
                log.warning("presence_round_failed", round=name, reason=repr(error)[:200])
