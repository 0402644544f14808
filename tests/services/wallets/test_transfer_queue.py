"""Transfers of many people at once through the queue: together, each with its own answer."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from core.database import Database
from core.errors import IdempotencyConflict, InvalidInput, NotFound, Unavailable
from core.ids import new_id
from services.wallets.errors import InsufficientFunds
from services.wallets.queue import TransferQueue
from services.wallets.transfers import Leg, transfer_request


def request(payer, *legs, key=None):
    return transfer_request(
        payer_id=payer,
        legs=[Leg(payee, "USD", amount) for payee, amount in legs],
        idempotency_key=key or new_id().hex,
    )


@pytest.fixture
async def queue(db):
    made = TransferQueue(db, takers=1)
    yield made
    await made.close()


@asynccontextmanager
async def held(db, money, user):
    """Somebody else holds the account's lock: who is taken first must wait, and others join."""
    account = await money.account(user)
    async with db.engine.connect() as connection:
        await connection.execute(
            text("SELECT 1 FROM ledger_account WHERE id = :id FOR UPDATE"), {"id": account.id}
        )
        yield


async def until_in_line(queue, count):
    async with asyncio.timeout(5):
        while len(queue._line) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def together(queue, db, money, first, requests):
    """The outcomes of `requests`, which waited in line while `first` was being taken."""
    payer = first.idempotency.user_id
    async with held(db, money, payer):
        head = asyncio.create_task(queue.transfer(first))
        await asyncio.sleep(0)
        await until_in_line(queue, 0)
        rest = [asyncio.create_task(queue.transfer(each)) for each in requests]
        await until_in_line(queue, len(rest))
    await head
    return await asyncio.gather(*rest, return_exceptions=True)


async def log_transactions(money, ids):
    """How many transactions wrote these transfers."""
    rows = await money.read(
        "SELECT DISTINCT transaction_id FROM transfer WHERE id = ANY (:ids)", ids=ids
    )
    return len(rows)


async def test_those_who_wait_share_a_transaction_and_are_told_in_it(db, money, queue):
    ada, ben, cy = [await money.user(USD=100) for _ in range(3)]
    outcomes = await together(
        queue,
        db,
        money,
        request(ada, (ben, 1)),
        [request(ada, (ben, 10)), request(ben, (cy, 105)), request(cy, (ada, 7), (ben, 3))],
    )
    assert [[w.entry.amount_minor for w in paid] for paid in outcomes] == [[10], [105], [7, 3]]
    assert await log_transactions(money, [w.id for paid in outcomes for w in paid]) == 1
    assert [await money.state(u) for u in (ada, ben, cy)] == [(96, 0), (9, 0), (195, 0)]
    told = [e for e in db.published if e.payload["transfer"] == outcomes[1][0].id.hex]
    assert {(e.topic, e.payload["balance"]) for e in told} == {
        (f"user:{ben.hex}", 6),
        (f"user:{cy.hex}", 205),
    }
    await money.check()


async def test_refused_one_moves_nothing_and_spoils_nobody_elses(db, money, queue):
    ada, ben = [await money.user(USD=100) for _ in range(2)]
    poor, key = await money.user(USD=5), "again"
    outcomes = await together(
        queue,
        db,
        money,
        request(ada, (ben, 1)),
        [
            request(poor, (ben, 3), (ada, 3), key=key),
            request(ada, (ben, 2)),
            request(ada, (new_id(), 2)),
            request(ada, (ada, 2)),
        ],
    )
    assert [type(o) for o in outcomes] == [InsufficientFunds, list, NotFound, InvalidInput]
    assert [await money.state(u) for u in (ada, ben, poor)] == [(97, 0), (103, 0), (5, 0)]
    await money.give(poor, 1)
    assert len(await queue.transfer(request(poor, (ben, 3), (ada, 3), key=key))) == 2
    assert await money.state(poor) == (0, 0)
    await money.check()


async def test_same_key_twice_in_line_pays_once(db, money, queue):
    ada, ben = [await money.user(USD=100) for _ in range(2)]
    outcomes = await together(
        queue,
        db,
        money,
        request(ada, (ben, 1)),
        [request(ada, (ben, 20), key="rent"), request(ada, (ben, 20), key="rent")],
    )
    assert outcomes[0] == outcomes[1]
    again = await queue.transfer(request(ada, (ben, 20), key="rent"))
    assert [w.entry for w in again] == [w.entry for w in outcomes[0]]
    assert [await money.state(u) for u in (ada, ben)] == [(79, 0), (121, 0)]
    await money.check()


async def test_one_key_for_two_things_in_line_is_one_transfer_and_one_conflict(db, money, queue):
    ada, ben = [await money.user(USD=100) for _ in range(2)]
    outcomes = await together(
        queue,
        db,
        money,
        request(ada, (ben, 1)),
        [
            request(ada, (ben, 20), key="rent"),
            request(ada, (ben, 21), key="rent"),
            request(ben, (ada, 2)),
        ],
    )
    assert [type(o) for o in outcomes] == [list, IdempotencyConflict, list]
    assert [await money.state(u) for u in (ada, ben)] == [(81, 0), (119, 0)]
    await money.check()


async def test_racing_retries_through_two_processes_pay_once(db, money, database_url):
    ada, ben = await money.user(USD=100), await money.user()
    other = Database(database_url)
    queues = [TransferQueue(db), TransferQueue(other)]
    same = [queues[n % 2].transfer(request(ada, (ben, 60), key="once")) for n in range(12)]
    outcomes = await asyncio.gather(*same)
    assert len({paid[0].id for paid in outcomes}) == 1
    assert [await money.state(u) for u in (ada, ben)] == [(40, 0), (60, 0)]
    for each in queues:
        await each.close()
    await other.close()
    await money.check()


async def test_a_batch_changes_no_more_wallets_than_are_told_in_its_transaction(db, money, queue):
    people = [await money.user(USD=100) for _ in range(14)]
    pairs = [request(people[n], (people[n + 1], 1)) for n in range(0, 14, 2)]
    outcomes = await together(queue, db, money, request(people[0], (people[1], 1)), pairs)
    assert await log_transactions(money, [paid[0].id for paid in outcomes]) == 2
    assert await money.count("pgqueuer") == 0
    assert len(db.published) == 14 + 2 * 8  # each was given money, then two told of each transfer


async def test_hundreds_at_once_lose_nothing(db, money):
    people = [await money.user(USD=1_000) for _ in range(12)]
    queue = TransferQueue(db)
    moves = [(people[n % 12], people[(n * 7 + 1 + n // 12) % 12], n % 40 + 1) for n in range(300)]
    outcomes = await asyncio.gather(
        *(queue.transfer(request(a, (b, amount))) for a, b, amount in moves),
        return_exceptions=True,
    )
    await queue.close()
    expected = dict.fromkeys(people, 1_000)
    for (a, b, amount), outcome in zip(moves, outcomes, strict=True):
        if isinstance(outcome, list):
            expected[a] -= amount
            expected[b] += amount
        else:
            assert type(outcome) is (InvalidInput if a == b else InsufficientFunds)
    assert {p: (await money.state(p))[0] for p in people} == expected
    await money.check()


async def test_full_line_and_closed_queue_refuse_and_what_waits_is_answered(db, money):
    ada, ben = [await money.user(USD=100) for _ in range(2)]
    queue = TransferQueue(db, takers=1, capacity=1)
    async with held(db, money, ada):
        tasks = [asyncio.create_task(queue.transfer(request(ada, (ben, 1))))]
        await asyncio.sleep(0)
        await until_in_line(queue, 0)
        tasks.append(asyncio.create_task(queue.transfer(request(ada, (ben, 2)))))
        await until_in_line(queue, 1)
        with pytest.raises(Unavailable):
            await queue.transfer(request(ada, (ben, 4)))
        closing = asyncio.create_task(queue.close())
    assert [len(paid) for paid in await asyncio.gather(*tasks)] == [1, 1]
    await closing
    with pytest.raises(Unavailable):
        await queue.transfer(request(ada, (ben, 8)))
    assert await money.state(ada) == (97, 0)
