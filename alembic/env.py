"""Runs migrations over asyncpg with one connection, one process at a time."""

import asyncio
import re

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from core.database import async_url
from models import (  # noqa: F401  (fill the metadata)
    auctions,
    downloads,
    events,
    idempotency,
    ledger_log,
    notifications,
    parameters,
    presence,
    search,
    search_columns,
    search_suggesting,
    shop,
    users,
    wallets,
)
from models.content import (  # noqa: F401
    availability,
    images,
    moderation,
    platforms,
    posts,
    recommending,
    titles,
    viewing,
)

# pgqueuer's tables are its own: their SQL stands in a migration, and `alembic check` leaves
# them alone.
FOREIGN_PREFIX = "pgqueuer"
# Vectors are of an extension that need not be there, and a type that SQLAlchemy does not know;
# partitions follow their table.
APART = re.compile(r"search_vector|search_\w+_[01]")
MIGRATION_LOCK = 0x4D454C41  # "MELA": so that two starting servers do not migrate at once


def include_object(obj, name, type_, reflected, compare_to):
    table = name if type_ == "table" else getattr(getattr(obj, "table", None), "name", "")
    return not (table or "").startswith(FOREIGN_PREFIX)


def include_name(name, type_, parents):
    return type_ != "table" or not APART.fullmatch(name)


def migrate(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        include_object=include_object,
        include_name=include_name,
        compare_server_default=False,
    )
    context.run_migrations()


async def run() -> None:
    url = async_url(context.config.attributes["database_url"])
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(run())
