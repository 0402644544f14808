"""What /metrics says of ledger and auctions: read from a real database, and told without one."""

import asyncio
import signal
import time
from contextlib import contextmanager

import httpx
import psutil
import pytest
from sqlalchemy import event, text
from starlette.applications import Starlette

from core.database import Database, PoolSettings
from core.ids import new_id
from core.metrics import render_metrics
from core.migrations import upgrade
from jobs import health
from jobs.auctions import sweep_auctions
from jobs.health import CHECKS, Check, Gatherer, gather, run_health
from services.wallets.ledger import transfer_all
from services.wallets.terms import Transfer, platform, user_account
from web.metrics import metrics_routes

SLOW = text("SELECT pg_sleep(30)")


def read(page):
    """The samples of a page by name and labels."""
    rows = [line.rsplit(" ", 1) for line in page.splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, value in rows}


async def gathered(db, *, checks=CHECKS, gatherer=None):
    """The page right after one round, which makes every check."""
    await gather(db, gatherer or Gatherer(), checks=checks)
    return read((await asyncio.to_thread(render_metrics))[0].decode())


def deposit(user, amount, **more):
    debit, credit = platform("EXTERNAL", "USD"), user_account(user, "USD")
    return Transfer(debit=debit, credit=credit, amount_minor=amount, code="DEPOSIT", **more)


def withdrawal(user, amount, **more):
    debit, credit = user_account(user, "USD"), platform("EXTERNAL", "USD")
    return Transfer(debit=debit, credit=credit, amount_minor=amount, code="WITHDRAWAL", **more)


async def move(market, *steps):
    return await market.db.transaction(lambda tx: transfer_all(tx, steps))


@pytest.mark.parametrize(
    ("counter", "column", "expected"),
    [("posted", "credits_posted", -7), ("pending", "debits_pending", 7)],
)
async def test_broken_sum_shows_and_so_does_its_repair(market, counter, column, expected):
    user = market.buyers[0]
    await move(market, deposit(user, 1_000), withdrawal(user, 100, pending=True))
    name = 'mela_ledger_imbalance{{asset="{}",counter="{}"}}'.format
    other = {"posted": "pending", "pending": "posted"}[counter]
    found = await gathered(market.db)
    assert {found[name(a, c)] for a in ("USD", "SPARK") for c in (counter, other)} == {0}
    change = f"UPDATE ledger_account SET {column} = {column} + :more WHERE owner_id = :user"
    await market.run(change, user=user, more=7)
    found = await gathered(market.db)
    assert (found[name("USD", counter)], found[name("USD", other)]) == (expected, 0)
    assert found[name("EUR", counter)] == 0
    await market.run(change, user=user, more=-7)
    assert (await gathered(market.db))[name("USD", counter)] == 0


async def test_supply_stands_beside_its_cap(market):
    mint = Transfer(
        debit=platform("ISSUANCE", "SPARK"),
        credit=user_account(market.buyers[0], "SPARK"),
        amount_minor=2_500_000,
        code="MINT",
    )
    await move(market, mint, deposit(market.buyers[0], 500))
    found = await gathered(market.db)
    assert found['mela_ledger_supply{asset="SPARK"}'] == 2_500_000
    assert found['mela_ledger_supply_cap{asset="SPARK"}'] == 1e15
    assert 'mela_ledger_supply{asset="USD"}' not in found
    await market.run("UPDATE ledger_asset SET supply_cap_minor = NULL")
    assert (await gathered(market.db))['mela_ledger_supply_cap{asset="SPARK"}'] == float("inf")


async def test_holds_are_counted_and_the_overdue_one_is_timed(market):
    found = await gathered(market.db)
    names = ("holds", "oldest_hold_seconds", "hold_overdue_seconds")
    assert [found[f"mela_ledger_{name}"] for name in names] == [0, 0, 0]
    user = market.buyers[0]
    await move(market, deposit(user, 1_000), withdrawal(user, 10, pending=True))
    await move(market, withdrawal(user, 10, pending=True))
    found = await gathered(market.db)
    assert found["mela_ledger_holds"] == 2
    assert 0 < found["mela_ledger_oldest_hold_seconds"] < 60
    assert found["mela_ledger_hold_overdue_seconds"] == 0
    await market.run(
        "UPDATE ledger_hold SET expires_at = clock_timestamp() - interval '90 seconds'"
        " WHERE transfer_id = (SELECT transfer_id FROM ledger_hold LIMIT 1)"
    )
    assert 90 <= (await gathered(market.db))["mela_ledger_hold_overdue_seconds"] < 150


async def test_overdue_lots_show_until_they_are_closed(market):
    late, later, _ = [await market.lot(ends_in_s=3600) for _ in range(3)]
    await market.lot(starts_in_s=-7200, ends_in_s=-60, status="SCHEDULED")
    assert (await gathered(market.db))["mela_auctions_overdue"] == 1
    await market.pass_end(late, later)
    found = await gathered(market.db)
    assert found["mela_auctions_overdue"] == 3
    assert 60 <= found["mela_auctions_overdue_seconds"] < 120
    await sweep_auctions(market.db)
    found = await gathered(market.db)
    assert (found["mela_auctions_overdue"], found["mela_auctions_overdue_seconds"]) == (0, 0)


async def test_lot_sold_without_an_order_shows(market):
    name = "mela_auctions_sold_without_order"
    sold = await market.lot(ends_in_s=3600)
    await market.bid(sold, 700)
    await market.pass_end(sold)
    await sweep_auctions(market.db)
    assert (await market.auction(sold)).status == "SOLD"
    # Opened by hand, without a unit of stock: such a lot is from before there were orders.
    await market.run("DELETE FROM sale_order")
    assert (await gathered(market.db))[name] == 0
    await market.run("UPDATE auction SET stock_reserved = true WHERE id = :id", id=sold)
    assert (await gathered(market.db))[name] == 1


async def test_pending_payments_and_the_logs_lag_are_counted_and_timed(market):
    user = market.buyers[0]
    before = (await gathered(market.db))["mela_ledger_unsequenced_transfers"]
    await move(market, deposit(user, 10), deposit(user, 20))
    for minutes in (5, 7):
        await market.run(
            "INSERT INTO payment (id, user_id, direction, asset, amount_minor, provider,"
            " created_at) VALUES (:id, :user, 'DEPOSIT', 'USD', 5, 'x',"
            " clock_timestamp() - make_interval(mins => :minutes))",
            id=new_id(),
            user=user,
            minutes=minutes,
        )
    found = await gathered(market.db)
    assert found["mela_payments_pending"] == 2
    assert 420 <= found["mela_payments_pending_oldest_seconds"] < 480
    assert found["mela_ledger_unsequenced_transfers"] == before + 2
    assert 0 < found["mela_ledger_unsequenced_oldest_seconds"] < 60


@contextmanager
def statements_of(db):
    sent = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", before)
    yield sent
    event.remove(db.engine.sync_engine, "before_cursor_execute", before)


async def test_each_check_is_one_bounded_statement(market):
    for check in CHECKS:
        with statements_of(market.db) as sent:
            await gather(market.db, Gatherer(), checks=[check])
        assert ["statement_timeout" in said for said in sent] == [True, False], check.name


async def test_slow_check_is_cut_off_and_the_others_go_on(market, monkeypatch):
    async def slow(tx):
        await tx.execute(SLOW)
        return []

    monkeypatch.setattr(health, "STATEMENT_TIMEOUT_S", 0.2)
    gatherer = Gatherer()
    began = time.monotonic()
    found = await gathered(market.db, checks=[Check("slow", slow), *CHECKS], gatherer=gatherer)
    assert time.monotonic() - began < 5
    assert gatherer.failing == {"slow"}
    age = 'mela_health_gathered_seconds_ago{{check="{}"}}'.format
    assert found[age("slow")] >= 0.2
    assert found[age("orders")] < found[age("slow")]


async def test_checks_keep_their_own_pace(market):
    made = []

    def check(name, every_s):
        async def look(tx):
            made.append(name)
            return []

        return Check(name, look, every_s=every_s)

    checks, gatherer = [check("often", 1.0), check("seldom", 3600.0)], Gatherer()
    for _ in range(3):
        await gather(market.db, gatherer, every_s=0.001, checks=checks)
        await asyncio.sleep(0.002)
    assert (made.count("often"), made.count("seldom")) == (3, 1)


@pytest.fixture
def freeze():
    """`freeze(pid, signal)`: the whole of a server's processes; they go on after the test."""
    stopped = []

    def send(pid, number):
        server = psutil.Process(pid)
        for process in (server, *server.children(recursive=True)):
            process.send_signal(number)
            if number == signal.SIGSTOP:
                stopped.append(process)

    yield send
    for process in stopped:
        process.resume()


@pytest.mark.parametrize("outage", [signal.SIGSTOP, signal.SIGKILL], ids=["hangs", "is gone"])
async def test_scrape_answers_at_once_while_the_database_is_down(
    private_servers, freeze, eventually, outage
):
    url = private_servers.database_url
    await upgrade(url)
    db = Database(url, pool=PoolSettings(maximum=2, pool_timeout_s=1, statement_timeout_s=5))
    transport = httpx.ASGITransport(Starlette(routes=metrics_routes()))
    age = 'mela_health_gathered_seconds_ago{check="auctions"}'

    async def scrape():
        began = time.monotonic()
        answer = await client.get("/metrics")
        took_s = time.monotonic() - began
        assert answer.status_code == 200
        return took_s, read(answer.text)

    async def fresh():
        return (await scrape())[1].get(age, 99) < 0.4

    async with httpx.AsyncClient(transport=transport, base_url="http://m") as client:
        async with run_health(db, every_s=0.1):
            await asyncio.sleep(0.5)
            await eventually(fresh)
            await asyncio.to_thread(freeze, private_servers.postgres_pid, outage)
            ages = []
            for _ in range(8):
                took_s, found = await scrape()
                assert took_s < 1
                assert found["mela_auctions_overdue"] == 0  # the last word, with its age beside it
                ages.append(found[age])
                await asyncio.sleep(0.25)
            assert ages == sorted(ages)
            assert ages[-1] > 1
            began = time.monotonic()
        assert time.monotonic() - began < 3
    if outage == signal.SIGKILL:
        await db.close()
