"""Reads on the driver itself: a statement that is text already, on a connection of the engine's
pool. SQLAlchemy's part of such a read cost three times what the driver's does; its pool, its bounds
and who listens to its statements stay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

SETTLE_S: Final = 5.0
"""For a statement that was cancelled to stop; then its connection is cut."""
_settling: set[asyncio.Task[None]] = set()
"""The loop itself keeps no task alive."""


async def fetch(engine: AsyncEngine, statement: str, arguments: Sequence[Any]) -> list[Any]:
    """The driver's records of a statement with `$1` … in it, which must change nothing: it runs
    outside of any transaction.

    Raises the driver's errors (`core.database.is_outage` knows them), `ConnectionError` where the
    connection was lost before, and SQLAlchemy's where the pool has none to give.
    """
    connection = await _connection(engine.sync_engine.pool)
    try:
        found = await _watched(engine.sync_engine, connection, statement, arguments)
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
    # Nothing to wait for: the pool rolls back what SQLAlchemy has begun, which is nothing here.
    connection.close()
    return found


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
