"""The queue's tables are exactly what the installed pgqueuer wants, and can be taken back."""

import asyncpg
from pgqueuer import Queries

from core.migrations import differences, downgrade, upgrade


async def test_queue_tables_are_what_the_installed_pgqueuer_would_make(database_url):
    connection = await asyncpg.connect(database_url)
    try:
        plan = await Queries.from_asyncpg_connection(connection).plan_upgrade()
    finally:
        await connection.close()
    assert (list(plan.statements), list(plan.notes)) == ([], [])


async def test_models_and_migrations_agree(database_url):
    assert await differences(database_url) is None


async def test_queue_tables_can_be_taken_back_and_made_again(database_url):
    async def named_pgqueuer():
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchval(
                "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE 'pgqueuer%')"
                " + (SELECT count(*) FROM pg_type WHERE typname LIKE 'pgqueuer%')"
                " + (SELECT count(*) FROM pg_proc WHERE proname LIKE '%pgqueuer%')"
            )
        finally:
            await connection.close()

    before = await named_pgqueuer()
    assert before > 4
    await downgrade(database_url, "0001")
    assert await named_pgqueuer() == 0
    await upgrade(database_url)
    assert await named_pgqueuer() == before
