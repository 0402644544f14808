"""What Mela is compared with: Strawberry, SQLModel and broadcaster used as their documentation
shows, over the same tables. It has none of Mela's guards, and no rules: do not take it for more.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NewType

import strawberry
from broadcaster import Broadcast
from broadcaster._backends.redis import RedisBackend
from sqlalchemy import true
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from core.database import async_url
from models.auctions import Auction as AuctionTable
from models.auctions import Bid as BidTable
from models.users import UserAccount

engine = create_async_engine(async_url(os.environ["MELA_DATABASE_URL"]), pool_size=20)
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
# The backend is given, for `Broadcast(url)` knows no unix sockets.
broadcast = Broadcast(backend=RedisBackend(os.environ["MELA_REDIS_URL"]))

BigInt = NewType("BigInt", int)


async def load_users(keys: list[uuid.UUID]) -> list[UserAccount | None]:
    async with new_session() as session:
        found = await session.exec(select(UserAccount).where(col(UserAccount.id).in_(keys)))
        users = {user.id: user for user in found}
    return [users.get(key) for key in keys]


async def load_top_bids(keys: list[tuple[uuid.UUID, int]]) -> list[list[BidTable]]:
    wanted = {auction for auction, _ in keys}
    parents = select(AuctionTable.id).where(col(AuctionTable.id).in_(wanted)).subquery()
    newest = (
        select(BidTable)
        .where(BidTable.auction_id == parents.c.id)
        .order_by(col(BidTable.amount_minor).desc(), col(BidTable.sequence))
        .limit(max(first for _, first in keys))
        .lateral()
    )
    top = aliased(BidTable, newest)
    found: dict[uuid.UUID, list[BidTable]] = defaultdict(list)
    async with new_session() as session:
        for bid in await session.exec(select(top).select_from(parents).join(newest, true())):
            found[bid.auction_id].append(bid)
    return [found[auction][:first] for auction, first in keys]


@strawberry.type
class Money:
    minor_units: BigInt
    asset: str


@strawberry.federation.type(keys=["id"])
class User:
    id: strawberry.ID
    username: str
    display_name: str
    avatar_url: str | None

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Any:
        user = await info.context["users"].load(uuid.UUID(id))
        return user and User(
            id=user.id,
            username=user.username,
            display_name=user.display_name,
            avatar_url=user.avatar_url,
        )


@strawberry.type
class Bid:
    id: strawberry.ID
    placed_at: datetime

    @strawberry.field
    def amount(self: Any) -> Money:
        return Money(minor_units=self.amount_minor, asset=self.asset)

    @strawberry.field
    async def bidder(self: Any, info: Info) -> User:
        user: User = await info.context["users"].load(self.bidder_id)
        return user


@strawberry.type
class Auction:
    id: strawberry.ID
    title: str
    description: str
    bid_count: int
    status: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime

    @strawberry.field
    def current_price(self: Any) -> Money:
        return Money(minor_units=self.current_price_minor, asset=self.asset)

    @strawberry.field
    def starting_price(self: Any) -> Money:
        return Money(minor_units=self.starting_price_minor, asset=self.asset)

    @strawberry.field
    async def seller(self: Any, info: Info) -> User:
        user: User = await info.context["users"].load(self.seller_id)
        return user

    @strawberry.field
    async def top_bids(self: Any, info: Info, first: int = 3) -> list[Bid]:
        bids: list[Bid] = await info.context["top_bids"].load((self.id, first))
        return bids


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class AuctionEdge:
    cursor: str
    node: Auction


@strawberry.type
class AuctionConnection:
    edges: list[AuctionEdge]
    page_info: PageInfo


def cursor_of(auction: Any) -> str:
    return base64.b64encode(f"{auction.created_at.timestamp()}:{auction.id}".encode()).decode()


@strawberry.type
class Query:
    @strawberry.field
    async def user(self, id: strawberry.ID) -> User | None:
        async with new_session() as session:
            user: Any = await session.get(UserAccount, uuid.UUID(id))
            return user  # type: ignore[no-any-return]

    @strawberry.field
    async def auctions(self, first: int) -> AuctionConnection:
        newest = (
            select(AuctionTable)
            .order_by(col(AuctionTable.created_at).desc(), col(AuctionTable.id).desc())
            .limit(first + 1)
        )
        async with new_session() as session:
            rows: list[Any] = list((await session.exec(newest)).all())
        edges = [AuctionEdge(cursor=cursor_of(row), node=row) for row in rows[:first]]
        end = edges[-1].cursor if edges else None
        page = PageInfo(has_next_page=len(rows) > first, end_cursor=end)
        return AuctionConnection(edges=edges, page_info=page)


@strawberry.type
class LiveBid:
    """Its bidder comes with the message: this server reads nothing to deliver an event."""

    id: strawberry.ID
    amount: Money
    placed_at: datetime
    bidder: User


@strawberry.type
class BidPlaced:
    cursor: str
    bid: LiveBid


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def bid_placed(self, auction_id: strawberry.ID) -> AsyncGenerator[BidPlaced, None]:
        async with broadcast.subscribe(channel=f"plain:{auction_id}") as events:
            async for event in events:
                told = json.loads(event.message)
                bidder = User(
                    id=told["bidder"],
                    username=told["username"],
                    display_name="",
                    avatar_url=None,
                )
                bid = LiveBid(
                    id=told["id"],
                    amount=Money(minor_units=told["amount"], asset=told["asset"]),
                    placed_at=datetime.fromisoformat(told["placedAt"]),
                    bidder=bidder,
                )
                yield BidPlaced(cursor=str(told["sequence"]), bid=bid)


schema = strawberry.federation.Schema(
    query=Query,
    subscription=Subscription,
    extensions=[lambda: ParserCache(), lambda: ValidationCache()],
    config=StrawberryConfig(
        scalar_map={BigInt: strawberry.scalar(name="BigInt", serialize=str, parse_value=int)}
    ),
)


class Endpoint(GraphQL[Any, None]):
    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        return {
            "request": request,
            "response": response,
            "users": DataLoader(load_fn=load_users),
            "top_bids": DataLoader(load_fn=load_top_bids),
        }


async def hold(channel: str) -> None:
    # broadcaster's listener stops for good if it looks before the first SUBSCRIBE is confirmed, and
    # it loses all but one of several first subscribers of a channel that come at once.
    async with broadcast.subscribe(channel=channel) as events:
        async for _ in events:
            pass


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    await broadcast.connect()
    held = []
    for channel in ("plain:held-1", "plain:held-2", os.environ.get("BENCH_CHANNEL", "plain:held")):
        held.append(asyncio.create_task(hold(channel)))
        await asyncio.sleep(0.2)
    yield
    for task in held:
        task.cancel()
    await broadcast.disconnect()
    await engine.dispose()


async def ready(request: Request) -> Response:
    return Response("ready")


endpoint = Endpoint(schema, graphql_ide=None)
app = Starlette(
    routes=[
        Route("/graphql", endpoint),
        WebSocketRoute("/graphql", endpoint),
        Route("/readyz", ready),
    ],
    lifespan=lifespan,
)
