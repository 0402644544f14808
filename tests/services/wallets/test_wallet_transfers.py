"""Transfers, holds and chains against a real database: what they move, and what refuses them."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.errors import Forbidden, IdempotencyConflict, InvalidInput, NotFound
from core.ids import new_id
from core.money import INT64_MAX
from jobs.wallets import tell_wallets_of
from services.wallets import accounts, funds
from services.wallets.errors import (
    AccountClosed,
    AccountFrozen,
    AssetMismatch,
    HoldAlreadyResolved,
    InsufficientFunds,
    SupplyCapExceeded,
)
from services.wallets.ledger import apply_transfers, hold, post_hold, release, transfer_all
from services.wallets.terms import Transfer, escrow, platform, user_account
from services.wallets.transfers import Leg

CAP = 1_000_000_000 * 10**6


def pay(payer, payee, amount, asset="USD", **more):
    return Transfer(
        debit=user_account(payer, asset),
        credit=user_account(payee, asset),
        amount_minor=amount,
        code="TRANSFER",
        **more,
    )


def put_aside(payer, lot, amount, **more):
    return Transfer(
        debit=user_account(payer, "USD"),
        credit=escrow(lot, "USD"),
        amount_minor=amount,
        code="BID",
        pending=True,
        **more,
    )


async def apply(db, *steps):
    return await db.transaction(partial(apply_transfers, steps=steps))


async def do(db, service, *args, **named):
    return await db.transaction(lambda tx: service(tx, *args, **named))


async def test_transfer_moves_the_amount_and_tells_both_balances_after_it(db, money):
    ada, ben = await money.user(USD=1_000), await money.user()
    [written] = await do(db, transfer_all, [pay(ada, ben, 300)])
    assert (written.entry.debit_balance_after, written.entry.credit_balance_after) == (700, 300)
    assert [await money.state(user) for user in (ada, ben)] == [(700, 0), (300, 0)]
    told = [event for event in db.published if event.payload["transfer"] == written.id.hex]
    assert {(e.topic, e.type, e.payload["side"], e.payload["balance"]) for e in told} == {
        (f"user:{ada.hex}", "WalletChanged", "DEBIT", 700),
        (f"user:{ben.hex}", "WalletChanged", "CREDIT", 300),
    }
    await money.check()


async def test_overdraft_is_refused_and_nothing_moves_or_is_told(db, money):
    ada, ben = await money.user(USD=100), await money.user()
    count, told = await money.count(), len(db.published)
    with pytest.raises(InsufficientFunds) as refused:
        await do(db, transfer_all, [pay(ada, ben, 60), pay(ada, ben, 60)])
    assert (refused.value.available_minor, refused.value.required_minor) == (40, 60)
    assert (await money.count(), len(db.published)) == (count, told)
    assert await money.state(ada) == (100, 0)


async def test_each_of_a_batch_has_its_own_outcome(db, money):
    ada, ben = await money.user(USD=100), await money.user()
    outcomes = await apply(
        db, pay(ada, ben, 60), pay(ada, ben, 60), pay(ada, ben, 40), pay(ben, ada, 1)
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Entry",
        "InsufficientFunds",
        "Entry",
        "Entry",
    ]
    assert [await money.state(user) for user in (ada, ben)] == [(1, 0), (99, 0)]
    await money.check()


async def test_linked_transfers_stand_or_fall_together(db, money):
    ada, ben, cy = await money.user(USD=100), await money.user(), await money.user()
    outcomes = await apply(
        db,
        pay(ada, ben, 50, linked=True),
        pay(ben, cy, 80, linked=True),
        pay(cy, ada, 1),
        pay(ada, cy, 100, linked=True),
        pay(cy, ben, 30),
    )
    assert [type(outcome) for outcome in outcomes[:3]] == [InsufficientFunds] * 3
    assert [await money.state(user) for user in (ada, ben, cy)] == [(0, 0), (30, 0), (70, 0)]
    with pytest.raises(InvalidInput):
        await apply(db, pay(cy, ada, 1, linked=True))
    await money.check()


async def test_accounts_of_one_asset_only(db, money):
    ada = await money.user(USD=100, EUR=100)
    mixed = Transfer(
        debit=user_account(ada, "USD"),
        credit=platform("FEES", "EUR"),
        amount_minor=1,
        code="FEE",
    )
    with pytest.raises(AssetMismatch):
        await do(db, transfer_all, [mixed])


@pytest.mark.parametrize("amount", [0, -1, INT64_MAX + 1])
async def test_amounts_are_positive_and_fit_in_64_bits(db, money, amount):
    ada, ben = await money.user(USD=100), await money.user()
    with pytest.raises(InvalidInput):
        await do(db, transfer_all, [pay(ada, ben, amount)])


async def test_nobody_pays_themselves_or_a_stranger(db, money):
    ada = await money.user(USD=100)
    with pytest.raises(InvalidInput):
        await do(db, transfer_all, [pay(ada, ada, 1)])
    with pytest.raises(NotFound):
        await do(db, transfer_all, [pay(ada, new_id(), 1)])
    assert await money.state(ada) == (100, 0)


async def test_hold_is_posted_in_part_and_the_rest_released(db, money):
    ada, lot = await money.user(USD=1_000), new_id()
    held = await do(db, hold, put_aside(ada, lot, 600))
    assert await money.state(ada) == (1_000, 600)
    with pytest.raises(InsufficientFunds):
        await do(db, transfer_all, [pay(ada, await money.user(), 401)])
    await do(db, post_hold, held.id, 250)
    assert await money.state(ada) == (750, 0)
    assert await money.state(lot, kind="ESCROW") == (250, 0)
    await money.check()


async def test_hold_is_resolved_once(db, money):
    ada, lot = await money.user(USD=1_000), new_id()
    held = await do(db, hold, put_aside(ada, lot, 600))
    await do(db, release, held.id)
    with pytest.raises(HoldAlreadyResolved) as refused:
        await do(db, post_hold, held.id)
    assert refused.value.resolution == "VOID"
    with pytest.raises(NotFound):
        await do(db, release, new_id())
    [paid] = await do(db, transfer_all, [pay(ada, await money.user(), 1)])
    with pytest.raises(NotFound):  # a transfer, and no hold
        await do(db, release, paid.id)
    assert await money.state(ada) == (999, 0)


async def test_more_than_is_held_cannot_be_posted(db, money):
    held = await do(db, hold, put_aside(await money.user(USD=100), new_id(), 60))
    with pytest.raises(InvalidInput):
        await do(db, post_hold, held.id, 61)


async def test_racing_resolutions_of_one_hold_make_one(db, money):
    ada = await money.user(USD=100)
    held = await do(db, hold, put_aside(ada, new_id(), 60))
    racers = [do(db, post_hold, held.id, 10), *(do(db, release, held.id) for _ in range(5))]
    outcomes = await asyncio.gather(*racers, return_exceptions=True)
    lost = [o for o in outcomes if isinstance(o, HoldAlreadyResolved)]
    assert len(lost) == 5
    assert await money.state(ada) in [(90, 0), (100, 0)]
    await money.check()


async def test_expired_holds_are_released_by_the_job_and_not_before(db, money):
    ada, lot, now = await money.user(USD=100), new_id(), datetime.now(UTC)
    gone = await do(db, hold, put_aside(ada, lot, 30, expires_at=now - timedelta(seconds=1)))
    stays = await do(db, hold, put_aside(ada, lot, 20, expires_at=now + timedelta(hours=1)))
    with pytest.raises(HoldAlreadyResolved) as refused:
        await do(db, post_hold, gone.id)
    assert refused.value.resolution == "EXPIRE"
    found = await asyncio.gather(*(do(db, accounts.expire_holds, limit=10) for _ in range(3)))
    assert max(found) == 1
    assert await money.state(ada) == (100, 20)
    rows = await money.read("SELECT kind, pending_id FROM transfer WHERE kind = 'EXPIRE'")
    assert rows == [("EXPIRE", gone.id)]
    await do(db, post_hold, stays.id)
    await money.check()


async def test_supply_is_capped(db, money):
    ada = await money.user()
    mint = partial(funds.mint_tokens, actor_id=ada, to_user_id=ada, asset="SPARK")
    await do(db, mint, amount_minor=CAP - 5, idempotency_key="a")
    with pytest.raises(SupplyCapExceeded) as refused:
        await do(db, mint, amount_minor=6, idempotency_key="b")
    assert (refused.value.cap_minor, refused.value.supply_minor) == (CAP, CAP - 5)
    burn = partial(funds.burn_tokens, user_id=ada, asset="SPARK")
    await do(db, burn, amount_minor=1, idempotency_key="c")
    await do(db, mint, amount_minor=6, idempotency_key="b")
    assert await money.state(ada, "SPARK") == (CAP, 0)
    with pytest.raises(AssetMismatch):
        await do(
            db,
            funds.mint_tokens,
            actor_id=ada,
            to_user_id=ada,
            asset="USD",
            amount_minor=1,
            idempotency_key="d",
        )
    await money.check()


async def test_racing_mints_stay_below_the_cap(db, money):
    ada = await money.user(SPARK=CAP - 3)
    mint = partial(funds.mint_tokens, actor_id=ada, to_user_id=ada, asset="SPARK", amount_minor=1)
    racers = [do(db, mint, idempotency_key=str(n)) for n in range(8)]
    outcomes = await asyncio.gather(*racers, return_exceptions=True)
    assert sum(isinstance(outcome, SupplyCapExceeded) for outcome in outcomes) == 5
    assert await money.state(ada, "SPARK") == (CAP, 0)


async def test_frozen_account_pays_nothing_and_receives(db, money):
    ada, ben, lot = await money.user(USD=1_000), await money.user(USD=10), new_id()
    first, second = [await do(db, hold, put_aside(ada, lot, 100)) for _ in range(2)]
    account = await money.account(ada)
    freeze = partial(accounts.freeze_account, account_id=account.id, actor_id=ben, reason="fraud")
    assert [await do(db, freeze), await do(db, freeze)] == [True, False]
    with pytest.raises(AccountFrozen):
        await do(db, transfer_all, [pay(ada, ben, 1)])
    with pytest.raises(AccountFrozen):
        await do(db, hold, put_aside(ada, lot, 1))
    await do(db, transfer_all, [pay(ben, ada, 10)])
    await do(db, release, first.id)
    await do(db, post_hold, second.id)  # given before the freeze: a lot must get to close
    assert await money.state(ada) == (910, 0)
    unfreeze = partial(accounts.unfreeze_account, account_id=account.id, actor_id=ben)
    await do(db, unfreeze, reason="cleared")
    await do(db, transfer_all, [pay(ada, ben, 910)])
    kinds = await money.read("SELECT kind FROM security_event ORDER BY at")
    assert [row.kind for row in kinds] == ["LEDGER_ACCOUNT_FROZEN", "LEDGER_ACCOUNT_UNFROZEN"]


async def test_closed_account_takes_part_in_nothing(db, money):
    ada, ben = await money.user(USD=10), await money.user(USD=10)
    close = partial(accounts.close_account, actor_id=ben)
    with pytest.raises(Forbidden):
        await do(db, close, account_id=(await money.account(ada)).id)
    await do(db, transfer_all, [pay(ada, ben, 10)])
    await do(db, close, account_id=(await money.account(ada)).id)
    with pytest.raises(AccountClosed):
        await do(db, transfer_all, [pay(ben, ada, 1)])


async def test_same_key_pays_once_and_answers_the_same(db, money):
    ada, ben = await money.user(USD=100), await money.user()
    transfer = partial(funds.transfer_funds, payer_id=ada, idempotency_key="rent")
    first = await do(db, transfer, legs=[Leg(ben, "USD", 60), Leg(ben, "USD", 5)])
    again = await do(db, transfer, legs=[Leg(ben, "USD", 60), Leg(ben, "USD", 5)])
    assert [w.entry for w in again] == [w.entry for w in first]
    assert [w.row_id for w in again] == [w.row_id for w in first]
    with pytest.raises(IdempotencyConflict):
        await do(db, transfer, legs=[Leg(ben, "USD", 61)])
    assert await money.state(ada) == (35, 0)


async def test_racing_retries_with_one_key_make_one_transfer(db, money):
    ada, ben = await money.user(USD=100), await money.user()
    transfer = partial(
        funds.transfer_funds, payer_id=ada, legs=[Leg(ben, "USD", 60)], idempotency_key="once"
    )
    outcomes = await asyncio.gather(*(do(db, transfer) for _ in range(10)))
    assert len({outcome[0].id for outcome in outcomes}) == 1
    assert await money.state(ada) == (40, 0)


async def test_refused_request_keeps_no_key(db, money):
    ada, ben = await money.user(USD=10), await money.user()
    transfer = partial(
        funds.transfer_funds, payer_id=ada, legs=[Leg(ben, "USD", 60)], idempotency_key="later"
    )
    with pytest.raises(InsufficientFunds):
        await do(db, transfer)
    await money.give(ada, 50)
    await do(db, transfer)
    assert await money.state(ada) == (0, 0)


async def test_many_users_are_told_by_jobs_once(db, money):
    ada = await money.user(USD=100)
    others = [await money.user() for _ in range(12)]
    before = len(db.published)
    await do(db, transfer_all, [pay(ada, other, 1) for other in others])
    assert len(db.published) == before
    jobs = await money.read("SELECT payload FROM pgqueuer WHERE entrypoint = 'tell_wallets'")
    assert len(jobs) == 2
    for row in [*jobs, *jobs]:
        await tell_wallets_of(db, row.payload)
    told = db.published[before:]
    assert len(told) == 24
    assert {event.topic for event in told} == {f"user:{u.hex}" for u in (ada, *others)}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfer SET amount_minor = amount_minor + 1",
        "UPDATE transfer SET code = 'FEE' WHERE false",
        "DELETE FROM transfer",
        "TRUNCATE transfer CASCADE",
        "DELETE FROM ledger_account",
        "TRUNCATE ledger_account CASCADE",
    ],
)
async def test_history_cannot_be_changed(db, money, statement):
    await money.user(USD=100)
    with pytest.raises(DBAPIError, match="the ledger only grows"):
        await money.do(text(statement))
    assert await money.count() == 1


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("debits_posted = debits_posted + 101", "not_overdrawn"),
        ("debits_pending = debits_pending + 101", "not_overdrawn"),
        ("debits_pending = -1", "debits_pending_not_negative"),
        ("status = 'CLOSED'", "empty_if_closed"),
    ],
)
async def test_database_refuses_what_code_would_not_do(db, money, change, constraint):
    ada = await money.user(USD=100)
    with pytest.raises(IntegrityError, match=f"ck_ledger_account_{constraint}"):
        await money.do(text(f"UPDATE ledger_account SET {change} WHERE holder_id = '{ada}'"))


async def test_database_refuses_transfers_across_assets_and_second_resolutions(db, money):
    ada = await money.user(USD=100, EUR=100)
    held = await do(db, hold, put_aside(ada, new_id(), 60))
    await do(db, release, held.id)
    row = (
        "INSERT INTO transfer (id, kind, code, debit_account_id, credit_account_id, asset,"
        " amount_minor, pending_id, debit_balance_after, debit_held_after, credit_balance_after,"
        " credit_held_after) SELECT gen_random_uuid(), {kind}, 'BID', debit_account_id,"
        " credit_account_id, {asset}, 1, {pending}, 0, 0, 0, 0 FROM transfer WHERE id = '{id}'"
    )
    across = row.format(kind="'SINGLE'", asset="'EUR'", pending="NULL", id=held.id)
    with pytest.raises(IntegrityError, match="fk_transfer_"):
        await money.do(text(across))
    second = row.format(kind="'POST'", asset="asset", pending="id", id=held.id)
    with pytest.raises(IntegrityError, match="uq_transfer_pending_id"):
        await money.do(text(second))
