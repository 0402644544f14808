"""Payments that nobody has heard of for too long: asked about again, resolved once, never lost."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest
from sqlalchemy import text

from core.database import Database
from core.ids import decode_id, new_id
from core.ports import PaymentReply
from core.settings import Settings
from jobs import wallets as jobs
from jobs.schedule import ASK_PAYMENTS, EVERY_MINUTE
from jobs.wallets import ask_about_stuck_payments
from jobs.worker import run_worker
from services.wallets import accounts, payments
from services.wallets.payments import make_payment, payment_request, take_message

AFTER_S = 300
AGE = text("UPDATE payment SET created_at = created_at - make_interval(secs => :seconds)")
DUE = text("UPDATE payment SET ask_again_at = clock_timestamp() WHERE ask_again_at IS NOT NULL")


class Desk:
    """A provider that is down until it is told what to say: by order, or to all (`says`). It counts
    how often it was asked for each order, and may be made to wait before it answers."""

    name = "desk"

    def __init__(self):
        self.says = None
        self.by_order = {}
        self.asked = {}
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.at_once = self.most_at_once = 0

    async def deposit(self, order):
        self.asked[order.id] = self.asked.get(order.id, 0) + 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.arrived.set()
        try:
            await asyncio.sleep(0)
            await self.go.wait()
        finally:
            self.at_once -= 1
        said = self.by_order.get(order.id, self.says)
        if said is None:
            raise ConnectionError("the desk is closed")
        return said

    withdraw = deposit


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def stuck(db, money, desk):
    """`await stuck(user, amount, direction)`: a payment of 10 minutes ago that the desk never
    answered."""

    async def make(user, amount=500, direction="DEPOSIT", *, age_s=600):
        request = payment_request(
            user_id=user,
            direction=direction,
            asset="USD",
            amount_minor=amount,
            idempotency_key=new_id().hex,
        )
        said, desk.says = desk.says, None
        payment = await make_payment(db, desk, request)
        desk.says = said
        assert payment.status == "PENDING"
        desk.asked.clear()
        desk.arrived.clear()
        await money.do(
            text(
                "UPDATE payment SET created_at = created_at - make_interval(secs => :seconds)"
                " WHERE id = :id"
            ),
            {"seconds": age_s, "id": payment.id},
        )
        return payment

    return make


@pytest.fixture
def sweep(db, desk):
    return partial(ask_about_stuck_payments, db, desk, after_s=AFTER_S)


async def statuses(money):
    return [row.status for row in await money.read("SELECT status FROM payment ORDER BY id")]


async def test_stuck_payments_are_settled_when_the_provider_says_so(money, desk, stuck, sweep):
    ada = await money.user(USD=900)
    await stuck(ada, 500)
    await stuck(ada, 400, "WITHDRAWAL")
    assert await money.state(ada) == (900, 400)
    desk.says = PaymentReply("SETTLED", "d-1")
    assert await sweep() == {"settled": 2}
    assert await money.state(ada) == (1_000, 0)
    rows = await money.read("SELECT status, provider_reference FROM payment")
    assert rows == [("SETTLED", "d-1")] * 2
    assert await sweep() == {}
    assert set(desk.asked.values()) == {1}
    await money.check()


async def test_failed_withdrawal_gives_the_hold_back(db, money, desk, stuck, sweep):
    ada = await money.user(USD=900)
    await stuck(ada, 400, "WITHDRAWAL")
    await stuck(ada, 50)
    desk.says = PaymentReply("FAILED")
    assert await sweep() == {"failed": 2}
    assert await money.state(ada) == (900, 0)
    assert await statuses(money) == ["FAILED", "FAILED"]
    assert await money.count("ledger_hold") == 0
    kinds = [row.kind for row in await money.read("SELECT kind FROM transfer ORDER BY row_id")]
    assert kinds == ["SINGLE", "PENDING", "VOID"]
    await money.check()


async def test_young_payments_and_those_of_other_providers_are_left_alone(
    db, money, desk, stuck, sweep
):
    ada = await money.user()
    await stuck(ada, age_s=AFTER_S - 60)
    await stuck(ada)
    await money.do(
        text(
            "UPDATE payment SET provider = 'gone' WHERE created_at ="
            " (SELECT min(created_at) FROM payment)"
        )
    )
    desk.says = PaymentReply("SETTLED")
    assert await sweep() == {}
    assert desk.asked == {}
    assert await statuses(money) == ["PENDING", "PENDING"]


async def test_unanswered_payments_are_put_off_longer_each_time(money, desk, stuck, sweep):
    await stuck(await money.user(USD=10), 10, "WITHDRAWAL")
    waits = []
    for _ in range(6):
        assert await sweep() == {"unanswered": 1}
        assert await sweep() == {}  # not due yet
        [row] = await money.read(
            "SELECT extract(epoch FROM ask_again_at - clock_timestamp()) AS wait,"
            " times_asked_again AS times FROM payment"
        )
        waits.append((row.times, round(float(row.wait) / 60)))
        await money.do(DUE)
    assert waits == [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60)]
    assert await statuses(money) == ["PENDING"]
    assert sum(desk.asked.values()) == 6


async def test_pending_keeps_the_name_it_was_given_and_waits(money, desk, stuck, sweep):
    await stuck(await money.user())
    desk.says = PaymentReply("PENDING", "d-7")
    assert await sweep() == {"pending": 1}
    rows = await money.read("SELECT status, provider_reference, transfer_id FROM payment")
    assert rows == [("PENDING", "d-7", None)]


async def test_provider_that_is_down_is_not_asked_about_everything(money, desk, stuck, sweep):
    ada = await money.user()
    for _ in range(jobs.ASK_PAGE + 3):
        await stuck(ada, 1)
    assert await sweep() == {"unanswered": jobs.ASK_PAGE}
    assert desk.most_at_once == jobs.ASK_PAGE
    desk.says = PaymentReply("SETTLED")
    assert await sweep() == {"settled": 3}
    await money.do(DUE)
    assert await sweep() == {"settled": jobs.ASK_PAGE}
    assert await money.state(ada) == (jobs.ASK_PAGE + 3, 0)


async def test_pages_follow_one_another(money, desk, stuck, sweep):
    ada = await money.user()
    for _ in range(2 * jobs.ASK_PAGE):
        await stuck(ada, 1)
    desk.says = PaymentReply("SETTLED")
    assert await sweep(stopping=lambda: True) == {}
    assert await sweep() == {"settled": 2 * jobs.ASK_PAGE}
    assert await money.state(ada) == (2 * jobs.ASK_PAGE, 0)


async def test_racing_sweeps_ask_and_settle_once(database_url, money, desk, stuck):
    ada = await money.user()
    for _ in range(20):
        await stuck(ada, 1)
    desk.says = PaymentReply("SETTLED")
    async with AsyncExitStack() as stack:
        sweeps = []
        for _ in range(4):
            db = Database(database_url)
            stack.push_async_callback(db.close)
            sweeps.append(ask_about_stuck_payments(db, desk, after_s=AFTER_S))
        done = await asyncio.gather(*sweeps)
    assert sum(said["settled"] for said in done) == 20
    assert set(desk.asked.values()) == {1}
    assert len(desk.asked) == 20
    assert await money.state(ada) == (20, 0)
    await money.check()


def message(payment, status, id="msg_1"):
    return partial(
        take_message,
        provider="desk",
        message_id=id,
        payment_id=payment.id,
        reply=PaymentReply(status, "by webhook"),
    )


@pytest.mark.parametrize(
    ("by_webhook", "by_sweep", "expected"),
    [("SETTLED", "SETTLED", 1_400), ("SETTLED", "FAILED", 1_400), ("FAILED", "SETTLED", 900)],
)
async def test_webhook_that_comes_while_the_provider_is_asked_resolves_it_alone(
    db, money, desk, stuck, sweep, by_webhook, by_sweep, expected
):
    ada = await money.user(USD=900)
    payment = await stuck(ada, 500)
    desk.says = PaymentReply(by_sweep, "by sweep")
    desk.go.clear()
    sweeping = asyncio.create_task(sweep())
    await desk.arrived.wait()
    # The sweep holds no lock while it waits for its answer.
    async with asyncio.timeout(5):
        assert await db.transaction(message(payment, by_webhook)) is True
    before = await money.count()
    desk.go.set()
    assert await sweeping == {by_sweep.lower(): 1}
    assert await money.state(ada) == (expected, 0)
    assert await money.count() == before
    rows = await money.read("SELECT status, provider_reference FROM payment")
    assert rows == [(by_webhook, "by webhook")]


async def test_webhook_after_the_sweep_changes_nothing(db, money, desk, stuck, sweep):
    ada = await money.user(USD=900)
    payment = await stuck(ada, 400, "WITHDRAWAL")
    desk.says = PaymentReply("FAILED")
    await sweep()
    for n, status in enumerate(("FAILED", "SETTLED", "SETTLED")):
        await db.transaction(message(payment, status, f"msg_{n}"))
    assert await money.state(ada) == (900, 0)
    assert await statuses(money) == ["FAILED"]
    await money.check()


async def test_webhooks_and_sweeps_at_once_resolve_each_payment_once(db, money, desk, stuck, sweep):
    ada = await money.user(USD=1_000)
    made = [await stuck(ada, 10, "WITHDRAWAL") for _ in range(10)]
    desk.says = PaymentReply("SETTLED")
    hooks = [db.transaction(message(p, "FAILED", p.id.hex)) for p in made]
    await asyncio.gather(sweep(), sweep(), *hooks)
    ended = await statuses(money)
    assert set(ended) <= {"SETTLED", "FAILED"}
    assert await money.state(ada) == (1_000 - 10 * ended.count("SETTLED"), 0)
    assert await money.count("ledger_hold") == 0
    await money.check()


async def test_answer_that_never_comes_is_not_waited_for(money, desk, stuck, sweep, monkeypatch):
    monkeypatch.setattr(payments, "PROVIDER_TIMEOUT_S", 0.1)
    ada = await money.user(USD=50)
    await stuck(ada, 50, "WITHDRAWAL")
    desk.says = PaymentReply("SETTLED")
    desk.go.clear()
    async with asyncio.timeout(5):
        assert await sweep() == {"unanswered": 1}
    assert await money.state(ada) == (50, 50)
    desk.go.set()
    await money.do(DUE)
    assert await sweep() == {"settled": 1}
    assert await money.state(ada) == (0, 0)


async def test_payment_that_cannot_be_resolved_does_not_stop_the_others(
    db, money, desk, stuck, sweep
):
    ada, ben = await money.user(), await money.user()
    lost, paid = await stuck(ada, 5), await stuck(ben, 7)
    account = await money.account(ada)
    await db.transaction(partial(accounts.close_account, account_id=account.id, actor_id=ada))
    desk.says = PaymentReply("SETTLED")
    assert await sweep() == {"refused": 1, "settled": 1}
    rows = await money.read("SELECT id, status FROM payment")
    assert dict(row for row in rows) == {lost.id: "PENDING", paid.id: "SETTLED"}
    assert await money.state(ben) == (7, 0)


async def test_what_was_begun_by_a_process_that_died_before_asking_is_carried_out(
    db, money, desk, sweep
):
    ada = await money.user(USD=100)
    request = payment_request(
        user_id=ada, direction="WITHDRAWAL", asset="USD", amount_minor=60, idempotency_key="k"
    )
    payment = await db.transaction(partial(payments._begin, request=request, provider="desk"))
    await money.do(AGE, {"seconds": 600})
    desk.says = PaymentReply("SETTLED")
    assert await sweep() == {"settled": 1}
    [order] = desk.asked
    assert decode_id(order, "pay") == payment.id
    assert await money.state(ada) == (40, 0)
    again = await make_payment(db, desk, request)
    assert (again.id, again.status) == (payment.id, "SETTLED")
    assert desk.asked == {order: 1}


async def test_worker_asks_when_its_minute_has_come(db, money, desk, stuck, database_url):
    ada = await money.user()
    await stuck(ada, 500)
    desk.says = PaymentReply("SETTLED")
    settings = Settings(profile="test", payment_ask_again_s=AFTER_S)
    # As an earlier worker left it: its schedule, and the next run's time come.
    schedule = text(
        "INSERT INTO pgqueuer_schedules (expression, next_run, entrypoint)"
        " VALUES (:expression, now(), :name)"
    )
    await money.do(schedule, {"expression": EVERY_MINUTE, "name": ASK_PAYMENTS})
    async with run_worker(settings, db, database_url, payments=desk) as worker:
        async with asyncio.timeout(20):
            while not worker.runs[ASK_PAYMENTS, "ok"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    assert await money.state(ada) == (500, 0)
