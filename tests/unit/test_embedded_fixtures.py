"""The test run's own servers: what the fixtures promise to every other test."""

import asyncpg
import redis.asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


async def test_a_test_has_a_migrated_database_of_its_own(database_url, postgres_url):
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
        assert database_url != postgres_url
    finally:
        await connection.close()


async def test_databases_made_in_a_test_do_not_see_each_other(make_database):
    first, second = make_database(), make_database()
    connection = await asyncpg.connect(first)
    await connection.execute("CREATE TABLE mine (id int)")
    await connection.close()
    connection = await asyncpg.connect(second)
    assert await connection.fetchval("SELECT to_regclass('mine')") is None
    await connection.close()


async def test_a_database_url_works_for_sqlalchemy_on_asyncpg(make_database):
    url = make_database().replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        encoding = await connection.execute(text("SHOW server_encoding"))
        assert encoding.scalar_one() == "UTF8"
    await engine.dispose()


async def test_a_redis_database_is_empty_at_first_and_takes_pub_sub(redis_url, redis_prefix):
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("left", "behind")
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(f"{redis_prefix}news")
            assert await client.publish(f"{redis_prefix}news", "hello") == 1


async def test_what_another_test_left_in_redis_is_gone(redis_url):
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.exists("left") == 0
