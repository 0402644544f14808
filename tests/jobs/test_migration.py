"""The queue's tables are exactly what the installed pgqueuer wants, and can be taken back."""

import os
from urllib.parse import urlsplit

import asyncpg
from pgqueuer import Queries

from core.migrations import differences, downgrade, upgrade
from tests.conftest import execute


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


async def test_who_may_not_make_pgvector_has_all_the_tables_but_that_of_vectors(make_database):
    url = make_database()
    name, role = urlsplit(url).path[1:], f"plain_{os.getpid()}"
    execute(
        url,
        f"CREATE ROLE {role}",
        f'ALTER DATABASE "{name}" OWNER TO {role}',
        f'ALTER DATABASE "{name}" SET role = {role}',
    )
    try:
        await upgrade(url)
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("SELECT current_user") == role
            assert await connection.fetchval("SELECT to_regclass('search_vector')") is None
            assert await connection.fetchval("SELECT count(*) FROM search_slot") == 2
        finally:
            await connection.close()
        assert await differences(url) is None
    finally:
        execute(
            url,
            "SET ROLE NONE",
            f'ALTER DATABASE "{name}" RESET role',
            f"REASSIGN OWNED BY {role} TO SESSION_USER",
            f"DROP OWNED BY {role} CASCADE",
            f"DROP ROLE {role}",
        )
