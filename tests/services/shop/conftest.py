"""A stall with a product, people with money, and all that a refusal must leave as it was."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from core.clock import utc_now
from core.database import Database
from core.ids import new_id
from core.signing import ensure_note_keys
from models.auctions import StallMember
from models.users import UserAccount
from services.auctions import closing, fulfilling, selling, shop, stalls
from services.auctions.bidding import bid_request, place_bids
from services.wallets.ledger import transfer_all
from services.wallets.terms import Transfer, platform, user_account
from services.wallets.verify import verify_ledger

UNTOUCHED = (
    "product auction bid sale_order ledger_account transfer ledger_hold idempotency_key"
    " event platform_parameter platform_parameter_change"
)


@dataclass
class Market:
    """A stall as its tests see it. Amounts in minor units of USD."""

    db: Database
    keys: object
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    seller: object = None
    partner: object = None
    stall: object = None
    product: object = None

    async def person(self, funds=0):
        user_id, name = new_id(), f"person_{next(self.numbers)}"

        async def work(tx):
            tx.add(
                UserAccount(
                    id=user_id,
                    email=f"{name}@mela.test",
                    username=name,
                    password_hash="-",
                    display_name=name,
                )
            )
            await tx.flush()

        await self.db.transaction(work)
        if funds:
            await self.pay_in(user_id, funds)
        return user_id

    async def pay_in(self, user_id, amount):
        """Give somebody money from outside."""
        await self.move(platform("EXTERNAL", "USD"), user_account(user_id, "USD"), amount)

    async def move(self, debit, credit, amount):
        step = Transfer(debit=debit, credit=credit, amount_minor=amount, code="ADJUSTMENT")
        await self.db.transaction(lambda tx: transfer_all(tx, [step]))

    async def spend(self, user_id, amount):
        """Let money go elsewhere."""
        await self.move(user_account(user_id, "USD"), platform("EXTERNAL", "USD"), amount)

    async def list_product(self, **details):
        given = {"kind": "PHYSICAL", "name": "Bowl", "category": "Pottery", "asset": "USD"}
        given |= {"price_minor": 1_000, "inventory_count": 10, **details}
        return await self.db.transaction(
            partial(
                stalls.create_product,
                viewer_id=self.seller,
                stall_id=self.stall,
                details=stalls.ProductDetails(**given),
            )
        )

    async def change(self, product=None, **changes):
        await self.db.transaction(
            partial(
                stalls.update_product,
                viewer_id=self.seller,
                product_id=product or self.product,
                changes=changes,
            )
        )

    async def buy(self, buyer, quantity=1, price=1_000, product=None, key=None, asset="USD"):
        request = shop.purchase_request(
            product_id=product or self.product,
            buyer_id=buyer,
            quantity=quantity,
            unit_price_minor=price,
            asset=asset,
            idempotency_key=key or new_id().hex,
        )
        return await self.db.transaction(partial(shop.purchase_product, request=request))

    async def fulfil(self, order, viewer):
        return await self.db.transaction(
            partial(fulfilling.fulfil_order, order_id=order, viewer_id=viewer)
        )

    async def refund(self, order, actor, moderator=False, key=None):
        request = fulfilling.refund_request(
            order_id=order,
            actor_id=actor,
            is_moderator=moderator,
            idempotency_key=key or new_id().hex,
        )
        return await self.db.transaction(partial(fulfilling.refund_order, request=request))

    async def put_up(self, product=None, **terms):
        given = {
            "starting_price_minor": 100,
            "ends_at": utc_now() + timedelta(hours=1),
            **terms,
        }
        return await self.db.transaction(
            partial(
                selling.create_auction,
                viewer_id=self.seller,
                product_id=product or self.product,
                terms=selling.Terms(**given),
            )
        )

    async def bid(self, lot, bidder, maximum):
        request = bid_request(
            auction_id=lot, bidder_id=bidder, maximum_minor=maximum, idempotency_key=new_id().hex
        )
        [outcome] = await self.db.transaction(
            partial(place_bids, auction_id=lot, requests=[request])
        )
        return outcome

    async def close(self, lot):
        """Close a lot as if its end had come."""
        later = utc_now() + timedelta(hours=2)
        return await self.db.transaction(partial(closing.close_auction, auction_id=lot, now=later))

    async def cancel(self, lot):
        await self.db.transaction(
            partial(
                closing.cancel_auction, auction_id=lot, viewer_id=self.seller, is_moderator=False
            )
        )

    async def rows(self, statement, **values):
        async with self.db.read() as session:
            return (await session.execute(text(statement), values)).all()

    async def run(self, statement, **values):
        async with self.db.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def stock(self, product=None):
        [row] = await self.rows(
            "SELECT inventory_count FROM product WHERE id = :id", id=product or self.product
        )
        return row.inventory_count

    async def funds(self, user_id):
        """What somebody can spend."""
        rows = await self.rows(
            "SELECT credits_posted - debits_posted - debits_pending AS available"
            " FROM ledger_account WHERE holder_id = :id AND asset = 'USD'",
            id=user_id,
        )
        return sum(row.available for row in rows)

    async def fees(self):
        [row] = await self.rows(
            "SELECT credits_posted - debits_posted AS balance FROM ledger_account"
            " WHERE kind = 'FEES' AND asset = 'USD'"
        )
        return row.balance

    async def order(self, order_id):
        [row] = await self.rows("SELECT * FROM sale_order WHERE id = :id", id=order_id)
        return row

    async def everything(self):
        """All rows that a refusal could have changed."""
        found = {}
        for table in UNTOUCHED.split():
            rows = await self.rows(f"SELECT CAST(t AS text) FROM {table} AS t")
            found[table] = sorted(row[0] for row in rows)
        return found

    async def check(self):
        """The ledger's own audit: counters are the transfers' fold, sums balance, holds stand."""
        checks = await verify_ledger(self.db, self.keys)
        assert [check for check in checks if check.broken is not None] == []

    def told(self, *types):
        """Events of these types that were published, and forget all."""
        found = [e for e in self.db.published if not types or e.type in types]
        self.db.published.clear()
        return found


@pytest.fixture(scope="session")
def note_keys(tmp_path_factory):
    return ensure_note_keys(tmp_path_factory.mktemp("note-keys"))


@pytest.fixture
async def market(db, note_keys):
    """A seller, a partner who shares the stall, and ten bowls at 10.00 USD, low from 2 on."""
    made = Market(db, note_keys)
    made.seller, made.partner = await made.person(), await made.person()
    made.stall = await db.transaction(
        partial(stalls.create_stall, owner_id=made.seller, name="Pots")
    )

    async def share(tx):
        tx.add(StallMember(stall_id=made.stall, user_id=made.partner))

    await db.transaction(share)
    made.product = await made.list_product(low_stock_threshold=2)
    db.published.clear()
    return made
