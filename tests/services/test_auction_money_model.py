"""Lots of all formats and the money of all who bid on them, together, against a reference model in
a real database: bids that can be paid for and bids that cannot, retries, buyers, moderators,
closings that race, frozen accounts, payments in between, and a stock that runs out."""

import asyncio
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.errors import DomainError, IdempotencyConflict
from core.ids import new_id
from services.auctions.bidding import bid_request, place_bids
from services.auctions.buying import buy_auction_now, buy_request
from services.auctions.closing import cancel_auction, close_auction, open_auction
from services.auctions.verify import LogRejected, NothingToVerify, verify_log
from services.wallets.accounts import freeze_account, unfreeze_account
from services.wallets.payments import make_payment, payment_request
from services.wallets.terms import PLATFORM_ID
from tests.ledger import check_ledger, check_lots
from tests.services.lot_model import START, TERMS, HouseModel, LotModel
from tests.services.lot_world import World, forgeries, make_house, make_lot

BIDDERS = 4
MOST_LOTS = 5
STATE = """
    SELECT kind, holder_id, id, credits_posted - debits_posted AS balance,
           debits_pending AS held, status
    FROM ledger_account WHERE asset = 'USD' AND (kind = 'FEES' OR holder_id = ANY ($1))
"""
BIDS = "SELECT bidder_id, maximum_minor FROM bid WHERE auction_id = $1 ORDER BY sequence"
HELD = """
    SELECT c.holder_id AS lot, d.holder_id AS person, h.amount_minor FROM ledger_hold AS h
    JOIN ledger_account AS d ON d.id = h.debit_account_id
    JOIN ledger_account AS c ON c.id = h.credit_account_id
    WHERE c.holder_id = ANY ($1)
"""


def code_of(outcome):
    return outcome.code if isinstance(outcome, DomainError) else None


WHO = st.integers(1, BIDDERS)
ANYONE = st.integers(0, BIDDERS)
LOT = st.integers(0, MOST_LOTS)
BEYOND = st.sampled_from([-1, 0, 0, 1, 4, 30, 120, 400, "all", "more"])
OFFERS = st.lists(st.tuples(WHO, BEYOND), min_size=2, max_size=4)
AMOUNTS = st.integers(1, 900)
TERMS_OF_LOT = (
    st.sampled_from([*TERMS]),
    st.none() | st.integers(100, 500),  # reserve
    st.none() | st.integers(500, 900),  # buy now
    st.sampled_from([250, 250, 0, 333, 10_000]),  # fee
    st.sampled_from([0, 0, 0, 0, 60]),  # seconds until it begins
    st.sampled_from([4, 30, 30]),  # minutes
)


class Market(RuleBasedStateMachine):
    world: World

    @initialize(
        funds=st.lists(st.integers(90, 1_500), min_size=BIDDERS, max_size=BIDDERS),
        stock=st.integers(2, 4),
        terms=st.tuples(*(st.tuples(*TERMS_OF_LOT[1:]) for _ in TERMS)),
    )
    def begin(self, funds, stock, terms):
        """A market with a lot of each format."""
        self.people, self.product = self.world.do(make_house, funds, stock)
        balance = dict(zip(self.people, [1, *funds], strict=True))
        self.house = HouseModel(self.people[0], balance, stock)
        self.now = START
        self.lots, self.verified = [], set()
        self.answered = []  # (call, answer): accepted ones, to be sent again
        accounts = self.world.fetch(STATE, self.people)
        self.accounts = {row["holder_id"]: row["id"] for row in accounts}
        for format, of_lot in zip(TERMS, terms, strict=True):
            self.put_up(format, *of_lot)

    def lot_of(self, n):
        """Any of the lots whose time is not over, and now and then another."""
        house = self.house.lots
        live = [lot for lot in self.lots if not house[lot].over and self.now < house[lot].end]
        lots = live if live and n < MOST_LOTS else self.lots
        return lots[n % len(lots)]

    def put_up(self, format, reserve, buy_now, fee_points, wait_s, minutes):
        model = LotModel(
            format,
            None if format == "DUTCH" else reserve,
            buy_now if format == "ENGLISH" else None,
            start=self.now + timedelta(seconds=wait_s),
            minutes=minutes,
            opened=False,
        )
        lot = self.world.do(make_lot, self.people[0], self.product, model, fee_points)
        self.house.lots[lot], self.house.fee_points[lot] = model, fee_points
        self.lots.append(lot)

    @precondition(lambda self: len(self.lots) < MOST_LOTS)
    @rule(terms=st.tuples(*TERMS_OF_LOT))
    def put_up_another(self, terms):
        self.put_up(*terms)

    @rule(seconds=st.sampled_from([1, 59, 119]))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(lot=LOT)
    def open(self, lot):
        lot = self.lot_of(lot)
        assert self.world.do(open_auction, lot, now=self.now) is self.house.open(lot, self.now)

    def offer(self, lot, who, beyond):
        """A maximum so far beyond the least, or all that this person can offer, or one more."""
        person = self.people[who]
        if beyond in ("all", "more"):
            free = self.house.balance[person] - self.house.held_of(person)
            free += self.house.held.get((lot, person), 0)
            return person, max(1, free + (beyond == "more"))
        return person, max(1, self.house.lots[lot].least(person, self.now) + beyond)

    @rule(lot=LOT, who=WHO | ANYONE, beyond=BEYOND)
    def bid(self, lot, who, beyond):
        self.bid_together(self.lot_of(lot), [(who, beyond)])

    @rule(lot=LOT, offers=OFFERS)
    def bid_in_turns(self, lot, offers):
        for offer in offers:
            self.bid_together(self.lot_of(lot), [offer])

    @rule(lot=LOT, offers=OFFERS)
    def bid_in_one_batch(self, lot, offers):
        self.bid_together(self.lot_of(lot), offers)

    def bid_together(self, lot, offers):
        wanted = [self.offer(lot, *offer) for offer in offers]
        requests = [self.request(lot, *offer, new_id().hex) for offer in wanted]
        outcomes = self.world.do(place_bids, lot, requests, now=self.now)
        assert [code_of(o) for o in outcomes] == self.house.bid_all(lot, wanted, self.now)
        for request, outcome in zip(requests, outcomes, strict=True):
            if not isinstance(outcome, DomainError):
                self.answered.append((partial(self.place, request), outcome))
                other = self.request(
                    lot,
                    request.bidder_id,
                    request.maximum_minor + 1,
                    request.idempotency.key,
                )
                self.answered.append((partial(self.place, other), IdempotencyConflict))

    def request(self, lot, person, maximum, key):
        return bid_request(
            auction_id=lot, bidder_id=person, maximum_minor=maximum, idempotency_key=key
        )

    async def place(self, request):
        return (await self.world.outcome(place_bids, request.auction_id, [request], now=self.now))[
            0
        ]

    @rule(lot=LOT, who=WHO | ANYONE, more=st.sampled_from([0, 0, 0, 1]))
    def buy(self, lot, who, more):
        lot, buyer = self.lot_of(lot), self.people[who]
        price = (self.house.lots[lot].buy_now or 1) + more
        request = buy_request(
            auction_id=lot, buyer_id=buyer, price_minor=price, idempotency_key=new_id().hex
        )
        call = partial(self.world.outcome, buy_auction_now, request)
        outcome = self.world.run(call(now=self.now))
        assert code_of(outcome) == self.house.buy(lot, buyer, price, self.now)
        if outcome is True:
            self.answered.append((partial(call, now=self.now), False))

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def send_again(self, data):
        call, answer = data.draw(st.sampled_from(self.answered))
        again = self.world.run(call())
        assert type(again) is answer if isinstance(answer, type) else again == answer

    @rule(lot=LOT, late=st.sampled_from([False, False, True]))
    def close_twice_at_once(self, lot, late):
        lot = self.lot_of(lot)
        if late:
            self.now = max(self.now, self.house.lots[lot].end)

        async def both():
            close = partial(self.world.outcome, close_auction, lot, now=self.now)
            return await asyncio.gather(close(), close())

        closings = [closing for closing in self.world.run(both()) if closing is not None]
        assert len(closings) == self.house.close(lot, self.now)
        if closings:
            over = self.house.lots[lot].over
            assert (closings[0].status, closings[0].winner_id) == over[:2]

    @rule(lot=LOT, by=st.sampled_from([*["bidder"] * 6, "seller", "moderator"]))
    def cancel(self, lot, by):
        lot = self.lot_of(lot)
        viewer = self.people[by != "seller"]
        outcome = self.world.do(
            cancel_auction,
            lot,
            viewer_id=viewer,
            is_moderator=by == "moderator",
            now=self.now,
        )
        assert code_of(outcome) == self.house.cancel(lot, self.now, by=by)

    @rule(who=WHO, frozen=st.booleans())
    def freeze(self, who, frozen):
        person = self.people[who]
        service = freeze_account if frozen else unfreeze_account
        account, by = self.accounts[person], self.people[0]
        changed = self.world.do(service, account_id=account, actor_id=by, reason="a look")
        assert changed == ((person in self.house.frozen) != frozen)
        (self.house.frozen.add if frozen else self.house.frozen.discard)(person)

    @rule(who=ANYONE, amount=AMOUNTS, out=st.booleans())
    def pay_in_or_out(self, who, amount, out):
        person = self.people[who]
        request = payment_request(
            user_id=person,
            direction="WITHDRAWAL" if out else "DEPOSIT",
            asset="USD",
            amount_minor=amount,
            idempotency_key=new_id().hex,
        )

        async def pay():
            try:
                return (await make_payment(self.world.db, self.world.provider, request)).status
            except DomainError as error:
                return error

        outcome = self.world.run(pay())
        pay_in_or_out = self.house.pay_out if out else self.house.pay_in
        assert code_of(outcome) == pay_in_or_out(person, amount)
        if outcome == "SETTLED":
            self.answered.append((pay, "SETTLED"))

    @invariant()
    def money_is_where_the_model_says(self):
        if not hasattr(self, "house"):
            return
        house, fetch = self.house, self.world.fetch
        state = {row["holder_id"]: row for row in fetch(STATE, [*self.people, *self.lots])}
        for person in self.people:
            row = state[person]
            assert (row["balance"], row["held"]) == (house.balance[person], house.held_of(person))
            assert row["balance"] - row["held"] >= 0
            assert (row["status"] == "FROZEN") == (person in house.frozen)
        assert state[PLATFORM_ID]["balance"] == self.world.fees + house.fees
        assert all(state[lot]["balance"] == 0 for lot in self.lots if lot in state)
        held = {(r["lot"], r["person"]): r["amount_minor"] for r in fetch(HELD, self.lots)}
        assert held == house.held
        orders = fetch("SELECT * FROM sale_order WHERE product_id = $1", self.product.id)
        assert len(orders) == len(house.orders)
        assert {
            o["auction_id"]: (o["buyer_id"], o["price_minor"], o["fee_minor"]) for o in orders
        } == house.orders
        [product] = fetch("SELECT inventory_count FROM product WHERE id = $1", self.product.id)
        assert product["inventory_count"] == house.stock
        self.world.run(check_ledger(self.world.connection))
        self.world.run(check_lots(self.world.connection))

    @invariant()
    def lots_are_as_the_model_says(self):
        for lot in getattr(self, "lots", []):
            model = self.house.lots[lot]
            [row] = self.world.fetch("SELECT * FROM auction WHERE id = $1", lot)
            status = "OPEN" if model.opened else "SCHEDULED"
            over = model.over or (status, None, model.shown(self.now))
            assert (row["status"], row["winner_id"], row["current_price_minor"]) == over
            assert (row["ends_at"], row["stock_reserved"]) == (model.end, model.opened)
            bids = self.world.fetch(
                "SELECT * FROM bid WHERE auction_id = $1 ORDER BY sequence", lot
            )
            assert [(b["bidder_id"], b["maximum_minor"]) for b in bids] == model.bids
            if row["status"] in ("SOLD", "UNSOLD") and lot not in self.verified:
                self.verify(lot, model)

    def verify(self, lot, model):
        """The log of a lot that is over tells its result again, and nobody can tell another."""
        topic = f"auction:{lot.hex}"
        rows = self.world.fetch("SELECT * FROM event WHERE topic = $1 ORDER BY sequence", topic)
        log = [SimpleNamespace(**dict(r) | {"payload": orjson.loads(r["payload"])}) for r in rows]
        found = verify_log(lot, log)
        status, winner, price = model.over
        assert (found.status, found.winner_id, found.bids) == (status, winner, len(model.bids))
        assert found.price_minor == (price if model.bids or winner else None)
        assert (found.extensions, found.ends_at) == (model.extensions, model.end)
        for forged in forgeries(log):
            with pytest.raises((LogRejected, NothingToVerify)):
                verify_log(lot, forged)
        self.verified.add(lot)

    def teardown(self):
        if hasattr(self, "house"):
            self.world.fees += self.house.fees


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_lots_and_their_money_do_what_the_model_says(database_url):
    world = World(database_url)
    try:
        run_state_machine_as_test(
            type("InThisWorld", (Market,), {"world": world}),
            settings=settings(
                max_examples=20,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        world.close()
