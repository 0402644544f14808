"""Lots of all three formats against small reference models, in a real database: bids, retries by
key, buying at once, closings beside bids, at moments that the model gives."""

import asyncio
from datetime import timedelta
from functools import partial

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
from sqlalchemy import text

from core.database import Database
from core.errors import DomainError, IdempotencyConflict
from core.ids import new_id
from models.auctions import Auction, Product, Stall
from models.users import UserAccount
from services.auctions.bidding import bid_request, place_bids
from services.auctions.buying import buy_auction_now, buy_request
from services.auctions.closing import close_auction
from services.auctions.selling import announced_event
from services.auctions.verify import verify_log
from services.wallets.endowing import endow
from tests.services.lot_model import SEALED, START, TERMS, LotModel

END = START + timedelta(minutes=30)


class World:
    """One database for all examples, with a loop of its own: hypothesis' rules are not async."""

    def __init__(self, url):
        self.runner = asyncio.Runner()
        self.db = Database(url)
        self.people = [new_id() for _ in range(4)]
        self.product = self.run(self.db.transaction(self._stage))

    def run(self, work):
        async def bounded():
            async with asyncio.timeout(20):
                return await work

        return self.runner.run(bounded())

    async def _stage(self, tx):
        for n, id in enumerate(self.people):
            tx.add(
                UserAccount(
                    id=id,
                    email=f"u{n}@mela.test",
                    username=f"user{n}",
                    password_hash="!",
                    display_name="U",
                )
            )
        await tx.flush()
        await endow(tx, self.people, asset="USD", amount_minor=10**12)
        stall = Stall(owner_id=self.people[0], name="Stall", slug="stall")
        tx.add(stall)
        await tx.flush()
        product = Product(stall_id=stall.id, kind="PHYSICAL", name="B", category="c", asset="USD")
        tx.add(product)
        return product

    def lot(self, format, reserve, buy_now):
        lot = Auction(
            product_id=self.product.id,
            stall_id=self.product.stall_id,
            seller_id=self.people[0],
            title="Bowl",
            category="c",
            asset="USD",
            format=format,
            starting_price_minor=100,
            current_price_minor=100,
            reserve_minor=reserve,
            reserve_nonce=None if reserve is None else bytes(16),
            reserve_met=reserve is None,
            buy_now_minor=buy_now,
            starts_at=START,
            ends_at=END,
            status="OPEN",
            **TERMS[format],
        )

        async def work(tx):
            tx.add(lot)
            await tx.flush()
            tx.collect(announced_event(lot))
            return lot.id

        return self.run(self.db.transaction(work))

    async def bid(self, lot, who, maximum, key, now):
        request = bid_request(
            auction_id=lot, bidder_id=who, maximum_minor=maximum, idempotency_key=key
        )
        work = partial(place_bids, auction_id=lot, requests=[request], now=now)
        [outcome] = await self.db.transaction(work)
        return outcome

    async def buy(self, lot, who, price, key, now):
        request = buy_request(auction_id=lot, buyer_id=who, price_minor=price, idempotency_key=key)
        try:
            return await self.db.transaction(partial(buy_auction_now, request=request, now=now))
        except DomainError as error:
            return error

    async def close(self, lot, now):
        return await self.db.transaction(partial(close_auction, auction_id=lot, now=now))

    async def look(self, lot):
        async with self.db.read() as session:
            asked = {"lot": lot, "topic": f"auction:{lot.hex}"}
            row = await session.execute(text("SELECT * FROM auction WHERE id = :lot"), asked)
            bids = await session.execute(
                text("SELECT * FROM bid WHERE auction_id = :lot ORDER BY sequence"), asked
            )
            log = await session.execute(
                text("SELECT * FROM event WHERE topic = :topic ORDER BY sequence"), asked
            )
            return row.one(), bids.all(), log.all()


def code_of(outcome):
    return outcome.code if isinstance(outcome, DomainError) else None


WHO = st.integers(1, 3)
BEYOND = st.sampled_from([-1, 0, 0, 1, 4, 30, 120, 400])


class Lots(RuleBasedStateMachine):
    world: World

    @initialize(
        format=st.sampled_from([*TERMS]),
        reserve=st.none() | st.integers(100, 500),
        buy_now=st.none() | st.integers(500, 900),
    )
    def begin(self, format, reserve, buy_now):
        reserve = None if format == "DUTCH" else reserve
        buy_now = buy_now if format == "ENGLISH" else None
        self.model = LotModel(format, reserve, buy_now)
        self.lot = self.world.lot(format, reserve, buy_now)
        self.now = START
        self.answered = []  # (call, answer): accepted ones, to be sent again

    @rule(seconds=st.sampled_from([1, 60, 119, 500]))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def wait_for_the_end(self):
        self.now = max(self.now, self.model.end - timedelta(microseconds=1))

    def place(self, who, beyond):
        person, key = self.world.people[who], new_id().hex
        maximum = max(1, self.model.least(person, self.now) + beyond)
        return person, maximum, partial(self.world.bid, self.lot, person, maximum, key)

    @rule(who=WHO, beyond=BEYOND)
    def bid(self, who, beyond):
        person, maximum, call = self.place(who, beyond)
        outcome = self.world.run(call(self.now))
        assert code_of(outcome) == self.model.bid(person, maximum, self.now)
        if not isinstance(outcome, DomainError):
            assert outcome.sequence == len(self.model.bids)
            assert (outcome.amount_minor is None) == (self.model.format == SEALED)
            self.answered.append((call, outcome))

    @rule(who=WHO)
    def buy(self, who):
        person = self.world.people[who]
        price = self.model.buy_now or 1
        call = partial(self.world.buy, self.lot, person, price, new_id().hex)
        outcome = self.world.run(call(self.now))
        assert code_of(outcome) == self.model.buy(person, self.now)
        if outcome is True:
            self.answered.append((call, False))

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def send_again(self, data):
        call, answer = data.draw(st.sampled_from(self.answered))
        assert self.world.run(call(self.now)) == answer
        world, lot, person, amount, key = call.func, *call.args
        other = self.world.run(world(lot, person, amount + 1, key, self.now))
        assert isinstance(other, IdempotencyConflict)

    @rule(who=WHO, beyond=BEYOND, late=st.booleans())
    def close_beside_a_bid(self, who, beyond, late):
        """Both at one moment: whoever comes first, the answers are those of that moment."""
        now = max(self.now, self.model.end) if late else self.now
        self.now = now
        person, maximum, call = self.place(who, beyond)

        async def both():
            return await asyncio.gather(call(now), self.world.close(self.lot, now))

        outcome, closing = self.world.run(both())
        assert code_of(outcome) == self.model.bid(person, maximum, now)
        assert (closing is not None) == self.model.close(now)

    @invariant()
    def rows_are_as_the_model_says(self):
        if not hasattr(self, "model"):
            return
        model = self.model
        row, bids, log = self.world.run(self.world.look(self.lot))
        assert [(b.bidder_id, b.maximum_minor) for b in bids] == model.bids
        assert row.ends_at == model.end
        if model.over is None:
            assert (row.status, row.winner_id) == ("OPEN", None)
            assert row.current_price_minor == model.shown(self.now)
        else:
            assert (row.status, row.winner_id, row.current_price_minor) == model.over
            found = verify_log(self.lot, log)
            assert (found.status, found.winner_id) == model.over[:2]
            assert (found.extensions, found.ends_at) == (model.extensions, model.end)
        if model.format == SEALED:
            assert all((b.amount_minor is None) == (model.over is None) for b in bids)
        if bids and row.winner_id and bids[0].amount_minor and not row.buy_now_minor:
            top = min(bids, key=lambda b: (-b.amount_minor, not b.won, b.sequence))
            assert (top.bidder_id, top.amount_minor) == (row.winner_id, row.current_price_minor)


@pytest.mark.slow
def test_lots_do_what_the_models_say(database_url):
    world = World(database_url)

    class InThisWorld(Lots):
        pass

    InThisWorld.world = world
    try:
        run_state_machine_as_test(
            InThisWorld,
            settings=settings(
                max_examples=40,
                stateful_step_count=18,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        world.run(world.db.close())
        world.runner.close()
