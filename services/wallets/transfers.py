"""What people pay each other: several requests are taken in one transaction, each whole or not at
all, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import MAX_TOPICS, Transaction
from core.errors import DomainError, InvalidInput
from services.idempotency import IdempotentRequest, idempotent_request, keep, recall
from services.wallets.book import Book, enter_all
from services.wallets.ledger import Written, book_for, write_book
from services.wallets.terms import Entry, Transfer, user_account

OPERATION = "transferFunds"
MAX_LEGS = 100
MOST_TOLD = MAX_TOPICS
"""People who are told in the transaction itself: all its topics are theirs."""

Outcome = list[Written] | DomainError
"""What became of a request: its transfers, a leg each, or its refusal."""

_READ = text(
    "SELECT * FROM transfer WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY transaction_id, row_id"
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One payment of several: to whom, how much."""

    to_user_id: UUID
    asset: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """Somebody's wish to pay others, under their idempotency key."""

    steps: tuple[Transfer, ...]
    idempotency: IdempotentRequest

    @property
    def user_ids(self) -> frozenset[UUID]:
        """Whose wallets it would change."""
        return frozenset(ref.holder_id for s in self.steps for ref in (s.debit, s.credit))


def transfer_request(
    *, payer_id: UUID, legs: Sequence[Leg], idempotency_key: str
) -> TransferRequest:
    """A checked request. Raises `InvalidInput` outside 1 to 100 legs and for a bad key."""
    if not 1 <= len(legs) <= MAX_LEGS:
        raise InvalidInput("legs", f"1 to {MAX_LEGS}")
    request = idempotent_request(
        payer_id,
        idempotency_key,
        {"legs": [[leg.to_user_id, leg.asset, leg.amount_minor] for leg in legs]},
    )
    steps = (
        Transfer(
            debit=user_account(payer_id, leg.asset),
            credit=user_account(leg.to_user_id, leg.asset),
            amount_minor=leg.amount_minor,
            code="TRANSFER",
            actor_id=payer_id,
        )
        for leg in legs
    )
    return TransferRequest(tuple(steps), request)


async def take_transfers(tx: Transaction, requests: Sequence[TransferRequest]) -> list[Outcome]:
    """Take the requests in their order; each gets its transfers or its refusal.

    Refusals: `InsufficientFunds`, `AccountFrozen`, `AccountClosed`, `NotFound("user")`,
    `InvalidInput`, `IdempotencyConflict`. A request whose key was answered before gets that answer
    again. Raises `InvalidInput` past the ledger's 1,000 steps, and `IdempotencyConflict` where two
    requests at once have one key and different arguments: then nothing is taken.
    """
    book = await book_for(tx, [step for request in requests for step in request.steps])
    # After the payers' accounts are locked, so that an earlier try has committed and is seen.
    known = await recall(tx, OPERATION, [request.idempotency for request in requests])
    outcomes = _decided(book, [r for r in requests if r.idempotency not in known])
    written = {each.id: each for each in await write_book(tx, book, most_told=MOST_TOLD)}
    taken = {key: entries for key, entries in outcomes.items() if isinstance(entries, list)}
    answers = {key: {"transfers": [e.id.hex for e in entries]} for key, entries in taken.items()}
    await keep(tx, OPERATION, answers)
    answered: dict[IdempotentRequest, Outcome] = {
        key: [written[entry.id] for entry in found] if isinstance(found, list) else found
        for key, found in outcomes.items()
    }
    for key, kept in known.items():
        answered[key] = kept if isinstance(kept, DomainError) else await _again(tx, kept)
    return [answered[request.idempotency] for request in requests]


def _decided(
    book: Book, requests: Sequence[TransferRequest]
) -> dict[IdempotentRequest, list[Entry] | DomainError]:
    """The entries of each request, or what refuses it; one of each key."""
    found: dict[IdempotentRequest, list[Entry] | DomainError] = {}
    for request in requests:
        if request.idempotency in found:
            continue
        try:
            found[request.idempotency] = enter_all(book, request.steps)
        except DomainError as error:
            found[request.idempotency] = error
    return found


async def _again(tx: Transaction, kept: dict[str, Any]) -> list[Written]:
    return await read_transfers(tx, [UUID(hex=id) for id in kept["transfers"]])


async def read_transfers(tx: Transaction, ids: Sequence[UUID]) -> list[Written]:
    """Transfers as they were written, in the order of the log."""
    return [_written(row) for row in await tx.execute(_READ, {"ids": list(ids)})]


def _written(row: Any) -> Written:
    entry = Entry(**{name: getattr(row, name) for name in Entry.__slots__})
    return Written(entry, row.row_id, row.created_at)
