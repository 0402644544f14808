"""What is old enough goes, what is kept stays, in batches."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from jobs import retention
from jobs.retention import delete_expired

KEY = text(
    "INSERT INTO idempotency_key (user_id, operation, key, request_hash, created_at)"
    " SELECT :user, 'placeBid', n::text, decode(repeat('00', 32), 'hex'),"
    "  now() - CAST(:age AS interval) FROM generate_series(1, :count) AS n"
)
EVENTS = text(
    "INSERT INTO event (topic, sequence, id, type, occurred_at)"
    " SELECT :topic, n, gen_random_uuid(), 'Happened',"
    "  now() - interval '1 day' * (:count - n + 1) FROM generate_series(1, :count) AS n"
)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "TOPICS_PAGE", 2)
    monkeypatch.setattr(retention, "EVENTS_PER_TOPIC", 4)


async def add(market, statement, **parameters):
    await market.db.transaction(lambda tx: tx.execute(statement, parameters))


async def one(market, statement):
    return [tuple(row) for row in await market.rows(statement)]


async def test_idempotency_keys_go_after_a_week(market, small_batches):
    old, young = market.buyers[:2]
    await add(market, KEY, user=old, age=timedelta(days=7, minutes=1), count=10)
    await add(market, KEY, user=young, age=timedelta(days=6, hours=23), count=4)

    deleted = await delete_expired(market.db)

    assert deleted["idempotency_key"] == 10
    assert await one(market, "SELECT user_id, count(*) FROM idempotency_key GROUP BY 1") == [
        (young, 4)
    ]


async def test_refresh_tokens_go_when_they_expire(market, small_batches):
    await market.run(
        "INSERT INTO user_session (id, user_id, expires_at, device)"
        " VALUES (:id, :id, now() + interval '1 day', '')",
        id=market.seller,
    )
    for n, left in enumerate((timedelta(seconds=-1), timedelta(minutes=1))):
        await market.run(
            "INSERT INTO refresh_token (id, session_id, token_hash, expires_at) VALUES"
            " (gen_random_uuid(), :session, decode(repeat(:byte, 32), 'hex'),"
            "  now() + CAST(:left AS interval))",
            session=market.seller,
            byte=f"0{n}",
            left=left,
        )

    assert (await delete_expired(market.db))["refresh_token"] == 1
    assert await one(market, "SELECT expires_at > now() FROM refresh_token") == [(True,)]


async def test_events_go_after_ninety_days_but_those_of_auctions_stay(market, small_batches):
    counts = {"post:a": 95, "user:a": 95, "user:b": 10, "zone:a": 95, "auction:a": 95}
    for topic, count in counts.items():
        # The newest is a day old, so that of 95 the first six are ninety days old or more.
        await add(market, EVENTS, topic=topic, count=count)
        await market.run("INSERT INTO event_topic VALUES (:t, :n)", t=topic, n=count)

    deleted = await delete_expired(market.db)

    assert deleted["event"] == 3 * 6
    assert await one(
        market, "SELECT topic, min(sequence), max(sequence) FROM event GROUP BY 1 ORDER BY 1"
    ) == [
        ("auction:a", 1, 95),
        ("post:a", 7, 95),
        ("user:a", 7, 95),
        ("user:b", 1, 10),
        ("zone:a", 7, 95),
    ]


async def test_an_old_event_behind_a_young_one_stays_so_that_no_hole_appears(market):
    await add(market, EVENTS, topic="user:a", count=3)
    await market.run("INSERT INTO event_topic VALUES ('user:a', 3)")
    await market.run("UPDATE event SET occurred_at = now() - interval '1 year' WHERE sequence <> 2")

    await delete_expired(market.db)

    assert await one(market, "SELECT sequence FROM event ORDER BY 1") == [(2,), (3,)]


async def test_nothing_more_is_deleted_once_told_to_stop(market, small_batches):
    await add(market, KEY, user=market.seller, age=timedelta(days=8), count=10)
    asked = iter([False, True])

    deleted = await delete_expired(market.db, stopping=lambda: next(asked, True))

    assert deleted.pop("idempotency_key") == 3
    assert not any(deleted.values())


async def test_log_of_jobs_goes_after_a_week(market):
    await market.run(
        "INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint, created)"
        " SELECT n, 'successful', 0, 'x', now() - interval '3 days' * n"
        " FROM generate_series(1, 4) AS n"
    )

    assert (await delete_expired(market.db))["pgqueuer_log"] == 2
    assert await one(market, "SELECT job_id FROM pgqueuer_log ORDER BY 1") == [(1,), (2,)]
