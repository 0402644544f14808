"""Reads on the driver itself: a statement that is text already, on a connection of the engine's
pool. SQLAlchemy's part of such a read cost three times what the driver's does; its pool, its bounds
and who listens to its statements stay."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet


async def fetch(engine: AsyncEngine, statement: str, arguments: Sequence[Any]) -> list[Any]:
    """The driver's records of a statement with `$1` … in it, which must change nothing: it runs
    outside of any transaction.

    Raises the driver's errors (`core.database.is_outage` knows them), `ConnectionError` where the
    connection was lost before, and SQLAlchemy's where the pool has none to give.
    """
    connection = await _connection(engine.sync_engine.pool)
    try:
        return await _watched(engine.sync_engine, connection, statement, arguments)
    except Exception as error:
        driver = connection.driver_connection
        if driver is not None and driver.is_closed():
            await greenlet_spawn(connection.invalidate, error)
            if not getattr(error, "sqlstate", None):
                raise ConnectionAbortedError("the database's connection was lost") from error
        raise
    except BaseException as error:
        # Cancelled in the middle: nobody knows what the server still says on this connection.
        connection.invalidate(error)
        raise
    finally:
        # Nothing to wait for: the pool rolls back what SQLAlchemy has begun, which is nothing here.
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
