"""What becomes of an order: handed over by its seller, or its money given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from core.database import Transaction, database_now
from core.errors import Forbidden, NotFound
from core.ids import encode_id
from models.shop import SaleOrder
from services.auctions.errors import WrongOrderStatus
from services.auctions.orders import order_events
from services.auctions.stock import give_back_stock
from services.idempotency import IdempotentRequest, claim, idempotent_request
from services.wallets.ledger import transfer_all
from services.wallets.terms import Transfer, platform, user_account

REFUND_OPERATION = "refundOrder"

_IS_SELLERS = text(
    """
    SELECT s.owner_id = :viewer OR EXISTS (
        SELECT FROM stall_member AS m WHERE m.stall_id = s.id AND m.user_id = :viewer)
    FROM stall AS s WHERE s.id = :stall
    """
)
_TOOK_STOCK = text("SELECT stock_reserved FROM auction WHERE id = :id")


async def fulfil_order(tx: Transaction, *, order_id: UUID, viewer_id: UUID) -> bool:
    """Say that the goods are with the buyer, for the seller and whoever shares the stall; whether
    this call did, for saying it twice changes nothing.

    Raises `NotFound` (also of an order that is none of the viewer's), `Forbidden`, and
    `WrongOrderStatus` where it is refunded.
    """
    order = await _locked(tx, order_id)
    if not await _sells(tx, order, viewer_id):
        raise _hidden_from(order, viewer_id)
    if order.status == "FULFILLED":
        return False
    if order.status != "PAID":
        raise WrongOrderStatus(order.status)
    order.status, order.fulfilled_at = "FULFILLED", await database_now(tx)
    tx.add(order)
    for event in order_events(order, "OrderFulfilled", viewer_id, order.fulfilled_at):
        tx.collect(event)
    return True


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Somebody's wish to give an order's money back, under their idempotency key."""

    order_id: UUID
    actor_id: UUID
    is_moderator: bool
    idempotency: IdempotentRequest


def refund_request(
    *, order_id: UUID, actor_id: UUID, is_moderator: bool, idempotency_key: str
) -> RefundRequest:
    """A checked request. Raises `InvalidInput` for a bad key."""
    request = idempotent_request(actor_id, idempotency_key, {"order": order_id})
    return RefundRequest(order_id, actor_id, is_moderator, request)


async def refund_order(tx: Transaction, request: RefundRequest) -> bool:
    """Give the buyer all that was paid, by new transfers: the seller's share from the seller, the
    fee from the platform; and the stock what was taken of it. Whether this call did, or an earlier
    one with the same key. For the seller whose money it is, and for moderators.

    Raises `NotFound` (also of an order that is none of the viewer's), `Forbidden`,
    `WrongOrderStatus` where it is refunded, `IdempotencyConflict`, and the ledger's refusals of the
    seller: `InsufficientFunds`, `AccountFrozen`, `AccountClosed`.
    """
    if await claim(tx, REFUND_OPERATION, request.idempotency, {}) is not None:
        return False
    order = await _locked(tx, request.order_id)
    if not request.is_moderator and request.actor_id != order.seller_id:
        if await _sells(tx, order, request.actor_id):
            raise Forbidden("only the seller who was paid, or a moderator, may refund an order")
        raise _hidden_from(order, request.actor_id)
    if order.status == "REFUNDED":
        raise WrongOrderStatus(order.status)
    if await _took_stock(tx, order):
        await give_back_stock(tx, order.product_id, order.quantity, actor_id=request.actor_id)
    written = await transfer_all(tx, _refunds(order, request.actor_id))
    order.status, order.refunded_at = "REFUNDED", await database_now(tx)
    order.transfer_ids = [*order.transfer_ids, *(transfer.id for transfer in written)]
    tx.add(order)
    for event in order_events(order, "OrderRefunded", request.actor_id, order.refunded_at):
        tx.collect(event)
    return True


def _refunds(order: SaleOrder, actor_id: UUID) -> list[Transfer]:
    asset = order.asset
    shares = (
        (user_account(order.seller_id, asset), order.price_minor - order.fee_minor),
        (platform("FEES", asset), order.fee_minor),
    )
    return [
        Transfer(
            debit=debit,
            credit=user_account(order.buyer_id, asset),
            amount_minor=amount,
            code="REFUND",
            reference=encode_id("ord", order.id),
            actor_id=actor_id,
        )
        for debit, amount in shares
        if amount
    ]


async def _locked(tx: Transaction, order_id: UUID) -> SaleOrder:
    table: Any = SaleOrder  # its attributes are columns, which SQLModel's types do not say
    wanted = select(SaleOrder).where(table.id == order_id).with_for_update(key_share=True)
    order = (await tx.execute(wanted)).scalar_one_or_none()
    if order is None:
        raise NotFound("order")
    return order


async def _sells(tx: Transaction, order: SaleOrder, viewer_id: UUID) -> bool:
    """Whether the viewer is on the order's selling side: its seller, or shares its stall."""
    if viewer_id == order.seller_id:
        return True
    asked = {"viewer": viewer_id, "stall": order.stall_id}
    return bool((await tx.execute(_IS_SELLERS, asked)).scalar_one())


def _hidden_from(order: SaleOrder, viewer_id: UUID) -> Forbidden | NotFound:
    """What to answer who may not change the order: its buyer sees it, others do not."""
    if viewer_id == order.buyer_id:
        return Forbidden("only the seller's side may do that to an order")
    return NotFound("order")


async def _took_stock(tx: Transaction, order: SaleOrder) -> bool:
    """Whether a unit stood aside for it: lots that opened before stock was reserved took none."""
    if order.auction_id is None:
        return True
    return bool((await tx.execute(_TOOK_STOCK, {"id": order.auction_id})).scalar_one())
