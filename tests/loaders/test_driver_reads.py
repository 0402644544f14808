"""Reads on the driver itself keep what reads through SQLAlchemy keep: one pool and its bounds, the
log of slow statements, an outage that is told as one, connections that are whole afterwards."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import event, text
from structlog.testing import capture_logs

from core.database import Database, PoolSettings, is_outage
from core.reading import SPARE, SPARE_S


@pytest.fixture
async def small(database_url):
    """`small(**bounds)`: a database of one connection."""
    made = []

    def make(**bounds):
        made.append(Database(database_url, pool=PoolSettings(**{"maximum": 1, **bounds})))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def failure(work):
    """What it raises, which may be of many kinds: that it is told as an outage is what counts."""
    try:
        return await work
    except Exception as error:
        return error


async def backend(db):
    [[pid]] = await db.fetch("SELECT pg_backend_pid()", [])
    return pid


def in_use(db):
    return db.engine.sync_engine.pool.checkedout()


async def given_back(db):
    """Whether the pool soon has all of its connections: a read keeps one at hand for a moment."""
    for _ in range(1_000):
        if not in_use(db):
            return True
        await asyncio.sleep(SPARE_S)
    return False


async def test_values_come_and_go_as_the_driver_has_them(db):
    sent = ["naïve ' \" \\ \U0001f600", None, ["a", None], {"b": [1, None]}]
    [record] = await db.fetch(
        "SELECT $1::text, $2::int, $3::text[], $4::jsonb",
        [*sent[:3], '{"b": [1, null]}'],
    )
    assert [*record] == sent


async def test_one_pool_bounds_both_kinds_of_reads(small):
    db = small(pool_timeout_s=0.1)
    async with db.read():
        refused = await failure(db.fetch("SELECT 1", []))
    assert is_outage(refused)
    assert [[*row] for row in await db.fetch("SELECT 1", [])] == [[1]]
    assert await given_back(db)


async def test_a_connection_lies_at_hand_for_the_next_read_and_is_the_pools_again_soon(small):
    db, taken = small(pool_timeout_s=1), []
    event.listen(db.engine.sync_engine.pool, "checkout", lambda *_: taken.append(1))
    before = await backend(db)
    assert in_use(db) == 1
    assert [await backend(db) for _ in range(5)] == [before] * 5
    assert len(taken) == 1
    async with db.read() as session:  # there is one connection: it waits until that is given back
        assert (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one() == before
    assert len(taken) == 2


async def test_few_connections_lie_at_hand(small):
    db = small(maximum=SPARE + 3)
    await asyncio.gather(*(db.fetch("SELECT pg_sleep(0.05)", []) for _ in range(SPARE + 3)))
    assert in_use(db) <= SPARE
    assert await given_back(db)


async def test_a_connection_that_was_at_hand_for_long_is_looked_at_by_the_pool(small, monkeypatch):
    monkeypatch.setattr("core.reading.TAKEN_S", 0.0)
    db = small()
    await db.fetch("SELECT 1", [])
    assert in_use(db) == 0


async def test_a_statement_past_its_time_is_an_outage_and_its_connection_lives_on(small):
    db = small(statement_timeout_s=0.05)
    before = await backend(db)
    with pytest.raises(asyncpg.QueryCanceledError) as late:
        await db.fetch("SELECT pg_sleep(5)", [])
    assert is_outage(late.value)
    assert await backend(db) == before


async def test_what_is_wrong_about_a_statement_is_no_outage(small):
    db = small()
    for statement, arguments in (("SELECT 1 / $1::int", [0]), ("SELECT $1::int", ["one"])):
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as wrong:
            await db.fetch(statement, arguments)
        assert not is_outage(wrong.value)
    assert await given_back(db)


async def kill(database_url, pid):
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    finally:
        await connection.close()


async def test_a_connection_lost_while_idle_is_an_outage_once(small, database_url):
    db = small()
    await kill(database_url, await backend(db))
    lost = await failure(db.fetch("SELECT 1", []))
    assert is_outage(lost)
    assert len(await db.fetch("SELECT 1", [])) == 1
    assert await given_back(db)


@pytest.mark.parametrize("way", ["invalid", "old"])
async def test_an_idle_connection_that_is_no_use_is_replaced(small, way):
    db = small()
    before, pool = await backend(db), db.engine.sync_engine.pool
    await given_back(db)
    if way == "invalid":
        connection = pool.connect()
        connection.invalidate()
        connection.close()
    else:
        pool._recycle = 0
    assert await backend(db) != before
    assert await given_back(db)
    assert pool.checkedin() == 1


async def test_a_connection_lost_in_the_middle_is_an_outage_once(small, database_url):
    db = small()
    pid = await backend(db)
    waiting = asyncio.ensure_future(db.fetch("SELECT pg_sleep(30)", []))
    await kill(database_url, pid)
    lost = await failure(waiting)
    assert is_outage(lost)
    assert await backend(db) != pid


async def test_a_database_that_is_away_is_an_outage():
    db = Database("postgresql://nobody@127.0.0.1:1/none")
    away = await failure(db.fetch("SELECT 1", []))
    assert is_outage(away)
    await db.close()


async def test_a_cancelled_read_leaves_no_connection_that_still_answers_it(small):
    db = small()
    await db.fetch("SELECT 1", [])
    waiting = asyncio.ensure_future(db.fetch("SELECT pg_sleep(30)", []))
    await asyncio.wait([waiting], timeout=0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5):
        assert [[*row] for row in await db.fetch("SELECT 2", [])] == [[2]]
    assert await given_back(db)


async def test_slow_statements_are_logged_without_their_values(small):
    db = small(slow_statement_s=0.01)
    with capture_logs() as logged:
        await db.fetch("SELECT pg_sleep($1::float)", [0.02])
        await db.fetch("SELECT 1", [])
    [entry] = logged
    assert (entry["event"], entry["statement"]) == ("slow_statement", "SELECT pg_sleep($1::float)")
    assert entry["took_ms"] >= 20
    assert "0.02" not in str(entry)


async def test_who_listens_to_statements_hears_of_failures(small):
    db, heard = small(), []

    def begun(conn, cursor, statement, *rest):
        conn.info["heard"] = statement

    def failed(context):
        heard.append((context.connection.info.pop("heard"), type(context.original_exception)))

    event.listen(db.engine.sync_engine, "before_cursor_execute", begun)
    event.listen(db.engine.sync_engine, "handle_error", failed)
    with pytest.raises(asyncpg.PostgresError):
        await db.fetch("SELECT 1 / 0", [])
    assert heard == [("SELECT 1 / 0", asyncpg.DivisionByZeroError)]


async def test_a_table_that_changes_under_a_prepared_statement_is_read_anew(small, write):
    db = small()
    async with db.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE moving (id int)")
        await connection.exec_driver_sql("INSERT INTO moving VALUES (1)")
    assert [[*row] for row in await db.fetch("SELECT * FROM moving", [])] == [[1]]
    async with db.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE moving ALTER id TYPE text, ADD more int")
    assert [[*row] for row in await db.fetch("SELECT * FROM moving", [])] == [["1", None]]
