"""Any interleaving of transfers, chains, holds, posts, voids, expiries and retries leaves the
ledger as a model of a few lines says (hypothesis, stateful, on a real database)."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from core.database import Database
from core.errors import DomainError, IdempotencyConflict
from core.ids import new_id
from services.wallets.accounts import expire_holds
from services.wallets.errors import HoldAlreadyResolved, InsufficientFunds
from services.wallets.funds import transfer_funds
from services.wallets.ledger import apply_transfers, transfer_all
from services.wallets.terms import Post, Transfer, Void, escrow, platform, user_account
from services.wallets.transfers import Leg

PEOPLE = 4
PAST = timedelta(seconds=-1)
people = st.integers(0, PEOPLE - 1)
amounts = st.integers(1, 120)


def pay(payer, payee, amount, **more):
    return Transfer(
        debit=user_account(payer, "USD"),
        credit=user_account(payee, "USD"),
        amount_minor=amount,
        code="TRANSFER",
        **more,
    )


class LedgerMachine(RuleBasedStateMachine):
    """`balance` and `held` are the whole model: of people, and what the lot got."""

    runner: asyncio.Runner
    db: Database
    money: object

    holds = Bundle("holds")
    keys = Bundle("keys")

    def __init__(self):
        super().__init__()
        self.ids = [self.run(self.money.user(USD=100)) for _ in range(PEOPLE)]
        self.lot = new_id()
        self.balance = [100] * PEOPLE
        self.held = [0] * PEOPLE
        self.escrow = 0
        self.made = []

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def do(self, service, *args, **named):
        return self.run(self.db.transaction(lambda tx: service(tx, *args, **named)))

    def can_pay(self, n, amount):
        return self.balance[n] - self.held[n] >= amount

    def move(self, payer, payee, amount):
        self.balance[payer] -= amount
        self.balance[payee] += amount

    @rule(payer=people, payee=people, amount=amounts)
    def transfer(self, payer, payee, amount):
        [outcome] = self.do(apply_transfers, [pay(self.ids[payer], self.ids[payee], amount)])
        if payer == payee:
            assert outcome.code == "INVALID_INPUT"
        elif not self.can_pay(payer, amount):
            assert isinstance(outcome, InsufficientFunds)
            assert outcome.available_minor == self.balance[payer] - self.held[payer]
        else:
            self.move(payer, payee, amount)
            assert outcome.debit_balance_after == self.balance[payer]
            assert outcome.credit_balance_after == self.balance[payee]

    @rule(legs=st.lists(st.tuples(people, people, amounts), min_size=1, max_size=5))
    def chain(self, legs):
        last = len(legs) - 1
        steps = [
            pay(self.ids[a], self.ids[b], amount, linked=n < last)
            for n, (a, b, amount) in enumerate(legs)
        ]
        outcomes = self.do(apply_transfers, steps)
        before = list(self.balance)
        for a, b, amount in legs:
            if a == b or not self.can_pay(a, amount):
                self.balance = before
                assert all(isinstance(outcome, DomainError) for outcome in outcomes)
                return
            self.move(a, b, amount)
        assert not any(isinstance(outcome, DomainError) for outcome in outcomes)

    @rule(target=holds, payer=people, amount=amounts, due=st.booleans())
    def hold(self, payer, amount, due):
        step = Transfer(
            debit=user_account(self.ids[payer], "USD"),
            credit=escrow(self.lot, "USD"),
            amount_minor=amount,
            code="BID",
            pending=True,
            expires_at=datetime.now(UTC) + PAST if due else None,
        )
        [outcome] = self.do(apply_transfers, [step])
        if not self.can_pay(payer, amount):
            assert isinstance(outcome, InsufficientFunds)
            return multiple()
        self.held[payer] += amount
        assert outcome.debit_held_after == self.held[payer]
        hold = {"id": step.id, "payer": payer, "amount": amount, "due": due, "open": True}
        self.made.append(hold)
        return hold

    @rule(hold=holds, part=st.integers(1, 120))
    def post(self, hold, part):
        [outcome] = self.do(apply_transfers, [Post(hold_id=hold["id"], amount_minor=part)])
        if not hold["open"] or hold["due"]:
            assert isinstance(outcome, HoldAlreadyResolved)
        elif part > hold["amount"]:
            assert outcome.code == "INVALID_INPUT"
        else:
            self.close(hold)
            self.balance[hold["payer"]] -= part
            self.escrow += part

    @rule(hold=holds)
    def void(self, hold):
        [outcome] = self.do(apply_transfers, [Void(hold_id=hold["id"])])
        if hold["open"]:
            self.close(hold)
        else:
            assert isinstance(outcome, HoldAlreadyResolved)

    @rule()
    def expire(self):
        self.do(expire_holds, limit=1_000)
        for hold in self.made:
            if hold["due"] and hold["open"]:
                self.close(hold)

    @rule(payer=people, amount=amounts)
    def hold_and_post_in_one_batch(self, payer, amount):
        hold = Transfer(
            debit=user_account(self.ids[payer], "USD"),
            credit=escrow(self.lot, "USD"),
            amount_minor=amount,
            code="BID",
            pending=True,
            linked=True,
        )
        outcomes = self.do(apply_transfers, [hold, Post(hold_id=hold.id)])
        if self.can_pay(payer, amount):
            self.balance[payer] -= amount
            self.escrow += amount
        else:
            assert isinstance(outcomes[0], InsufficientFunds)

    @rule(target=keys, payer=people, payee=people, amount=amounts)
    def pay_with_a_key(self, payer, payee, amount):
        key = new_id().hex
        call = partial(self.pay_by_key, key, payer)
        try:
            [written] = call(payee, amount)
        except DomainError:
            assert payer == payee or not self.can_pay(payer, amount)
            return multiple()
        self.move(payer, payee, amount)
        return (key, payer, payee, amount, written.id)

    @rule(paid=keys, more=st.integers(0, 1))
    def retry(self, paid, more):
        key, payer, payee, amount, id = paid
        if more:
            with pytest.raises(IdempotencyConflict):
                self.pay_by_key(key, payer, payee, amount + more)
        else:
            assert [w.id for w in self.pay_by_key(key, payer, payee, amount)] == [id]

    @rule(paid=consumes(keys))
    def refund(self, paid):
        _, payer, payee, amount, _ = paid
        step = pay(self.ids[payee], self.ids[payer], amount)
        if self.can_pay(payee, amount):
            self.do(transfer_all, [step])
            self.move(payee, payer, amount)
        else:
            with pytest.raises(InsufficientFunds):
                self.do(transfer_all, [step])

    def pay_by_key(self, key, payer, payee, amount):
        leg = Leg(self.ids[payee], "USD", amount)
        return self.do(transfer_funds, payer_id=self.ids[payer], legs=[leg], idempotency_key=key)

    def close(self, hold):
        hold["open"] = False
        self.held[hold["payer"]] -= hold["amount"]

    @invariant()
    def ledger_is_as_the_model_says(self):
        states = [self.run(self.money.state(id)) for id in self.ids]
        assert states == list(zip(self.balance, self.held, strict=True))
        assert (self.run(self.money.state(self.lot, kind="ESCROW")) or (0, 0))[0] == self.escrow

    def teardown(self):
        self.run(self.money.check())
        supply = self.run(self.money.state(platform("EXTERNAL", "USD").holder_id, kind="EXTERNAL"))
        assert supply[0] <= -100 * PEOPLE


@pytest.mark.timeout(240)
def test_ledger_is_what_its_model_says(database_url, make_money):
    with asyncio.Runner() as runner:
        db = Database(database_url)
        made = type(
            "Machine",
            (LedgerMachine,),
            {"runner": runner, "db": db, "money": make_money(db)},
        )
        try:
            run_state_machine_as_test(
                made,
                settings=settings(
                    max_examples=30,
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(db.close())
