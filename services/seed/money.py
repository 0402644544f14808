"""Money of a made world, moved by the real ledger: what leaders hold, and the sales that were. It
tells nobody's topic of it: nobody was there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from core.database import Transaction
from core.ids import encode_id, new_id
from models.wallets import Code
from services.seed.lots import LotHistory
from services.wallets.endowing import gift, take_quietly
from services.wallets.sales import fee_of
from services.wallets.terms import AccountRef, Post, Step, Transfer, escrow, platform, user_account

FEE_BASIS_POINTS = 250

ORDER_COLUMNS = (
    "id",
    "auction_id",
    "product_id",
    "stall_id",
    "seller_id",
    "buyer_id",
    "quantity",
    "unit_price_minor",
    "price_minor",
    "fee_minor",
    "asset",
    "status",
    "transfer_ids",
    "created_at",
)


async def settle_histories(
    tx: Transaction, played: Sequence[LotHistory]
) -> list[tuple[object, ...]]:
    """What the lots' bids hold and what their sales moved, winners being given what they bid; the
    rows of the orders, by `ORDER_COLUMNS`. Two statements."""
    steps: list[Step] = []
    orders: list[tuple[object, ...]] = []
    for lot in played:
        if lot.status == "OPEN" and lot.state.leader_id is not None:
            steps += _lead(lot)
        if lot.status == "SOLD":
            sale = list(_sell(lot))
            steps += sale
            orders.append(_order(lot, [step.id for step in sale[2:]]))
    await take_quietly(tx, steps)
    return orders


def _lead(lot: LotHistory) -> list[Step]:
    """The leader is given their maximum, and holds it."""
    state = lot.state
    assert state.leader_id is not None
    assert state.leader_maximum_minor is not None
    hold = Transfer(
        debit=user_account(state.leader_id, state.asset),
        credit=escrow(state.id, state.asset),
        amount_minor=state.leader_maximum_minor,
        code="BID",
        pending=True,
        reference=encode_id("auc", state.id),
        actor_id=state.leader_id,
    )
    return [gift(state.leader_id, state.asset, state.leader_maximum_minor), hold]


def _sell(lot: LotHistory) -> Iterator[Step]:
    """As `services.wallets.sales` settles, after the same hold."""
    given, hold = _lead(lot)
    assert isinstance(hold, Transfer)
    price, seller = _price(lot), lot.plan.product.stall.owner.id
    yield from (given, hold)
    yield Post(hold_id=hold.id, amount_minor=price, code="SALE")
    fee = fee_of(price, FEE_BASIS_POINTS)
    shares: list[tuple[AccountRef, int, Code]] = [
        (user_account(seller, lot.state.asset), price - fee, "SALE"),
        (platform("FEES", lot.state.asset), fee, "FEE"),
    ]
    for credit, amount, code in shares:
        if amount:
            yield Transfer(
                debit=hold.credit,
                credit=credit,
                amount_minor=amount,
                code=code,
                reference=hold.reference,
            )


def _price(lot: LotHistory) -> int:
    assert lot.closed_at is not None
    assert lot.state.price_minor is not None
    return lot.state.price_minor


def _order(lot: LotHistory, transfer_ids: list[UUID]) -> tuple[object, ...]:
    price, product = _price(lot), lot.plan.product
    return (
        new_id(),
        lot.state.id,
        product.id,
        product.stall.id,
        product.stall.owner.id,
        lot.state.leader_id,
        1,
        price,
        price,
        fee_of(price, FEE_BASIS_POINTS),
        lot.state.asset,
        "PAID",
        transfer_ids,
        lot.closed_at,
    )
