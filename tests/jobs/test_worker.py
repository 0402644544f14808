"""The worker itself: jobs go with their transaction, and it outlives its connections."""

import asyncio
import time
from functools import partial

import pytest
from pgqueuer.domain.settings import db_settings
from sqlalchemy import text

from core.migrations import upgrade
from jobs.worker import run_worker
from services.auctions.closing import CLOSE_AUCTION, schedule_auction
from services.jobs import enqueue

LOCK = text("SELECT 1 FROM auction WHERE id = :id FOR UPDATE")


async def status_is(market, lot, wanted):
    return (await market.auction(lot)).status == wanted


async def test_job_is_asked_for_only_if_its_transaction_commits(market):
    lot = await market.lot(ends_in_s=60)
    row = await market.auction(lot)

    async def fails(tx):
        await schedule_auction(tx, lot, row.starts_at, row.ends_at)
        raise RuntimeError("after the jobs were asked for")

    with pytest.raises(RuntimeError):
        await market.db.transaction(fails)
    assert await market.rows("SELECT 1 FROM pgqueuer") == []
    assert await market.rows("SELECT 1 FROM pgqueuer_log") == []

    await market.db.transaction(
        partial(schedule_auction, auction_id=lot, starts_at=row.starts_at, ends_at=row.ends_at)
    )
    jobs = await market.rows("SELECT entrypoint, execute_after FROM pgqueuer ORDER BY id")
    assert [tuple(job) for job in jobs] == [
        ("open_auction", row.starts_at),
        ("close_auction", row.ends_at),
    ]


async def test_same_key_adds_no_second_job_while_one_waits(market):
    def ask(key):
        return market.db.transaction(
            lambda tx: enqueue(tx, "nothing", {"auction": "1"}, dedupe_key=key)
        )

    assert [await ask("a"), await ask("a"), await ask("b")] == [True, False, True]
    assert len(await market.rows("SELECT 1 FROM pgqueuer")) == 2
    assert len(await market.rows("SELECT 1 FROM pgqueuer_log")) == 2


async def test_job_enqueued_while_the_worker_idles_is_run_at_once(
    market, database_url, start_worker, eventually
):
    worker = await start_worker(market.db, database_url)
    lot = await market.lot(ends_in_s=60)
    await market.pass_end(lot)
    began = time.monotonic()

    await market.db.transaction(
        lambda tx: enqueue(tx, CLOSE_AUCTION, {"auction": lot.hex}),
    )
    await eventually(partial(status_is, market, lot, "UNSOLD"))

    assert time.monotonic() - began < 2
    await eventually(lambda: worker.runs[CLOSE_AUCTION, "ok"] == 1)


async def test_worker_ignores_names_from_the_environment(
    market, database_url, start_worker, eventually, monkeypatch, request
):
    monkeypatch.setenv("CHANNEL", "elsewhere")
    monkeypatch.setenv("PGQUEUER_PREFIX", "other_")
    db_settings.cache_clear()
    request.addfinalizer(db_settings.cache_clear)
    await start_worker(market.db, database_url)
    lot = await market.lot(ends_in_s=60)
    await market.pass_end(lot)
    began = time.monotonic()

    await market.db.transaction(lambda tx: enqueue(tx, CLOSE_AUCTION, {"auction": lot.hex}))
    await eventually(partial(status_is, market, lot, "UNSOLD"))

    assert time.monotonic() - began < 2


async def test_failing_job_is_tried_again(market, database_url, start_worker, eventually):
    lot = await market.lot(ends_in_s=60)
    await market.run(
        f"ALTER TABLE auction ADD CONSTRAINT poison CHECK (id <> '{lot}' OR status <> 'UNSOLD')"
    )
    worker = await start_worker(market.db, database_url)
    await market.pass_end(lot)
    await market.db.transaction(lambda tx: enqueue(tx, CLOSE_AUCTION, {"auction": lot.hex}))
    await eventually(lambda: worker.runs[CLOSE_AUCTION, "IntegrityError"] >= 2)
    assert await status_is(market, lot, "OPEN")

    await market.run("ALTER TABLE auction DROP CONSTRAINT poison")
    await eventually(partial(status_is, market, lot, "UNSOLD"))
    assert len(await market.events(lot, "AuctionClosed")) == 1


async def test_worker_stops_though_a_job_hangs_and_the_job_is_not_lost(
    market, database_url, settings, start_worker, eventually
):
    lot = await market.lot(ends_in_s=60)
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(tx):
        await tx.execute(LOCK, {"id": lot})
        held.set()
        await release.wait()

    async def waits_for_lock():
        return await market.rows("SELECT 1 FROM pg_locks WHERE NOT granted")

    holder = asyncio.create_task(market.db.transaction(hold))
    await held.wait()
    async with run_worker(settings, market.db, database_url, patience_s=0.3) as worker:
        await eventually(lambda: worker.last_sweep_at)
        await market.db.transaction(lambda tx: enqueue(tx, CLOSE_AUCTION, {"auction": lot.hex}))
        await eventually(waits_for_lock)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert not worker.connected
    assert worker.runs[CLOSE_AUCTION, "cancelled"] == 1
    [job] = await market.rows("SELECT status FROM pgqueuer")
    assert job.status == "queued"

    release.set()
    await holder
    next_worker = await start_worker(market.db, database_url)
    await eventually(lambda: next_worker.runs[CLOSE_AUCTION, "ok"] == 1)


async def test_worker_reconnects_when_its_connection_is_cut(
    market, database_url, start_worker, eventually
):
    worker = await start_worker(market.db, database_url)
    for expected in (2, 3):
        await market.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'mela-jobs' AND datname = current_database()"
        )
        await eventually(lambda expected=expected: worker.connections == expected)
    lot = await market.lot(ends_in_s=0.5, wake=True)
    await eventually(partial(status_is, market, lot, "UNSOLD"))
    row = await market.auction(lot)
    assert (row.closed_at - row.ends_at).total_seconds() < 1


async def test_worker_survives_a_restart_of_postgres(
    private_servers, open_database, new_market, start_worker, eventually
):
    url = private_servers.database_url
    await upgrade(url)
    market = await new_market(open_database(url))
    worker = await start_worker(market.db, url)
    missed = await market.lot(ends_in_s=0.5, wake=True)
    await market.bid(missed, 700)

    await asyncio.to_thread(private_servers.restart_postgres)

    await eventually(lambda: worker.connections >= 2 and worker.connected)
    await eventually(partial(answers, market))
    await eventually(partial(status_is, market, missed, "SOLD"))
    assert len(await market.events(missed, "AuctionClosed")) == 1
    lot = await market.lot(ends_in_s=0.5, wake=True)
    await eventually(partial(status_is, market, lot, "UNSOLD"))
    row = await market.auction(lot)
    assert (row.closed_at - row.ends_at).total_seconds() < 1


async def answers(market):
    """The test's own pool may still hold connections to the server that went."""
    try:
        return await market.rows("SELECT 1")
    except Exception:
        return False


async def test_last_sweep_is_known_to_processes_that_did_not_sweep(
    market, database_url, start_worker, settings, eventually
):
    async with run_worker(settings, market.db, "postgresql:///?host=/nowhere") as idle:
        assert await idle.last_sweep() is None
        await start_worker(market.db, database_url)
        await eventually(partial(market.rows, "SELECT 1 FROM pgqueuer_schedules"))
        await market.run(
            "UPDATE pgqueuer_schedules SET last_run = '2026-01-02T03:04:05Z'"
            " WHERE entrypoint = 'sweep_auctions'"
        )
        found = await idle.last_sweep()
        assert found.isoformat() == "2026-01-02T03:04:05+00:00"
        assert not idle.connected
