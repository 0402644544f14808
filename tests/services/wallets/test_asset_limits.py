"""Limits of assets that change while transfers go on: at once, for all, told of in the audit."""

import asyncio
from functools import partial

import pytest

from core.database import Database
from core.errors import InvalidInput
from services.wallets import funds
from services.wallets.errors import SupplyCapExceeded
from services.wallets.ledger import transfer_all
from services.wallets.limits import set_limits
from services.wallets.terms import Transfer, user_account

CAP = 1_000_000_000 * 10**6


def pay(payer, payee, amount, asset="USD"):
    debit, credit = user_account(payer, asset), user_account(payee, asset)
    return Transfer(debit=debit, credit=credit, amount_minor=amount, code="TRANSFER")


async def do(db, work, *args, **more):
    return await db.transaction(lambda tx: work(tx, *args, **more))


def limit(actor_id, asset="USD", *, reason="as agreed", **limits):
    return partial(set_limits, asset=asset, limits=limits, reason=reason, actor_id=actor_id)


async def test_limits_hold_for_the_next_transfer_of_every_process(db, money, database_url):
    ada, ben = await money.user(USD=1_000), await money.user()
    elsewhere = Database(database_url)
    try:
        await do(db, transfer_all, [pay(ada, ben, 101)])
        await do(elsewhere, transfer_all, [pay(ada, ben, 101)])
        assert await do(db, limit(ada, transferMaximum=100)) is True
        for process in (db, elsewhere):
            with pytest.raises(InvalidInput, match=r"1\.00 USD at most"):
                await do(process, transfer_all, [pay(ada, ben, 101)])
            await do(process, transfer_all, [pay(ada, ben, 100)])
        assert await do(elsewhere, limit(ada, transferMaximum=None)) is True
        await do(db, transfer_all, [pay(ada, ben, 101)])
    finally:
        await elsewhere.close()
    assert await money.state(ben) == (503, 0)


async def test_limits_that_change_are_audited_and_those_that_stay_are_not(db, money):
    ada = await money.user()
    assert await do(db, limit(ada, transferMaximum=100, reason="trial")) is True
    assert await do(db, limit(ada, transferMaximum=100)) is False
    assert await do(db, limit(ada, "SPARK", supplyCap=CAP)) is False
    rows = await money.read("SELECT kind, actor_id, user_id, details FROM security_event")
    [row] = rows
    assert (row.kind, row.actor_id, row.user_id) == ("LEDGER_LIMITS_CHANGED", ada, None)
    assert row.details == {
        "asset": "USD",
        "cap": None,
        "most": 100,
        "before": {"cap": None, "most": None},
        "reason": "trial",
    }


async def test_cap_may_be_what_exists_and_no_less(db, money):
    ada = await money.user(SPARK=1_000)
    await do(db, limit(ada, "SPARK", supplyCap=1_000))
    mint = partial(funds.mint_tokens, actor_id=ada, to_user_id=ada, asset="SPARK", amount_minor=1)
    with pytest.raises(SupplyCapExceeded):
        await do(db, mint, idempotency_key="over")
    with pytest.raises(InvalidInput, match=r"0\.001000 SPARK exist already") as refused:
        await do(db, limit(ada, "SPARK", supplyCap=999, transferMaximum=5))
    assert refused.value.field == "supplyCap"
    rows = await money.read("SELECT * FROM ledger_asset WHERE asset = 'SPARK'")
    assert rows == [("SPARK", 1_000, None)]
    assert await money.count("security_event") == 1
    await do(db, limit(ada, "SPARK", supplyCap=1_001))
    await do(db, mint, idempotency_key="fits")
    assert await money.state(ada, "SPARK") == (1_001, 0)


async def test_mint_that_waited_for_a_lower_cap_heeds_it(db, money):
    ada = await money.user(SPARK=1_000)
    lowered, go = asyncio.Event(), asyncio.Event()

    async def lower(tx):
        await limit(ada, "SPARK", supplyCap=1_000)(tx)
        lowered.set()
        await go.wait()

    lowering = asyncio.create_task(db.transaction(lower))
    await lowered.wait()
    mint = partial(funds.mint_tokens, actor_id=ada, to_user_id=ada, asset="SPARK", amount_minor=1)
    minting = asyncio.create_task(do(db, mint, idempotency_key="1"))
    async with asyncio.timeout(10):
        while not await money.read("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    go.set()
    await lowering
    with pytest.raises(SupplyCapExceeded):
        await minting
    assert await money.state(ada, "SPARK") == (1_000, 0)


@pytest.mark.parametrize(
    ("asset", "limits", "field"),
    [
        ("XAU", {"transferMaximum": 1}, "asset"),
        ("USD", {}, "supplyCap"),
        ("USD", {"supplyCap": 100}, "supplyCap"),
        ("SPARK", {"supplyCap": 0}, "supplyCap"),
        ("USD", {"transferMaximum": 2**63}, "transferMaximum"),
        ("USD", {"transferMaximum": 5, "reason": " "}, "reason"),
    ],
)
async def test_limits_that_are_none_are_refused(db, money, asset, limits, field):
    ada = await money.user()
    before = await money.read("SELECT * FROM ledger_asset ORDER BY asset")
    with pytest.raises(InvalidInput) as refused:
        await do(db, limit(ada, asset, **limits))
    assert refused.value.field == field
    assert await money.read("SELECT * FROM ledger_asset ORDER BY asset") == before
    assert await money.count("security_event") == 0
