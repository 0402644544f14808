"""The auctions domain of the toy schema: auctions and bids, and what they add to a user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import strawberry
from strawberry.federation.schema_directives import Cost, ListSize
from toy_common import CacheControl, Connection, Error, ErrorCode, Money, NotFound, Titled, page_of

if TYPE_CHECKING:
    from toy_users import Badge, User

MINIMUM = Decimal(10)


@strawberry.type(description="What auctions add to a user.")
class AuctionUserFields:
    @strawberry.federation.field(
        description="Auctions this user opened.",
        directives=[
            Cost(weight=5),
            ListSize(
                assumed_size=None,
                slicing_arguments=["first"],
                sized_fields=["edges"],
                require_one_slicing_argument=False,
            ),
        ],
    )
    def auctions(self, root: strawberry.Parent[Any], first: int = 20) -> Connection[Auction]:
        return page_of([auction(f"auc_{root.public_id[-1]}")][:first])


@strawberry.interface(description="Who can sell; a user's other subgraphs cannot say so.")
class Seller:
    score: int = strawberry.field(default=1, description="How well they sell.")


class AuctionRow(NamedTuple):
    """What resolvers give for an auction: a row, not an instance of the GraphQL type."""

    public_id: str
    title: str
    minimum_bid: Money


def auction(id: str) -> Any:
    """The row of an auction."""
    return AuctionRow(id, f"Lot {id[-1]}", Money(amount=MINIMUM, asset="EUR"))


@strawberry.federation.type(keys=["id"], description="A thing for sale.")
class Auction(Titled):
    minimum_bid: Money = strawberry.field(description="The least that is taken.")

    @strawberry.federation.field(description="Who sells.")
    def seller(self, root: strawberry.Parent[Any]) -> Annotated[User, strawberry.lazy("toy_users")]:
        from toy_users import User

        return User.of(f"usr_{root.public_id[-1]}")

    @strawberry.federation.field(description="The seller's badge.", tags=["web"])
    def badge(self) -> Annotated[Badge, strawberry.lazy("toy_users")] | None:
        return None

    @strawberry.federation.field(description="For the house alone.", inaccessible=True)
    def reserve(self) -> int:
        return 3

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, AuctionRow)

    @classmethod
    async def resolve_reference(cls, id: strawberry.ID, info: strawberry.Info) -> Any:
        return await info.context["auctions"].load(id)


@strawberry.input(description="A bid to place.")
class PlaceBidInput:
    auction_id: strawberry.ID = strawberry.field(description="On what.")
    amount: Decimal = strawberry.field(description="How much.")


@strawberry.type(description="The bid stands.")
class PlaceBidSuccess:
    auction: Auction = strawberry.field(description="On what.")


@strawberry.type(description="Less than the minimum.")
class BidTooLow(Error):
    minimum_bid: Money = strawberry.field(description="The least that is taken.")


PlaceBidResult = Annotated[
    PlaceBidSuccess | BidTooLow | NotFound,
    strawberry.union("PlaceBidResult", description="How it went."),
]


@strawberry.type
class AuctionQuery:
    @strawberry.federation.field(
        description="An auction by id.",
        directives=[CacheControl(max_age=30)],
    )
    def auction(self, id: strawberry.ID) -> Auction | None:
        return auction(id)

    @strawberry.field(description="All auctions.", deprecation_reason="2030-01-01: use search")
    def auctions(self) -> Connection[Auction]:
        return page_of([auction("auc_1")])


@strawberry.type
class AuctionMutation:
    @strawberry.federation.field(
        description="Bids.",
        authenticated=True,
        requires_scopes=[["bid:write"]],
        directives=[Cost(weight=10)],
    )
    def place_bid(self, input: PlaceBidInput) -> PlaceBidResult:
        if input.amount < MINIMUM:
            return BidTooLow(
                message="too low",
                code=ErrorCode.BID_TOO_LOW,
                minimum_bid=Money(amount=MINIMUM, asset="EUR"),
            )
        return PlaceBidSuccess(auction=auction(input.auction_id))


@strawberry.type
class AuctionSubscription:
    @strawberry.subscription(description="An auction as it changes.")
    async def auction_changed(self, id: strawberry.ID) -> AsyncIterator[Auction]:
        yield auction(id)
