"""Buying a product at its price: stock, money, fee and order in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput, NotFound
from core.ids import encode_id, new_id
from core.money import ASSETS, INT64_MAX
from services.auctions.errors import PriceChanged, SellerCannotBuy
from services.auctions.orders import record_sale
from services.auctions.stock import reserve_stock
from services.idempotency import IdempotentRequest, claim, idempotent_request
from services.parameters import FEE_BASIS_POINTS, read_parameters
from services.wallets.book import account_of, enter_all
from services.wallets.errors import InsufficientFunds
from services.wallets.ledger import open_book, write_book
from services.wallets.sales import fee_of
from services.wallets.terms import Transfer, platform, user_account

OPERATION = "purchaseProduct"
MAX_QUANTITY = 1_000

# The clock is read outside the CTE, so after the lock is held.
_LOCK = text(
    """
    WITH locked AS MATERIALIZED (
        SELECT * FROM product WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE
    )
    SELECT p.id, p.stall_id, p.price_minor, p.asset, s.owner_id, clock_timestamp() AS now,
           s.owner_id = :buyer OR EXISTS (
               SELECT FROM stall_member AS m WHERE m.stall_id = s.id AND m.user_id = :buyer
           ) AS is_sellers
    FROM locked AS p JOIN stall AS s ON s.id = p.stall_id AND s.active
    """
)


@dataclass(frozen=True, slots=True)
class PurchaseRequest:
    """Somebody's wish to have `quantity` of a product, each at the price they saw, under their
    idempotency key."""

    product_id: UUID
    buyer_id: UUID
    quantity: int
    unit_price_minor: int
    asset: str
    idempotency: IdempotentRequest


def purchase_request(
    *,
    product_id: UUID,
    buyer_id: UUID,
    quantity: int,
    unit_price_minor: int,
    asset: str,
    idempotency_key: str,
) -> PurchaseRequest:
    """A checked request. Raises `InvalidInput` for a quantity outside 1 … 1,000, a price outside
    1 … 2^63 - 1, an unknown asset or a bad key."""
    if not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidInput("quantity", f"from 1 to {MAX_QUANTITY}")
    if asset not in ASSETS:
        raise InvalidInput("unitPrice", "unknown asset")
    if not 0 < unit_price_minor <= INT64_MAX:
        raise InvalidInput("unitPrice", "must be more than zero and fit in 64 bits")
    arguments = {
        "product": product_id,
        "quantity": quantity,
        "unitPrice": unit_price_minor,
        "asset": asset,
    }
    request = idempotent_request(buyer_id, idempotency_key, arguments)
    return PurchaseRequest(product_id, buyer_id, quantity, unit_price_minor, asset, request)


async def purchase_product(tx: Transaction, request: PurchaseRequest) -> UUID:
    """Sell it, and pay the seller and the platform; the order, or that of an earlier call with the
    same key. The money goes to the stall's owner, less the fee of this moment.

    Raises `NotFound`, `SellerCannotBuy`, `InvalidInput` of what has no fixed price, `PriceChanged`,
    `OutOfStock`, `InsufficientFunds`, `AccountFrozen`, `AccountClosed`, `IdempotencyConflict`.
    """
    order_id = new_id()
    kept = await claim(tx, OPERATION, request.idempotency, {"order": order_id.hex})
    if kept is not None:
        return UUID(hex=kept["order"])
    # Before the lock: what is sold quickly is waited for, so it is held as shortly as can be.
    fee_basis_points = (await read_parameters(tx, FEE_BASIS_POINTS))[FEE_BASIS_POINTS]
    product = await _locked(tx, request)
    await reserve_stock(tx, request.product_id, request.quantity, actor_id=request.buyer_id)
    price = request.quantity * request.unit_price_minor
    fee = fee_of(price, fee_basis_points)
    transfers = await _pay(tx, request, product.owner_id, price, fee, order_id)
    return await record_sale(
        tx,
        auction_id=None,
        product_id=product.id,
        stall_id=product.stall_id,
        seller_id=product.owner_id,
        buyer_id=request.buyer_id,
        quantity=request.quantity,
        unit_price_minor=request.unit_price_minor,
        fee_minor=fee,
        asset=product.asset,
        transfer_ids=transfers,
        now=product.now,
        order_id=order_id,
    )


async def _locked(tx: Transaction, request: PurchaseRequest) -> Any:
    """The product under its lock, if this buyer may have it at this price."""
    asked = {"id": request.product_id, "buyer": request.buyer_id}
    product = (await tx.execute(_LOCK, asked)).one_or_none()
    if product is None:
        raise NotFound("product")
    if product.is_sellers:
        raise SellerCannotBuy
    if product.price_minor is None:
        raise InvalidInput("productId", "it has no fixed price: it is sold by auction alone")
    if (product.price_minor, product.asset) != (request.unit_price_minor, request.asset):
        raise PriceChanged(product.price_minor, product.asset)
    return product


async def _pay(
    tx: Transaction, request: PurchaseRequest, seller_id: UUID, price: int, fee: int, order_id: UUID
) -> list[UUID]:
    """Move the price from the buyer: the seller's share, and the platform's fee."""
    asset = request.asset
    buyer, seller = user_account(request.buyer_id, asset), user_account(seller_id, asset)
    fees = platform("FEES", asset)
    book = await open_book(tx, [buyer, seller, fees])
    payer = account_of(book, buyer)
    # Of the whole: the steps below would tell what one of them lacks.
    if payer.status == "OPEN" and payer.available < price:
        raise InsufficientFunds(payer.available, price, asset)
    enter_all(
        book,
        [
            Transfer(
                debit=buyer,
                credit=credit,
                amount_minor=amount,
                code="PURCHASE" if credit is seller else "FEE",
                reference=encode_id("ord", order_id),
                actor_id=request.buyer_id,
            )
            for credit, amount in ((seller, price - fee), (fees, fee))
            if amount
        ],
    )
    return [written.id for written in await write_book(tx, book)]
