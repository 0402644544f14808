"""Root fields that buy at a fixed price and settle orders; what they answer."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import orders as resolvers
from schema.auctions.errors import (
    OutOfStock,
    PriceChanged,
    SellerCannotBuy,
    WrongOrderStatus,
)
from schema.auctions.inputs import described
from schema.auctions.orders import Order
from schema.common import Forbidden, IdempotencyConflict, InvalidInput, MoneyInput, NotFound
from schema.fields import Context, argument, attribute, mutation, resolved
from schema.wallets.errors import AccountClosed, AccountFrozen, InsufficientFunds
from schema.wallets.inputs import amount_of


@strawberry.input(description="A product to buy, for the viewer.")
class PurchaseProductInput:
    product_id: strawberry.ID = described("What to buy.")
    quantity: int = described("How many pieces, 1 to 1,000.", default=1)
    unit_price: MoneyInput = described(
        "The `Product.price` that you were shown: you pay this for each piece, or nothing."
    )
    idempotency_key: str = described(
        "Your own name for this purchase, 1 to 200 characters. Sent again with the same key, "
        "nothing is bought twice."
    )


@strawberry.input(description="An order that was handed over.")
class FulfilOrderInput:
    order_id: strawberry.ID = described("Which order: one of your stall.")


@strawberry.input(description="An order whose money goes back.")
class RefundOrderInput:
    order_id: strawberry.ID = described("Which order: one that you were paid for.")
    idempotency_key: str = described(
        "Your own name for this refund, 1 to 200 characters. Sent again with the same key, "
        "nothing is refunded twice."
    )


@strawberry.type(description="It is yours, and paid.")
class PurchaseProductSuccess:
    order: Order = attribute("The order that says so.")


@strawberry.type(description="The order is FULFILLED; saying it twice changes nothing.")
class FulfilOrderSuccess:
    order: Order = attribute("The order as it is now.")


@strawberry.type(description="The buyer has the whole price back, and the stock its pieces.")
class RefundOrderSuccess:
    order: Order = attribute("The order as it is now.")


PurchaseProductResult = Annotated[
    PurchaseProductSuccess
    | OutOfStock
    | PriceChanged
    | SellerCannotBuy
    | InsufficientFunds
    | AccountFrozen
    | AccountClosed
    | IdempotencyConflict
    | NotFound
    | InvalidInput,
    strawberry.union("PurchaseProductResult", description="What became of a purchase."),
]
FulfilOrderResult = Annotated[
    FulfilOrderSuccess | WrongOrderStatus | NotFound | Forbidden,
    strawberry.union("FulfilOrderResult", description="What became of an order's handing over."),
]
RefundOrderResult = Annotated[
    RefundOrderSuccess
    | WrongOrderStatus
    | InsufficientFunds
    | AccountFrozen
    | AccountClosed
    | IdempotencyConflict
    | NotFound
    | Forbidden
    | InvalidInput,
    strawberry.union("RefundOrderResult", description="What became of a refund."),
]


@strawberry.type
class ShopQuery:
    @resolved("An order by its id; null where there is none that you may see.", viewer=True)
    async def order(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `ord_`.")]
    ) -> Order | None:
        order: Order | None = await resolvers.order(info.context, id)
        return order


@strawberry.type
class ShopMutation:
    @mutation("Buy a product at its fixed price.", scopes=["bid:place"])
    async def purchase_product(
        self,
        info: Context,
        input: Annotated[PurchaseProductInput, argument("What, how many, and at which price.")],
    ) -> PurchaseProductResult:
        return PurchaseProductSuccess(
            order=await resolvers.purchase(
                info.context,
                input.product_id,
                input.quantity,
                amount_of(input.unit_price),
                input.idempotency_key,
            )
        )

    @mutation(
        "Say that an order's goods are with its buyer: for whoever owns or shares the stall.",
        authenticated=True,
    )
    async def fulfil_order(
        self, info: Context, input: Annotated[FulfilOrderInput, argument("Which order.")]
    ) -> FulfilOrderResult:
        return FulfilOrderSuccess(order=await resolvers.fulfil(info.context, input.order_id))

    @mutation(
        "Give an order's buyer the whole price back, the platform's fee included: for the seller "
        "who was paid, and for moderators.",
        authenticated=True,
    )
    async def refund_order(
        self, info: Context, input: Annotated[RefundOrderInput, argument("Which order.")]
    ) -> RefundOrderResult:
        order = await resolvers.refund(info.context, input.order_id, input.idempotency_key)
        return RefundOrderSuccess(order=order)
