"""A small server for the browser test: GraphiQL over a schema with the real field names."""

import asyncio
import enum
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

from schema.scalars import SCALARS, Cursor
from web.graphiql_page import (
    GraphiQLConfig,
    graphiql_response,
    graphiql_routes,
    wants_graphiql,
)

AUCTION = "auc_0193000000007000800000000000beef"
NAMES = ("ada", "bruno", "chidi", "dalia", "emeka")
TOKEN = "a-demo-token"
seen: dict[str, list[str | None]] = {"http": [], "socket": [], "keys": []}


@strawberry.type
class Money:
    amount: Decimal
    asset: str = "USD"


@strawberry.type
class User:
    username: str

    @strawberry.field
    def display_name(self) -> str:
        return self.username.title()


@strawberry.type
class Bid:
    id: strawberry.ID
    sequence: int
    amount: Money
    bidder: User
    placed_at: datetime


def make_bid(sequence: int) -> Bid:
    price = Decimal("40.00") + sequence * Decimal("1.25") + (sequence % 3) * Decimal("0.50")
    bidder = User(username=NAMES[sequence * 7 % 5])
    now = datetime.now(UTC)
    return Bid(
        id=strawberry.ID(f"bid_{sequence}"),
        sequence=sequence,
        amount=Money(amount=price),
        bidder=bidder,
        placed_at=now,
    )


@strawberry.type
class Auction:
    id: strawberry.ID
    title: str
    ends_at: datetime
    bid_count: int = 3
    viewer_is_leading: bool = True

    @strawberry.field
    def current_price(self) -> Money:
        return make_bid(3).amount

    @strawberry.field
    def minimum_bid(self) -> Money:
        return make_bid(4).amount

    @strawberry.field
    def seller(self) -> User:
        return User(username="meera")

    @strawberry.field
    def top_bids(self, first: int = 3) -> list[Bid]:
        return [make_bid(3 - place) for place in range(min(first, 3))]


@strawberry.type
class Edge:
    node: Auction


@strawberry.type
class PageInfo:
    has_next_page: bool = False
    end_cursor: str | None = None


@strawberry.type
class Auctions:
    edges: list[Edge]
    page_info: PageInfo


@strawberry.enum
class AuctionOrder(enum.Enum):
    ENDING_SOON = "ENDING_SOON"


def make_auction() -> Auction:
    return Auction(
        id=strawberry.ID(AUCTION),
        title="Hand-woven shawl",
        ends_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


@strawberry.type
class Query:
    @strawberry.field
    def auctions(
        self, order_by: AuctionOrder, first: int = 20, after: Cursor | None = None
    ) -> Auctions:
        return Auctions(edges=[Edge(node=make_auction())][:first], page_info=PageInfo())


@strawberry.interface
class Error:
    message: str
    code: str


@strawberry.type
class InvalidCredentials(Error):
    pass


@strawberry.type
class BidTooLow(Error):
    minimum_bid: Money


@strawberry.type
class AuthSuccess:
    access_token: str
    user: User


@strawberry.type
class PlaceBidSuccess:
    bid: Bid
    auction: Auction


SignInResult = Annotated[AuthSuccess | InvalidCredentials, strawberry.union("SignInResult")]
PlaceBidResult = Annotated[PlaceBidSuccess | BidTooLow, strawberry.union("PlaceBidResult")]


@strawberry.input
class SignInInput:
    login: str
    password: str


@strawberry.input
class PlaceBidInput:
    auction_id: strawberry.ID
    maximum: Decimal
    idempotency_key: str


@strawberry.type
class Mutation:
    @strawberry.mutation
    def sign_in(self, input: SignInInput) -> SignInResult:
        if input.password != "bazaar":
            return InvalidCredentials(message="No.", code="INVALID_CREDENTIALS")
        return AuthSuccess(access_token=TOKEN, user=User(username=input.login))

    @strawberry.mutation
    def place_bid(self, info: strawberry.Info, input: PlaceBidInput) -> PlaceBidResult:
        seen["http"].append(info.context["request"].headers.get("authorization"))
        seen["keys"].append(input.idempotency_key)
        return PlaceBidSuccess(bid=make_bid(1), auction=make_auction())


@strawberry.type
class BidPlaced:
    cursor: str
    occurred_at: datetime
    bid: Bid


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def bid_placed(
        self, info: strawberry.Info, auction_id: strawberry.ID
    ) -> AsyncIterator[BidPlaced]:
        params = info.context.get("connection_params") or {}
        seen["socket"].append(params.get("authorization"))
        for sequence in itertools.count(1):
            bid = make_bid(sequence)
            yield BidPlaced(cursor=str(sequence), occurred_at=bid.placed_at, bid=bid)
            await asyncio.sleep(0.3)


schema = strawberry.Schema(
    Query,
    Mutation,
    Subscription,
    types=[InvalidCredentials, BidTooLow],
    config=StrawberryConfig(scalar_map={Cursor: SCALARS[Cursor]}),
)
graphql = GraphQL(schema, graphql_ide=None)


class Endpoint:
    """As the real server does: a browser's visit gets the page, the rest is GraphQL's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if wants_graphiql(request := Request(scope, receive)):
            await graphiql_response(request)(scope, receive, send)
            return
        await graphql(scope, receive, send)


async def config() -> GraphiQLConfig:
    return GraphiQLConfig(
        demo_auction_id=AUCTION, demo_username="ada", demo_password="bazaar", notice="Demo data"
    )


async def show_seen(request: Request) -> JSONResponse:
    return JSONResponse(seen)


app = Starlette(
    routes=[
        Route("/graphql", Endpoint()),
        WebSocketRoute("/graphql", graphql),
        Route("/seen", show_seen),
        *graphiql_routes(config),
    ]
)
