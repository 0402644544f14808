"""Who pays for a quest: its sponsor's budget, an account of its own, or the platform's rewards.

A sponsor fills a budget from their wallet; only rewards leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.database import Transaction
from models.wallets import Code
from services.wallets.book import Book, account_of, available
from services.wallets.funds import TOKENS
from services.wallets.ledger import Written, transfer_all
from services.wallets.terms import AccountRef, Step, Transfer, escrow, platform, user_account


def budget(sponsor_id: UUID, asset: str) -> AccountRef:
    """A sponsor's budget of an asset, for all their quests."""
    return escrow(sponsor_id, asset)


def payer(sponsor_id: UUID | None, asset: str) -> AccountRef:
    """The account that pays a quest's rewards."""
    return platform("REWARDS", asset) if sponsor_id is None else budget(sponsor_id, asset)


async def fill_budget(
    tx: Transaction, *, sponsor_id: UUID, asset: str, amount_minor: int
) -> Written:
    """Move an amount from the sponsor's wallet into their budget. Raises as `transfer_all`."""
    step = Transfer(
        debit=user_account(sponsor_id, asset),
        credit=budget(sponsor_id, asset),
        amount_minor=amount_minor,
        code="SPONSORSHIP",
    )
    return (await transfer_all(tx, [step]))[0]


def accounts_of(player_id: UUID, sponsor_id: UUID | None, asset: str) -> list[AccountRef]:
    """The accounts whose book `payment` needs."""
    minted = sponsor_id is None and asset in TOKENS
    issuance = [platform("ISSUANCE", asset)] if minted else []
    sponsor = [] if sponsor_id is None else [user_account(sponsor_id, asset)]
    return [payer(sponsor_id, asset), user_account(player_id, asset), *sponsor, *issuance]


def payment(
    book: Book,
    *,
    player_id: UUID,
    sponsor_id: UUID | None,
    asset: str,
    amount_minor: int,
    reference: str,
) -> Sequence[Step]:
    """The steps of a reward, the payment last. Where the platform pays in its own token and its
    rewards account has too little, what is missing is minted: up to the supply cap."""
    source = payer(sponsor_id, asset)
    steps: list[Step] = []
    missing = amount_minor - available(book, source)
    if sponsor_id is None and asset in TOKENS and missing > 0:
        issuance = platform("ISSUANCE", asset)
        steps.append(_step(issuance, source, missing, "MINT", reference))
    steps.append(_step(source, user_account(player_id, asset), amount_minor, "REWARD", reference))
    return steps


def sponsor_may_pay(book: Book, sponsor_id: UUID, asset: str) -> bool:
    """Whether the sponsor's wallet is open: of who is frozen, the budget is frozen as well."""
    return account_of(book, user_account(sponsor_id, asset)).status == "OPEN"


def _step(
    debit: AccountRef, credit: AccountRef, amount_minor: int, code: Code, reference: str
) -> Transfer:
    return Transfer(
        debit=debit, credit=credit, amount_minor=amount_minor, code=code, reference=reference
    )
