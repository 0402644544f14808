"""A lot's money: what its bids hold in the ledger, and what its end moves. All of it happens under
the lot's lock and in the transaction of the bid or the end that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from core.database import Transaction
from core.errors import DomainError
from core.ids import encode_id
from services.auctions.lots import SEALED, AuctionState, Closing, Decision, Offer
from services.auctions.orders import record_sale
from services.auctions.state import LockedAuction
from services.auctions.stock import give_back_stock
from services.wallets.book import Book, account_of, enter_all, open_holds, refusal_of
from services.wallets.ledger import open_book, write_book
from services.wallets.sales import hold_steps, release_lot, settle_sale
from services.wallets.terms import Hold, Step, escrow, platform, user_account


async def open_lot_book(
    tx: Transaction, locked: LockedAuction, bidders: Iterable[UUID], *, ends: bool
) -> Book:
    """Lock what the bidders own of the lot's asset, with all that is held on the lot; one
    statement. `ends`: what is held now is paid in this transaction, so whoever is paid is locked
    too, in the one order of accounts; after these it could be a deadlock."""
    asset = locked.state.asset
    accounts = [user_account(bidder, asset) for bidder in dict.fromkeys(bidders)]
    if ends:
        accounts += [user_account(locked.row.seller_id, asset), platform("FEES", asset)]
    return await open_book(tx, [escrow(locked.state.id, asset), *accounts])


def means(book: Book, state: AuctionState) -> Callable[[Offer], DomainError | None]:
    """What refuses an offer for want of money: `InsufficientFunds`, `AccountFrozen`,
    `AccountClosed`, `InvalidInput` over the asset's limit, `NotFound("user")`.

    A bidder's own hold on the lot counts as free, for the new one replaces it. Offers taken before
    in the same batch need no look: on one lot nobody holds more than their highest maximum.
    """

    def refusal(offer: Offer) -> DomainError | None:
        try:
            steps = _steps(book, state, offer.bidder_id, offer.maximum_minor)
        except DomainError as error:
            return error
        return refusal_of(book, steps)

    return refusal


async def hold_maxima(tx: Transaction, book: Book, decision: Decision) -> None:
    """Hold the leader's maximum in place of whoever's was held before, or, in a sealed lot, each
    bidder's highest (auctions.md, fairness 3). Two statements at most."""
    state = decision.state
    for bidder_id, maximum in _held(decision).items():
        enter_all(book, _steps(book, state, bidder_id, maximum))
    await write_book(tx, book)


async def hold_price(
    tx: Transaction, locked: LockedAuction, buyer_id: UUID, price_minor: int
) -> None:
    """Hold the buy-now price of whoever takes the lot at it, in place of its leader's maximum.
    Raises what `means` refuses with."""
    book = await open_lot_book(tx, locked, [buyer_id], ends=True)
    enter_all(book, _steps(book, locked.state, buyer_id, price_minor))
    await write_book(tx, book)


async def settle_lot(tx: Transaction, locked: LockedAuction, closing: Closing) -> None:
    """Move what the end of a locked lot moves: the winner's hold posted at the price, the shares
    credited, the order written; or, unsold, the stock given back. No hold is left on the lot."""
    if closing.winner_id is None or closing.price_minor is None or closing.status != "SOLD":
        await release_all(tx, locked)
        return
    state, row = locked.state, locked.row
    settled = await settle_sale(
        tx,
        lot_id=state.id,
        asset=state.asset,
        winner_id=closing.winner_id,
        seller_id=row.seller_id,
        price_minor=closing.price_minor,
        fee_basis_points=row.fee_basis_points,
        reference=encode_id("auc", state.id),
    )
    await record_sale(
        tx,
        auction_id=state.id,
        product_id=row.product_id,
        stall_id=row.stall_id,
        seller_id=row.seller_id,
        buyer_id=closing.winner_id,
        quantity=1,
        unit_price_minor=closing.price_minor,
        fee_minor=settled.fee_minor,
        asset=state.asset,
        transfer_ids=[written.id for written in settled.transfers],
        now=locked.now,
    )


async def release_all(tx: Transaction, locked: LockedAuction) -> None:
    """Give back what an unsold or cancelled lot holds: its bidders' money, its unit of stock."""
    if locked.row.stock_reserved:
        await give_back_stock(tx, locked.row.product_id, 1)
    if locked.state.bid_count:
        await release_lot(tx, lot_id=locked.state.id, asset=locked.state.asset)


def _held(decision: Decision) -> dict[UUID, int]:
    """The maxima that are held after it, of those whose holds it changes."""
    state = decision.state
    if state.format == SEALED:
        return {bid.bidder_id: state.maxima[bid.bidder_id] for bid in decision.accepted}
    if state.leader_id is None or state.leader_maximum_minor is None or not decision.accepted:
        return {}
    return {state.leader_id: state.leader_maximum_minor}


def _steps(book: Book, state: AuctionState, bidder_id: UUID, maximum_minor: int) -> list[Step]:
    return hold_steps(
        book,
        lot_id=state.id,
        asset=state.asset,
        bidder_id=bidder_id,
        maximum_minor=maximum_minor,
        reference=encode_id("auc", state.id),
        instead_of=_replaced(book, state, bidder_id),
    )


def _replaced(book: Book, state: AuctionState, bidder_id: UUID) -> list[Hold]:
    """The holds that a bidder's new one replaces: of a sealed lot their own, of any other all, for
    only its leader holds."""
    holds = open_holds(book, credit=escrow(state.id, state.asset))
    if state.format != SEALED:
        return holds
    own = account_of(book, user_account(bidder_id, state.asset)).id
    return [hold for hold in holds if hold.debit_account_id == own]
