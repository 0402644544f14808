"""Reads on the driver itself: a statement that is text already, on a connection of the engine's
pool. SQLAlchemy's part of such a read cost three times what the driver's does; its pool, its bounds
and who listens to its statements stay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

SPARE: Final = 4
"""Connections that are kept at hand between reads."""
SPARE_S: Final = 0.005
"""How long one is at most, unused, before the pool has it back: who waits for one of the pool's
waits so much longer. An operation's next read comes sooner."""
TAKEN_S: Final = 1.0
"""After so long the pool looks at each again: it may be too old."""
SETTLE_S: Final = 5.0
"""For a statement that was cancelled to stop; then its connection is cut."""
_settling: set[asyncio.Task[None]] = set()
"""The loop itself keeps no task alive."""


@dataclass(slots=True, eq=False)
class Reader:
    """Reads of one engine. Connections that it has taken from the pool lie at hand for a moment:
    to take one and give it back costs half of what a small read does, and an operation reads
    several times."""

    engine: AsyncEngine
    _spare: list[tuple[PoolProxiedConnection, float]] = field(default_factory=list)
    _timer: asyncio.TimerHandle | None = None

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> list[Any]:
        """The driver's records of a statement with `$1` … in it, which must change nothing: it runs
        outside of any transaction.

        Raises the driver's errors (`core.database.is_outage` knows them), `ConnectionError` where
        the connection was lost before, and SQLAlchemy's where the pool has none to give.
        """
        connection, until = self._spare.pop() if self._spare else await self._taken()
        try:
            found = await _watched(self.engine.sync_engine, connection, statement, arguments)
        except Exception as error:
            try:
                await _look_whether_lost(connection, error)
            finally:
                connection.close()
            raise
        except BaseException:
            task = asyncio.get_running_loop().create_task(_settle(connection))
            _settling.add(task)
            task.add_done_callback(_settling.discard)
            raise
        self._lay_aside(connection, until)
        return found

    def let_go(self) -> None:
        """Give the pool back what is at hand. Call before the engine is disposed of."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection, _ in self._spare:
            # Nothing to wait for: the pool rolls back what SQLAlchemy has begun, which is nothing.
            connection.close()
        self._spare.clear()

    async def _taken(self) -> tuple[PoolProxiedConnection, float]:
        until = asyncio.get_running_loop().time() + TAKEN_S
        return await _connection(self.engine.sync_engine.pool), until

    def _lay_aside(self, connection: PoolProxiedConnection, until: float) -> None:
        loop = asyncio.get_running_loop()
        if len(self._spare) >= SPARE or loop.time() > until:
            connection.close()
            return
        self._spare.append((connection, until))
        if self._timer is None:
            self._timer = loop.call_later(SPARE_S, self.let_go)


async def _look_whether_lost(connection: PoolProxiedConnection, error: Exception) -> None:
    driver = connection.driver_connection
    if driver is not None and driver.is_closed():
        await greenlet_spawn(connection.invalidate, error)
        if not getattr(error, "sqlstate", None):
            raise ConnectionAbortedError("the database's connection was lost") from error


async def _settle(connection: PoolProxiedConnection) -> None:
    """Give a connection back whose statement was cancelled in the middle. The driver has asked the
    server to stop it, which closing the connection at once would take back; what is sent next
    waits for that."""
    try:
        async with asyncio.timeout(SETTLE_S):
            await connection.driver_connection.execute("SELECT 1")  # type: ignore[union-attr]
    except BaseException as error:
        connection.invalidate(error)
        if not isinstance(error, Exception):
            raise
    finally:
        connection.close()


def refuse_to_wait(engine: AsyncEngine) -> None:
    """Let the engine's pool refuse to open a connection for who cannot wait for it. Call once."""

    def refuse(*_: Any) -> None:
        if not in_greenlet():
            raise MissingGreenlet("a connection is to be opened, and waited for")

    event.listen(engine.sync_engine, "do_connect", refuse)


async def _connection(pool: Any) -> PoolProxiedConnection:
    """One of the pool's; where one lies idle without SQLAlchemy's greenlets, which cost as much as
    a small read."""
    if pool.checkedin():
        with suppress(MissingGreenlet):  # it is lost or too old: a new one is to be waited for
            found: PoolProxiedConnection = pool.connect()
            return found
    return await greenlet_spawn(pool.connect)


async def _watched(
    engine: Any, connection: Any, statement: str, arguments: Sequence[Any]
) -> list[Any]:
    """Run it as those see it who listen to the engine's statements; the pool's connection stands
    where they expect SQLAlchemy's: both keep the same `info`."""
    listeners = engine.dispatch
    for listener in listeners.before_cursor_execute:
        listener(connection, None, statement, arguments, None, False)
    try:
        found: list[Any] = await connection.driver_connection.fetch(statement, *arguments)
    except BaseException as error:
        happened = SimpleNamespace(connection=connection, original_exception=error)
        for listener in engine.dialect.dispatch.handle_error:
            listener(happened)
        raise
    for listener in listeners.after_cursor_execute:
        listener(connection, None, statement, arguments, None, False)
    return found
