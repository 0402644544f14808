"""placeBid the plain way, over plain Strawberry: one ORM transaction a bid, rows locked by SELECT …
FOR UPDATE, read, checked, written; then a message to Redis by broadcaster.

The decision itself is Mela's pure rule, so that both decide alike, and the money is held by
plain_ledger's rules. It writes no event log, seals no bid, and has none of Mela's guards.
"""

from __future__ import annotations

import json
import os
import uuid
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import strawberry
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from bench.plain import Auction, Bid, BigInt, Endpoint, Query, broadcast, lifespan, new_session
from bench.plain import ready as ready
from bench.plain_ledger import Refused, check, hold, lock_accounts, release
from core.clock import utc_now
from core.errors import DomainError
from core.ids import decode_id, new_id
from core.money import to_minor
from core.tokens import TokenPolicy, ensure_keys, verify_access_token
from models.auctions import Auction as AuctionTable
from models.auctions import Bid as BidTable
from models.auctions import Stall, StallMember
from models.idempotency import IdempotencyKey
from models.wallets import LedgerAccount, LedgerHold
from services.auctions import errors
from services.auctions.lots import Accepted, Decision, Offer
from services.auctions.rules import decide
from services.auctions.state import state_of
from services.users.access import viewer_of

OPERATION = "placeBid"
ring = ensure_keys(Path(os.environ["MELA_STATE_DIR"]) / "keys")
policy = TokenPolicy()


async def place_bid(
    auction_id: uuid.UUID, bidder_id: uuid.UUID, maximum: Decimal, key: str
) -> tuple[BidTable, AuctionTable]:
    """One bid in one transaction. Raises `Refused`, or the rules' refusal."""
    async with new_session() as session, session.begin():
        lot = await _locked(session, auction_id)
        maximum_minor = to_minor(maximum, lot.asset, field="maximum")
        hashed = sha256(f"{auction_id} {maximum_minor}".encode()).digest()
        kept = await session.get(IdempotencyKey, (bidder_id, OPERATION, key))
        if kept is not None:
            if kept.request_hash != hashed or kept.answer is None:
                raise Refused("IdempotencyConflict")
            return await session.get_one(BidTable, uuid.UUID(kept.answer["id"])), lot
        sellers = await _sellers(session, lot)
        now: datetime = (await session.exec(select(func.clock_timestamp()))).one()
        offer = Offer(new_id(), bidder_id, maximum_minor)
        decision = decide(state_of(lot, seller_ids=sellers), [offer], now)
        outcome = decision.outcomes[0]
        if isinstance(outcome, DomainError):
            raise outcome
        await _hold(session, lot, decision, offer)
        bid = await _write(session, lot, decision, outcome, now)
        session.add(
            IdempotencyKey(
                user_id=bidder_id,
                operation=OPERATION,
                key=key,
                request_hash=hashed,
                answer={"id": str(bid.id)},
            )
        )
    await broadcast.publish(channel=f"plain:{auction_id}", message=_message(bid))
    return bid, lot


async def _locked(session: AsyncSession, auction_id: uuid.UUID) -> AuctionTable:
    found = await session.exec(
        select(AuctionTable).where(col(AuctionTable.id) == auction_id).with_for_update()
    )
    lot = found.one_or_none()
    if lot is None:
        raise Refused("NotFound")
    return lot


async def _sellers(session: AsyncSession, lot: AuctionTable) -> set[uuid.UUID]:
    stall = await session.get_one(Stall, lot.stall_id)
    members = await session.exec(
        select(StallMember.user_id).where(col(StallMember.stall_id) == lot.stall_id)
    )
    return {lot.seller_id, stall.owner_id, *members}


async def _hold(session: AsyncSession, lot: AuctionTable, decision: Decision, offer: Offer) -> None:
    """Whoever leads holds their maximum, who led before holds nothing; who bids must have it."""
    escrow = await _account(session, "ESCROW", lot.id, lot.asset)
    bidder = await _account(session, "USER", offer.bidder_id, lot.asset)
    found = await session.exec(
        select(LedgerHold).where(col(LedgerHold.credit_account_id) == escrow.id)
    )
    held = found.one_or_none()
    wanted = [escrow.id, bidder.id, *([held.debit_account_id] if held else [])]
    accounts = await lock_accounts(session, wanted)
    leads = decision.state.leader_bid_id == offer.bid_id
    if held is not None and leads:
        await release(session, held, accounts[held.debit_account_id], escrow)
    if leads:
        await hold(session, bidder, escrow, offer.maximum_minor)
    else:
        await check(session, bidder, escrow, offer.maximum_minor)


async def _account(
    session: AsyncSession, kind: str, holder_id: uuid.UUID, asset: str
) -> LedgerAccount:
    found = await session.exec(
        select(LedgerAccount).where(
            col(LedgerAccount.holder_id) == holder_id,
            col(LedgerAccount.asset) == asset,
            col(LedgerAccount.kind) == kind,
        )
    )
    account = found.one_or_none()
    if account is None:
        owner = holder_id if kind == "USER" else None
        account = LedgerAccount(
            id=new_id(), kind=kind, holder_id=holder_id, owner_id=owner, asset=asset
        )
        session.add(account)
        await session.flush()
    return account


async def _write(
    session: AsyncSession, lot: AuctionTable, decision: Decision, outcome: Accepted, now: datetime
) -> BidTable:
    for id, amount in decision.shown_minor.items():
        if id != outcome.bid_id:
            before = await session.get_one(BidTable, id)
            before.amount_minor = amount
    state = decision.state
    lot.ends_at, lot.extension_count = state.ends_at, state.extensions
    lot.current_price_minor = state.price_minor or lot.starting_price_minor
    lot.bid_count, lot.reserve_met = state.bid_count, state.reserve_met_told
    lot.leader_id, lot.leader_bid_id = state.leader_id, state.leader_bid_id
    lot.leader_maximum_minor = state.leader_maximum_minor
    lot.runner_up_maximum_minor = state.runner_up_maximum_minor
    bid = BidTable(
        id=outcome.bid_id,
        auction_id=lot.id,
        bidder_id=outcome.bidder_id,
        sequence=outcome.sequence,
        asset=lot.asset,
        amount_minor=decision.shown_minor[outcome.bid_id],
        maximum_minor=outcome.maximum_minor,
        nonce=bytes(16),
        commitment=bytes(32),
        placed_at=now,
    )
    session.add(bid)
    return bid


def _message(bid: BidTable) -> str:
    return json.dumps(
        {
            "sequence": bid.sequence,
            "id": str(bid.id),
            "amount": bid.amount_minor,
            "asset": bid.asset,
            "placedAt": bid.placed_at.isoformat(),
            "bidder": str(bid.bidder_id),
        }
    )


@strawberry.input
class PlaceBidInput:
    auction_id: strawberry.ID
    maximum: Decimal
    idempotency_key: str


@strawberry.type
class PlaceBidSuccess:
    bid: Bid
    auction: Auction


@strawberry.type
class BidTooLow:
    message: str


@strawberry.type
class BidRefused:
    message: str


PlaceBidResult = Annotated[
    PlaceBidSuccess | BidTooLow | BidRefused, strawberry.union("PlaceBidResult")
]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def place_bid(self, info: Info, input: PlaceBidInput) -> PlaceBidResult:
        header = info.context["request"].headers["authorization"]
        token = header.removeprefix("Bearer ")
        claims = verify_access_token(ring, policy, token, now=utc_now())
        try:
            bid, lot = await place_bid(
                decode_id(input.auction_id, "auc"),
                viewer_of(claims).user_id,
                input.maximum,
                input.idempotency_key,
            )
        except errors.BidTooLow as refusal:
            return BidTooLow(message=str(refusal))
        except (Refused, DomainError) as refusal:
            return BidRefused(message=str(refusal))
        made: Any = PlaceBidSuccess(bid=bid, auction=lot)  # type: ignore[arg-type]
        return made  # type: ignore[no-any-return]


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    extensions=[lambda: ParserCache(), lambda: ValidationCache()],
    config=StrawberryConfig(
        scalar_map={BigInt: strawberry.scalar(name="BigInt", serialize=str, parse_value=int)}
    ),
)
app = Starlette(
    routes=[Route("/graphql", Endpoint(schema, graphql_ide=None)), Route("/readyz", ready)],
    lifespan=lifespan,
)
