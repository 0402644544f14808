"""Money of a lot: what its leader holds, and at the end the hold posted, the shares credited and
the rest released. Two statements, in the transaction of whoever has locked the lot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.database import Transaction
from core.errors import NotFound
from models.wallets import Code
from services.wallets.book import Book, account_of, enter_all, open_holds
from services.wallets.ledger import Written, open_book, write_book
from services.wallets.terms import AccountRef, Hold, Post, Step, Transfer, Void, escrow, platform
from services.wallets.terms import user_account as user

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a sale moved: `price_minor = fee_minor + share_minor`, and the transfers in order, three
    at most: those that only release others' holds, of which a sealed lot has many, are not here."""

    price_minor: int
    fee_minor: int
    share_minor: int
    transfers: list[Written]


def fee_of(price_minor: int, basis_points: int) -> int:
    """The platform's part of a price, rounded down to whole minor units."""
    return price_minor * basis_points // BASIS_POINTS


async def settle_sale(
    tx: Transaction,
    *,
    lot_id: UUID,
    asset: str,
    winner_id: UUID,
    seller_id: UUID,
    price_minor: int,
    fee_basis_points: int,
    reference: str,
    actor_id: UUID | None = None,
) -> Settlement:
    """Post the winner's hold on the lot at the price, credit the seller and the platform, release
    every hold on the lot. Raises `NotFound("hold")` where the winner holds nothing there,
    `InvalidInput` where less than the price is held, `AccountClosed` of the seller's account."""
    lot, seller = escrow(lot_id, asset), user(seller_id, asset)
    fees = platform("FEES", asset)
    book = await open_book(tx, [lot, seller, fees, user(winner_id, asset)])
    winning = _hold_of(book, open_holds(book, credit=lot), winner_id, asset)
    fee = fee_of(price_minor, fee_basis_points)
    shares: list[tuple[AccountRef, int, Code]] = [
        (seller, price_minor - fee, "SALE"),
        (fees, fee, "FEE"),
    ]
    steps: list[Step] = [Post(hold_id=winning.id, amount_minor=price_minor, code="SALE")]
    steps += [
        Transfer(
            debit=lot,
            credit=credit,
            amount_minor=amount,
            code=code,
            reference=reference,
            actor_id=actor_id,
        )
        for credit, amount, code in shares
        if amount
    ]
    others = [hold for hold in open_holds(book, credit=lot) if hold.id != winning.id]
    enter_all(book, [*steps, *_voids(others)])
    moved = [written for written in await write_book(tx, book) if written.entry.kind != "VOID"]
    return Settlement(price_minor, fee, price_minor - fee, moved)


async def release_lot(tx: Transaction, *, lot_id: UUID, asset: str) -> list[Written]:
    """Release every hold on a lot: it was not sold. Two statements."""
    lot = escrow(lot_id, asset)
    book = await open_book(tx, [lot])
    enter_all(book, _voids(open_holds(book, credit=lot)))
    return await write_book(tx, book)


def hold_steps(
    book: Book,
    *,
    lot_id: UUID,
    asset: str,
    bidder_id: UUID,
    maximum_minor: int,
    reference: str,
    instead_of: Sequence[Hold],
) -> list[Step]:
    """What makes a bidder's maximum be held on a lot in place of other holds on it; nothing where
    it is so already. For the book of `escrow(lot)` and `user_account(bidder)`. Raises
    `NotFound("user")`."""
    bidder = user(bidder_id, asset)
    account = account_of(book, bidder)
    if [(h.debit_account_id, h.amount_minor) for h in instead_of] == [(account.id, maximum_minor)]:
        return []
    hold = Transfer(
        debit=bidder,
        credit=escrow(lot_id, asset),
        amount_minor=maximum_minor,
        code="BID",
        pending=True,
        reference=reference,
        actor_id=bidder_id,
    )
    return [*_voids(instead_of), hold]


def _voids(holds: Iterable[Hold]) -> list[Void]:
    return [Void(hold_id=hold.id) for hold in holds]


def _hold_of(book: Book, holds: Iterable[Hold], user_id: UUID, asset: str) -> Hold:
    account = account_of(book, user(user_id, asset))
    for hold in holds:
        if hold.debit_account_id == account.id:
            return hold
    raise NotFound("hold")
