"""Many at once: nothing is lost, nothing is half done, and a batch is worth its while."""

import asyncio
import random
import time
from functools import partial

from core.errors import DomainError
from core.ids import new_id
from services.wallets.errors import InsufficientFunds
from services.wallets.ledger import apply_transfers, transfer_all
from services.wallets.terms import Post, Transfer, Void, escrow, user_account

TASKS = 50
ACCOUNTS = 20
EACH = 8
FUNDS = 1_000


def pay(payer, payee, amount, **more):
    return Transfer(
        debit=user_account(payer, "USD"),
        credit=user_account(payee, "USD"),
        amount_minor=amount,
        code="TRANSFER",
        **more,
    )


async def test_fifty_tasks_among_twenty_accounts_lose_nothing(db, money):
    users = [await money.user(USD=FUNDS) for _ in range(ACCOUNTS)]
    lot, before = new_id(), await money.count()
    acknowledged = []

    async def apply(*steps):
        outcomes = await db.transaction(partial(apply_transfers, steps=steps))
        acknowledged.extend(o for o in outcomes if not isinstance(o, DomainError))
        return outcomes

    async def move_at_random(seed):
        chance = random.Random(seed)
        for _ in range(EACH):
            a, b, c = chance.sample(users, 3)
            amount = chance.randint(1, FUNDS)
            match chance.randrange(3):
                case 0:
                    await apply(pay(a, b, amount))
                case 1:
                    await apply(pay(a, b, amount, linked=True), pay(b, c, amount + 1))
                case _:
                    held = Transfer(
                        debit=user_account(a, "USD"),
                        credit=escrow(lot, "USD"),
                        amount_minor=amount,
                        code="BID",
                        pending=True,
                    )
                    [outcome] = await apply(held)
                    if not isinstance(outcome, DomainError):
                        part = chance.randint(1, amount)
                        post = Post(hold_id=held.id, amount_minor=part)
                        await apply(chance.choice([post, Void(hold_id=held.id)]))

    await asyncio.gather(*(move_at_random(seed) for seed in range(TASKS)))
    await money.check()
    rows = await money.read("SELECT id FROM transfer ORDER BY row_id OFFSET :n", n=before)
    assert {row.id for row in rows} == {entry.id for entry in acknowledged}
    assert len(rows) > TASKS
    states = [await money.state(user) for user in users]
    assert all(held == 0 for _, held in states)
    escrowed, _ = await money.state(lot, kind="ESCROW")
    assert sum(balance for balance, _ in states) + escrowed == ACCOUNTS * FUNDS


async def test_last_amount_is_spent_once_whoever_races(db, money):
    ada = await money.user(USD=100)
    others = [await money.user() for _ in range(10)]
    racers = [db.transaction(partial(transfer_all, steps=[pay(ada, o, 100)])) for o in others]
    outcomes = await asyncio.gather(*racers, return_exceptions=True)
    assert sum(isinstance(outcome, InsufficientFunds) for outcome in outcomes) == 9
    assert await money.state(ada) == (0, 0)


async def test_first_transfers_to_one_new_user_share_one_account(db, money):
    payers = [await money.user(USD=10) for _ in range(8)]
    newcomer = await money.user()
    racers = [db.transaction(partial(transfer_all, steps=[pay(p, newcomer, 10)])) for p in payers]
    await asyncio.gather(*racers)
    assert await money.state(newcomer) == (80, 0)
    await money.check()


async def test_balances_after_are_those_of_the_log(db, money):
    """Each row's balance is the one before it plus its amount, in the order of the rows."""
    users = [await money.user(USD=FUNDS) for _ in range(4)]
    chance = random.Random(7)
    moves = [pay(*chance.sample(users, 2), chance.randint(1, 50)) for _ in range(60)]
    await asyncio.gather(
        *(db.transaction(partial(transfer_all, steps=moves[i : i + 3])) for i in range(0, 60, 3))
    )
    account = (await money.account(users[0])).id
    rows = await money.read(
        "SELECT CASE WHEN debit_account_id = :a THEN -amount_minor ELSE amount_minor END AS moved,"
        " CASE WHEN debit_account_id = :a THEN debit_balance_after ELSE credit_balance_after END"
        " AS after FROM transfer WHERE :a IN (debit_account_id, credit_account_id)"
        " ORDER BY row_id",
        a=account,
    )
    balance = 0
    for row in rows:
        balance += row.moved
        assert row.after == balance


async def test_batches_move_ten_times_as_fast_as_single_transfers(db, money):
    users = [await money.user(USD=10**9) for _ in range(ACCOUNTS)]
    chance = random.Random(3)

    async def rate(batches, size):
        began = time.perf_counter()
        for _ in range(batches):
            steps = [pay(*chance.sample(users, 2), 1) for _ in range(size)]
            await db.transaction(partial(transfer_all, steps=steps))
        return batches * size / (time.perf_counter() - began)

    await rate(10, 1)
    await rate(1, 500)
    single, batched = await rate(50, 1), await rate(4, 500)
    assert batched >= 10 * single
