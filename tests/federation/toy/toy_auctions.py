"""The auctions domain of the toy schema: auctions and bids, and what they add to a user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.federation.schema_directives import Cost, ListSize
from toy_common import CacheControl, Connection, Error, ErrorCode, Money, Node, NotFound, page_of

if TYPE_CHECKING:
    from toy_users import Badge, User

MINIMUM = Decimal(10)


@strawberry.type(description="What auctions add to a user.")
class AuctionUserFields:
    id: strawberry.Private[str]

    @strawberry.federation.field(
        description="Auctions this user opened.",
        directives=[
            Cost(weight=5),
            ListSize(
                assumed_size=strawberry.UNSET,
                slicing_arguments=["first"],
                sized_fields=["edges"],
                require_one_slicing_argument=False,
            ),
        ],
    )
    def auctions(self, first: int = 20) -> Connection[Auction]:
        return page_of([Auction.of(f"auc_{self.id[-1]}")][:first])


@strawberry.federation.type(keys=["id"], description="A thing for sale.")
class Auction(Node):
    title: str = strawberry.field(description="What is sold.")
    minimum_bid: Money = strawberry.field(description="The least that is taken.")

    @strawberry.federation.field(description="Who sells.")
    def seller(self) -> Annotated[User, strawberry.lazy("toy_users")]:
        from toy_users import User

        return User.of(f"usr_{self.id[-1]}")

    @strawberry.federation.field(description="The seller's badge.", tags=["web"])
    def badge(self) -> Annotated[Badge, strawberry.lazy("toy_users")] | None:
        return None

    @strawberry.federation.field(description="For the house alone.", inaccessible=True)
    def reserve(self) -> int:
        return 3

    @classmethod
    def of(cls, id: str) -> Auction:
        return cls(
            id=strawberry.ID(id),
            title=f"Lot {id[-1]}",
            minimum_bid=Money(amount=MINIMUM, asset="EUR"),
        )

    @classmethod
    async def resolve_reference(cls, id: strawberry.ID, info: strawberry.Info) -> Auction | None:
        found: Auction | None = await info.context["auctions"].load(id)
        return found


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
        return Auction.of(id)

    @strawberry.field(description="All auctions.", deprecation_reason="2030-01-01: use search")
    def auctions(self) -> Connection[Auction]:
        return page_of([Auction.of("auc_1")])


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
        return PlaceBidSuccess(auction=Auction.of(input.auction_id))


@strawberry.type
class AuctionSubscription:
    @strawberry.subscription(description="An auction as it changes.")
    async def auction_changed(self, id: strawberry.ID) -> AsyncIterator[Auction]:
        yield Auction.of(id)
