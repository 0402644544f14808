"""Sessions that ended while their access tokens still run: a set in memory, asked on each request.

Redis carries each revocation to every process at once; the table, read every few seconds and after
each reconnect, heals what Redis lost. So an answer is 5 seconds stale at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from core.database import Database, database_now
from core.ids import new_id
from models.user_tables import sessions
from services.users.access import Viewer

log = structlog.get_logger(__name__)

SYNC_EVERY_S = 4.0
"""Pause between looks at the table; with the look itself under the 5 seconds promised."""

COMMIT_LAG = timedelta(seconds=60)
"""How long before its commit a row may have been stamped: a unit of work ends far sooner."""

REVOKED_MAX = 100_000
TELL_EVERY_S = 60.0
RECONNECT_S = 0.5
REDIS_TIMEOUT_S = 2.0

Revoked = UUID | str
"""A session's id, or a single token's (`jti`)."""


class Revocations:
    """What this process knows to be revoked. `start` before the first request, `close` at the end.

    A token's id is known only to processes that run at that moment; a session's is in the table.
    """

    def __init__(self, db: Database, redis_url: str, *, prefix: str, access_token_s: int) -> None:
        self._db = db
        self._redis = Redis.from_url(
            redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        )
        self._channel = f"{prefix}:revoked"
        self._access_token_s = access_token_s
        self._revoked: OrderedDict[Revoked, float] = OrderedDict()
        self._watchers: defaultdict[Revoked, dict[UUID, Callable[[], None]]] = defaultdict(dict)
        self._tasks: list[asyncio.Task[None]] = []
        self._tried = asyncio.Event()

    def is_revoked(self, viewer: Viewer) -> bool:
        """Whether the viewer's session, or this very token, has been revoked."""
        return viewer.session_id in self._revoked or viewer.token_id in self._revoked

    def watch(self, viewer: Viewer, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once when the viewer is revoked (at once if so already); returns what stops it.

        For open sockets: the callback ends their operations. It must not block or raise. Call what
        is returned in the end, whether or not it came to that.
        """
        if self.is_revoked(viewer):
            callback()
            return lambda: None
        watch_id = new_id()
        for name in (viewer.session_id, viewer.token_id):
            self._watchers[name][watch_id] = callback
        return lambda: self._unwatch(viewer, watch_id)

    async def wait_revoked(self, viewer: Viewer) -> None:
        """Return when the viewer is revoked."""
        revoked = asyncio.Event()
        stop = self.watch(viewer, revoked.set)
        try:
            await revoked.wait()
        finally:
            stop()

    async def publish(self, session_ids: Iterable[UUID], *, token_ids: Iterable[str] = ()) -> None:
        """Make revocations that were committed known here and in every process."""
        found = [id.hex for id in session_ids], list(token_ids)
        if not any(found):
            return
        message = orjson.dumps(found)
        self._take(message)
        try:
            await self._redis.publish(self._channel, message)
        except (RedisError, OSError) as error:
            # The others find it in the table, seconds later.
            log.warning("revocations_not_pushed", reason=str(error))

    async def start(self) -> None:
        """Read what is revoked now, then go on listening and looking. Fails if it cannot read.

        Returns when Redis has us listening, or is known to be down, or after 2 seconds.
        """
        synced = await self._sync()
        self._tasks = [
            asyncio.create_task(self._listen(), name="revocations-listen"),
            asyncio.create_task(self._look(synced), name="revocations-look"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                await self._tried.wait()

    async def close(self) -> None:
        """Stop listening and close the connections."""
        running = set(self._tasks)
        while running:
            # Again until it has an effect: Python 3.11's wait_for, which the drivers use, loses a
            # cancellation that comes as the awaited thing completes.
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.2)
        self._tasks = []
        await self._redis.aclose()

    def _take(self, message: bytes) -> None:
        session_ids, token_ids = orjson.loads(message)
        self._add([*(UUID(hex=id) for id in session_ids), *token_ids])

    def _add(self, names: Iterable[Revoked]) -> None:
        until = time.monotonic() + self._access_token_s
        for name in names:
            if name in self._revoked:
                continue
            self._revoked[name] = until
            for callback in list(self._watchers.pop(name, {}).values()):
                callback()
        if len(self._revoked) > REVOKED_MAX:
            log.error("revocations_overflow", kept=REVOKED_MAX)
            while len(self._revoked) > REVOKED_MAX:
                self._revoked.popitem(last=False)

    def _prune(self) -> None:
        # All live equally long, so the oldest stand in front.
        now = time.monotonic()
        while self._revoked and next(iter(self._revoked.values())) <= now:
            self._revoked.popitem(last=False)

    def _unwatch(self, viewer: Viewer, watch_id: UUID) -> None:
        for name in (viewer.session_id, viewer.token_id):
            if (watchers := self._watchers.get(name)) is not None:
                watchers.pop(watch_id, None)
                if not watchers:
                    del self._watchers[name]

    async def _sync(self, *, since: datetime | None = None) -> datetime:
        """Add what the table says was revoked since then (None: all that matters); its clock."""
        async with self._db.read() as session:
            now = await database_now(session)
            oldest = now - timedelta(seconds=self._access_token_s)
            rows = await session.execute(
                select(sessions.c.id)
                .where(sessions.c.revoked_at > max(oldest, since or oldest))
                .order_by(sessions.c.revoked_at.desc())
                .limit(REVOKED_MAX)
            )
            self._add(rows.scalars())
        self._prune()
        return now

    async def _look(self, synced: datetime) -> None:
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            try:
                synced = await self._sync(since=synced - COMMIT_LAG)
            except Exception as error:  # whatever it was: who was signed out must not come back
                log.warning("revocations_not_read", reason=str(error))

    async def _listen(self) -> None:
        told_at = -TELL_EVERY_S
        while True:
            try:
                await self._hear()
            except Exception as error:  # whatever it was: the next try may hear
                if time.monotonic() - told_at >= TELL_EVERY_S:
                    told_at = time.monotonic()
                    log.warning("revocations_without_redis", reason=str(error))
            self._tried.set()
            await asyncio.sleep(RECONNECT_S)

    def _hear_one(self, message: bytes) -> None:
        try:
            self._take(message)
        except (ValueError, TypeError, AttributeError):
            log.warning("revocations_nonsense", message=message[:100])

    async def _hear(self) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(self._channel)
            await channel.get_message(timeout=REDIS_TIMEOUT_S)  # the server has said that it is so
            self._tried.set()
            # What was pushed while nobody listened here stands in the table.
            with contextlib.suppress(SQLAlchemyError):
                await self._sync()
            while True:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=1.0)
                if message is not None:
                    self._hear_one(message["data"])
