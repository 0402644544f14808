"""A database of a test's own, what was published from it, and ways to change it."""

from functools import partial

import pytest
from sqlalchemy import text

from core.database import Database


@pytest.fixture
async def db(database_url):
    """With `db.published`: the events of what was committed."""
    published = []

    async def publish(events):
        published.extend(events)

    database = Database(database_url, after_commit=publish)
    database.published = published
    yield database
    await database.close()


@pytest.fixture
def sql(db):
    """`await sql("SELECT …", name=value)`: the rows; `UPDATE …` works as well."""

    async def run(statement, **parameters):
        async with db.engine.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else []

    return run


@pytest.fixture
def do(db):
    """`await do(service, **arguments)`: one unit of work of a service."""

    async def run(service, **arguments):
        return await db.transaction(partial(service, **arguments))

    return run
